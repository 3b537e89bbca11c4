// Time to first byte: the time of the first body byte, or of the head of a response without a body. Compared in the
// metric, the log store and queries, for each way in which servers send their heads.
import { createHash } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RawClient } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { closeH2, startH2Replica } from '../kit/h2.ts';
import { search } from '../kit/log-api.ts';
import { closeReplicas, startRawReplica, startReplica, type Replica } from '../kit/replica.ts';
import { closeGrpc, TestClient } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Line, type Weir } from '../kit/weir.ts';

/** Milliseconds between the head and the rest of a response. */
const GAP = 120;

/** How a server sends a response: the pieces before the gap, and those after it. */
interface Kind {
  readonly name: string;
  readonly method?: string;
  readonly first: readonly string[];
  readonly rest: readonly string[];
  /** The first byte of the body comes after the gap. */
  readonly isLate: boolean;
}

const head = (...lines: string[]) => `HTTP/1.1 ${['200 OK', ...lines].join('\r\n')}\r\n\r\n`;
const CHUNKED = 'Transfer-Encoding: chunked';

const KINDS: readonly Kind[] = [
  {
    name: 'uvicorn, chunked: the head first',
    first: [head('content-type: application/json', CHUNKED)],
    rest: ['5\r\nhello\r\n', '0\r\n\r\n'],
    isLate: true,
  },
  { name: 'uvicorn, by length', first: [head('content-length: 5')], rest: ['he', 'llo'], isLate: true },
  {
    name: 'events: the head first, then the first event',
    first: [head('Content-Type: text/event-stream', CHUNKED)],
    rest: ['c\r\ndata: {}\r\n\r\n', '\r\n0\r\n\r\n'],
    isLate: true,
  },
  {
    name: 'a chunk’s size with the head, its bytes later',
    first: [`${head(CHUNKED)}5\r\n`],
    rest: ['hello\r\n0\r\n\r\n'],
    isLate: true,
  },
  {
    name: 'a chunk’s size in pieces',
    first: [head(CHUNKED), '0', '5', '\r'],
    rest: ['\nhello\r\n0\r\n\r\n'],
    isLate: true,
  },
  { name: 'by close', first: [head('Connection: close')], rest: ['hello', 'END'], isLate: true },
  {
    name: 'Go: the head with the first write',
    first: [`${head(CHUNKED)}5\r\nhello\r\n`],
    rest: ['0\r\n\r\n'],
    isLate: false,
  },
  {
    name: 'by length, in one piece',
    first: [`${head('Content-Length: 5')}h`],
    rest: ['ello'],
    isLate: false,
  },
  { name: 'an empty chunked body', first: [head(CHUNKED)], rest: ['0\r\n\r\n'], isLate: true },
  { name: 'an empty body by close', first: [head('Connection: close')], rest: ['END'], isLate: true },
  { name: 'Content-Length: 0', first: [head('Content-Length: 0')], rest: [], isLate: false },
  { name: '204', first: ['HTTP/1.1 204 No Content\r\n\r\n'], rest: [], isLate: false },
  { name: '304', first: ['HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n'], rest: [], isLate: false },
  { name: 'HEAD', method: 'HEAD', first: [head('Content-Length: 5')], rest: [], isLate: false },
];

let replica: Replica;
/** The connection of the current request while the rest of its response is not sent. */
let paused: { socket: Socket; rest: readonly string[] } | undefined;

/** Sends the response of KINDS with the index in the request's path. */
function play(socket: Socket): void {
  let request = '';
  socket.on('data', (chunk: Buffer) => {
    request += chunk.toString('latin1');
    if (!request.endsWith('\r\n\r\n')) return;
    const { first, rest } = KINDS[Number(/ \/(\d+) /.exec(request)?.[1])]!;
    request = '';
    void send(socket, first).then(() => {
      if (rest.length > 0) paused = { socket, rest };
    });
  });
}

/** Writes each piece in a packet of its own; END ends the connection. */
async function send(socket: Socket, pieces: readonly string[]): Promise<void> {
  socket.setNoDelay(true);
  for (const piece of pieces)
    if (piece === 'END') socket.end();
    else await new Promise((resolve) => socket.write(piece, resolve));
}

/** Waits for `ms` milliseconds. */
async function gap(ms: number): Promise<void> {
  const startMs = performance.now();
  await until(`${ms} ms have passed`, () => performance.now() - startMs > ms);
}

const idIn = (text: string) => /x-baseten-request-id: ([0-9a-f]+)/i.exec(text)?.[1];

/** Requests a response of a kind and continues it after the gap. Resolves to its access-log line. */
async function ask(weir: Weir, at: number): Promise<Line> {
  const { method = 'GET', rest } = KINDS[at]!;
  paused = undefined;
  const client = new RawClient(weir.port);
  client.send(`${method} /${at} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  const text = await client.expectReceived('\r\n\r\n');
  if (rest.length > 0) {
    const { socket } = await until('the replica has sent the head', () => paused);
    await gap(GAP);
    await send(socket, rest);
  }
  await client.expectClosed();
  client.socket.destroy();
  return weir.expectExchange(idIn(text));
}

beforeAll(async () => {
  replica = await startRawReplica(play);
});
afterAll(async () => {
  await stopAll();
  await closeReplicas();
  await closeGrpc();
  closeH2();
  removeFolders();
});

const FAMILY = 'baseten_time_to_first_byte_seconds';

describe.each([
  ['the fast lane', []],
  ['the full lane', ['--proxy-fast-lane=false']],
])('time to first byte in %s', (_, lane) => {
  let weir: Weir;
  const lines: Line[] = [];

  beforeAll(async () => {
    weir = await startWeir([`--replica=${replica.url}`, `--data-dir=${folder()}`, ...lane]);
  });

  it.each(KINDS.map(({ name }, at) => [name, at] as const))(
    'is the time of the first body byte, or of a head without a body: %s',
    async (_name, at) => {
      const line = await ask(weir, at);
      lines.push(line);
      expect(line).toMatchObject({ cause: 'ok' });
      const [headMs, firstByteMs] = [Number(line['head_ms']), Number(line['first_byte_ms'])];
      expect(headMs).toBeGreaterThan(0);
      if (KINDS[at]!.isLate) expect(firstByteMs - headMs).toBeGreaterThan(GAP - 20);
      else expect(firstByteMs - headMs).toBeLessThan(GAP / 2);
      expect(firstByteMs).toBeGreaterThanOrEqual(headMs);
    },
  );

  it('is the same in the metric, the log store and queries', async () => {
    const page = await weir.page();
    const all = (suffix: string) =>
      ['200', '204', '304']
        .map((code) => page.value(`${FAMILY}_${suffix}{status_code="${code}",is_async="false"}`) ?? 0)
        .reduce((sum, value) => sum + value);
    const first = lines.map((line) => Number(line['first_byte_ms']));
    expect(all('count')).toBe(KINDS.length);
    expect(all('sum')).toBeCloseTo(first.reduce((sum, ms) => sum + ms) / 1000, 3);
    const found = async (q: string) => {
      const { logs } = await search({ url: weir.admin }, { q, limit: '100' });
      return new Set(logs.map((log) => log['request_id']));
    };
    const slow = (field: string) =>
      new Set(lines.filter((line) => Number(line[field]) >= GAP - 20).map((line) => line['request_id']));
    await until('all requests are stored', async () => (await found('kind:request')).size === KINDS.length);
    expect(slow('first_byte_ms').size).toBeGreaterThanOrEqual(KINDS.filter(({ isLate }) => isLate).length);
    expect(await found(`ttft>=${GAP - 20}ms`)).toEqual(slow('first_byte_ms'));
    expect(await found(`head_ms>=${GAP - 20}`)).toEqual(slow('head_ms'));
  });

  it('appears in Server-Timing as the time of the head, which does not wait for the body', async () => {
    const client = new RawClient(weir.port);
    paused = undefined;
    client.send('GET /0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const text = await client.expectReceived('\r\n\r\n');
    const replicaMs = Number(/replica;dur=([\d.]+)/.exec(text)![1]);
    const { socket, rest } = await until('the replica has sent the head', () => paused);
    await send(socket, rest);
    await client.expectClosed();
    const line = await weir.expectExchange(idIn(text));
    expect(replicaMs).toBeLessThanOrEqual(Number(line['head_ms']) + 0.1);
    client.socket.destroy();
  });

  it('is not the time of a head that Node sends early', async () => {
    let go: () => void = () => undefined;
    const node = await startReplica((_req, res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      res.flushHeaders();
      go = () => res.end('{}');
    });
    const other = await startWeir([`--replica=${node.url}`, ...lane]);
    const client = new RawClient(other.port);
    client.send('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const text = await client.expectReceived('\r\n\r\n');
    await gap(GAP);
    go();
    await client.expectClosed();
    const line = await other.expectExchange(idIn(text));
    expect(Number(line['first_byte_ms']) - Number(line['head_ms'])).toBeGreaterThan(GAP - 20);
    client.socket.destroy();
    await other.stop();
  });

  it('is absent for a response that breaks off after its head', async () => {
    const broken = await startRawReplica((socket) =>
      socket.once('data', () => socket.write(head(CHUNKED), () => (paused = { socket, rest: [] }))),
    );
    paused = undefined;
    const other = await startWeir([`--replica=${broken.url}`, ...lane]);
    const client = new RawClient(other.port);
    client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const text = await client.expectReceived('\r\n\r\n');
    (await until('the replica has sent the head', () => paused)).socket.destroy();
    await client.expectClosed();
    const line = await other.expectExchange(idIn(text));
    expect(line).toMatchObject({ cause: 'reset_midway', first_byte_ms: null });
    expect(line['head_ms']).toBeGreaterThan(0);
    const page = await other.page();
    expect(page.value(`${FAMILY}_count{status_code="502",is_async="false"}`) ?? 0).toBe(0);
    client.socket.destroy();
    await other.stop();
  });

  it('may exceed first_byte_timeout, which limits the time to the head', async () => {
    const other = await startWeir([`--replica=${replica.url}`, '--proxy-first-byte-timeout=300ms', ...lane]);
    paused = undefined;
    const client = new RawClient(other.port);
    client.send('GET /0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const text = await client.expectReceived('\r\n\r\n');
    const { socket, rest } = await until('the replica has sent the head', () => paused);
    await gap(900);
    await send(socket, rest);
    await client.expectClosed();
    expect(await other.expectExchange(idIn(text))).toMatchObject({ cause: 'ok', status: 200 });
    client.socket.destroy();
    await other.stop();
  });

  it('is the time of the 101 for a WebSocket', async () => {
    const accept = (key: string) =>
      createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    const sockets = await startRawReplica((socket) =>
      socket.once('data', (chunk: Buffer) => {
        const key = /sec-websocket-key: (\S+)/i.exec(chunk.toString())![1]!;
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept(key)}\r\n\r\n`,
        );
      }),
    );
    const other = await startWeir([`--replica=${sockets.url}`, ...lane]);
    const client = new RawClient(other.port);
    client.send(
      'GET /websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    const text = await client.expectReceived('\r\n\r\n');
    expect(text).toContain(' 101 ');
    client.socket.destroy();
    const line = await other.expectExchange(idIn(text));
    expect(line['head_ms']).toBeGreaterThan(0);
    expect(line['first_byte_ms']).toBe(line['head_ms']);
    await other.stop();
  });
});

it('measures time to first byte of an asynchronous run at the first byte of the model’s response', async () => {
  let go: () => void = () => undefined;
  const node = await startReplica((_req, res) => {
    res.writeHead(200, { 'content-type': 'application/json' });
    res.flushHeaders();
    const startMs = performance.now();
    go = () => {
      // Long enough for a busy machine, on which weir reads the head late.
      if (performance.now() - startMs > 10 * GAP) res.end('{}');
    };
  });
  const weir = await startWeir([`--replica=${node.url}`, `--data-dir=${folder()}`]);
  const response = await fetch(`${weir.url}/async_predict`, {
    method: 'POST',
    body: JSON.stringify({ model_input: {} }),
  });
  expect(response.status).toBe(201);
  const line = await until('the run has ended', () => {
    go();
    return weir.lines.find(({ event, async }) => event === 'exchange' && async === true);
  });
  expect(line).toMatchObject({ status: 200, cause: 'ok' });
  expect(Number(line['first_byte_ms']) - Number(line['head_ms'])).toBeGreaterThan(GAP - 20);
});

it('measures time to first byte of a gRPC call at its first message, or at the trailers if there is none', async () => {
  const HEADERS = { ':status': 200, 'content-type': 'application/grpc' };
  let go: () => void = () => undefined;
  let isEmpty = false;
  const calls = await startH2Replica((stream) => {
    stream.respond(HEADERS, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    go = () => stream.end(isEmpty ? undefined : Buffer.alloc(5));
  });
  const weir = await startWeir([`--replica=${calls.url}`]);
  const client = new TestClient(weir.port);
  for (const empty of [false, true]) {
    isEmpty = empty;
    const { call, outcome } = client.output({ responseParameters: [] });
    await new Promise((resolve) => call.once('metadata', resolve));
    await gap(GAP);
    go();
    const line = await weir.expectExchange((await outcome).id);
    expect(line['head_ms']).toBeGreaterThan(0);
    expect(Number(line['first_byte_ms']) - Number(line['head_ms'])).toBeGreaterThan(GAP - 20);
  }
});

describe('a response made by weir', () => {
  /** A port on which no server listens. */
  const closedPort = async (): Promise<number> => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    return port;
  };

  it.each([
    ['the fast lane', []],
    ['the full lane', ['--proxy-fast-lane=false']],
  ])('has its size and a time to first byte in the access log: %s', async (_, lane) => {
    const weir = await startWeir([
      `--replica=http://127.0.0.1:${await closedPort()}`,
      '--deployment-queue-timeout=200ms',
      '--proxy-max-body=1KiB',
      ...lane,
    ]);
    const requests: [name: string, request: string][] = [
      ['no replica', 'GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
      ['to a HEAD', 'HEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
      ['an unknown target', 'POST /deployment/nope/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'],
      ['another method', 'GET /async_predict HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['malformed', 'GET /x HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n'],
      ['a request that is not HTTP', 'GET /x HTTQ/1.1\r\n\r\n'],
      ['too large', 'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n'],
      ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'],
      ['wake', 'POST /wake HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'],
      ['a task', 'POST /async_predict HTTP/1.1\r\nHost: x\r\nContent-Length: 18\r\n\r\n{"model_input":{}}'],
      ['a malformed task', 'POST /async_predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n['],
      ['an unknown task', 'GET /async_request/none HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['the depth of the queue', 'GET /async_queue_status HTTP/1.1\r\nHost: x\r\n\r\n'],
      [
        'an upgrade to an unknown deployment',
        'GET /deployment/nope/websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      ],
      [
        'an upgrade without a replica',
        'GET /websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      ],
    ];
    for (const [name, request] of requests) {
      const client = new RawClient(weir.port);
      const text = await client.send(request).expectReceived('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(text)![1]);
      const sent = request.startsWith('HEAD') ? 0 : length;
      await until(
        `the body of "${name}" has arrived`,
        () => client.received.split('\r\n\r\n')[1]!.length === sent,
      );
      const line = await weir.expectExchange(idIn(text));
      expect({ name, bytes: line['response_bytes'] }).toEqual({ name, bytes: sent });
      expect(line['first_byte_ms'], name).toBeGreaterThan(0);
      expect(line['head_ms'], name).toBe(line['first_byte_ms']);
      client.socket.destroy();
    }
  });

  it('is counted with its body size in the metric', async () => {
    const weir = await startWeir([
      `--replica=http://127.0.0.1:${await closedPort()}`,
      '--deployment-queue-timeout=200ms',
    ]);
    const body = await (await fetch(`${weir.url}/x`)).text();
    const series = (family: string) => `${family}{status_code="500",is_async="false"}`;
    await weir.expectMetric(series('baseten_response_size_bytes_sum'), body.length);
    expect((await weir.page()).value(series(`${FAMILY}_count`))).toBe(1);
  });

  it('has a time to first byte for a gRPC call without a replica, though no body', async () => {
    const weir = await startWeir([
      `--replica=grpc://127.0.0.1:${await closedPort()}`,
      '--deployment-queue-timeout=200ms',
    ]);
    const { id } = await new TestClient(weir.port).unary('emptyCall').outcome;
    const line = await weir.expectExchange(id);
    expect(line).toMatchObject({ cause: 'queue_timeout', response_bytes: 0 });
    expect(line['first_byte_ms']).toBeGreaterThan(0);
  });
});
