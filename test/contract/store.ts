// The contract of all task stores. Each store runs this suite.
// Invariant: time is an argument, so no test waits for a clock.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TaskStore, TaskStoreEvents } from '../../src/async/queue/store.ts';
import type { NewTask, TaskState } from '../../src/async/queue/task.ts';

const HOUR = 3_600_000;
const T0 = 1_790_000_000_000;
const MAX = 1000;

/** Opens the store that is tested. */
export interface StoreUnderTest {
  /** Opens a new, empty store. */
  open(events: TaskStoreEvents): Promise<TaskStore>;
  /** Opens the same store as after a kill. Undefined if its tasks do not survive one. */
  reopen?(events: TaskStoreEvents): Promise<TaskStore>;
  clean(): Promise<void>;
}

let unique = 0;

export const newTask = (changes: Partial<NewTask> = {}): NewTask => ({
  id: `task${++unique}`,
  deployment: 'dep1',
  input: '{"prompt":"x"}',
  priority: 0,
  createdMs: T0,
  expiresMs: T0 + 600_000,
  retry: { max_attempts: 3, initial_delay_ms: 1000, max_delay_ms: 5000 },
  webhook: '',
  idempotencyKey: '',
  digest: 'd',
  traceparent: '',
  isPrivate: false,
  client: '',
  ...changes,
});

export function storeContract(name: string, make: () => StoreUnderTest): void {
  describe(`the ${name} store`, () => {
    let under: StoreUnderTest;
    let store: TaskStore;
    let expired: string[];
    let added: number;
    let worked: number;
    const events: TaskStoreEvents = {
      added: () => void added++,
      work: () => void worked++,
      expired: (deployment) => void expired.push(deployment),
    };
    const claim = (deployment = 'dep1', nowMs = T0) => store.claim(deployment, nowMs, HOUR);
    const success = (body = '"done"') => ({
      status: 'SUCCEEDED' as const,
      errors: [],
      result: { contentType: 'application/json', body: Buffer.from(body) },
      keepResult: false,
    });
    const add = async (changes: Partial<NewTask> = {}) => {
      const task = newTask(changes);
      expect(await store.add(task, MAX)).toEqual({ kind: 'added' });
      return task;
    };

    beforeEach(async () => {
      expired = [];
      added = worked = 0;
      under = make();
      store = await under.open(events);
    });
    afterEach(async () => {
      await store.close();
      await under.clean();
    });

    it('keeps the traceparent, privacy and client of a submission for its attempts and its delivery', async () => {
      const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
      await add({ traceparent, isPrivate: true, client: 'app', webhook: 'https://x/' });
      const task = await claim();
      expect(task).toMatchObject({ traceparent, isPrivate: true, client: 'app' });
      await store.finish(task!.id, success(), T0, HOUR);
      expect(await store.claimDelivery(T0)).toMatchObject({ id: task!.id, traceparent });
      await add();
      expect(await claim()).toMatchObject({ traceparent: '', isPrivate: false, client: '' });
    });

    it('tracks a task from its submission to its end', async () => {
      const task = await add();
      expect(added).toBe(1);
      expect(await store.status(task.id)).toEqual({
        id: task.id,
        deployment: 'dep1',
        status: 'QUEUED',
        webhookStatus: 'NO_WEBHOOK_PROVIDED',
        createdMs: T0,
        statusMs: T0,
        errors: [],
      });
      expect(store.depth('dep1')).toEqual({ queued: 1, inProgress: 0 });
      const claimed = await claim('dep1', T0 + 5);
      expect(claimed).toMatchObject({
        id: task.id,
        deployment: 'dep1',
        attempts: 1,
        createdMs: T0,
        hasWebhook: false,
      });
      expect(claimed!.retry).toEqual(task.retry);
      expect(Buffer.from(claimed!.input).toString()).toBe('{"prompt":"x"}');
      expect(await store.status(task.id)).toMatchObject({ status: 'IN_PROGRESS', statusMs: T0 + 5 });
      expect(store.depth('dep1')).toEqual({ queued: 0, inProgress: 1 });
      expect(await claim()).toBeUndefined();
      await store.finish(task.id, success(), T0 + 10, HOUR);
      expect(await store.status(task.id)).toMatchObject({ status: 'SUCCEEDED', statusMs: T0 + 10 });
      expect(store.depth('dep1')).toEqual({ queued: 0, inProgress: 0 });
      // Without a webhook and without keepResult the result is dropped.
      expect(await store.result(task.id)).toBeUndefined();
    });

    it('tells operators all facts of a task', async () => {
      const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
      const { id } = await add({ priority: 1, client: 'app', webhook: 'https://x/y', traceparent });
      const facts = {
        id,
        deployment: 'dep1',
        status: 'QUEUED',
        webhookStatus: 'PENDING',
        createdMs: T0,
        statusMs: T0,
        errors: [],
        phase: 'waiting',
        priority: 1,
        attempts: 0,
        maxAttempts: 3,
        deliveries: 0,
        expiresMs: T0 + 600_000,
        dueMs: undefined,
        webhook: 'https://x/y',
        client: 'app',
        traceparent,
      };
      expect(await store.facts(id)).toEqual(facts);
      await claim('dep1', T0 + 5);
      const running = { ...facts, status: 'IN_PROGRESS', phase: 'running', attempts: 1, statusMs: T0 + 5 };
      expect(await store.facts(id)).toEqual({ ...running, expiresMs: undefined });
      const error = { code: 'MODEL_PREDICT_ERROR', message: 'no' };
      await store.retryLater(id, T0 + 1000, error);
      expect(await store.facts(id)).toMatchObject({ phase: 'resting', dueMs: T0 + 1000, errors: [error] });
      await store.sweep(T0 + 1000, HOUR);
      expect(await store.facts(id)).toMatchObject({
        phase: 'waiting',
        expiresMs: undefined,
        dueMs: undefined,
      });
      await claim('dep1', T0 + 1001);
      await store.finish(id, success(), T0 + 1500, HOUR);
      expect(await store.facts(id)).toMatchObject({ phase: 'outbox', attempts: 2, dueMs: T0 + 1500 });
      await store.claimDelivery(T0 + 1500);
      expect(await store.facts(id)).toMatchObject({ phase: 'sending', deliveries: 1, dueMs: undefined });
      await store.finishDelivery(id, false, T0 + 1600, HOUR);
      expect(await store.facts(id)).toMatchObject({ phase: 'done', status: 'WEBHOOK_FAILED' });
      expect(await store.facts('unknown')).toBeUndefined();
    });

    it('lists tasks from the newest to the oldest, by deployment and state, in pages', async () => {
      const ids: string[] = [];
      for (let i = 0; i < 9; i++)
        ids.push((await add({ deployment: i % 3 === 0 ? 'other' : 'dep1', createdMs: T0 + (i >> 1) })).id);
      const newest = ids.toReversed();
      const all = { deployment: '', states: [], after: '', limit: 4 };
      const pages: string[][] = [];
      for (let after = ''; ;) {
        const { tasks, next } = await store.list({ ...all, after });
        pages.push(tasks.map(({ id }) => id));
        if (next === '') break;
        after = next;
      }
      // Tasks of the same millisecond may be in either order.
      const sorted = (list: readonly string[]) => list.toSorted();
      expect(pages.slice(0, 2).map(({ length }) => length)).toEqual([4, 4]);
      expect(sorted(pages.flat())).toEqual(sorted(newest));
      expect(pages[0]).toContain(newest[0]);
      const of = async (deployment: string, states: readonly TaskState[]) => {
        const { tasks } = await store.list({ deployment, states, after: '', limit: 100 });
        return tasks.map(({ id }) => id);
      };
      expect(sorted(await of('other', []))).toEqual(sorted([ids[0]!, ids[3]!, ids[6]!]));
      const running = (await claim('dep1', T0 + 20))!.id;
      expect(await of('', ['IN_PROGRESS'])).toEqual([running]);
      expect(await of('other', ['IN_PROGRESS', 'SUCCEEDED'])).toEqual([]);
      await store.finish(running, success(), T0 + 30, 1);
      expect(await of('dep1', ['SUCCEEDED'])).toEqual([running]);
      await store.sweep(T0 + 40, HOUR);
      expect(await of('', [])).not.toContain(running);
    });

    it('lists the tasks behind one that was deleted meanwhile', async () => {
      const [old, gone] = [(await add()).id, (await add({ createdMs: T0 + 1 })).id];
      await add({ createdMs: T0 + 2 });
      const { tasks, next } = await store.list({ deployment: '', states: [], after: '', limit: 2 });
      expect(tasks.at(-1)).toMatchObject({ id: gone });
      await store.cancel(gone, T0 + 3, 1);
      await store.sweep(T0 + 5, HOUR);
      const rest = await store.list({ deployment: '', states: [], after: next, limit: 2 });
      expect(rest.tasks.map(({ id }) => id)).toEqual([old]);
    });

    it('finds the queued task that expires first', async () => {
      expect(await store.nextToExpire()).toBeUndefined();
      await add({ createdMs: T0, expiresMs: T0 + 9000 });
      await add({ createdMs: T0 + 1, expiresMs: T0 + 5000, deployment: 'other' });
      expect(await store.nextToExpire()).toEqual({ createdMs: T0 + 1, expiresMs: T0 + 5000 });
      await claim('other', T0 + 2);
      expect(await store.nextToExpire()).toEqual({ createdMs: T0, expiresMs: T0 + 9000 });
      await claim('dep1', T0 + 2);
      expect(await store.nextToExpire()).toBeUndefined();
    });

    it('ignores unknown ids', async () => {
      expect(await store.status('unknown')).toBeUndefined();
      expect(await store.cancel('unknown', T0, HOUR)).toBeUndefined();
      expect(await store.result('unknown')).toBeUndefined();
      await store.finish('unknown', success(), T0, HOUR);
      await store.giveBack('unknown');
      expect(store.depth('dep1')).toEqual({ queued: 0, inProgress: 0 });
    });

    it('claims tasks of one deployment by priority, then by arrival', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 8 }), async (priorities) => {
          const ids: [number, number, string][] = [];
          for (const [i, priority] of priorities.entries())
            ids.push([priority, i, (await add({ priority, deployment: 'order' })).id]);
          await add({ deployment: 'other' });
          const expected = ids.sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, , id]) => id);
          const got: string[] = [];
          for (let task = await claim('order'); task; task = await claim('order')) {
            got.push(task.id);
            await store.finish(task.id, success(), T0, HOUR);
          }
          expect(got).toEqual(expected);
        }),
        { numRuns: 8 },
      );
    });

    it('never gives one task to two concurrent claims', async () => {
      for (let i = 0; i < 20; i++) await add();
      const got = await Promise.all(Array.from({ length: 40 }, () => claim()));
      const ids = got.flatMap((task) => (task ? [task.id] : []));
      expect(ids.length).toBe(20);
      expect(new Set(ids).size).toBe(20);
    });

    it('returns the first id for the same idempotency key, and refuses another body with it', async () => {
      const first = await add({ idempotencyKey: 'k1', digest: 'one' });
      expect(await store.add(newTask({ idempotencyKey: 'k1', digest: 'one' }), MAX)).toEqual({
        kind: 'known',
        id: first.id,
      });
      expect(await store.add(newTask({ idempotencyKey: 'k1', digest: 'two' }), MAX)).toEqual({
        kind: 'idempotency_conflict',
      });
      // Deployments of one environment share their keys, since the router may pick any of them.
      expect(
        await store.add(newTask({ idempotencyKey: 'k1', digest: 'one', deployment: 'dep2' }), MAX),
      ).toEqual({
        kind: 'known',
        id: first.id,
      });
      expect(await store.add(newTask({ id: first.id }), MAX)).toEqual({ kind: 'id_in_use' });
      expect(store.depth('dep1').queued).toBe(1);
      // Concurrent submissions with one key add one task.
      const both = await Promise.all([1, 2, 3].map(() => store.add(newTask({ idempotencyKey: 'k2' }), MAX)));
      expect(both.map(({ kind }) => kind).sort()).toEqual(['added', 'known', 'known']);
    });

    it('refuses more tasks of a deployment than the limit', async () => {
      await add();
      await add();
      expect(await store.add(newTask(), 2)).toEqual({ kind: 'queue_full' });
      expect(await store.add(newTask({ deployment: 'dep2' }), 2)).toEqual({ kind: 'added' });
      await claim();
      expect(await store.add(newTask(), 2)).toEqual({ kind: 'queue_full' });
    });

    it('cancels only queued tasks', async () => {
      const [queued, running, done] = [
        await add({ webhook: 'https://x/' }),
        await add({ priority: 0 }),
        await add(),
      ];
      // The cancelled task is the first in the queue. The two others are not affected.
      expect(await store.cancel(queued.id, T0 + 1, HOUR)).toEqual({ isCanceled: true, status: 'CANCELED' });
      expect(await store.status(queued.id)).toMatchObject({
        status: 'CANCELED',
        webhookStatus: 'CANCELED',
        statusMs: T0 + 1,
      });
      expect((await claim())!.id).toBe(running.id);
      expect((await claim())!.id).toBe(done.id);
      await store.finish(done.id, success(), T0, HOUR);
      expect(await store.cancel(running.id, T0, HOUR)).toEqual({ isCanceled: false, status: 'IN_PROGRESS' });
      expect(await store.cancel(done.id, T0, HOUR)).toEqual({ isCanceled: false, status: 'SUCCEEDED' });
      expect(await store.cancel(queued.id, T0, HOUR)).toEqual({ isCanceled: false, status: 'CANCELED' });
      expect(store.depth('dep1')).toEqual({ queued: 0, inProgress: 1 });
      expect(await claim()).toBeUndefined();
    });

    it('expires queued tasks after their time, at a claim and in a sweep', async () => {
      const late = await add({ expiresMs: T0 + 10 });
      const good = await add({ expiresMs: T0 + 1000 });
      expect((await claim('dep1', T0 + 11))!.id).toBe(good.id);
      expect(await store.status(late.id)).toMatchObject({ status: 'EXPIRED' });
      expect(expired).toEqual(['dep1']);
      const alone = await add({ deployment: 'dep2', expiresMs: T0 + 10 });
      await store.sweep(T0 + 9, HOUR);
      expect(await store.status(alone.id)).toMatchObject({ status: 'QUEUED' });
      await store.sweep(T0 + 10, HOUR);
      expect(await store.status(alone.id)).toMatchObject({ status: 'EXPIRED', statusMs: T0 + 10 });
      expect(expired).toEqual(['dep1', 'dep2']);
      expect(store.depth('dep2')).toEqual({ queued: 0, inProgress: 0 });
      // A task in progress does not expire.
      await store.sweep(T0 + 2000, HOUR);
      expect(await store.status(good.id)).toMatchObject({ status: 'IN_PROGRESS' });
    });

    it('keeps a task in progress between two attempts, and claims it again before newer tasks', async () => {
      const task = await add();
      const next = await add();
      await claim();
      await store.retryLater(task.id, T0 + 1000, { code: 'MODEL_PREDICT_ERROR', message: 'm' });
      expect(await store.status(task.id)).toMatchObject({
        status: 'IN_PROGRESS',
        errors: [{ code: 'MODEL_PREDICT_ERROR', message: 'm' }],
      });
      expect(await store.cancel(task.id, T0, HOUR)).toEqual({ isCanceled: false, status: 'IN_PROGRESS' });
      expect((await claim('dep1', T0 + 500))!.id).toBe(next.id);
      await store.sweep(T0 + 999, HOUR);
      expect(await claim('dep1', T0 + 999)).toBeUndefined();
      const late = await add();
      worked = 0;
      await store.sweep(T0 + 1000, HOUR);
      expect(worked).toBeGreaterThan(0);
      // Only queued tasks expire, so its time limit does not matter now.
      expect(await claim('dep1', T0 + 599_999)).toMatchObject({ id: task.id, attempts: 2 });
      expect((await claim('dep1', T0 + 599_999))!.id).toBe(late.id);
      await store.finish(
        task.id,
        { ...success(), status: 'FAILED', errors: [{ code: 'c', message: 'n' }], result: undefined },
        T0,
        HOUR,
      );
      expect(await store.status(task.id)).toMatchObject({
        status: 'FAILED',
        errors: [{ code: 'c', message: 'n' }],
      });
    });

    it('puts a task back into the queue without counting the attempt', async () => {
      const task = await add();
      await claim();
      await store.giveBack(task.id);
      expect(await store.status(task.id)).toMatchObject({ status: 'QUEUED' });
      expect(store.depth('dep1')).toEqual({ queued: 1, inProgress: 0 });
      expect(await claim()).toMatchObject({ id: task.id, attempts: 1 });
      await store.giveBack(task.id);
      // Its time limit keeps running.
      expect(await claim('dep1', T0 + 600_000)).toBeUndefined();
      expect(await store.status(task.id)).toMatchObject({ status: 'EXPIRED' });
    });

    it('skips deliveries to busy receivers without counting an attempt', async () => {
      const tasks = [];
      for (const webhook of [
        'https://a.example/1',
        'https://a.example/2',
        'https://a.example:8443/',
        'https://b.example/',
      ])
        tasks.push(await add({ webhook }));
      for (const [i, { id }] of tasks.entries()) {
        await claim();
        await store.finish(id, success(), T0 + i, HOUR);
      }
      const urls = async (nowMs: number, busy?: string[]) => {
        const found: string[] = [];
        for (;;) {
          const delivery = await store.claimDelivery(nowMs, busy);
          if (delivery === undefined) return found.sort();
          expect(delivery.attempts).toBe(1);
          found.push(delivery.url);
        }
      };
      expect(await urls(T0 + 10, ['https://c.example/', 'https://a.example/'])).toEqual([
        'https://a.example:8443/',
        'https://b.example/',
      ]);
      expect(await urls(T0 + 60_000)).toEqual(['https://a.example/1', 'https://a.example/2']);
    });

    it('offers a result for delivery until it succeeds or fails for good', async () => {
      const taken = await add({ webhook: 'https://a/' });
      const given = await add({ webhook: 'https://b/' });
      const failed = await add({ webhook: 'https://c/' });
      for (let i = 0; i < 3; i++) await claim();
      await store.finish(taken.id, success('{"a":1}'), T0, HOUR);
      expect(await store.status(taken.id)).toMatchObject({ status: 'SUCCEEDED', webhookStatus: 'PENDING' });
      const delivery = await store.claimDelivery(T0);
      expect(delivery).toMatchObject({
        id: taken.id,
        url: 'https://a/',
        status: 'SUCCEEDED',
        errors: [],
        attempts: 1,
      });
      expect(Buffer.from(delivery!.result!.body).toString()).toBe('{"a":1}');
      expect(await store.claimDelivery(T0)).toBeUndefined();
      await store.deliverLater(taken.id, T0 + 2000);
      expect(await store.claimDelivery(T0 + 1999)).toBeUndefined();
      expect(await store.claimDelivery(T0 + 2000)).toMatchObject({ id: taken.id, attempts: 2 });
      await store.finishDelivery(taken.id, true, T0 + 2001, HOUR);
      expect(await store.status(taken.id)).toMatchObject({
        status: 'SUCCEEDED',
        webhookStatus: 'SUCCEEDED',
        statusMs: T0 + 2001,
      });
      expect(await store.result(taken.id)).toBeUndefined();

      await store.finish(given.id, { ...success(), keepResult: true }, T0, HOUR);
      await store.claimDelivery(T0);
      await store.finishDelivery(given.id, false, T0, HOUR);
      expect(await store.status(given.id)).toMatchObject({
        status: 'WEBHOOK_FAILED',
        webhookStatus: 'FAILED',
      });
      expect(Buffer.from((await store.result(given.id))!.body).toString()).toBe('"done"');

      await store.finish(
        failed.id,
        { ...success(), status: 'FAILED', result: undefined, errors: [{ code: 'c', message: 'm' }] },
        T0,
        HOUR,
      );
      expect(await store.claimDelivery(T0)).toMatchObject({
        status: 'FAILED',
        result: undefined,
        errors: [{ code: 'c', message: 'm' }],
      });
      await store.finishDelivery(failed.id, false, T0, HOUR);
      expect(await store.status(failed.id)).toMatchObject({ status: 'FAILED', webhookStatus: 'FAILED' });
    });

    it('keeps a result if keepResult is set, and deletes the task after its retention', async () => {
      const task = await add({ idempotencyKey: 'again' });
      await claim();
      await store.finish(task.id, { ...success('bytes \u0000'), keepResult: true }, T0, 5000);
      const result = await store.result(task.id);
      expect(result!.contentType).toBe('application/json');
      expect(Buffer.from(result!.body).toString()).toBe('bytes \u0000');
      await store.sweep(T0 + 4999, HOUR);
      expect(await store.status(task.id)).toBeDefined();
      await store.sweep(T0 + 5000, HOUR);
      expect(await store.status(task.id)).toBeUndefined();
      expect(await store.result(task.id)).toBeUndefined();
      // Its idempotency key is free again.
      await add({ idempotencyKey: 'again' });
    });

    it('stores inputs and results byte by byte', async () => {
      const text = fc.string({ unit: 'binary', maxLength: 2000 });
      await fc.assert(
        fc.asyncProperty(text, fc.uint8Array({ maxLength: 2000 }), async (input, bytes) => {
          const task = await add({ input, deployment: 'bytes' });
          expect(Buffer.from((await claim('bytes'))!.input).toString()).toBe(input);
          await store.finish(
            task.id,
            { ...success(), result: { contentType: 'x/y', body: bytes }, keepResult: true },
            T0,
            HOUR,
          );
          expect(Buffer.from((await store.result(task.id))!.body)).toEqual(Buffer.from(bytes));
        }),
        { numRuns: 10 },
      );
    });

    it('loses no task after a kill, and claims tasks in progress again', async () => {
      if (under.reopen === undefined) return;
      const [queued, running, resting, done, sending] = [
        await add({ priority: 2 }),
        await add(),
        await add(),
        await add(),
        await add({ webhook: 'https://x/' }),
      ];
      for (let i = 0; i < 4; i++) await claim();
      await store.retryLater(resting.id, T0 + 1000, { code: 'c', message: 'm' });
      await store.finish(done.id, success(), T0, HOUR);
      await store.finish(sending.id, success('7'), T0, HOUR);
      expect((await store.claimDelivery(T0))!.id).toBe(sending.id);
      store = await under.reopen(events);
      expect(store.depth('dep1')).toEqual({ queued: 1, inProgress: 2 });
      expect(await store.status(queued.id)).toMatchObject({ status: 'QUEUED' });
      expect(await store.status(done.id)).toMatchObject({ status: 'SUCCEEDED' });
      expect(await store.status(running.id)).toMatchObject({ status: 'IN_PROGRESS' });
      expect(await store.claimDelivery(T0)).toMatchObject({ id: sending.id });
      expect(await claim()).toMatchObject({ id: running.id, attempts: 2 });
      expect(await claim()).toMatchObject({ id: queued.id, attempts: 1 });
      expect(await claim()).toBeUndefined();
      await store.sweep(T0 + 1000, HOUR);
      expect(await claim()).toMatchObject({ id: resting.id, attempts: 2 });
    });
  });
}
