// Tests of deliveries to real servers: each ends in time, with the right result, and leaves no connection.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { read } from '../../../src/core/read-settings.ts';
import { webhookOptions } from '../../../src/async/webhook/options.ts';
import { signPayload } from '../../../src/async/webhook/signature.ts';
import { Webhooks, type WebhookDelivery, type WebhookDeps } from '../../../src/async/webhook/webhook.ts';
import { until } from '../../kit/until.ts';

const SECRET = 'whsec_0123456789abcdefghijABCDEFGHIJ0123456789';
const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/webhook/${name}`, import.meta.url));
const body = Buffer.from('{"request_id":"r1","data":"é"}');

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Listens on loopback and returns the port. */
async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A TCP server that calls `respond` when the first bytes of a request arrive. */
const rawServer = (respond: (socket: Socket) => void) =>
  listen(
    createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', () => respond(socket));
    }),
  );
const httpServer = (handler: RequestListener) => listen(createHttpServer(handler));
const httpsServer = (handler: RequestListener) =>
  listen(
    createHttpsServer(
      { key: readFileSync(fixture('server.key')), cert: readFileSync(fixture('ca.crt')) },
      handler,
    ),
  );

function webhooks(settings: Record<string, unknown> = {}, deps: Partial<WebhookDeps> = {}): Webhooks {
  const result = read(webhookOptions, settings);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return new Webhooks(result.settings, { listenHost: '127.0.0.1', ownPorts: () => [], ...deps });
}

const deliver = (to: Webhooks, url: string, signal?: AbortSignal) =>
  to.deliver({ url, requestId: 'r1', body }, signal);

/** Resolves when no server of this test has a connection. */
const allClosed = () =>
  until('every connection is closed', async () => {
    const counts = servers.map(
      (server) =>
        new Promise<number>((resolve, reject) =>
          server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
        ),
    );
    return (await Promise.all(counts)).every((count) => count === 0);
  });

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe('deliver', () => {
  it('posts the body with the request id and a signature', async () => {
    let seen: { request: IncomingMessage; bytes: Buffer } | undefined;
    const port = await httpServer((request, response) => {
      void bytesOf(request).then((bytes) => {
        seen = { request, bytes };
        response.writeHead(204).end();
      });
    });
    const hooks = webhooks({ secrets: [SECRET] });
    const delivery = await deliver(hooks, `http://127.0.0.1:${port}/hook?a=b%20c#part`);
    expect(delivery).toMatchObject({ ok: true, result: 'ok', status: 204, isRetryable: false, error: '' });
    expect(seen?.bytes).toEqual(body);
    expect(seen?.request).toMatchObject({ method: 'POST', url: '/hook?a=b%20c' });
    expect(seen?.request.headers).toEqual({
      host: `127.0.0.1:${port}`,
      'content-type': 'application/json',
      'content-length': String(body.length),
      'user-agent': 'weir-webhook',
      'x-baseten-request-id': 'r1',
      'x-baseten-signature': signPayload(body, [SECRET]),
      connection: 'close',
    });
    await allClosed();
  });

  it('sends no signature without a secret', async () => {
    let names: string[] = [];
    const port = await httpServer(({ headers }, response) => {
      names = Object.keys(headers);
      response.end();
    });
    expect(await deliver(webhooks(), `http://localhost:${port}`)).toMatchObject({ ok: true });
    expect(names).not.toContain('x-baseten-signature');
  });

  it('counts and reports each attempt', async () => {
    const seen: WebhookDelivery[] = [];
    let nowMs = 0;
    const hooks = webhooks({}, { observed: (delivery) => seen.push(delivery), now: () => (nowMs += 250) });
    const port = await httpServer((_, response) => response.end());
    await deliver(hooks, `http://localhost:${port}`);
    await deliver(hooks, 'https://10.0.0.1/');
    expect(seen.map(({ result, durationMs }) => [result, durationMs])).toEqual([
      ['ok', 250],
      ['forbidden', 250],
    ]);
    expect([...hooks.counts].filter(([, count]) => count > 0)).toEqual([
      ['ok', 1],
      ['forbidden', 1],
    ]);
  });
});

describe('the status of a response', () => {
  it.each([
    [200, 'ok', false],
    [299, 'ok', false],
    [400, 'refused', false],
    [404, 'refused', false],
    [429, 'refused', false],
    [500, 'unavailable', true],
    [501, 'refused', false],
    [502, 'unavailable', true],
    [503, 'unavailable', true],
    [504, 'unavailable', true],
  ])('maps %s to %s', async (status, result, isRetryable) => {
    const port = await httpServer((_, response) => response.writeHead(status).end('words'));
    expect(await deliver(webhooks(), `http://127.0.0.1:${port}`)).toMatchObject({
      ok: result === 'ok',
      result,
      status,
      isRetryable,
      error: result === 'ok' ? '' : `answered ${status}`,
    });
    await allClosed();
  });

  it.each([301, 302, 303, 307, 308])('does not follow a redirect with %s', async (status) => {
    let requests = 0;
    const port = await httpServer(({ headers }, response) => {
      requests += 1;
      response.writeHead(status, { location: `http://${headers.host}/elsewhere` }).end();
    });
    expect(await deliver(webhooks(), `http://127.0.0.1:${port}`)).toMatchObject({
      result: 'refused',
      status,
      isRetryable: false,
      error: `answered ${status}; redirects are not followed`,
    });
    expect(requests).toBe(1);
    await allClosed();
  });
});

/** Writes the same text again and again until the connection closes. */
function forever(socket: Socket, text: string, everyMs: number): void {
  const timer = setInterval(() => socket.write(text), everyMs);
  socket.on('close', () => clearInterval(timer));
}

/** Writes the same text as fast as the connection accepts it. */
function flood(socket: Socket, text: string): void {
  const more = () => {
    while (!socket.destroyed && socket.write(text));
  };
  socket.on('drain', more);
  more();
}

const OK = 'HTTP/1.1 200 OK\r\n';
const LARGE = 'a'.repeat(10_000);

describe('a broken receiver', () => {
  it.each<[string, (socket: Socket) => void, Partial<WebhookDelivery>]>([
    ['sends nothing', () => undefined, { result: 'timeout', error: 'no response within 300 ms' }],
    ['sends single bytes that are not HTTP', (socket) => forever(socket, 'H', 20), { result: 'bad_answer' }],
    [
      'sends one header after another',
      (socket) => {
        socket.write(OK);
        forever(socket, 'a: b\r\n', 20);
      },
      { result: 'timeout' },
    ],
    [
      'sends 100 Continue for ever',
      (socket) => forever(socket, 'HTTP/1.1 100 Continue\r\n\r\n', 5),
      { result: 'timeout' },
    ],
    ['uses another protocol', (socket) => socket.end('220 mail.example ESMTP\r\n'), { result: 'bad_answer' }],
    [
      'sends huge headers',
      (socket) => {
        socket.write(OK);
        flood(socket, `a: ${LARGE}\r\n`);
      },
      { result: 'bad_answer' },
    ],
    [
      'switches to another protocol',
      (socket) =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
      { result: 'bad_answer' },
    ],
    ['closes the connection', (socket) => socket.end(), { result: 'connection' }],
    [
      'closes the connection within the head',
      (socket) => socket.end('HTTP/1.1 200 O'),
      { result: 'connection' },
    ],
    ['resets the connection', (socket) => socket.resetAndDestroy(), { result: 'connection' }],
  ])('fails in time when it %s', async (_what, respond, expected) => {
    const port = await rawServer(respond);
    const delivery = await deliver(webhooks({ timeout: '300ms' }), `http://127.0.0.1:${port}`);
    expect(delivery).toMatchObject({ ok: false, status: undefined, ...expected });
    expect(delivery.isRetryable).toBe(delivery.result !== 'bad_answer');
    expect(delivery.error).not.toBe('');
    await allClosed();
  });

  it.each<[string, (socket: Socket) => void]>([
    [
      'never ends its response',
      (socket) => {
        socket.write(`${OK}content-length: 5\r\n\r\nabc`);
      },
    ],
    [
      'sends its response byte by byte',
      (socket) => {
        socket.write(`${OK}transfer-encoding: chunked\r\n\r\n`);
        forever(socket, '1\r\na\r\n', 20);
      },
    ],
    [
      'sends an endless response',
      (socket) => {
        socket.write(`${OK}\r\n`);
        flood(socket, LARGE);
      },
    ],
    [
      'resets the connection within the response',
      (socket) => {
        socket.write(`${OK}content-length: 5\r\n\r\nabc`, () => socket.resetAndDestroy());
      },
    ],
    [
      'sends invalid chunks',
      (socket) => {
        socket.write(`${OK}transfer-encoding: chunked\r\n\r\nzzz\r\n`);
      },
    ],
  ])('counts as delivered after 200 when it %s', async (_what, respond) => {
    const port = await rawServer(respond);
    expect(await deliver(webhooks({ timeout: '300ms' }), `http://127.0.0.1:${port}`)).toMatchObject({
      ok: true,
      status: 200,
      error: '',
    });
    await allClosed();
  });

  it('is disconnected after 64 KiB of an endless response', async () => {
    const port = await rawServer((socket) => {
      socket.write(`${OK}\r\n`);
      flood(socket, LARGE);
    });
    const delivery = await deliver(webhooks({ timeout: '5m' }), `http://127.0.0.1:${port}`);
    expect(delivery).toMatchObject({ ok: true });
    await allClosed();
  });

  it('is retryable when it refuses the connection', async () => {
    const port = await rawServer(() => undefined);
    const gone = servers.pop()!;
    gone.close();
    await once(gone, 'close');
    expect(await deliver(webhooks(), `http://127.0.0.1:${port}`)).toMatchObject({
      result: 'connection',
      isRetryable: true,
      error: expect.stringContaining('ECONNREFUSED') as string,
    });
  });

  it('returns its status when it refuses a large body before reading it', async () => {
    const port = await rawServer((socket) => {
      socket.write('HTTP/1.1 413 Content Too Large\r\nconnection: close\r\n\r\n');
      socket.end();
    });
    const large = { url: `http://127.0.0.1:${port}`, requestId: 'r1', body: Buffer.alloc(32 * 1024 ** 2) };
    expect(await webhooks().deliver(large)).toMatchObject({ result: 'refused', status: 413 });
    await allClosed();
  });

  it('is disconnected at the timeout when it does not read', async () => {
    const port = await listen(createServer({ pauseOnConnect: true }));
    const large = { url: `http://127.0.0.1:${port}`, requestId: 'r1', body: Buffer.alloc(32 * 1024 ** 2) };
    const held: Socket[] = [];
    servers[0]!.on('connection', (socket: Socket) => held.push(socket));
    expect(await webhooks({ timeout: '300ms' }).deliver(large)).toMatchObject({ result: 'timeout' });
    // A socket that is not read does not see the end.
    for (const socket of held) socket.on('error', () => socket.destroy()).resume();
    await allClosed();
  });
});

describe('an attempt', () => {
  it('ends when its signal is aborted, in every phase', async () => {
    const stop = new AbortController();
    const port = await rawServer(() => stop.abort());
    const stopped = { result: 'stopped', isRetryable: true };
    expect(await deliver(webhooks(), `http://127.0.0.1:${port}`, stop.signal)).toMatchObject(stopped);
    // The signal is already aborted.
    expect(await deliver(webhooks(), `http://127.0.0.1:${port}`, stop.signal)).toMatchObject(stopped);
    await allClosed();
    const later = new AbortController();
    const resolve = () => {
      later.abort();
      return new Promise<never>(() => undefined);
    };
    expect(await deliver(webhooks({}, { resolve }), 'https://hooks.example', later.signal)).toMatchObject(
      stopped,
    );
  });

  it('times out when the resolver does not return', async () => {
    const hooks = webhooks({ timeout: '100ms' }, { resolve: () => new Promise(() => undefined) });
    expect(await deliver(hooks, 'https://hooks.example')).toMatchObject({
      result: 'timeout',
      isRetryable: true,
    });
  });

  it('tries the next address of a name when a connection is refused', async () => {
    const port = await httpServer((_, response) => response.end());
    const resolve = () =>
      Promise.resolve([
        { address: '::1', family: 6 },
        { address: '127.0.0.2', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ]);
    expect(await deliver(webhooks({}, { resolve }), `http://localhost:${port}`)).toMatchObject({ ok: true });
    await allClosed();
  });

  it('opens no connection when one address of a name is forbidden', async () => {
    let connections = 0;
    const port = await listen(createServer(() => (connections += 1)));
    const resolve = () =>
      Promise.resolve([
        { address: '127.0.0.1', family: 4 },
        { address: '10.0.0.1', family: 4 },
      ]);
    expect(await deliver(webhooks({}, { resolve }), `https://hooks.example:${port}`)).toMatchObject({
      result: 'forbidden',
      isRetryable: false,
      error: 'the URL must not lead to 10.0.0.1, a private address',
    });
    expect(connections).toBe(0);
  });

  it('checks the URL again with the present settings', async () => {
    const hooks = webhooks({}, { listenHost: '0.0.0.0' });
    expect(hooks.check('http://127.0.0.1:1/')).toBe('must begin with https://');
    expect(await deliver(hooks, 'http://127.0.0.1:1/')).toMatchObject({
      result: 'forbidden',
      error: 'the URL must begin with https://',
    });
  });

  it('is never sent to a port of weir', async () => {
    const port = await httpServer((_, response) => response.end());
    const hooks = webhooks({}, { ownPorts: () => [port] });
    expect(hooks.check(`http://localhost:${port}/`)).toBe('must not lead to weir itself');
    expect(await deliver(hooks, `http://127.0.0.1:${port}/`)).toMatchObject({ result: 'forbidden' });
  });

  it('is retryable when the name does not resolve', async () => {
    const resolve = () => Promise.reject(new Error('getaddrinfo ENOTFOUND hooks.example'));
    expect(await deliver(webhooks({}, { resolve }), 'https://hooks.example')).toMatchObject({
      result: 'unresolved',
      isRetryable: true,
      error: 'getaddrinfo ENOTFOUND hooks.example',
    });
  });
});

describe('over TLS', () => {
  const trusting = { ca_file: fixture('ca.crt') };
  /** Resolves every name to this machine and records the name. */
  const here = (names: string[] = []) => ({
    resolve: (name: string) => {
      names.push(name);
      return Promise.resolve([{ address: '127.0.0.1', family: 4 }]);
    },
  });

  it('resolves a name once and connects to that address', async () => {
    let host: string | undefined;
    const port = await httpsServer(({ headers }, response) => {
      host = headers.host;
      response.end();
    });
    const names: string[] = [];
    const hooks = webhooks(trusting, here(names));
    expect(await deliver(hooks, `https://hooks.example:${port}/`)).toMatchObject({ ok: true, status: 200 });
    expect(host).toBe(`hooks.example:${port}`);
    expect(names).toEqual(['hooks.example']);
    await allClosed();
  });

  it.each([
    ['hooks.example.', 'hooks.example'],
    ['HOOKS.example', 'hooks.example'],
    ['localhost', 'localhost'],
    // No server name is sent for an address.
    ['127.0.0.1', false],
  ])('connects to %s with server name %s', async (host, expected) => {
    let servername: string | false | null = null;
    const port = await httpsServer(({ socket }, response) => {
      ({ servername } = socket as TLSSocket);
      response.end();
    });
    expect(await deliver(webhooks(trusting, here()), `https://${host}:${port}/`)).toMatchObject({ ok: true });
    expect(servername).toBe(expected);
    await allClosed();
  });

  it('sends nothing to a receiver with a certificate for another name', async () => {
    let requests = 0;
    const port = await httpsServer(() => (requests += 1));
    const delivery = await deliver(webhooks(trusting, here()), `https://other.example:${port}/`);
    expect(delivery).toMatchObject({ result: 'connection', status: undefined });
    expect(delivery.error).toContain('other.example');
    expect(requests).toBe(0);
    await allClosed();
  });

  it('sends nothing to a receiver with an unknown certificate authority', async () => {
    let requests = 0;
    const port = await httpsServer(() => (requests += 1));
    expect(await deliver(webhooks({}, here()), `https://hooks.example:${port}/`)).toMatchObject({
      result: 'connection',
      error: expect.stringContaining('self-signed') as string,
    });
    expect(requests).toBe(0);
    await allClosed();
  });

  it('ends in time without a TLS handshake', async () => {
    const mute = await rawServer(() => undefined);
    const hooks = webhooks({ ...trusting, timeout: '300ms' }, here());
    expect(await deliver(hooks, `https://hooks.example:${mute}/`)).toMatchObject({ result: 'timeout' });
    const plain = await httpServer((_, response) => response.end());
    expect(await deliver(hooks, `https://hooks.example:${plain}/`)).toMatchObject({ result: 'connection' });
    await allClosed();
  });

  it.each(['nowhere.crt', 'server.key'])('fails at the start when webhook.ca_file is %s', (name) =>
    expect(() => webhooks({ ca_file: fixture(name) })).toThrow(
      /^webhook\.ca_file \(.*\) (?:cannot be read: ENOENT|contains a private key but no certificate)/,
    ),
  );
});
