// Shutdown of weir: drain after SIGTERM, timeouts and further signals.
import { once } from 'node:events';
import { Agent, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { begin, call, RawClient } from '../kit/client.ts';
import { bodyOf, closeReplicas, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  await closeReplicas();
});

it('exits at once with 0 when no request runs, even with kept-alive connections', async () => {
  const replica = await startReplica((_, res) => res.end('ok'));
  const weir = await startWeir(['--replica', replica.url]);
  const agent = new Agent({ keepAlive: true });
  await call(weir.url, '/', { agent });
  const startMs = performance.now();
  expect(await weir.stop()).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(2000);
  agent.destroy();
});

it('turns /readyz to 503, refuses new connections, and lets a running stream end', async () => {
  let stream: ServerResponse | undefined;
  const replica = await startReplica((_, res) => {
    stream = res;
    res.write('first ');
  });
  const weir = await startWeir(['--replica', replica.url]);
  const req = begin(weir.url, '/');
  req.end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  const whole = bodyOf(res);
  const exit = weir.stop();
  await until('/readyz returns 503', async () => (await fetch(`${weir.admin}/readyz`)).status === 503);
  expect((await fetch(`${weir.admin}/livez`)).status).toBe(200);
  await until('new connections are refused', () =>
    call(weir.url, '/').then(
      () => false,
      (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
    ),
  );
  stream!.end('last');
  expect((await whole).toString()).toBe('first last');
  expect(await exit).toBe(0);
});

it('keeps a WebSocket open until one side closes it', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  const weir = await startWeir(['--replica', `http://127.0.0.1:${(server.address() as AddressInfo).port}`]);
  const socket = new WebSocket(`ws://127.0.0.1:${weir.port}/websocket`);
  await once(socket, 'open');
  const exit = weir.stop();
  await weir.expectLine('the drain', (line) => line.event === 'draining' && line['running'] === 1);
  socket.send('during the drain');
  expect(String((await once(socket, 'message'))[0])).toBe('during the drain');
  socket.close();
  expect(await exit).toBe(0);
  server.close();
});

it('closes both sides of a WebSocket with 1001 (going away) after drain_timeout', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const atReplica = new Promise<number>((resolve) =>
    server.on('connection', (socket) => socket.on('close', (code) => resolve(code))),
  );
  const weir = await startWeir([
    '--replica',
    `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    '--ingress-drain-timeout=200ms',
  ]);
  const socket = new WebSocket(`ws://127.0.0.1:${weir.port}/websocket`);
  await once(socket, 'open');
  const closed = once(socket, 'close') as Promise<[number]>;
  expect(await weir.stop()).toBe(0);
  expect((await closed)[0]).toBe(1001);
  expect(await atReplica).toBe(1001);
  expect(weir.lines.find((line) => line.event === 'exchange')).toMatchObject({
    cause: 'draining',
    status: 1001,
  });
  server.close();
});

it('cuts requests that still run after drain_timeout, and logs the cause', async () => {
  const replica = await startReplica((_, res) => res.write('first'));
  const weir = await startWeir(['--replica', replica.url, '--ingress-drain-timeout=200ms']);
  const client = new RawClient(weir.port).send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await client.expectReceived('first');
  expect(await weir.stop()).toBe(0);
  await client.expectClosed();
  expect(weir.lines.find((line) => line.event === 'exchange')).toMatchObject({
    cause: 'draining',
    status: 503,
  });
});

it('ends on SIGHUP, since serve has no child process to pass it to', async () => {
  const replica = await startReplica((_, res) => res.end('ok'));
  const weir = await startWeir(['--replica', replica.url]);
  expect(await weir.stop('SIGHUP')).toBeNull();
  expect(weir.process.signalCode).toBe('SIGHUP');
});

it('ends the drain at a second signal', async () => {
  const replica = await startReplica((_, res) => res.write('first'));
  const weir = await startWeir(['--replica', replica.url]);
  const client = new RawClient(weir.port).send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await client.expectReceived('first');
  const exit = weir.stop();
  const line = await weir.expectLine('the drain', (line) => line.event === 'draining');
  expect(line['hint']).toBe('a second SIGINT or SIGTERM ends the drain now');
  weir.process.kill('SIGTERM');
  expect(await exit).toBe(0);
});

it('accepts requests for drain_delay after /readyz has turned to 503', async () => {
  const replica = await startReplica(
    (req, res) => void (req.url === '/slow' ? res.write('.') : res.end('ok')),
  );
  const weir = await startWeir([
    '--replica',
    replica.url,
    '--ingress-drain-delay=1s',
    '--ingress-drain-timeout=1s',
  ]);
  const client = new RawClient(weir.port).send('GET /a HTTP/1.1\r\nHost: x\r\n\r\n');
  await client.expectReceived('ok');
  const exit = weir.stop();
  await until('/readyz returns 503', async () => (await fetch(`${weir.admin}/readyz`)).status === 503);
  // Within drain_delay requests are still served, since load balancers have not noticed yet.
  expect((await call(weir.url, '/b')).text).toBe('ok');
  expect(await exit).toBe(0);
});

it.each(['true', 'false'])(
  'sends no waiting request to the replica once the drain is cut short (fast lane: %s)',
  async (fastLane) => {
    const seen: string[] = [];
    const replica = await startReplica((req) => void seen.push(req.url!));
    const weir = await startWeir([
      '--replica',
      replica.url,
      '--deployment-concurrency-target=1',
      `--proxy-fast-lane=${fastLane}`,
    ]);
    const requests = [call(weir.url, '/0')];
    await until('the replica has the first request', () => seen.length === 1);
    for (let i = 1; i < 6; i++) requests.push(call(weir.url, `/${i}`));
    await weir.expectMetric('weir_queue_length{deployment_id="local"}', 5);
    weir.process.kill('SIGTERM');
    await weir.expectLine('the drain', (line) => line.event === 'draining');
    weir.process.kill('SIGTERM');
    const responses = await Promise.all(requests);
    expect(responses.map((response) => response.headers['x-weir-cause'])).toEqual(
      Array.from({ length: 6 }, () => 'draining'),
    );
    await weir.stop();
    expect(seen).toEqual(['/0']);
    const attempts = weir.lines.filter((line) => line.event === 'exchange').map((line) => line['attempts']);
    expect(attempts.map(Number).sort((a, b) => a - b)).toEqual([0, 0, 0, 0, 0, 1]);
  },
);
