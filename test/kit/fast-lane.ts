// A fast lane for tests, in front of one replica, and a client socket that the test controls.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { Deadlines } from '../../src/core/deadlines.ts';
import { load } from '../../src/config/config.ts';
import { Exchanges } from '../../src/core/exchange/exchange.ts';
import { Pool } from '../../src/data-plane/replicas/pool.ts';
import { FastLane, type FastLaneOptions } from '../../src/data-plane/proxy/fast/fast-lane.ts';
import { RetryBudget } from '../../src/data-plane/proxy/retry.ts';
import { ReplicaConnections } from '../../src/data-plane/proxy/fast/replica-connection.ts';
import { Http2Replicas } from '../../src/data-plane/proxy/http2/http2-replicas.ts';
import { Http2HeldBytes } from '../../src/protocol/http2/http2-held-bytes.ts';
import { Http2Counters } from '../../src/protocol/http2/http2-counters.ts';

/** A client socket that completes its writes only when the test says so. */
export class HeldSocket extends Duplex {
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

export interface TestLane {
  readonly lane: FastLane;
  readonly pool: Pool;
  readonly connections: ReplicaConnections;
  readonly exchanges: Exchanges;
  /** Opens a connection of a client. */
  connect(): HeldSocket;
  close(): void;
}

/** Starts a fast lane that forwards every request to the replica at `url`, or does what `options` say. */
export async function startFastLane(url: string, options: Partial<FastLaneOptions> = {}): Promise<TestLane> {
  const loaded = load(['--replica', url], {});
  if (!loaded.ok) throw new Error(loaded.problems.join());
  const pool = new Pool(loaded.config.deployments, loaded.config.pool, {
    changed: () => undefined,
    dead: () => undefined,
  });
  await pool.start();
  const deadlines = new Deadlines();
  const http2 = new Http2Replicas(loaded.config.proxy, new Http2HeldBytes(1024), new Http2Counters());
  const connections = new ReplicaConnections(deadlines, 60_000, 0, http2);
  const exchanges = new Exchanges({ trust_inbound: false });
  const lane = new FastLane({
    pool,
    exchanges,
    connections,
    retries: new RetryBudget(loaded.config.proxy, pool.retryLoads),
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
    ...options,
  });
  return {
    lane,
    pool,
    connections,
    exchanges,
    connect() {
      const socket = new HeldSocket({ decodeStrings: false, writableHighWaterMark: 1 });
      lane.accept(socket as unknown as Socket);
      return socket;
    },
    close() {
      pool.stop();
      connections.close();
    },
  };
}
