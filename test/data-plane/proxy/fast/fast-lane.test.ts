// Backpressure and disconnects in the fast lane, with a client socket that the test controls.
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Exchanges } from '../../../../src/core/exchange/exchange.ts';
import type { Pool } from '../../../../src/data-plane/replicas/pool.ts';
import type { ReplicaConnections } from '../../../../src/data-plane/proxy/fast/replica-connection.ts';
import { startFastLane, type HeldSocket, type TestLane } from '../../../kit/fast-lane.ts';
import { closeReplicas, startRawReplica, type Replica } from '../../../kit/replica.ts';
import { until } from '../../../kit/until.ts';

let replica: Replica;
let started: TestLane;
let pool: Pool;
let connections: ReplicaConnections;
let exchanges: Exchanges;
let reply: string;

const connectClient = (): HeldSocket => started.connect();

beforeEach(async () => {
  replica = await startRawReplica((socket) => socket.on('data', () => socket.write(reply, 'latin1')));
  started = await startFastLane(replica.url);
  ({ pool, connections, exchanges } = started);
});
afterEach(async () => {
  started.close();
  await closeReplicas();
});

const get = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n';
const response = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

it.each([20_000, 100_000, 300_000])(
  'keeps a connection for the next request once a response of %d bytes is read, before the client has it',
  async (size) => {
    const slow = connectClient();
    slow.isHeld = true;
    reply = response('x'.repeat(size));
    slow.send(get);
    // Larger responses wait until the client has taken their pieces, all but the last one.
    await until('the response is read', () => {
      if (connections.count().idle === 1) return true;
      slow.release();
      slow.isHeld = true;
      return false;
    });
    expect(exchanges.openCount).toBe(1);
    reply = response('next');
    const next = connectClient();
    next.send(get);
    await until('the next request is served', () => next.received.endsWith('next'));
    expect(replica.connections).toBe(2); // that of the probe, and this one
    slow.release();
    await until('both have ended', () => exchanges.openCount === 0);
    expect(slow.received.endsWith('x'.repeat(100))).toBe(true);
    slow.send(get);
    await until('the slow one is served again', () => slow.received.endsWith('next'));
  },
);

it('reads no more of a response while the client does not take it', async () => {
  const slow = connectClient();
  slow.isHeld = true;
  reply = response('x'.repeat(8 * 1024 * 1024));
  slow.send(get);
  await until('something was written', () => slow.received.length > 0);
  await until('nothing more is written', async () => {
    const before = slow.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return slow.writableLength === before;
  });
  expect(slow.writableLength).toBeLessThan(1024 * 1024);
  slow.release();
  await until('the exchange has ended', () => exchanges.openCount === 0);
  expect(slow.received.length).toBeGreaterThan(8 * 1024 * 1024);
});

it('releases the replica and its connection when the client leaves in the middle of a response', async () => {
  const slow = connectClient();
  slow.isHeld = true;
  reply = response('x'.repeat(1024 * 1024));
  slow.send(get);
  await until('something was written', () => slow.received.length > 0);
  slow.destroy();
  await until('its exchange has ended', () => exchanges.openCount === 0);
  expect(pool.deployments[0]!.replicas[0]!.outstanding).toBe(0);
  expect(connections.count()).toEqual({ active: 0, idle: 0 });
});

it('notices that the client leaves after a large request, before the response', async () => {
  const client = connectClient();
  reply = '';
  const body = 'y'.repeat(1024 * 1024);
  client.send(`POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await until(
    'the replica has the request',
    () => exchanges.openCount === 1 && connections.count().active === 1,
  );
  await until('the client is read again', () => !client.isPaused());
  client.push(null);
  await until('its exchange has ended', () => exchanges.openCount === 0);
  expect(connections.count().active).toBe(0);
});
