// Tests of the queue worker with a store that fails. test/e2e/async.slow.test.ts covers a store that works.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Logger } from '../../../src/core/logger.ts';
import { Worker } from '../../../src/async/queue/worker.ts';
import { TaskStoreError, type TaskStore } from '../../../src/async/queue/store.ts';
import type { ClaimedTask } from '../../../src/async/queue/task.ts';
import { configOf } from '../../kit/deployment.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('retries a failing store once a second, however many deployments there are', async () => {
  let claims = 0;
  const store = {
    claim: () => {
      claims++;
      return Promise.reject(new TaskStoreError('gone', false));
    },
  } as unknown as TaskStore;
  const sink = { write: () => undefined, flush: () => undefined, dropped: () => 0 };
  let slots = 0;
  const worker = new Worker(
    {
      store,
      log: new Logger(sink, { level: 'error', isText: false }),
      now: () => 0,
      deployments: () => ['a', 'b', 'c', 'd'],
      acquireSlot: () => {
        slots++;
        return { send: () => Promise.reject(new Error('nothing to send')), release: () => void slots-- };
      },
      sweepAfter: () => undefined,
      started: () => undefined,
      ended: () => undefined,
    },
    configOf().async,
  );
  worker.wakeAll();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(claims).toBeGreaterThanOrEqual(4 * 20);
  expect(claims).toBeLessThanOrEqual(4 * 22);
  expect(slots).toBe(0);
  worker.stop();
});

it('gives back a task that was being claimed when it was stopped, and is settled only then', async () => {
  const claimed = Promise.withResolvers<ClaimedTask>();
  const calls: string[] = [];
  const store = {
    claim: () => claimed.promise,
    giveBack: (id: string) => Promise.resolve(void calls.push(`gives back ${id}`)),
  } as unknown as TaskStore;
  const sink = { write: () => undefined, flush: () => undefined, dropped: () => 0 };
  const worker = new Worker(
    {
      store,
      log: new Logger(sink, { level: 'error', isText: false }),
      now: () => 0,
      deployments: () => ['a'],
      acquireSlot: () => ({
        send: () => Promise.reject(new Error('a task was sent')),
        release: () => void calls.push('releases the slot'),
      }),
      sweepAfter: () => undefined,
      started: () => undefined,
      ended: () => undefined,
    },
    configOf().async,
  );
  worker.wakeAll();
  worker.stop();
  let isSettled = false;
  const settled = worker.settled().then(() => (isSettled = true));
  await vi.advanceTimersByTimeAsync(1000);
  expect(isSettled).toBe(false);
  claimed.resolve({ id: 't1', deployment: 'a' } as ClaimedTask);
  await settled;
  expect(calls).toEqual(['releases the slot', 'gives back t1']);
});
