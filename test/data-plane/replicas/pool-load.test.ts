// The pool under load from real threads.
import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { afterEach, expect, it } from 'vitest';
import { Pool } from '../../../src/data-plane/replicas/pool.ts';
import { configOf, deploymentOptions } from '../../kit/deployment.ts';
import {
  GRANTS,
  loadMemory,
  loadPool,
  STOP,
  type LoadSettings,
  type LoadTotals,
} from '../../kit/pool-load.ts';
import { poolPort } from '../../kit/pool-port.ts';
import { until } from '../../kit/until.ts';

const THREADS = 3;
const CAP = 2;
const MAX_QUEUE = 12;
const FILE = new URL('../../kit/pool-load-thread.ts', import.meta.url);

let pool: Pool;
const workers: Worker[] = [];

afterEach(async () => {
  pool.stop();
  for (const worker of workers.splice(0)) await worker.terminate();
});

function createPool(): LoadSettings {
  const options = deploymentOptions(['r0', 'r1'], { concurrency_target: CAP, max_queue: MAX_QUEUE });
  const events = { changed: () => undefined, dead: () => undefined };
  pool = new Pool([options], configOf().pool, events, undefined, THREADS);
  for (const replica of pool.deployments[0]!.replicas) replica.setState('ready');
  return { clients: 8, requests: 300, thread: 0, cap: CAP, maxQueue: MAX_QUEUE, shared: loadMemory() };
}

function startWorker(thread: number, settings: LoadSettings): Worker {
  const { port1, port2 } = new MessageChannel();
  const start = pool.attachThread(thread, poolPort(port1));
  const worker = new Worker(FILE, {
    workerData: { start, port: port2, settings: { ...settings, thread } },
    transferList: [port2],
  });
  workers.push(worker);
  return worker;
}

const totalsOf = async (worker: Worker): Promise<LoadTotals> =>
  ((await once(worker, 'message')) as [LoadTotals])[0];

function expectIdle(): void {
  const { replicas, waiting } = pool.deployments[0]!;
  expect(replicas.map(({ outstanding }) => outstanding)).toEqual([0, 0]);
  expect(waiting).toBe(0);
  expect(pool.bufferBudget.bytes).toBe(0);
}

const messagesArrived = () => until('no request waits', () => pool.deployments[0]!.waiting === 0);

it('never exceeds the concurrency of a replica or max_queue over threads, and ends every request', async () => {
  const settings = createPool();
  const others = [1, 2].map((thread) => totalsOf(startWorker(thread, settings)));
  const all = await Promise.all([loadPool(pool, settings), ...others]);
  await messagesArrived();
  for (const { violations, other, granted, left, full } of all) {
    expect({ violations, other }).toEqual({ violations: 0, other: 0 });
    expect(granted + left + full).toBe(settings.clients * settings.requests);
    expect(granted).toBeGreaterThan(0);
  }
  expect(all.some(({ full }) => full > 0)).toBe(true);
  expectIdle();
});

it('gives back what a thread held that was ended under load, and serves the others', async () => {
  const settings = { ...createPool(), requests: Infinity };
  const main = loadPool(pool, settings);
  const survivor = totalsOf(startWorker(1, settings));
  for (let round = 0; round < 5; round++) {
    const victim = startWorker(2, settings);
    const served = Atomics.load(settings.shared, GRANTS + 2);
    await until('it serves', () => Atomics.load(settings.shared, GRANTS + 2) > served + 100);
    await victim.terminate();
    pool.threadLost(2);
    for (const { outstanding } of pool.deployments[0]!.replicas) {
      expect(outstanding).toBeGreaterThanOrEqual(0);
      expect(outstanding).toBeLessThanOrEqual(CAP);
    }
  }
  Atomics.store(settings.shared, STOP, 1);
  for (const { granted, other } of await Promise.all([main, survivor])) {
    expect(granted).toBeGreaterThan(0);
    expect(other).toBe(0);
  }
  await messagesArrived();
  expectIdle();
});
