// Locks in shared memory, used by real threads.
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { SharedLocks } from '../../src/core/shared-lock.ts';
import type { LimitsJob } from '../kit/limits-thread.ts';

const run = (job: Record<string, unknown>): Promise<void> =>
  new Promise((resolve, reject) => {
    const workerData = job as unknown as LimitsJob;
    const worker = new Worker(new URL('../kit/limits-thread.ts', import.meta.url), { workerData });
    worker.once('exit', () => resolve()).once('error', reject);
  });

const int32 = (): Int32Array => new Int32Array(new SharedArrayBuffer(4));

it('a lock lets one thread at a time change a value', async () => {
  const job = {
    kind: 'lock',
    threads: 3,
    start: int32(),
    locks: int32(),
    value: new Float64Array(new SharedArrayBuffer(8)),
    rounds: 100_000,
  };
  await Promise.all([0, 1, 2].map((thread) => run({ ...job, thread })));
  expect(job.value[0]).toBe(300_000);
});

it('a lock of a thread that has ended is taken over', async () => {
  const locks = int32();
  await run({ kind: 'die', threads: 1, thread: 1, start: int32(), locks });
  expect(locks[0]).not.toBe(0);
  const own = new SharedLocks(locks, 0);
  own.lock(0);
  expect(locks[0]).toBe(1);
  own.unlock(0);
  expect(locks[0]).toBe(0);
});
