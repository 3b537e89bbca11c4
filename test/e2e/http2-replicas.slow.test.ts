// Replicas that serve plain requests over HTTP/2: what differs from HTTP/1.1 for clients and operators.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, type Http2ServerRequest } from 'node:http2';
import { createServer as createTlsServer } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { begin, call, RawClient } from '../kit/client.ts';
import { certificate, localCertificate, type Certificate } from '../kit/certificate.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { closeH2, frame, hpack, startFrameReplica } from '../kit/h2.ts';
import { closeHttp2Replicas, startHttp2Replica } from '../kit/http2-replica.ts';
import { bodyOf, closeReplicas, mirror, onBody, startReplica, type SeenRequest } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  await closeHttp2Replicas();
  await closeReplicas();
  closeH2();
});
afterAll(removeFolders);

const MIB = 1024 ** 2;
const HEADERS = 1;
const RST_STREAM = 3;
const GOAWAY = 7;
const DATA = 0;
const END_HEADERS = 4;
const END_STREAM = 1;

const uint32 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32BE(value, 4 * i));
  return bytes;
};
const http2Of = (grpcUrl: string): string => grpcUrl.replace('grpc:', 'h2c:');
/** The stream of Node's server behind a response. */
const streamOf = (res: ServerResponse) =>
  (res as unknown as { stream: import('node:http2').ServerHttp2Stream }).stream;

/** The only replica in /v1/replicas. */
async function shown(weir: Weir): Promise<{ state: string; problem: string }> {
  const body = (await (await fetch(`${weir.admin}/v1/replicas`)).json()) as {
    deployments: { replicas: { state: string; problem: string }[] }[];
  };
  return body.deployments[0]!.replicas[0]!;
}

const UPGRADE =
  'GET /websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';

const QUICK = ['--pool-probe-interval=50ms', '--pool-probe-retry-interval=50ms'];
/** Probes have connections of their own, which would be counted. */
const RARELY = '--pool-probe-interval=1d';
const requestLine = async (weir: Weir, path: string) =>
  weir.expectLine(path, (line) => line.event === 'exchange' && line['path'] === path);

describe.each([
  ['the fast lane', [] as string[]],
  ['the full lane', ['--proxy-fast-lane=false']],
])('%s', (_lane, args) => {
  const start = (url: string, ...more: string[]): Promise<Weir> =>
    startWeir(['--replica', url, RARELY, ...args, ...more]);

  it('sends many requests at once over one connection', async () => {
    let running = 0;
    let most = 0;
    const replica = await startHttp2Replica((_, res) => {
      most = Math.max(most, ++running);
      setTimeout(() => {
        running--;
        res.end('done');
      }, 50);
    });
    const weir = await start(replica.url);
    await call(weir.url, '/first');
    const before = replica.connections;
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => call(weir.url, `/${i}`)));
    expect(all.map(({ text }) => text)).toEqual(Array.from({ length: 50 }, () => 'done'));
    expect([replica.connections - before, most > 10]).toEqual([0, true]);
    await weir.expectMetric('weir_replica_connections{state="idle"}', 1);
    await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
  });

  it('opens more connections to a replica that allows one stream on each', async () => {
    const replica = await startHttp2Replica(mirror, { settings: { maxConcurrentStreams: 1 } });
    const weir = await start(replica.url);
    const all = await Promise.all(
      Array.from({ length: 12 }, (_, i) => call(weir.url, `/${i}`, { method: 'POST', body: `body ${i}` })),
    );
    expect(all.map(({ text }) => (JSON.parse(text) as SeenRequest).body)).toEqual(
      Array.from({ length: 12 }, (_, i) => `body ${i}`),
    );
    expect(replica.codes.filter((code) => code !== 0)).toEqual([]);
  });

  it('transfers large bodies both ways at once, each byte for byte, to clients that read slowly', async () => {
    const replica = await startHttp2Replica((req, res) => {
      res.writeHead(200);
      req.pipe(res);
    });
    const weir = await start(replica.url);
    const bodies = Array.from({ length: 8 }, (_, i) => randomBytes(3 * MIB + 10_007 * i));
    const hashes = await Promise.all(
      bodies.map(async (body, i) => {
        const headers =
          i % 2 === 0 ? { 'content-length': String(body.length) } : { 'transfer-encoding': 'chunked' };
        const req = begin(weir.url, '/echo', { method: 'POST', headers });
        const sent = (async () => {
          for (let at = 0; at < body.length; at += 50_001)
            if (!req.write(body.subarray(at, at + 50_001))) await once(req, 'drain');
          req.end();
        })();
        const [res] = (await once(req, 'response')) as [IncomingMessage];
        const hash = createHash('sha256');
        for await (const chunk of res) {
          hash.update(chunk as Buffer);
          if (i % 3 === 0) await new Promise((resolve) => void setTimeout(resolve, 2));
        }
        await sent;
        return hash.digest('hex');
      }),
    );
    expect(hashes).toEqual(bodies.map((body) => createHash('sha256').update(body).digest('hex')));
  });

  it('sends a request again that the replica has refused unread', async () => {
    let requests = 0;
    const replica = await startHttp2Replica((req, res) => {
      if (++requests === 1) return streamOf(res).close(constants.NGHTTP2_REFUSED_STREAM);
      mirror(req, res);
    });
    const weir = await start(replica.url);
    const response = await call(weir.url, '/again', { method: 'POST', body: 'kept' });
    expect([response.status, (JSON.parse(response.text) as SeenRequest).body, requests]).toEqual([
      200,
      'kept',
      2,
    ]);
    expect(response.headers['x-baseten-model-prediction-attempts']).toBe('2');
  });

  it('sends a request again that is above the last stream of a GOAWAY, and lets those below it end', async () => {
    const open: number[] = [];
    let connections = 0;
    const replica = await startFrameReplica(
      (stream, socket) => {
        const head = frame(HEADERS, END_HEADERS | END_STREAM, stream, hpack([':status', '200']));
        if (connections > 1) return head;
        open.push(stream);
        if (open.length < 2) return Buffer.alloc(0);
        // The first stream is processed, the second one is not.
        setTimeout(
          () => socket.end(frame(HEADERS, END_HEADERS | END_STREAM, 1, hpack([':status', '204']))),
          100,
        );
        return frame(GOAWAY, 0, 0, uint32(1, 0));
      },
      () => {
        connections++;
        return Buffer.alloc(0);
      },
    );
    const weir = await start(http2Of(replica.url));
    // The probe had a connection of its own.
    connections = 0;
    const first = call(weir.url, '/first', { method: 'POST', body: '1' });
    await until('the replica has the first', () => open.length === 1);
    const second = await call(weir.url, '/second', { method: 'POST', body: '2' });
    expect([(await first).status, second.status, connections]).toEqual([204, 200, 2]);
    expect(second.headers['x-baseten-model-prediction-attempts']).toBe('2');
  });

  it('does not send a request again that the replica has reset', async () => {
    let requests = 0;
    const replica = await startHttp2Replica((_, res) => {
      requests++;
      streamOf(res).close(constants.NGHTTP2_INTERNAL_ERROR);
    });
    const weir = await start(replica.url);
    for (const path of ['/1', '/2']) {
      const response = await call(weir.url, path, { method: 'POST', body: 'x' });
      expect([response.status, response.headers['x-weir-cause']]).toEqual([502, 'reset_midway']);
      const { detail } = await requestLine(weir, path);
      expect(detail).toBe('the replica reset the stream (INTERNAL_ERROR)');
    }
    expect(requests).toBe(2);
  });

  it('does not send a request again that is lost with others on its connection', async () => {
    const seen: string[] = [];
    const replica = await startHttp2Replica((req, res) => {
      seen.push(req.url!);
      if (req.url === '/before') res.end();
      // The replica is at work on both when it ends.
      if (seen.includes('/first') && seen.includes('/second')) replica.drop();
    });
    const weir = await start(replica.url);
    await call(weir.url, '/before');
    const first = call(weir.url, '/first', { method: 'POST', body: 'x' });
    await until('the replica has the first', () => seen.includes('/first'));
    const second = await call(weir.url, '/second', { method: 'POST', body: 'x' });
    expect([second.status, second.headers['x-weir-cause']]).toEqual([502, 'reset_midway']);
    expect(seen.filter((path) => path === '/second')).toEqual(['/second']);
    await first;
  });

  it('sends a request again when a kept connection turns out to be closed', async () => {
    let requests = 0;
    const replica = await startHttp2Replica((req, res) => {
      if (++requests === 2) replica.drop();
      else mirror(req, res);
    });
    const weir = await start(replica.url);
    for (const body of ['first', 'second']) {
      const response = await call(weir.url, '/x', { method: 'POST', body });
      expect((JSON.parse(response.text) as SeenRequest).body).toBe(body);
    }
    expect(requests).toBe(3);
  });

  it('does not send a request again that broke a new connection', async () => {
    const replica = await startHttp2Replica(() => replica.drop());
    const weir = await start(replica.url);
    const response = await call(weir.url, '/x', { method: 'POST', body: 'poison' });
    expect([response.status, response.headers['x-weir-cause']]).toEqual([502, 'reset_midway']);
  });

  it('breaks the connection to the client when the replica resets a response that has begun', async () => {
    const replica = await startHttp2Replica((_, res) => {
      res.writeHead(200, { 'content-type': 'text/plain' });
      res.write('half');
      setTimeout(() => streamOf(res).close(constants.NGHTTP2_INTERNAL_ERROR), 50);
    });
    const weir = await start(replica.url);
    const req = begin(weir.url, '/half');
    req.end();
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    await expect(bodyOf(res)).rejects.toThrow('aborted');
    expect(await requestLine(weir, '/half')).toMatchObject({
      status: 502,
      cause: 'reset_midway',
      response_bytes: 4,
    });
  });

  it('passes on a response that comes before the upload has ended, and ends the upload', async () => {
    const replica = await startHttp2Replica((_, res) => {
      res.writeHead(413, { 'content-type': 'text/plain' });
      res.end('too much');
      // RFC 9113 8.1: the rest of the request is not needed. Node would drop the end of the response if it were at once.
      setTimeout(() => streamOf(res).close(constants.NGHTTP2_NO_ERROR), 20);
    });
    const weir = await start(replica.url);
    for (let i = 0; i < 3; i++) {
      const response = await call(weir.url, '/large', { method: 'POST', body: Buffer.alloc(5 * MIB) });
      expect([response.status, response.text]).toEqual([413, 'too much']);
    }
    await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
  });

  it('cancels the stream of a client that leaves, and keeps the connection', async () => {
    const replica = await startHttp2Replica((req, res) => {
      res.writeHead(200);
      if (req.url === '/ok') res.end('ok');
      else res.write('begun');
    });
    const weir = await start(replica.url);
    expect((await call(weir.url, '/ok')).text).toBe('ok');
    const before = replica.connections;
    for (let i = 0; i < 20; i++) {
      const client = new RawClient(weir.port).send('GET /stay HTTP/1.1\r\nHost: x\r\n\r\n');
      await client.expectReceived('begun');
      client.socket.destroy();
    }
    await until('all streams are cancelled', () => replica.open === 0);
    expect(replica.codes.filter((code) => code === constants.NGHTTP2_CANCEL)).toHaveLength(20);
    expect((await call(weir.url, '/ok')).text).toBe('ok');
    expect(replica.connections).toBe(before);
  });

  it('lets running requests end when it drains', async () => {
    const replica = await startHttp2Replica((_, res) => void setTimeout(() => res.end('late'), 500));
    const weir = await start(replica.url);
    const running = call(weir.url, '/slow');
    await until('the replica has it', () => replica.open === 1);
    const stopped = weir.stop('SIGTERM');
    expect((await running).text).toBe('late');
    expect(await stopped).toBe(0);
  });

  it.each([
    ['a header in upper case', hpack([':status', '200'], ['X-Upper', '1'])],
    ['a line end in a value', hpack([':status', '200'], ['x-a', '1\r\nset-cookie: evil=1'])],
    ['a line end in a name', hpack([':status', '200'], ['x-a: 1\r\nevil', '1'])],
    ['Transfer-Encoding', hpack([':status', '200'], ['transfer-encoding', 'chunked'])],
    ['status 101', hpack([':status', '101'])],
    ['no status', hpack(['x-a', '1'])],
    ['two lengths', hpack([':status', '200'], ['content-length', '1'], ['content-length', '2'])],
  ])('responds 502 to a response with %s, and serves others', async (_what, head) => {
    let next = head;
    const replica = await startFrameReplica((stream) =>
      frame(HEADERS, END_HEADERS | END_STREAM, stream, next),
    );
    const weir = await start(http2Of(replica.url));
    const response = await call(weir.url, '/bad');
    expect([response.status, response.headers['x-weir-cause']]).toEqual([502, 'bad_response']);
    expect(response.headers['set-cookie']).toBeUndefined();
    next = hpack([':status', '200']);
    expect((await call(weir.url, '/good')).status).toBe(200);
  });

  it('responds 502 or breaks off if a body is not as long as its length says', async () => {
    let data: Buffer;
    const replica = await startFrameReplica((stream) =>
      Buffer.concat([
        frame(HEADERS, END_HEADERS, stream, hpack([':status', '200'], ['content-length', '5'])),
        frame(DATA, END_STREAM, stream, data),
      ]),
    );
    const weir = await start(http2Of(replica.url));
    for (const text of ['four', 'sixsix']) {
      data = Buffer.from(text);
      const client = new RawClient(weir.port).send('GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      const received = await client.expectClosed();
      expect(received === '' || /^HTTP\/1\.1 (?:502|200 )/.test(received)).toBe(true);
      expect(received).not.toMatch(/HTTP\/1\.1 200 [^]*\r\n\r\n.{5,}/);
    }
    data = Buffer.from('five!');
    expect((await call(weir.url, '/x')).text).toBe('five!');
  });

  it('answers with weir’s own error when a reset stream came with no response', async () => {
    const replica = await startFrameReplica((stream) =>
      frame(RST_STREAM, 0, stream, uint32(constants.NGHTTP2_CANCEL)),
    );
    const weir = await start(http2Of(replica.url));
    const response = await call(weir.url, '/x');
    expect([response.status, response.headers['x-weir-cause']]).toEqual([502, 'reset_midway']);
  });

  it('connects over a Unix socket', async () => {
    const replica = await startHttp2Replica(mirror, { listen: { path: join(folder(), 'model.sock') } });
    const weir = await start(replica.url, '--deployment-readiness-path=/health');
    expect(await shown(weir)).toMatchObject({ state: 'ready', problem: '' });
    const response = await call(weir.url, '/x', { method: 'POST', body: 'over a socket' });
    expect((JSON.parse(response.text) as SeenRequest).body).toBe('over a socket');
  });

  it('uses a connection no longer than its maximum age', async () => {
    const replica = await startHttp2Replica(mirror);
    const weir = await start(replica.url, '--proxy-replica-connection-age=300ms');
    await call(weir.url, '/1');
    const before = replica.connections;
    await until('a request has a new connection', async () => {
      await call(weir.url, '/2');
      return replica.connections > before;
    });
    await until('the old connection is closed', () => replica.sessions.size <= 2);
  });
});

describe('a replica over HTTP/2 with TLS', () => {
  let at: string;
  let authority: Certificate;
  let server: Certificate;
  beforeAll(() => {
    ({ at, authority, server } = localCertificate());
  });
  const trusted = () => `--deployment-tls-ca=${authority.certFile}`;

  it.each([[[] as string[]], [['--proxy-fast-lane=false']]])('serves requests with %j', async (args) => {
    const replica = await startHttp2Replica(mirror, { certificate: server });
    const weir = await startWeir([
      '--replica',
      replica.url,
      trusted(),
      '--deployment-readiness-path=/h',
      ...args,
    ]);
    expect(await shown(weir)).toMatchObject({ state: 'ready', problem: '' });
    const body = randomBytes(MIB);
    const response = await call(weir.url, '/x', { method: 'POST', body });
    expect((JSON.parse(response.text) as SeenRequest).body).toBe(body.toString('latin1'));
  });

  it('is not ready if its certificate is for another name, or not trusted', async () => {
    const named = certificate(at, 'other', 'DNS:model.internal', authority);
    const replica = await startHttp2Replica(mirror, { certificate: named });
    const weir = await startWeir(['--replica', replica.url, trusted(), ...QUICK]);
    expect((await shown(weir)).problem).toMatch(
      /the server's certificate is for another name; set tls_server_name/,
    );
    const untrusted = await startWeir(['--replica', replica.url, ...QUICK]);
    expect((await shown(untrusted)).problem).toMatch(/the server's certificate is not trusted/);
    const known = await startWeir([
      '--replica',
      replica.url,
      trusted(),
      '--deployment-tls-server-name=model.internal',
      ...QUICK,
    ]);
    expect((await shown(known)).state).toBe('ready');
  });

  it('is not ready if it does not select h2', async () => {
    const plain = createTlsServer({ cert: server.cert, key: server.key, ALPNProtocols: ['http/1.1'] });
    const silent = createTlsServer({ cert: server.cert, key: server.key });
    for (const one of [plain, silent]) {
      one.on('error', () => undefined);
      one.on('tlsClientError', () => undefined);
      one.on('secureConnection', (socket) => socket.on('error', () => socket.destroy()));
      await once(one.listen(0, '127.0.0.1'), 'listening');
      const { port } = one.address() as AddressInfo;
      const weir = await startWeir(['--replica', `h2://127.0.0.1:${port}`, trusted(), ...QUICK]);
      expect((await shown(weir)).problem).toBe(
        'the server does not support HTTP/2 over TLS (ALPN did not select h2)',
      );
      await weir.stop('SIGKILL');
      one.close();
    }
  });
});

describe('probes over HTTP/2', () => {
  it('make a replica ready that answers with 2xx, and down when it no longer does', async () => {
    let status = 503;
    const paths = new Set<string>();
    const replica = await startHttp2Replica((req, res) => {
      paths.add(`${req.method} ${req.url} ${req.headers.host === `127.0.0.1:${replica.port}`}`);
      res.writeHead(status).end();
    });
    const weir = await startWeir([
      '--replica',
      replica.url,
      '--deployment-readiness-path=/ready',
      ...QUICK,
      '--pool-probe-failures=1',
    ]);
    expect(await shown(weir)).toEqual(
      expect.objectContaining({ state: 'starting', problem: 'GET /ready returned 503' }),
    );
    status = 200;
    await until('it is ready', async () => (await shown(weir)).state === 'ready');
    status = 500;
    await until('it is down', async () => (await shown(weir)).state === 'down');
    expect([...paths]).toEqual(['GET /ready true']);
    await until('the connections of the probes are closed', () => replica.sessions.size <= 1);
  });

  it('say so if the replica speaks HTTP/1.1', async () => {
    const replica = await startReplica(mirror);
    const weir = await startWeir(['--replica', replica.url.replace('http:', 'h2c:'), ...QUICK]);
    expect(await shown(weir)).toMatchObject({
      state: 'starting',
      problem: expect.stringMatching(/^the server does not speak HTTP\/2: /),
    });
  });

  it('say so if nothing listens', async () => {
    const replica = await startReplica(mirror);
    await replica.close();
    const weir = await startWeir(['--replica', `h2c://127.0.0.1:${replica.port}`, ...QUICK]);
    expect((await shown(weir)).problem).toBe(`connection refused (127.0.0.1:${replica.port})`);
  });
});

describe('a WebSocket over HTTP/2', () => {
  /** Serves a WebSocket on a stream, by the `ws` package. */
  const serveEcho = (req: Http2ServerRequest): void => {
    const protocol = req.headers['sec-websocket-protocol'];
    req.stream.respond({
      ':status': 200,
      'x-path': String(req.headers[':path']),
      ...(protocol && { 'sec-websocket-protocol': protocol }),
    });
    const socket = new WebSocket(null as unknown as string, undefined, {}) as WebSocket & {
      setSocket(stream: Duplex, head: Buffer, options: object): void;
    };
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('error', () => socket.terminate());
    const limits = { allowSynchronousEvents: true, maxPayload: 10 * MIB, skipUTF8Validation: false };
    socket.setSocket(req.stream, Buffer.alloc(0), limits);
  };
  const startEcho = (enableConnectProtocol: boolean, connect = serveEcho) =>
    startHttp2Replica(mirror, { settings: { enableConnectProtocol }, connect });

  it('passes messages both ways, and ends with the close code of either side', async () => {
    const seen: Http2ServerRequest[] = [];
    const replica = await startEcho(true, (req) => {
      seen.push(req);
      serveEcho(req);
    });
    const weir = await startWeir(['--replica', replica.url, RARELY]);
    const socket = new WebSocket(`ws://127.0.0.1:${weir.port}/websocket`, ['chat']);
    socket.on('error', () => undefined);
    const upgrade = once(socket, 'upgrade') as Promise<[IncomingMessage]>;
    await until('it is open, or refused', () => socket.readyState !== WebSocket.CONNECTING);
    expect((await upgrade)[0].headers['x-path']).toBe('/v1/websocket');
    const large = randomBytes(MIB);
    const received: Buffer[] = [];
    socket.on('message', (data) => received.push(data as Buffer));
    socket.send('hello');
    socket.send(large);
    await until('both messages have come back', () => received.length === 2);
    expect([received[0]!.toString(), received[1]!.equals(large)]).toEqual(['hello', true]);
    const { headers } = seen[0]!;
    expect([headers[':method'], headers[':protocol'], headers['sec-websocket-protocol']]).toEqual([
      'CONNECT',
      'websocket',
      'chat',
    ]);
    expect([headers['sec-websocket-key'], headers['connection'], headers['upgrade']]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    const closed = once(socket, 'close');
    socket.close(1000, 'bye');
    expect((await closed)[0]).toBe(1000);
    expect(await requestLine(weir, '/websocket')).toMatchObject({ status: 1000, cause: 'ok' });
    await until('the stream has ended', () => replica.codes.length === 1);
    // The connection goes on.
    const before = replica.connections;
    expect((await call(weir.url, '/x')).status).toBe(200);
    expect(replica.connections).toBe(before);
    await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
  });

  it('is ended for the replica when the client disappears, and for the client when the replica resets it', async () => {
    const streams: Http2ServerRequest[] = [];
    const replica = await startEcho(true, (req) => {
      streams.push(req);
      serveEcho(req);
    });
    const weir = await startWeir(['--replica', replica.url, RARELY]);
    const open = async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${weir.port}/websocket`);
      await once(socket, 'open');
      return socket;
    };
    (await open()).terminate();
    await until('the stream has ended', () => replica.codes.length === 1);
    const other = await open();
    const closed = once(other, 'close');
    streams[1]!.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    expect((await closed)[0]).toBe(1006);
  });

  it('is refused with a clear error if the replica does not offer it', async () => {
    const replica = await startEcho(false);
    const weir = await startWeir(['--replica', replica.url, RARELY]);
    const client = new RawClient(weir.port).send(UPGRADE);
    const received = await client.expectClosed();
    expect(received).toMatch(/^HTTP\/1\.1 415 /);
    expect(received).toContain('the replica does not support WebSockets over HTTP/2');
    expect(await requestLine(weir, '/websocket')).toMatchObject({ status: 415, cause: 'wrong_protocol' });
  });

  it('passes on a refusal of the replica', async () => {
    const replica = await startEcho(true, (req) => {
      req.stream.respond({ ':status': 403, 'content-type': 'text/plain' });
      req.stream.end('not you');
    });
    const weir = await startWeir(['--replica', replica.url, RARELY]);
    const received = await new RawClient(weir.port).send(UPGRADE).expectClosed();
    expect(received).toMatch(/^HTTP\/1\.1 403 [^]*not you$/);
  });
});

describe('other requests over HTTP/2', () => {
  it('sends tasks of the queue', async () => {
    const seen: string[] = [];
    const replica = await startHttp2Replica((req, res) => {
      void onBody(req, (body) => {
        seen.push(`${req.url} ${body.toString()}`);
        res.setHeader('content-type', 'application/json');
        res.end('{"answer":42}');
      });
    });
    const weir = await startWeir(['--replica', replica.url, '--async-keep-results=true']);
    const submitted = await call(weir.url, '/production/async_predict', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model_input: { n: 1 } }),
    });
    expect(submitted.status).toBe(201);
    const { request_id: id } = JSON.parse(submitted.text) as { request_id: string };
    await until('the task has succeeded', async () =>
      (await call(weir.url, `/async_request/${id}`)).text.includes('"SUCCEEDED"'),
    );
    expect(seen).toEqual(['/v1/models/model:predict {"n":1}']);
  });

  it('merges the page of metrics', async () => {
    const replica = await startHttp2Replica((_, res) => {
      res.setHeader('content-type', 'text/plain; version=0.0.4');
      res.end('# TYPE vllm:running gauge\nvllm:running 3\n');
    });
    const weir = await startWeir([
      '--replica',
      replica.url,
      '--merge-metrics-path=/metrics',
      '--merge-metrics-interval=100ms',
    ]);
    await weir.expectMetric('vllm:running{deployment_id="local",replica="r0"}', 3);
  });
});

describe('settings', () => {
  it('accept the schemes of HTTP/2 and reject a mix with gRPC', async () => {
    const mixed = await runWeir([
      'check',
      '--replica',
      'h2c://127.0.0.1:1',
      '--replica',
      'grpc://127.0.0.1:2',
    ]);
    expect(mixed.code).not.toBe(0);
    expect(mixed.err + mixed.out).toContain('some URLs are for gRPC and some for HTTP');
    const fine = await runWeir([
      'check',
      '--replica',
      'h2c://127.0.0.1:1',
      '--replica',
      'http://127.0.0.1:2',
    ]);
    expect([fine.code, fine.err]).toEqual([0, '']);
  });
});
