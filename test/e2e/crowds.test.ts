// Limits that keep one client, or too many requests, from taking all of weir.
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll } from '../kit/weir.ts';

const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await stopAll();
  await closeReplicas();
});

/** Opens a connection. Resolves to whether it is still open after a request on it. */
function isServed(port: number, localAddress = '127.0.0.1'): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port, localAddress });
  sockets.push(socket);
  socket.on('error', () => undefined);
  socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
  return new Promise((resolve) => {
    socket.once('data', () => resolve(true));
    socket.once('close', () => resolve(false));
  });
}

describe('connections of one address', () => {
  it('are closed beyond the limit, while other addresses are served', async () => {
    const replica = await startReplica((_, res) => void res.end('ok'));
    const weir = await startWeir([`--replica=${replica.url}`, '--ingress-max-connections-per-address=3']);
    for (let i = 0; i < 3; i++) expect(await isServed(weir.port)).toBe(true);
    expect(await isServed(weir.port)).toBe(false);
    expect(await isServed(weir.port, '127.0.0.2')).toBe(true);
    await weir.expectMetric('weir_connections_refused_total{}', 1);
    await weir.expectLine('the refusal', ({ event }) => String(event).startsWith('connection refused'));
    sockets[0]!.destroy();
    await until('a connection is served again', () => isServed(weir.port));
  });
});

it('connections to the admin server leave half of them for other addresses', async () => {
  const replica = await startReplica((_, res) => void res.end('ok'));
  const weir = await startWeir([`--replica=${replica.url}`]);
  // They send nothing.
  for (let i = 0; i < 600; i++) {
    const socket = connect({ host: '127.0.0.1', port: weir.adminPort });
    socket.on('error', () => undefined);
    sockets.push(socket);
  }
  await until('100 are closed', () => sockets.filter(({ closed }) => closed).length === 100);
  expect(await isServed(weir.adminPort)).toBe(false);
  expect(await isServed(weir.adminPort, '127.0.0.2')).toBe(true);
});

describe('a weir that is late', () => {
  it('refuses requests until it keeps up again, but serves health probes', async () => {
    const replica = await startReplica((_, res) => void res.end('ok'));
    const weir = await startWeir([`--replica=${replica.url}`, '--ingress-overload-delay=200ms']);
    expect((await call(weir.url, '/v1/models')).status).toBe(200);
    // Stops and continues the process, as a machine without processor time does.
    const stopping = setInterval(() => {
      weir.process.kill('SIGSTOP');
      setTimeout(() => weir.process.kill('SIGCONT'), 400);
    }, 405);
    try {
      const refused = await until('a request is refused', async () => {
        const response = await call(weir.url, '/v1/models');
        return response.status === 503 ? response : undefined;
      });
      expect(refused.headers).toMatchObject({ 'x-weir-cause': 'overloaded', 'retry-after': '1' });
      expect((await call(weir.url, '/health')).status).toBe(200);
    } finally {
      clearInterval(stopping);
    }
    await until('requests are served', async () => (await call(weir.url, '/v1/models')).status === 200);
    await weir.expectLine('its end', ({ event }) => event === 'not overloaded any more');
  });
});
