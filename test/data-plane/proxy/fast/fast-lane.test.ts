// Backpressure and disconnects in the fast lane, with a client socket that the test controls.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Deadlines } from '../../../../src/core/deadlines.ts';
import { load } from '../../../../src/config/config.ts';
import { Exchanges } from '../../../../src/core/exchange/exchange.ts';
import { Pool } from '../../../../src/data-plane/replicas/pool.ts';
import { FastLane } from '../../../../src/data-plane/proxy/fast/fast-lane.ts';
import { RetryBudget } from '../../../../src/data-plane/proxy/retry.ts';
import { ReplicaConnections } from '../../../../src/data-plane/proxy/fast/replica-connection.ts';
import { Http2Replicas } from '../../../../src/data-plane/proxy/http2/http2-replicas.ts';
import { Http2HeldBytes } from '../../../../src/protocol/http2/http2-held-bytes.ts';
import { Http2Counters } from '../../../../src/protocol/http2/http2-counters.ts';
import { closeReplicas, startRawReplica, type Replica } from '../../../kit/replica.ts';
import { until } from '../../../kit/until.ts';

/** A client socket that completes its writes only when the test says so. */
class HeldSocket extends Duplex {
  remoteAddress = '127.0.0.1';
  received = '';
  isHeld = false;
  #release: (() => void) | undefined;

  override _read(): void {
    // Bytes are pushed by the test.
  }

  override _write(chunk: Buffer | string, _: BufferEncoding, done: () => void): void {
    this.received += typeof chunk === 'string' ? chunk : chunk.toString('latin1');
    if (this.isHeld) this.#release = done;
    else done();
  }

  send(text: string): void {
    this.push(Buffer.from(text, 'latin1'));
  }

  resetAndDestroy(): this {
    return this.destroy();
  }

  release(): void {
    this.isHeld = false;
    this.#release?.();
  }
}

let replica: Replica;
let pool: Pool;
let lane: FastLane;
let connections: ReplicaConnections;
let exchanges: Exchanges;
let reply: string;

const connectClient = (): HeldSocket => {
  const socket = new HeldSocket({ decodeStrings: false, writableHighWaterMark: 1 });
  lane.accept(socket as unknown as Socket);
  return socket;
};

beforeEach(async () => {
  replica = await startRawReplica((socket) => socket.on('data', () => socket.write(reply, 'latin1')));
  const loaded = load(['--replica', replica.url], {});
  if (!loaded.ok) throw new Error(loaded.problems.join());
  pool = new Pool(loaded.config.deployments, loaded.config.pool, {
    changed: () => undefined,
    dead: () => undefined,
  });
  await pool.start();
  const deadlines = new Deadlines();
  const http2 = new Http2Replicas(loaded.config.proxy, new Http2HeldBytes(1024), new Http2Counters());
  connections = new ReplicaConnections(deadlines, 60_000, 0, http2);
  exchanges = new Exchanges({ trust_inbound: false });
  lane = new FastLane({
    pool,
    exchanges,
    connections,
    retries: new RetryBudget(loaded.config.proxy),
    deadlines,
    options: loaded.config.proxy,
    proto: 'http',
    subjectHeader: undefined,
    maxHeadBytes: 32 * 1024,
    headerTimeoutMs: 60_000,
    keepAliveTimeoutMs: 60_000,
    decide: ({ target: path }) => ({
      kind: 'forward',
      deployment: 0,
      path,
      picker: { take: () => undefined },
    }),
    submissions: {
      maxBody: 0,
      bodyTimeoutMs: 0,
      admit: () => undefined,
      store: () => Promise.reject(new Error('no request here is a submission')),
    },
    access: undefined,
    responseLines: '',
    removed: undefined,
    dropsKey: false,
    handOver: () => {
      throw new Error('handed over');
    },
  });
});
afterEach(async () => {
  pool.stop();
  connections.close();
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
