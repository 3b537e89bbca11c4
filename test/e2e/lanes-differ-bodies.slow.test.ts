// Bodies, trailers, chunk extensions and pipelines through both lanes, split at every position. Client and replica use
// raw sockets, since a library could repair the bytes. Both lanes must send the same request and the same response.
// FUZZ_RUNS sets the number of generated bodies: npm run fuzz.
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { exchange, readMessage, readMessages, sendApart } from '../kit/raw-exchange.ts';
import { closeReplicas, startRawReplica, type Replica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, type Weir } from '../kit/weir.ts';

const runs = Math.max(100, Math.floor(Number(process.env['FUZZ_RUNS'] ?? 1500) / 10));

/** The ways through weir. In the last one the fast lane passes the connection to the full lane. */
const WAYS = [
  ['the fast lane', 'fast', ''],
  ['the full lane', 'full', ''],
  ['the fast lane and then the full lane', 'fast', 'TE: gzip, trailers\r\n'],
] as const;

let replica: Replica;
const weirs: Record<string, Weir> = {};
/** The complete requests that the replica got. */
let seen: { body: string; trailers: string[] }[] = [];
/** The connection of the latest request. */
let latest: Socket | undefined;
/** The response of the replica, in pieces. */
let response: readonly string[] = [];
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

beforeAll(async () => {
  replica = await startRawReplica((socket: Socket) => {
    let received = '';
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      for (;;) {
        const read = readMessage(received);
        if (read === undefined) return;
        received = received.slice(read.end);
        latest = socket;
        seen.push({ body: read.message.body, trailers: read.message.trailers });
        void sendApart(socket, response);
      }
    });
  });
  const args = ['--replica', replica.url, '--pool-probe-interval=1d', '--proxy-retry-methods='];
  [weirs['fast'], weirs['full']] = await Promise.all([
    startWeir(args),
    startWeir([...args, '--proxy-fast-lane=false']),
  ]);
});
afterAll(async () => {
  await Promise.all(Object.values(weirs).map((weir) => weir.stop('SIGKILL')));
  await closeReplicas();
});
beforeEach(() => {
  seen = [];
  response = [ok];
});

/** All ways to split a text in two. */
const splits = (text: string): [string, string][] =>
  Array.from({ length: text.length }, (_, at) => [text.slice(0, at), text.slice(at)]);

const head = (fields: string): string =>
  `POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n${fields}\r\n`;

/** A trailer line with a lower-case name and without blanks around the value. */
const plain = (line: string): string => {
  const colon = line.indexOf(':');
  return `${line.slice(0, colon).toLowerCase()}: ${line.slice(colon + 1).trim()}`;
};

const statusOf = (received: string): number => Number(received.slice(9, 12));

describe.each(WAYS)('%s', (_, lane, fields) => {
  const ACCEPTED: [string, string, { body: string; trailers: string[] }][] = [
    ['chunks', '5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n', { body: 'hello!', trailers: [] }],
    [
      'sizes with zeros and capitals',
      '000A\r\n0123456789\r\n000\r\n\r\n',
      { body: '0123456789', trailers: [] },
    ],
    ['extensions', '5;a=b;c;d="x;\\"y"\r\nhello\r\n0;last\r\n\r\n', { body: 'hello', trailers: [] }],
    [
      'extensions with blanks',
      '5 ; a = b\t;c ="d e"\r\nhello\r\n0\t;x\r\n\r\n',
      { body: 'hello', trailers: [] },
    ],
    ['a trailer', '5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n', { body: 'hello', trailers: ['x-sum: 42'] }],
    [
      'forbidden trailers among others',
      '5\r\nhello\r\n0\r\nContent-Type: text/plain\r\nX-Sum: 42\r\nHost: evil\r\nAuthorization: x\r\nX-B: 1\r\n\r\n',
      { body: 'hello', trailers: ['x-sum: 42', 'x-b: 1'] },
    ],
    [
      'trailers that look like headers of weir',
      '5\r\nhello\r\n0\r\nX_Forwarded_For: 9.9.9.9\r\nX-Baseten-Request-Id: forged\r\nX-Sum: 42\r\n\r\n',
      { body: 'hello', trailers: ['x-sum: 42'] },
    ],
    [
      'one forbidden trailer',
      '5\r\nhello\r\n0\r\nContent-Type: text/plain\r\n\r\n',
      { body: 'hello', trailers: [] },
    ],
  ];

  it.each(ACCEPTED)('forwards %s, split at any position', async (_name, body, wanted) => {
    for (const [first, second] of splits(body)) {
      seen = [];
      const { received } = await exchange(weirs[lane]!.port, [head(fields) + first, second]);
      expect([first, statusOf(received)]).toEqual([first, 200]);
      const lower = seen.map((one) => ({ ...one, trailers: one.trailers.map(plain) }));
      expect([first, lower]).toEqual([first, [wanted]]);
    }
    // Head and body separately, too.
    const { received } = await exchange(weirs[lane]!.port, [head(fields), body]);
    expect(statusOf(received)).toBe(200);
  });

  it.each([
    ['an extension without a name', '5;\r\nhello\r\n0\r\n\r\n'],
    ['an extension without a value', '5;a=\r\nhello\r\n0\r\n\r\n'],
    ['a quoted value without its end', '5;a="b\r\nhello\r\n0\r\n\r\n'],
    ['an extension that ends with a blank', '5;a=b \r\nhello\r\n0\r\n\r\n'],
    ['bytes after a quoted value', '5;a="b"c\r\nhello\r\n0\r\n\r\n'],
    ['a size with a blank', '5 \r\nhello\r\n0\r\n\r\n'],
    ['a blank before a size', ' 5\r\nhello\r\n0\r\n\r\n'],
    ['a bare LF after a size', '5\nhello\r\n0\r\n\r\n'],
    ['a bare LF in an extension', '5;a\n\r\nhello\r\n0\r\n\r\n'],
    ['a bare CR in an extension', '5;a\rb\r\nhello\r\n0\r\n\r\n'],
    ['a chunk longer than its size', '4\r\nhello\r\n0\r\n\r\n'],
    ['a size with the prefix 0x', '0x5\r\nhello\r\n0\r\n\r\n'],
    ['a size of 16 digits', '0000000000000005\r\nhello\r\n0\r\n\r\n'],
    ['an extension of 20 KB', `5;${'a'.repeat(20_000)}\r\nhello\r\n0\r\n\r\n`],
    ['a Content-Length as trailer', '5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n'],
    ['a Transfer-Encoding as trailer', '5\r\nhello\r\n0\r\ntransfer-encoding: chunked\r\n\r\n'],
    ['a trailer without a colon', '5\r\nhello\r\n0\r\nX-Sum\r\n\r\n'],
    ['a trailer with a blank before its colon', '5\r\nhello\r\n0\r\nX-Sum : 1\r\n\r\n'],
    ['a bare LF after a trailer', '5\r\nhello\r\n0\r\nX-Sum: 1\n\r\n'],
  ])('rejects %s with 400, split at any position', async (_name, body) => {
    for (const [first, second] of body.length > 1000 ? [[body.slice(0, 9), body.slice(9)]] : splits(body)) {
      const { received } = await exchange(weirs[lane]!.port, [head(fields) + first, second!]);
      expect([first, statusOf(received)]).toEqual([first, 400]);
      expect(readMessages(received).messages).toHaveLength(1);
      expect(received).toMatch(/X-Baseten-Request-Id: [0-9a-f]{37}/);
    }
    // The replica has not got a complete request.
    expect(seen).toEqual([]);
  });

  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

  it.each([
    ['chunks', '5\r\nhello\r\n0\r\n\r\n', []],
    ['padded sizes', '5 \r\nhello\r\n0\t \r\n\r\n', []],
    ['extensions', '5;a=b\r\nhello\r\n0;c\r\n\r\n', []],
    ['extensions with blanks', '5 ; a = "b c"\r\nhello\r\n0\r\n\r\n', []],
    ['an extension without a name', '5;\r\nhello\r\n0\r\n\r\n', []],
    ['a trailer', '5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n', ['x-sum: 42']],
    [
      'forbidden trailers among others',
      '5\r\nhello\r\n0\r\nSet-Cookie: a=b\r\nX-Sum: 42\r\nContent-Type: x\r\n\r\n',
      ['x-sum: 42'],
    ],
  ])('forwards a response with %s, split at any position', async (_name, body, trailers) => {
    for (const [first, second] of splits(body)) {
      response = [chunked + first, second];
      const { received } = await exchange(weirs[lane]!.port, [`${head(fields)}0\r\n\r\n`]);
      const { message } = readMessage(received) ?? {};
      expect([first, message?.body]).toEqual([first, 'hello']);
      expect(message!.trailers.map(plain)).toEqual(trailers);
    }
  });

  it.each([
    ['an invalid chunk size', 'ZZ\r\n'],
    ['a chunk longer than its size', '4\r\nhello\r\n0\r\n\r\n'],
    ['a bare LF', '5\nhello\r\n0\r\n\r\n'],
    ['a Content-Length as trailer', '5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n'],
  ])(
    'responds 502 if a response has %s together with its head, and aborts the response if it comes later',
    async (_name, body) => {
      response = [chunked + body];
      const { received } = await exchange(weirs[lane]!.port, [`${head(fields)}0\r\n\r\n`]);
      expect(received).toMatch(/^HTTP\/1\.1 502 [\s\S]*X-Weir-Cause: bad_response\r\n/);
      const id = /X-Baseten-Request-Id: ([0-9a-f]{37})/.exec(received)?.[1];
      const { body: sent } = readMessage(received)!.message;
      expect(JSON.parse(sent)).toMatchObject({ request_id: id });
      expect(await weirs[lane]!.expectExchange(id)).toMatchObject({
        status: 502,
        cause: 'bad_response',
        response_bytes: sent.length,
      });
      response = [chunked, body];
      const later = await exchange(weirs[lane]!.port, [`${head(fields)}0\r\n\r\n`]);
      // If weir read head and body together, it responds 502 again.
      if (statusOf(later.received) === 200)
        expect([later.isEnded, readMessage(later.received)]).toEqual([true, undefined]);
      else expect(statusOf(later.received)).toBe(502);
    },
  );

  it('serves pipelined requests in order, one at a time', async () => {
    const UPGRADE =
      'GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
    const post = (body: string) =>
      `POST /x HTTP/1.1\r\nHost: h\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
    for (const [last, status] of [
      ['NONSENSE\r\n\r\n', 400],
      ['GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n', 400],
      ['CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', 405],
      [UPGRADE, 200],
      ['GET /deployment/nope/predict HTTP/1.1\r\nHost: h\r\n\r\n', 405],
    ] as const) {
      seen = [];
      const text = post('one') + post('two') + `${head(fields)}5;a=b\r\nthree\r\n0\r\n\r\n${last}`;
      for (const pieces of [[text], [text.slice(0, 30), text.slice(30, 200), text.slice(200)]]) {
        seen = [];
        const { received } = await exchange(weirs[lane]!.port, pieces, 4);
        const statuses = readMessages(received).messages.map(({ start }) => statusOf(start));
        expect(statuses.slice(0, 3), JSON.stringify(last)).toEqual([200, 200, 200]);
        expect(seen.slice(0, 3).map(({ body }) => body)).toEqual(['one', 'two', 'three']);
        // The response to a refused upgrade has no length.
        if (last === UPGRADE) expect(received.match(/HTTP\/1\.1 200 /g)).toHaveLength(4);
        else expect([400, 404, status]).toContain(statuses[3]);
      }
    }
  });

  it('does not start a pipelined request before the response to the previous one', async () => {
    response = [];
    const post = (body: string) =>
      `POST /x HTTP/1.1\r\nHost: h\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
    const pending = exchange(weirs[lane]!.port, [post('one') + post('two')], 2);
    await until('the replica has the first request', () => seen.length === 1);
    // A metrics page has been served since, so a second request would have arrived if it started at once.
    await weirs[lane]!.expectMetric('baseten_concurrent_requests', 1);
    expect(seen.map(({ body }) => body)).toEqual(['one']);
    response = [ok];
    latest!.write(ok);
    const { received } = await pending;
    expect(readMessages(received).messages.map(({ start }) => statusOf(start))).toEqual([200, 200]);
    expect(seen.map(({ body }) => body)).toEqual(['one', 'two']);
  });
});

const token = fc.stringMatching(/^[a-z0-9!#$%&'*+.^_`|~-]{1,5}$/);
const blanks = fc.constantFrom('', '', '', ' ', '\t', ' \t');
const extension = fc
  .tuple(
    blanks,
    blanks,
    token,
    fc.option(fc.tuple(blanks, blanks, fc.oneof(token, fc.constantFrom('"a b"', '"\\""', '"', '""', '')))),
    fc.constantFrom('', '', '', '', ' ', '\u0001', ';'),
  )
  .map(
    ([a, b, name, value, end]) =>
      `${a};${b}${name}${value ? `${value[0]}=${value[1]}${value[2]}` : ''}${end}`,
  );
const chunk = fc
  .tuple(fc.string({ minLength: 1, maxLength: 9 }), fc.array(extension, { maxLength: 2 }))
  .map(([text, extensions]) => {
    const data = Buffer.from(text).toString('latin1');
    return `${data.length.toString(16)}${extensions.join('')}\r\n${data}\r\n`;
  });
const trailer = fc.constantFrom(
  'X-A: 1\r\n',
  'X-B:\r\n',
  'X-C: caf\u00e9\r\n',
  'Content-Type: a\r\n',
  'Set-Cookie: a\r\n',
  'Trailer: a\r\n',
  'Content-Length: 1\r\n',
  'Host: a\r\n',
  'bad\r\n',
  'X-A: 1\n',
);
const body = fc
  .tuple(
    fc.array(chunk, { maxLength: 3 }),
    fc.array(trailer, { maxLength: 2 }),
    fc.constantFrom('0\r\n', '0\r\n', '00\r\n', '0 \r\n', '0;a\r\n', '\r\n'),
  )
  .map(([chunks, trailers, last]) => `${chunks.join('')}${last}${trailers.join('')}\r\n`);
const cuts = fc.array(fc.nat(), { maxLength: 3 });

/** Splits a text at the given positions. */
const splitAt = (text: string, at: readonly number[]): string[] => {
  const positions = [0, ...at.map((one) => one % (text.length + 1)).sort((a, b) => a - b), text.length];
  return positions.slice(1).map((position, i) => text.slice(positions[i], position));
};

describe('generated bodies', () => {
  it(`of ${runs} requests are the same in both lanes`, async () => {
    await fc.assert(
      fc.asyncProperty(body, cuts, cuts, async (text, first, second) => {
        const outcomes = [];
        for (const [[, lane, fields], at] of [
          [WAYS[0], first],
          [WAYS[1], second],
          [WAYS[2], first],
        ] as const) {
          seen = [];
          const { received } = await exchange(weirs[lane]!.port, splitAt(head(fields) + text, at));
          const lower = seen.map((one) => [one.body, one.trailers.map(plain)]);
          outcomes.push([statusOf(received), lower]);
        }
        expect(outcomes[1]).toEqual(outcomes[0]);
        expect(outcomes[2]).toEqual(outcomes[0]);
      }),
      { numRuns: runs },
    );
  }, 600_000);

  it(`of ${runs} responses are the same in both lanes`, async () => {
    await fc.assert(
      fc.asyncProperty(body, cuts, async (text, at) => {
        const outcomes = [];
        for (const [, lane, fields] of WAYS) {
          // The head and the body are cut at random, and weir can respond 502 only before it has sent a head.
          response = splitAt(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${text}`, at);
          const { received } = await exchange(weirs[lane]!.port, [`${head(fields)}0\r\n\r\n`]);
          const read = statusOf(received) === 502 ? undefined : readMessage(received);
          outcomes.push(
            read === undefined ? 'broken' : [read.message.body, read.message.trailers.map(plain)],
          );
        }
        expect(outcomes[1]).toEqual(outcomes[0]);
        expect(outcomes[2]).toEqual(outcomes[0]);
      }),
      { numRuns: runs },
    );
  }, 600_000);
});
