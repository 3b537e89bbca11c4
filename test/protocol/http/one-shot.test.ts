// Requests that weir makes for itself, against servers that misbehave.
import { once } from 'node:events';
import { Agent } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { getActiveResourcesInfo } from 'node:process';
import { afterEach, describe, expect, it } from 'vitest';
import { requestOnce, type OneShotRequest } from '../../../src/protocol/http/one-shot.ts';
import { until } from '../../kit/until.ts';

let server: Server | undefined;
let agent: Agent | undefined;
const sockets = new Set<Socket>();

afterEach(() => {
  agent?.destroy();
  for (const socket of sockets) socket.destroy();
  server?.close();
  [server, agent] = [undefined, undefined];
});

/** Starts a server that calls `respond` for each request head; returns the port. */
async function serve(respond: (socket: Socket, head: string, n: number) => void): Promise<number> {
  let n = 0;
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => respond(socket, bytes.toString('latin1'), n++));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const get = (port: number, more: Partial<OneShotRequest> = {}) =>
  requestOnce({
    method: 'GET',
    host: '127.0.0.1',
    port,
    path: '/p',
    headers: { host: 'h' },
    timeoutMs: 60_000,
    maxBodyBytes: 10,
    ...more,
  });

const response = (body: string, length = body.length) =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${body}`;

describe('requestOnce', () => {
  it('reads a head of 60,000 bytes, unless the caller has a lower limit', async () => {
    const port = await serve((socket) =>
      socket.write(`HTTP/1.1 200 OK\r\nA: ${'a'.repeat(60_000)}\r\nContent-Length: 0\r\n\r\n`),
    );
    expect(await get(port)).toMatchObject({ status: 200 });
    expect(await get(port, { maxHeadBytes: 16_384 })).toMatchObject({ kind: 'malformed' });
  });

  it('sends method, path, headers and body, and reads the response', async () => {
    let seen = '';
    const port = await serve((socket, head) => {
      seen = head;
      socket.write('HTTP/1.1 503 Busy\r\nX-A: b\r\nContent-Length: 2\r\n\r\nhi');
    });
    const result = await get(port, {
      method: 'POST',
      body: Buffer.from('é'),
      headers: { host: 'h', 'x-n': '1' },
    });
    expect(result).toMatchObject({
      status: 503,
      headers: { 'x-a': 'b' },
      body: Buffer.from('hi'),
      failure: undefined,
    });
    expect(seen).toMatch(/^POST \/p HTTP\/1\.1\r\nhost: h\r\nx-n: 1\r\ncontent-length: 2\r\n/);
  });

  it('closes a connection of its own', async () => {
    const port = await serve((socket) => socket.write(response('hi')));
    await get(port);
    await until('the connection is closed', () => sockets.size === 0);
  });

  it('connects to the given addresses and does not resolve the host', async () => {
    const port = await serve((socket) => socket.write(response('hi')));
    const addresses = [{ address: '127.0.0.1', family: 4 }];
    expect(await get(port, { host: 'name.invalid', addresses })).toMatchObject({ status: 200 });
  });

  it.each([
    ['nothing', '', 'timeout'],
    ['half a head', 'HTTP/1.1 200 OK\r\n', 'timeout'],
    ['something else than HTTP', 'SSH-2.0-x\r\n\r\n', 'malformed'],
    ['a head of more than 64 KiB', `HTTP/1.1 200 OK\r\nA: ${'a'.repeat(66_000)}\r\n\r\n`, 'malformed'],
    [
      'a switch to another protocol',
      'HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
      'malformed',
    ],
  ])('fails if the server sends %s', async (_, bytes, kind) => {
    const port = await serve((socket) => socket.write(bytes));
    expect(await get(port, { timeoutMs: kind === 'timeout' ? 100 : 60_000 })).toMatchObject({ kind });
  });

  it('says how long it waited', async () => {
    const port = await serve(() => undefined);
    expect(await get(port, { timeoutMs: 50 })).toEqual({
      kind: 'timeout',
      problem: 'no response within 50 ms',
    });
  });

  it('fails with "reset" if the connection is closed before the head', async () => {
    const port = await serve((socket) => socket.destroy());
    expect(await get(port)).toMatchObject({ kind: 'reset' });
  });

  it('fails with "connect" if nothing listens, and keeps the error', async () => {
    const port = await serve(() => undefined);
    server!.close();
    expect(await get(port)).toMatchObject({ kind: 'connect', error: { code: 'ECONNREFUSED' } });
  });

  it('fails with "tls" if the server does not speak TLS', async () => {
    const port = await serve((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    expect(await get(port, { tls: {} })).toMatchObject({ kind: 'tls' });
  });

  it.each([
    ['is cut off', response('abc', 9), (socket: Socket) => socket.end(), 'reset', 'abc'],
    ['does not end in time', response('abc', 9), () => undefined, 'timeout', 'abc'],
    ['is too large', response('a'.repeat(11)), () => undefined, 'too_large', ''],
  ])('keeps the status if the body %s', async (_, bytes, after, kind, body) => {
    const port = await serve((socket) => {
      socket.write(bytes);
      after(socket);
    });
    expect(await get(port, { timeoutMs: kind === 'timeout' ? 100 : 60_000 })).toMatchObject({
      status: 200,
      body: Buffer.from(body),
      failure: { kind },
    });
    await until('the connection is closed', () => sockets.size === 0);
  });

  it('does not read a body that is not wanted', async () => {
    const port = await serve((socket) => socket.write(response('a', 1_000_000)));
    const result = await get(port, { wantsBody: (status) => status !== 200 });
    expect(result).toMatchObject({ status: 200, body: Buffer.alloc(0), failure: undefined });
  });

  it('does not follow redirects', async () => {
    const port = await serve((socket) =>
      socket.write('HTTP/1.1 302 Found\r\nLocation: /q\r\nContent-Length: 0\r\n\r\n'),
    );
    expect(await get(port)).toMatchObject({ status: 302 });
  });

  it('ends by its signal, also if that was aborted before', async () => {
    const port = await serve(() => undefined);
    const ending = new AbortController();
    const result = get(port, { signal: ending.signal });
    await until('the request is sent', () => sockets.size === 1);
    ending.abort();
    expect(await result).toMatchObject({ kind: 'stopped' });
    expect(await get(port, { signal: ending.signal })).toMatchObject({ kind: 'stopped' });
  });

  it('uses a kept connection again', async () => {
    agent = new Agent({ keepAlive: true });
    const seen = new Set<Socket>();
    const port = await serve((socket) => {
      seen.add(socket);
      socket.write(response('hi'));
    });
    for (let i = 0; i < 3; i++) expect(await get(port, { agent })).toMatchObject({ status: 200 });
    expect(seen.size).toBe(1);
  });

  it('sends once more on a new connection if the kept one was closed', async () => {
    agent = new Agent({ keepAlive: true });
    const port = await serve((socket, _, n) => (n === 1 ? socket.destroy() : socket.write(response(`${n}`))));
    expect(await get(port, { agent })).toMatchObject({ body: Buffer.from('0') });
    expect(await get(port, { agent })).toMatchObject({ body: Buffer.from('2') });
  });

  it('does not send again if the new connection is closed as well', async () => {
    agent = new Agent({ keepAlive: true });
    let requests = 0;
    const port = await serve((socket, _, n) => {
      requests++;
      if (n === 0) socket.write(response('0'));
      else socket.destroy();
    });
    await get(port, { agent });
    expect(await get(port, { agent })).toMatchObject({ kind: 'reset' });
    expect(requests).toBe(3);
  });

  it('leaves no timer behind', async () => {
    const timers = () => getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const port = await serve((socket, _, n) => (n === 0 ? socket.write(response('hi')) : socket.destroy()));
    const before = timers();
    await get(port);
    await get(port);
    expect(timers()).toBeLessThanOrEqual(before);
  });
});
