// Load on a pool without any bytes: clients that reserve a replica, hold it for a while and release it. Runs in the main
// thread and in others, and counts the requests at each replica in memory of its own, which all threads share.
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import type { Failure } from '../../src/core/errors.ts';
import { Exchanges } from '../../src/core/exchange/exchange.ts';
import { Lease, type ReplicaPool, type WaitEntry } from '../../src/data-plane/replicas/pool.ts';

export interface LoadSettings {
  readonly clients: number;
  /** Requests of each client; Infinity: until `stopped`. */
  readonly requests: number;
  readonly cap: number;
  readonly maxQueue: number;
  /** Number of the thread. */
  readonly thread: number;
  /** Word STOP is 1 once the load is to stop. Requests in flight by replica follow, then grants by thread. */
  readonly shared: Int32Array;
}

export const STOP = 0;
const REPLICAS = 1;
export const GRANTS = 8;

/** Makes `shared` of LoadSettings for up to 7 replicas and 8 threads. */
export const loadMemory = (): Int32Array => new Int32Array(new SharedArrayBuffer(64));

export interface LoadTotals {
  granted: number;
  left: number;
  full: number;
  other: number;
  /** Times that a limit was exceeded. */
  violations: number;
}

const random = (below: number): number => Math.floor(Math.random() * below);

export async function loadPool(pool: ReplicaPool, settings: LoadSettings): Promise<LoadTotals> {
  const { clients, requests, shared } = settings;
  const totals: LoadTotals = { granted: 0, left: 0, full: 0, other: 0, violations: 0 };
  const exchanges = new Exchanges({ trust_inbound: false });
  const one = async () => {
    for (let i = 0; i < requests && Atomics.load(shared, STOP) === 0; i++)
      await request(pool, settings, exchanges, totals);
  };
  await Promise.all(Array.from({ length: clients }, one));
  return totals;
}

async function request(
  pool: ReplicaPool,
  { thread, cap, maxQueue, shared }: LoadSettings,
  exchanges: Exchanges,
  totals: LoadTotals,
): Promise<void> {
  const exchange = exchanges.open(undefined);
  exchange.deployment = 0;
  const outcome = Promise.withResolvers<Lease | Failure | 'left'>();
  const waiter = { granted: outcome.resolve, refused: outcome.resolve };
  const reserved = pool.reserve(exchange, waiter);
  if (pool.deployments[0]!.waiting > maxQueue) totals.violations++;
  if (typeof reserved === 'string' || reserved instanceof Lease) outcome.resolve(reserved);
  else if (random(10) === 0) void leaveSoon(reserved, () => outcome.resolve('left'));
  else if (!reserved.buffer(random(1000))) throw new Error('the buffer budget is exhausted');
  const got = await outcome.promise;
  if (got instanceof Lease) {
    const word = REPLICAS + Number(got.replica.id.slice(1));
    if (Atomics.add(shared, word, 1) >= cap) totals.violations++;
    await (random(3) === 0 ? pause(random(3)) : turn());
    Atomics.sub(shared, word, 1);
    got.release();
    Atomics.add(shared, GRANTS + thread, 1);
    totals.granted++;
  } else if (got === 'left') totals.left++;
  else if (got === 'queue_full') {
    totals.full++;
    await turn();
  } else totals.other++;
}

async function leaveSoon(entry: WaitEntry, left: () => void): Promise<void> {
  await turn();
  entry.leave();
  left();
}
