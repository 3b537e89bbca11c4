// Deliveries to real servers, good and bad: each ends in time, with the right verdict, and leaves no connection.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { read } from '../../../src/core/settings.ts';
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

/** Listens on loopback; gives the port. */
async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A receiver that speaks for itself, once a request has begun. */
const rawServer = (speak: (socket: Socket) => void) =>
  listen(
    createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', () => speak(socket));
    }),
  );
const httpServer = (answer: RequestListener) => listen(createHttpServer(answer));
const httpsServer = (answer: RequestListener) =>
  listen(
    createHttpsServer(
      { key: readFileSync(fixture('server.key')), cert: readFileSync(fixture('ca.crt')) },
      answer,
    ),
  );

function webhooks(settings: Record<string, unknown> = {}, deps: Partial<WebhookDeps> = {}): Webhooks {
  const result = read(webhookOptions, settings);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return new Webhooks(result.settings, { listenHost: '127.0.0.1', ownPorts: () => [], ...deps });
}

const deliver = (to: Webhooks, url: string, signal?: AbortSignal) =>
  to.deliver({ url, requestId: 'r1', body }, signal);

/** No server of this test has a connection left. */
const noneIsOpen = () =>
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

describe('a webhook', () => {
  it('is a POST of the body, with the id of the request and a signature', async () => {
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
    await noneIsOpen();
  });

  it('has no signature without a secret', async () => {
    let names: string[] = [];
    const port = await httpServer(({ headers }, response) => {
      names = Object.keys(headers);
      response.end();
    });
    expect(await deliver(webhooks(), `http://localhost:${port}`)).toMatchObject({ ok: true });
    expect(names).not.toContain('x-baseten-signature');
  });

  it('is counted and observed', async () => {
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

describe('a status', () => {
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
  ])('%s means %s', async (status, result, isRetryable) => {
    const port = await httpServer((_, response) => response.writeHead(status).end('words'));
    expect(await deliver(webhooks(), `http://127.0.0.1:${port}`)).toMatchObject({
      ok: result === 'ok',
      result,
      status,
      isRetryable,
      error: result === 'ok' ? '' : `answered ${status}`,
    });
    await noneIsOpen();
  });

  it.each([301, 302, 303, 307, 308])('%s is not followed', async (status) => {
    let requests = 0;
    const port = await httpServer(({ headers }, response) => {
      requests += 1;
      response.writeHead(status, { location: `http://${headers.host}/elsewhere` }).end();
    });
    expect(await deliver(webhooks(), `http://127.0.0.1:${port}`)).toMatchObject({
      result: 'refused',
      status,
      isRetryable: false,
      error: `answered ${status}, and redirects are not followed`,
    });
    expect(requests).toBe(1);
    await noneIsOpen();
  });
});

/** Says the same again and again until the other side has gone. */
function forever(socket: Socket, text: string, everyMs: number): void {
  const timer = setInterval(() => socket.write(text), everyMs);
  socket.on('close', () => clearInterval(timer));
}

/** Says the same as fast as it is taken. */
function flood(socket: Socket, text: string): void {
  const more = () => {
    while (!socket.destroyed && socket.write(text));
  };
  socket.on('drain', more);
  more();
}

const OK = 'HTTP/1.1 200 OK\r\n';
const LARGE = 'a'.repeat(10_000);

describe('a receiver that', () => {
  it.each<[string, (socket: Socket) => void, Partial<WebhookDelivery>]>([
    ['says nothing', () => undefined, { result: 'timeout', error: 'no answer within 300 ms' }],
    ['drips what is no head', (socket) => forever(socket, 'H', 20), { result: 'bad_answer' }],
    [
      'drips its headers',
      (socket) => {
        socket.write(OK);
        forever(socket, 'a: b\r\n', 20);
      },
      { result: 'timeout' },
    ],
    [
      'only ever says to go on',
      (socket) => forever(socket, 'HTTP/1.1 100 Continue\r\n\r\n', 5),
      { result: 'timeout' },
    ],
    [
      'speaks another language',
      (socket) => socket.end('220 mail.example ESMTP\r\n'),
      { result: 'bad_answer' },
    ],
    [
      'sends huge headers',
      (socket) => {
        socket.write(OK);
        flood(socket, `a: ${LARGE}\r\n`);
      },
      { result: 'bad_answer' },
    ],
    [
      'changes to another protocol',
      (socket) =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
      { result: 'bad_answer' },
    ],
    ['hangs up', (socket) => socket.end(), { result: 'connection' }],
    ['hangs up within its head', (socket) => socket.end('HTTP/1.1 200 O'), { result: 'connection' }],
    ['breaks the connection', (socket) => socket.resetAndDestroy(), { result: 'connection' }],
  ])('%s gets no more than its time', async (_what, speak, expected) => {
    const port = await rawServer(speak);
    const delivery = await deliver(webhooks({ timeout: '300ms' }), `http://127.0.0.1:${port}`);
    expect(delivery).toMatchObject({ ok: false, status: undefined, ...expected });
    expect(delivery.isRetryable).toBe(delivery.result !== 'bad_answer');
    expect(delivery.error).not.toBe('');
    await noneIsOpen();
  });

  it.each<[string, (socket: Socket) => void]>([
    [
      'never ends its answer',
      (socket) => {
        socket.write(`${OK}content-length: 5\r\n\r\nabc`);
      },
    ],
    [
      'drips its answer',
      (socket) => {
        socket.write(`${OK}transfer-encoding: chunked\r\n\r\n`);
        forever(socket, '1\r\na\r\n', 20);
      },
    ],
    [
      'floods',
      (socket) => {
        socket.write(`${OK}\r\n`);
        flood(socket, LARGE);
      },
    ],
    [
      'breaks off within its answer',
      (socket) => {
        socket.write(`${OK}content-length: 5\r\n\r\nabc`, () => socket.resetAndDestroy());
      },
    ],
    [
      'sends chunks that are none',
      (socket) => {
        socket.write(`${OK}transfer-encoding: chunked\r\n\r\nzzz\r\n`);
      },
    ],
  ])('%s has taken it when it says 200', async (_what, speak) => {
    const port = await rawServer(speak);
    expect(await deliver(webhooks({ timeout: '300ms' }), `http://127.0.0.1:${port}`)).toMatchObject({
      ok: true,
      status: 200,
      error: '',
    });
    await noneIsOpen();
  });

  it('floods is left long before its time is over', async () => {
    const port = await rawServer((socket) => {
      socket.write(`${OK}\r\n`);
      flood(socket, LARGE);
    });
    const delivery = await deliver(webhooks({ timeout: '5m' }), `http://127.0.0.1:${port}`);
    expect(delivery).toMatchObject({ ok: true });
    await noneIsOpen();
  });

  it('is not there may be there later', async () => {
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

  it('refuses a large body before it has read it is understood', async () => {
    const port = await rawServer((socket) => {
      socket.write('HTTP/1.1 413 Content Too Large\r\nconnection: close\r\n\r\n');
      socket.end();
    });
    const large = { url: `http://127.0.0.1:${port}`, requestId: 'r1', body: Buffer.alloc(32 * 1024 ** 2) };
    expect(await webhooks().deliver(large)).toMatchObject({ result: 'refused', status: 413 });
    await noneIsOpen();
  });

  it('does not read is left when the time is over', async () => {
    const port = await listen(createServer({ pauseOnConnect: true }));
    const large = { url: `http://127.0.0.1:${port}`, requestId: 'r1', body: Buffer.alloc(32 * 1024 ** 2) };
    const held: Socket[] = [];
    servers[0]!.on('connection', (socket: Socket) => held.push(socket));
    expect(await webhooks({ timeout: '300ms' }).deliver(large)).toMatchObject({ result: 'timeout' });
    // Whoever does not read does not see the end.
    for (const socket of held) socket.on('error', () => socket.destroy()).resume();
    await noneIsOpen();
  });
});

describe('an attempt', () => {
  it('ends when its caller says so, in every phase', async () => {
    const stop = new AbortController();
    const port = await rawServer(() => stop.abort());
    const stopped = { result: 'stopped', isRetryable: true };
    expect(await deliver(webhooks(), `http://127.0.0.1:${port}`, stop.signal)).toMatchObject(stopped);
    // Before it begins, as from now on.
    expect(await deliver(webhooks(), `http://127.0.0.1:${port}`, stop.signal)).toMatchObject(stopped);
    await noneIsOpen();
    const later = new AbortController();
    const resolve = () => {
      later.abort();
      return new Promise<never>(() => undefined);
    };
    expect(await deliver(webhooks({}, { resolve }), 'https://hooks.example', later.signal)).toMatchObject(
      stopped,
    );
  });

  it('has no more time when the resolver does not answer', async () => {
    const hooks = webhooks({ timeout: '100ms' }, { resolve: () => new Promise(() => undefined) });
    expect(await deliver(hooks, 'https://hooks.example')).toMatchObject({
      result: 'timeout',
      isRetryable: true,
    });
  });

  it('goes on to the next address of a name when nobody is at one', async () => {
    const port = await httpServer((_, response) => response.end());
    const resolve = () =>
      Promise.resolve([
        { address: '::1', family: 6 },
        { address: '127.0.0.2', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ]);
    expect(await deliver(webhooks({}, { resolve }), `http://localhost:${port}`)).toMatchObject({ ok: true });
    await noneIsOpen();
  });

  it('goes nowhere when one address of a name is forbidden', async () => {
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

  it('is judged by the settings of now, whatever it was checked against before', async () => {
    const hooks = webhooks({}, { listenHost: '0.0.0.0' });
    expect(hooks.check('http://127.0.0.1:1/')).toBe('must begin with https://');
    expect(await deliver(hooks, 'http://127.0.0.1:1/')).toMatchObject({
      result: 'forbidden',
      error: 'the URL must begin with https://',
    });
  });

  it('never goes to a port of weir', async () => {
    const port = await httpServer((_, response) => response.end());
    const hooks = webhooks({}, { ownPorts: () => [port] });
    expect(hooks.check(`http://localhost:${port}/`)).toBe('must not lead to weir itself');
    expect(await deliver(hooks, `http://127.0.0.1:${port}/`)).toMatchObject({ result: 'forbidden' });
  });

  it('without a name that resolves may be made again', async () => {
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
  /** Every name leads here; counts how often it is asked for. */
  const here = (asked: string[] = []) => ({
    resolve: (name: string) => {
      asked.push(name);
      return Promise.resolve([{ address: '127.0.0.1', family: 4 }]);
    },
  });

  it('a name is asked for once, and the connection goes to that answer', async () => {
    let host: string | undefined;
    const port = await httpsServer(({ headers }, response) => {
      host = headers.host;
      response.end();
    });
    const asked: string[] = [];
    const hooks = webhooks(trusting, here(asked));
    expect(await deliver(hooks, `https://hooks.example:${port}/`)).toMatchObject({ ok: true, status: 200 });
    expect(host).toBe(`hooks.example:${port}`);
    expect(asked).toEqual(['hooks.example']);
    await noneIsOpen();
  });

  it.each([
    ['hooks.example.', 'hooks.example'],
    ['HOOKS.example', 'hooks.example'],
    ['localhost', 'localhost'],
    // An address is no name to ask for.
    ['127.0.0.1', false],
  ])('%s is who it says', async (host, askedFor) => {
    let servername: string | false | null = null;
    const port = await httpsServer(({ socket }, response) => {
      ({ servername } = socket as TLSSocket);
      response.end();
    });
    expect(await deliver(webhooks(trusting, here()), `https://${host}:${port}/`)).toMatchObject({ ok: true });
    expect(servername).toBe(askedFor);
    await noneIsOpen();
  });

  it('a receiver with a certificate for another name gets nothing', async () => {
    let requests = 0;
    const port = await httpsServer(() => (requests += 1));
    const delivery = await deliver(webhooks(trusting, here()), `https://other.example:${port}/`);
    expect(delivery).toMatchObject({ result: 'connection', status: undefined });
    expect(delivery.error).toContain('other.example');
    expect(requests).toBe(0);
    await noneIsOpen();
  });

  it('a receiver whose authority nobody knows gets nothing', async () => {
    let requests = 0;
    const port = await httpsServer(() => (requests += 1));
    expect(await deliver(webhooks({}, here()), `https://hooks.example:${port}/`)).toMatchObject({
      result: 'connection',
      error: expect.stringContaining('self-signed') as string,
    });
    expect(requests).toBe(0);
    await noneIsOpen();
  });

  it('a receiver that never shakes hands, or has none to shake, ends in time', async () => {
    const mute = await rawServer(() => undefined);
    const hooks = webhooks({ ...trusting, timeout: '300ms' }, here());
    expect(await deliver(hooks, `https://hooks.example:${mute}/`)).toMatchObject({ result: 'timeout' });
    const plain = await httpServer((_, response) => response.end());
    expect(await deliver(hooks, `https://hooks.example:${plain}/`)).toMatchObject({ result: 'connection' });
    await noneIsOpen();
  });

  it.each(['nowhere.crt', 'server.key'])('%s is no file of authorities, and that is said at once', (name) =>
    expect(() => webhooks({ ca_file: fixture(name) })).toThrow(
      /^webhook\.ca_file \(.*\) (?:cannot be read: ENOENT|holds a private key and no certificate)/,
    ),
  );
});
