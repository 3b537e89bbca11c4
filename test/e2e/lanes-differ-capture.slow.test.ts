// Captured bodies of both lanes: the same for any request and response, in any pieces. Client and replica use raw
// sockets.
// FUZZ_RUNS sets the number of generated exchanges: npm run fuzz.
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { folder, removeFolders, write } from '../kit/folder.ts';
import { exchange, readMessage, sendApart } from '../kit/raw-exchange.ts';
import { closeReplicas, startRawReplica, type Replica } from '../kit/replica.ts';
import { recordsIn, type StoredRecord } from '../kit/stored-records.ts';
import { until } from '../kit/until.ts';
import { startWeir, type Weir } from '../kit/weir.ts';

// The store is read up to 10,000 records.
const runs = Math.min(400, Math.max(10, Math.floor(Number(process.env['FUZZ_RUNS'] ?? 1500) / 100)));
/** Exchanges whose records are read together. */
const BATCH = 20;

/** Bytes of a captured body, and of an event stream, at most. Bodies are longer and shorter. */
const MAX_BODY = 1024;

interface Lane {
  readonly weir: Weir;
  readonly data: string;
}

let replica: Replica;
let fast: Lane;
let full: Lane;
/** The response of the replica, in pieces; it ends the connection afterwards if `isLast`. */
let script: { readonly pieces: readonly string[]; readonly isLast: boolean };

const startLane = async (...args: string[]): Promise<Lane> => {
  const [data, config] = [folder(), folder()];
  const logs = { capture: 'full', max_body: MAX_BODY, redact: false };
  write(config, { 'weir.yaml': JSON.stringify({ logs }) });
  const common = ['--replica', replica.url, '--pool-probe-interval=1d', '--proxy-retry-methods='];
  const weir = await startWeir([...common, '--data-dir', data, '--config', `${config}/weir.yaml`, ...args]);
  return { weir, data };
};

beforeAll(async () => {
  replica = await startRawReplica((socket: Socket) => {
    let received = '';
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      const read = readMessage(received);
      if (read === undefined) return;
      received = received.slice(read.end);
      const { pieces, isLast } = script;
      void sendApart(socket, pieces).then(() => isLast && socket.end());
    });
  });
  [fast, full] = await Promise.all([startLane(), startLane('--proxy-fast-lane=false')]);
});
afterAll(async () => {
  await Promise.all([fast, full].map(({ weir }) => weir.stop('SIGKILL')));
  await closeReplicas();
  removeFolders();
});

const content = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.constantFrom('{"model":"m","messages":[]}', 'data: {"a":1}\n\ndata: [DONE]\n\n', 'é\u0000ÿ'),
  fc.nat({ max: 3 * MAX_BODY }).map((size) => 'x'.repeat(size)),
  fc
    .constantFrom(MAX_BODY - 1, MAX_BODY, MAX_BODY + 1, 20 * MAX_BODY, 100_000)
    .map((size) => 'y'.repeat(size)),
);
const latin1 = content.map((text) => Buffer.from(text).toString('latin1'));
const fields = fc
  .array(
    fc.constantFrom(
      'Content-Type: text/plain',
      'content-type:application/json',
      'CONTENT-TYPE: \ttext/event-stream; charset=utf-8 ',
      'Content-Type: application/octet-stream',
      'Content-Encoding: identity',
      'content-encoding: gzip',
      'Content-Encoding:',
      'Content_Type: text/html',
      'X-Content-Type: image/png',
    ),
    { maxLength: 3 },
  )
  .map((lines) => lines.map((line) => `${line}\r\n`).join(''));
const debug = fc.oneof(
  { weight: 5, arbitrary: fc.constant('') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'x-portkey-debug: false\r\n',
      'X-PORTKEY-DEBUG:False\r\n',
      'x-portkey-debug: true\r\nX-Portkey-Debug: false\r\n',
      'x-portkey-debug: false\r\nX-Portkey-Debug: true\r\n',
      'x-portkey-debug: true\r\n',
      'x-portkey-debugs: false\r\n',
    ),
  },
);

type Framing = 'none' | 'length' | 'chunked' | 'close';

/** The lines that frame a body, and its bytes as they are sent. */
function framed(body: string, framing: Framing, cuts: readonly number[]): { lines: string; sent: string } {
  if (framing === 'none') return { lines: '', sent: '' };
  if (framing === 'close') return { lines: '', sent: body };
  if (framing === 'length') return { lines: `Content-Length: ${body.length}\r\n`, sent: body };
  const chunks = splitAt(body, cuts).filter((piece) => piece !== '');
  const text = chunks.map(
    (piece, i) => `${piece.length.toString(16)}${i === 1 ? ';a=b' : ''}\r\n${piece}\r\n`,
  );
  const trailers = cuts.length > 2 ? 'X-Sum: 1\r\n' : '';
  return { lines: 'Transfer-Encoding: chunked\r\n', sent: `${text.join('')}0\r\n${trailers}\r\n` };
}

/** Splits a text at the given positions. */
function splitAt(text: string, at: readonly number[]): string[] {
  const positions = [0, ...at.map((one) => one % (text.length + 1)).sort((a, b) => a - b), text.length];
  return positions.slice(1).map((position, i) => text.slice(positions[i], position));
}

const cuts = fc.array(fc.nat(), { maxLength: 4 });
const message = (framings: Framing[]) =>
  fc
    .record({ body: latin1, framing: fc.constantFrom(...framings), fields, chunks: cuts, at: cuts })
    .map(({ chunks, ...rest }) => ({ ...rest, ...framed(rest.body, rest.framing, chunks) }));
const anExchange = fc.record({
  method: fc.constantFrom('POST', 'POST', 'POST', 'PUT', 'HEAD', 'DELETE'),
  request: message(['none', 'length', 'length', 'chunked']),
  debug,
  status: fc.constantFrom(200, 200, 200, 200, 204, 304, 404, 500),
  response: message(['length', 'length', 'chunked', 'close']),
  interim: fc.constantFrom('', '', 'HTTP/1.1 103 Early Hints\r\nContent-Type: a\r\n\r\n'),
});
type AnExchange = typeof anExchange extends fc.Arbitrary<infer T> ? T : never;

/** Sends one request through a lane. Returns its id. */
async function send({ weir }: Lane, one: AnExchange): Promise<string> {
  const { method, request, response, status } = one;
  const hasNoBody = method === 'HEAD' || status === 204 || status === 304;
  const text = `${one.interim}HTTP/1.1 ${status} X\r\n${response.lines}${response.fields}\r\n${hasNoBody ? '' : response.sent}`;
  script = { pieces: splitAt(text, response.at), isLast: response.framing === 'close' };
  const head = `${method} /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n${request.lines}${request.fields}${one.debug}\r\n`;
  // The connection is closed after the response.
  const { received } = await exchange(weir.port, splitAt(head + request.sent, request.at), Infinity);
  const id = /\r\nX-Baseten-Request-Id: ([0-9a-f]{37})\r\n/i.exec(received)?.[1];
  expect(id, JSON.stringify(received.slice(0, 500))).toBeDefined();
  return id!;
}

/** The records of requests, in this order. */
const expectRecords = ({ data }: Lane, ids: readonly string[]): Promise<StoredRecord[]> =>
  until('all records are stored', () => {
    const byId = new Map(recordsIn(data, 'kind:request').map((record) => [record.requestId, record]));
    const records = ids.map((id) => byId.get(id));
    return records.every((record) => record !== undefined) && records;
  });

/** What is stored of the bodies of a request. */
const capturedOf = ({ request, response, fields: all, status }: StoredRecord): object => {
  const { request_body, response_body, has_bodies, is_stream, request_bytes, response_bytes } = all;
  return {
    status, request, response, request_body, response_body, has_bodies, is_stream, request_bytes, response_bytes,
  }; // prettier-ignore
};

it(`are the same in both lanes, in ${runs} times up to ${BATCH} exchanges`, async () => {
  let kept = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(anExchange, { minLength: 1, maxLength: BATCH }), async (batch) => {
      const ids: { fast: string[]; full: string[] } = { fast: [], full: [] };
      for (const one of batch) {
        ids.fast.push(await send(fast, one));
        ids.full.push(await send(full, one));
      }
      const [byFast, byFull] = await Promise.all([
        expectRecords(fast, ids.fast),
        expectRecords(full, ids.full),
      ]);
      expect(byFast.map(capturedOf)).toEqual(byFull.map(capturedOf));
      byFast.forEach((record, i) => {
        const { response, request, debug: isPrivate } = batch[i]!;
        if (/false\r\n/i.test(isPrivate) && !isPrivate.includes('debugs')) {
          expect([record.request, record.response]).toEqual([undefined, undefined]);
          return;
        }
        // A body that is plain text is stored as it is.
        if (record.response !== undefined && isPlain(response)) {
          expect(record.response).toBe(response.body.slice(0, MAX_BODY));
          kept++;
        }
        if (record.request !== undefined && isPlain(request))
          expect(record.request).toBe(request.body.slice(0, MAX_BODY));
      });
    }),
    { numRuns: runs },
  );
  expect(kept).toBeGreaterThan(runs);
}, 600_000);

/** Neither compressed nor a stream of events, which are stored in another form. */
const isPlain = ({ body, fields: lines }: { body: string; fields: string }): boolean =>
  /^[ -~]*$/.test(body) && !/gzip|event-stream/.test(lines);
