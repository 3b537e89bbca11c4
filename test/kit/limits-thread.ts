// A worker thread for tests: uses limits that several threads share, as fast as it can.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { KeyLimits } from '../../src/core/keys/api-key.ts';
import { KeyUseTable, type SharedKeyUses } from '../../src/core/keys/key-use-table.ts';
import { SharedLocks } from '../../src/core/shared-lock.ts';

export type LimitsJob = { readonly thread: number; readonly threads: number; readonly start: Int32Array } & (
  | {
      readonly kind: 'rate';
      readonly shared: SharedKeyUses;
      readonly limits: KeyLimits;
      readonly durationMs: number;
    }
  | {
      readonly kind: 'concurrency';
      readonly shared: SharedKeyUses;
      readonly limits: KeyLimits;
      readonly rounds: number;
      /** One element: requests that run, counted by the test. */
      readonly running: Int32Array;
    }
  | { readonly kind: 'charge'; readonly shared: SharedKeyUses; readonly rounds: number }
  | {
      readonly kind: 'lock';
      readonly locks: Int32Array;
      /** One element, which is changed under the lock only. */
      readonly value: Float64Array;
      readonly rounds: number;
    }
  | { readonly kind: 'die'; readonly locks: Int32Array }
);

/** A request that was allowed: Date.now() before and after it was checked. */
export interface AllowedRequest {
  readonly beforeMs: number;
  readonly afterMs: number;
}

/** What a thread found. `most`: requests that ran at the same time. */
export interface LimitsFound {
  readonly allowed: readonly AllowedRequest[];
  readonly most: number;
  readonly refused: number;
}

export const CLIENT = 'app';

function run(job: LimitsJob): LimitsFound {
  const allowed: AllowedRequest[] = [];
  let [most, refused] = [0, 0];
  // All threads begin together.
  Atomics.add(job.start, 0, 1);
  while (Atomics.load(job.start, 0) < job.threads);
  if (job.kind === 'lock' || job.kind === 'die') {
    const locks = new SharedLocks(job.locks, job.thread);
    for (let i = 0; job.kind === 'lock' && i < job.rounds; i++) {
      locks.lock(0);
      job.value[0]!++;
      locks.unlock(0);
    }
    if (job.kind === 'die') locks.lock(0);
    return { allowed, most, refused };
  }
  const use = new KeyUseTable(job.threads, job.thread, job.shared).of(CLIENT);
  if (job.kind === 'rate') {
    const endMs = Date.now() + job.durationMs;
    for (let nowMs = Date.now(); nowMs < endMs; nowMs = Date.now()) {
      use.came();
      if (use.begin(job.limits, nowMs) === undefined) allowed.push({ beforeMs: nowMs, afterMs: Date.now() });
      else refused++;
    }
  } else
    for (let i = 0; i < job.rounds; i++)
      if (job.kind === 'charge') use.charge(3, 0.25, Date.now());
      else if (use.begin(job.limits, Date.now()) === undefined) {
        most = Math.max(most, Atomics.add(job.running, 0, 1) + 1);
        allowed.push({ beforeMs: 0, afterMs: 0 });
        Atomics.sub(job.running, 0, 1);
        use.end();
      } else refused++;
  return { allowed, most, refused };
}

if (!isMainThread && parentPort !== null) {
  const found = run(workerData as LimitsJob);
  parentPort.postMessage(found, []);
}
