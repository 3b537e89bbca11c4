// Plain requests over HTTP/2 to replicas that speak HTTP/1.1: what the contract of the lanes does not have.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { RequestListener, ServerResponse } from 'node:http';
import type { ClientHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { closeH2, frame, H2Socket, hpack } from '../kit/h2.ts';
import { beginH2, callH2, closeH2Clients, openH2, openH2WebSocket, readH2 } from '../kit/h2-client.ts';
import {
  closeReplicas,
  headerValues,
  mirror,
  onBody,
  startReplica,
  type SeenRequest,
} from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const MIB = 1024 * 1024;
const CANCEL = 8;
const [DATA, HEADERS, END_STREAM, END_HEADERS] = [0, 1, 1, 4];
const ID = /^[0-9a-f]{37}$/;

for (const [lane, args] of [
  ['the fast lane', []],
  ['the full lane', ['--proxy-fast-lane=false']],
] as const)
  describe(`a request over HTTP/2 in ${lane}`, () => {
    let handler: RequestListener;
    let weir: Weir;
    let session: ClientHttp2Session;

    beforeAll(async () => {
      const replica = await startReplica((req, res) => handler(req, res));
      weir = await startWeir(['--replica', replica.url, '--ingress-max-header=8KiB', ...args]);
      session = await openH2(weir.url);
    });
    beforeEach(() => {
      handler = mirror;
    });
    afterAll(async () => {
      closeH2Clients();
      await stopAll();
      await closeReplicas();
    });

    it('reaches the replica with :authority as Host, and one Cookie', async () => {
      const response = await callH2(session, [
        ':path',
        '/x?y=1',
        'cookie',
        'a=1',
        'x-a',
        '1',
        'cookie',
        'b=2',
        'x-a',
        '2',
        'te',
        'trailers',
      ]);
      expect(response.status).toBe(200);
      const { url, headers } = JSON.parse(response.text) as SeenRequest;
      expect(url).toBe('/x?y=1');
      expect(headerValues(headers, 'host')).toEqual(['test.example']);
      expect(headerValues(headers, 'cookie')).toEqual(['a=1; b=2']);
      expect(headerValues(headers, 'x-a')).toEqual(['1', '2']);
      expect(headerValues(headers, 'te')).toEqual(['trailers']);
    });

    it('is recorded like one over HTTP/1.1, with its id, status and sizes', async () => {
      handler = (req, res) => void onBody(req, () => res.end('answer'));
      const response = await callH2(session, [':method', 'POST', ':path', '/recorded'], 'ask');
      const id = response.headers['x-baseten-request-id'];
      expect(id).toMatch(ID);
      expect(await weir.expectExchange(id)).toMatchObject({
        protocol: 'http',
        http_version: '2',
        method: 'POST',
        path: '/recorded',
        status: 200,
        cause: 'ok',
        request_bytes: 3,
        response_bytes: 6,
        remote: '127.0.0.1',
      });
    });

    it('gets a response without fields that belong to a connection of HTTP/1.1', async () => {
      handler = (_, res) => {
        res.writeHead(200, { Connection: 'keep-alive', 'Keep-Alive': 'timeout=9', 'X-Model': 'm' });
        res.write('a');
        res.end('b');
      };
      const response = await callH2(session);
      expect(response).toMatchObject({ status: 200, text: 'ab', code: 0 });
      expect(response.headers['x-model']).toBe('m');
      for (const name of ['connection', 'keep-alive', 'transfer-encoding'])
        expect(response.headers[name]).toBeUndefined();
    });

    it('gets each value with all its bytes, also one that ends with a letter of UTF-8', async () => {
      const value = Buffer.from('voilà').toString('latin1');
      handler = (_, res) => {
        res.writeHead(200, ['Set-Cookie', `v=${value}`, 'Trailer', 'x-sum']);
        res.write('body');
        res.addTrailers({ 'x-sum': value });
        res.end();
      };
      const { headers, trailers } = await callH2(session, ['x-mine', value]);
      expect(headers['set-cookie']).toBe(`v=${value}`);
      expect(trailers['x-sum']).toBe(value);
    });

    it('gets interim responses and trailers', async () => {
      handler = (_, res) => {
        res.writeEarlyHints({ link: '</a>; rel=preload' });
        res.writeHead(200, { trailer: 'x-sum' });
        res.write('body');
        res.addTrailers({ 'x-sum': '42' });
        res.end();
      };
      expect(await callH2(session)).toMatchObject({
        hints: [103],
        status: 200,
        text: 'body',
        trailers: { 'x-sum': '42' },
      });
    });

    it('gets each of many responses at once whole, and no byte of another', async () => {
      handler = (req, res) =>
        void onBody(req, (body) => {
          const size = Number(req.url!.slice(1));
          // Some with a length, others in chunks.
          if (size % 2 === 0) res.setHeader('content-length', size);
          for (let sent = 0; sent < size; sent += 10_000)
            res.write(Buffer.alloc(Math.min(10_000, size - sent), body[0]));
          res.end();
        });
      for (let round = 0; round < 4; round++) {
        const sizes = Array.from({ length: 50 }, (_, i) => i * 997 + round);
        const responses = await Promise.all(
          sizes.map((size, i) =>
            callH2(session, [':method', 'POST', ':path', `/${size}`], Buffer.alloc(1 + i * 100, 32 + i)),
          ),
        );
        responses.forEach(({ status, body }, i) => {
          expect(status).toBe(200);
          expect(body.equals(Buffer.alloc(sizes[i]!, 32 + i)), `response ${i}`).toBe(true);
        });
      }
    });

    it('does not disturb others when it is cancelled', async () => {
      const open = new Set<ServerResponse>();
      handler = (req, res) => {
        if (req.url === '/stays') return void res.end('stays');
        open.add(res);
        res.on('close', () => open.delete(res));
        res.write('x');
      };
      for (let round = 0; round < 5; round++) {
        const cancelled = Array.from({ length: 10 }, (_, i) =>
          beginH2(session, [':path', `/c${round}-${i}`], true),
        );
        const others = Array.from({ length: 10 }, () => callH2(session, [':path', '/stays']));
        await until('the replica has the requests', () => open.size === 10);
        for (const stream of cancelled) stream.close(CANCEL);
        for (const { status, text } of await Promise.all(others))
          expect([status, text]).toEqual([200, 'stays']);
        await until('the requests to the replica are over', () => open.size === 0);
      }
      expect(await weir.expectLine('a cancelled request', (l) => l['path'] === '/c0-0')).toMatchObject({
        status: 499,
        cause: 'client_gone',
      });
      await weir.expectMetric('baseten_concurrent_requests', 0);
    });

    it('is recorded with the rule of HTTP/2 that its client broke', async () => {
      let arrived = 0;
      handler = (req) => {
        arrived++;
        req.resume();
      };
      const { socket } = new H2Socket(weir.port);
      const head: [string, string][] = [
        [':method', 'POST'],
        [':scheme', 'http'],
        [':authority', 'a'],
        [':path', '/short'],
        ['content-length', '9'],
      ];
      socket.write(frame(HEADERS, END_HEADERS, 1, hpack(...head)));
      await until('the replica has the request', () => arrived === 1);
      socket.write(frame(DATA, END_STREAM, 1, Buffer.from('four')));
      const line = await weir.expectLine('the request', (one) => one['path'] === '/short');
      expect(line['cause']).toBe('client_gone');
      expect(line['detail']).toContain('the content is not as long as content-length says');
    });

    it('is reset if the replica breaks off, and not ended', async () => {
      handler = (_, res) => {
        res.writeHead(200, { 'content-length': 100 });
        res.write('half');
        setTimeout(() => res.destroy(), 10);
      };
      const response = await callH2(session);
      expect(response).toMatchObject({ status: 200, text: 'half', code: 2 });
      expect(await weir.expectExchange(response.headers['x-baseten-request-id'])).toMatchObject({
        cause: 'reset_midway',
      });
    });

    it('gets a response that comes before its body has ended', async () => {
      handler = (_, res) => void res.writeHead(413, { 'content-length': 8 }).end('too much');
      const stream = beginH2(session, [':method', 'POST']);
      stream.write(Buffer.alloc(MIB));
      stream.on('end', () => stream.end());
      expect(await readH2(stream)).toMatchObject({ status: 413, text: 'too much', code: 0 });
      expect((await callH2(session, [':path', '/next'])).status).toBe(413);
    });

    it('is answered 431 if its header is too large, while others go on', async () => {
      const [large, small] = await Promise.all([callH2(session, ['x', 'y'.repeat(20_000)]), callH2(session)]);
      expect(small.status).toBe(200);
      expect(large).toMatchObject({ status: 431, headers: { 'x-weir-cause': 'headers_too_large' } });
      expect(await weir.expectExchange(large.headers['x-baseten-request-id'])).toMatchObject({ status: 431 });
    });

    it('opens no tunnel with CONNECT, but for a WebSocket', async () => {
      const stream = session.request({ ':method': 'CONNECT', ':authority': 'db.internal:5432' });
      stream.on('error', () => undefined);
      expect((await readH2(stream)).status).toBe(405);
      const other = beginH2(session, [':method', 'CONNECT', ':protocol', 'connect-udp', ':path', '/x']);
      expect((await readH2(other)).status).toBe(501);
      // The replica ignores the upgrade, and its 200 would tell the client that the WebSocket is open.
      const ignored = beginH2(session, [':method', 'CONNECT', ':protocol', 'websocket', ':path', '/x']);
      expect((await readH2(ignored)).status).toBe(502);
    });

    it('is answered by weir itself where a replica is not needed', async () => {
      expect((await callH2(session, [':method', 'POST', ':path', '/wake'], '{}')).status).toBe(202);
      const unknown = await callH2(session, [':path', '/deployment/none/predict']);
      expect(unknown).toMatchObject({ status: 404, headers: { 'x-weir-cause': 'unknown_target' } });
      const task = await callH2(
        session,
        [':method', 'POST', ':path', '/async_predict'],
        '{"model_input":{}}',
      );
      expect(task.status).toBe(201);
      const { request_id: id } = JSON.parse(task.text) as { request_id: string };
      expect((await callH2(session, [':path', `/async_request/${id}`])).status).toBe(200);
    });

    it('streams large bodies both ways at once, byte for byte, to a client that reads slowly', async () => {
      handler = (req, res) => void req.pipe(res);
      const bodies = Array.from({ length: 4 }, (_, i) => randomBytes(3 * MIB + i));
      const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
      const streams = bodies.map((body) => {
        const stream = beginH2(session, [':method', 'POST', ':path', '/echo']);
        stream.end(body);
        stream.on('data', () => {
          stream.pause();
          setTimeout(() => stream.resume(), 2);
        });
        return stream;
      });
      const responses = await Promise.all(streams.map(readH2));
      expect(responses.map(({ status, code }) => [status, code])).toEqual(bodies.map(() => [200, 0]));
      expect(responses.map(({ body }) => hash(body))).toEqual(bodies.map(hash));
    });
  });

describe('a WebSocket over HTTP/2', () => {
  let server: WebSocketServer;
  let weir: Weir;
  let session: ClientHttp2Session;

  beforeAll(async () => {
    server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    server.on('connection', (socket) =>
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })),
    );
    weir = await startWeir(['--replica', `http://127.0.0.1:${(server.address() as AddressInfo).port}`]);
    session = await openH2(weir.url);
  });
  afterAll(async () => {
    closeH2Clients();
    await stopAll();
    server.close();
  });

  it('passes messages both ways, and is recorded with its close code', async () => {
    const { socket, headers } = await openH2WebSocket(session, '/websocket');
    for (const size of [1, 70_000, 300_000]) {
      const message = randomBytes(size);
      socket.send(message);
      const [data] = (await once(socket, 'message')) as [Buffer];
      expect(data.equals(message)).toBe(true);
    }
    await weir.expectMetric('baseten_ongoing_websocket_connections', 1);
    const closed = once(socket, 'close');
    socket.close(1000);
    expect((await closed)[0]).toBe(1000);
    expect(await weir.expectExchange(headers['x-baseten-request-id'])).toMatchObject({
      protocol: 'websocket',
      http_version: '2',
      status: 1000,
      cause: 'ok',
      request_bytes: 370_001,
    });
  });

  it('closes on the side of the replica when the client cancels its stream', async () => {
    const { stream, headers } = await openH2WebSocket(session, '/websocket');
    await until('the replica has it', () => server.clients.size === 1);
    stream.close(CANCEL);
    await until('the replica has none', () => server.clients.size === 0);
    expect(await weir.expectExchange(headers['x-baseten-request-id'])).toMatchObject({
      status: 1006,
      cause: 'client_gone',
    });
  });

  it('closes on the side of the client when the replica disconnects', async () => {
    const { socket } = await openH2WebSocket(session, '/websocket');
    const closed = once(socket, 'close');
    for (const client of server.clients) client.terminate();
    expect((await closed)[0]).toBe(1006);
  });

  it('is refused for a path that has none', async () => {
    await expect(openH2WebSocket(session, '/deployment/none/websocket')).rejects.toThrow('refused with 404');
  });
});

describe('a connection of HTTP/2', () => {
  afterEach(async () => {
    closeH2();
    closeH2Clients();
    await stopAll();
    await closeReplicas();
  });

  it('ends when weir drains, after its streams have ended', async () => {
    let stream: ServerResponse | undefined;
    const replica = await startReplica((_, res) => {
      stream = res;
      res.write('first ');
    });
    const weir = await startWeir(['--replica', replica.url]);
    const session = await openH2(weir.url);
    const response = readH2(beginH2(session, [], true));
    await until('the replica has the request', () => stream !== undefined);
    const goaway = once(session, 'goaway');
    const exit = weir.stop();
    await goaway;
    stream!.end('last');
    expect((await response).text).toBe('first last');
    expect(await exit).toBe(0);
  });

  it('has its client as the recorded cause if it reads nothing, also once the replica has sent all', async () => {
    const replica = await startReplica((_, res) => res.end('answer'));
    const weir = await startWeir([
      '--replica',
      replica.url,
      '--proxy-idle-timeout=1s',
      '--proxy-fast-lane=false',
    ]);
    const noWindow = Buffer.from([0, 4, 0, 0, 0, 0]);
    const client = new H2Socket(weir.port, noWindow);
    const head = hpack([':method', 'GET'], [':scheme', 'http'], [':path', '/'], [':authority', 'x']);
    client.socket.write(Buffer.concat([frame(4, 1, 0), frame(1, 5, 1, head)]));
    const line = await weir.expectLine('the request', ({ event }) => event === 'exchange');
    expect(line).toMatchObject({ cause: 'client_stalled', response_bytes: 6 });
  });

  it('serves pages of other origins with its own preflights', async () => {
    const replica = await startReplica((_, res) => res.end('ok'));
    const weir = await startWeir([
      '--replica',
      replica.url,
      '--ingress-cors-origins=https://app.example.com',
    ]);
    const session = await openH2(weir.url);
    const origin = ['origin', 'https://app.example.com'];
    const preflight = await callH2(session, [
      ':method',
      'OPTIONS',
      'access-control-request-method',
      'POST',
      ...origin,
    ]);
    expect(preflight).toMatchObject({
      status: 204,
      headers: { 'access-control-allow-origin': 'https://app.example.com' },
    });
    const request = await callH2(session, [':method', 'POST', ...origin], '{}');
    expect(request.headers['access-control-allow-origin']).toBe('https://app.example.com');
  });
});
