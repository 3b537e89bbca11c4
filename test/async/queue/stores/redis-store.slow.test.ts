// Tests of the Redis store: the contract of all stores, several sidecars with one queue, and failures of Redis.
import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RedisStore, type RedisStoreOptions } from '../../../../src/async/queue/stores/redis-store.ts';
import { TaskStoreError, type TaskStoreEvents } from '../../../../src/async/queue/store.ts';
import { newTask, storeContract } from '../../../contract/store.ts';
import { isMissing } from '../../../kit/program.ts';
import { RedisServer, TcpRelay } from '../../../kit/redis.ts';
import { until } from '../../../kit/until.ts';

const HOUR = 3_600_000;
const T0 = 1_790_000_000_000;
const MAX = 1000;
/** Long enough for a busy machine. */
const LOCK_MS = 1000;
const quiet: TaskStoreEvents = { added: () => undefined, work: () => undefined, expired: () => undefined };
const ending = { status: 'SUCCEEDED', errors: [], result: undefined, keepResult: false } as const;

let server: RedisServer;
let redis: Redis;
let prefix = '';
let n = 0;
const opened: RedisStore[] = [];
const wires: TcpRelay[] = [];

async function open(events = quiet, options: RedisStoreOptions & { url?: string } = {}): Promise<RedisStore> {
  const { url = server.url, ...others } = options;
  const store = new RedisStore(url, prefix, events, { lockMs: LOCK_MS, ...others });
  await store.open();
  opened.push(store);
  return store;
}

/** A store whose connection can be cut, as after a kill of its process. */
async function openCrashable(events = quiet): Promise<{ store: RedisStore; crash: () => void }> {
  const wire = new TcpRelay(server.port);
  wires.push(wire);
  return { store: await open(events, { url: await wire.open() }), crash: () => wire.cut() };
}

/** Waits until no ticket is locked, since the locks of crashed stores have run out. */
const untilUnlocked = () =>
  until('no ticket is locked', async () => {
    const held = await redis.keys(`{${prefix}}:*:active`);
    const lengths = await Promise.all(held.map((key) => redis.llen(key)));
    return lengths.every((length) => length === 0);
  });

async function clean(): Promise<void> {
  for (const wire of wires.splice(0)) wire.cut();
  await Promise.all(opened.splice(0).map((store) => store.close()));
}

describe.skipIf(isMissing('redis-server'))('with Redis', () => {
  beforeAll(async () => {
    server = await RedisServer.start();
    redis = new Redis(server.url);
    redis.on('error', () => {
      // Tests kill the server.
    });
  });
  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  storeContract('redis', () => {
    prefix = `weir-${++n}`;
    let crash: () => void;
    return {
      async open(events) {
        const crashable = await openCrashable(events);
        crash = crashable.crash;
        return crashable.store;
      },
      async reopen(events) {
        crash();
        const store = await open(events);
        await untilUnlocked();
        return store;
      },
      clean,
    };
  });

  describe('several stores with one queue', () => {
    afterEach(clean);
    const fresh = () => {
      prefix = `weir-${++n}`;
    };

    it('give each task to one store', async () => {
      fresh();
      const stores = await Promise.all([open(), open(), open()]);
      const ids = new Set<string>();
      await Promise.all(
        Array.from({ length: 60 }, async (_, i) => {
          const task = newTask();
          ids.add(task.id);
          await stores[i % 3]!.add(task, MAX);
        }),
      );
      const got: string[] = [];
      await Promise.all(
        [...stores, ...stores, ...stores].map(async (store) => {
          for (
            let task = await store.claim('dep1', T0, HOUR);
            task;
            task = await store.claim('dep1', T0, HOUR)
          ) {
            got.push(task.id);
            await store.finish(task.id, ending, T0, HOUR);
          }
        }),
      );
      expect(got.length).toBe(60);
      expect(new Set(got)).toEqual(ids);
    });

    it('deliver each result once', async () => {
      fresh();
      const stores = await Promise.all([open(), open()]);
      for (let i = 0; i < 20; i++) await stores[0].add(newTask({ webhook: 'https://x/' }), MAX);
      for (let i = 0; i < 20; i++)
        await stores[0].finish((await stores[0].claim('dep1', T0, HOUR))!.id, ending, T0, HOUR);
      const claims = await Promise.all(
        Array.from({ length: 40 }, (_, i) => stores[i % 2]!.claimDelivery(T0)),
      );
      const rest = await stores[1].claimDelivery(T0);
      const got = claims.flatMap((delivery) => (delivery ? [delivery.id] : []));
      expect(got.length).toBe(20);
      expect(new Set(got).size).toBe(20);
      expect(rest).toBeUndefined();
    });

    it('recognize an idempotency key of another store, also at the same time', async () => {
      fresh();
      const stores = await Promise.all([open(), open()]);
      for (let i = 0; i < 10; i++) {
        const both = await Promise.all(
          [0, 1, 0, 1].map((s) => stores[s]!.add(newTask({ idempotencyKey: `k${i}` }), MAX)),
        );
        expect(both.map(({ kind }) => kind).sort()).toEqual(['added', 'known', 'known', 'known']);
      }
      expect(stores[0].depth('dep1').queued).toBe(10);
    });

    it('either cancel a task or run it', async () => {
      fresh();
      const stores = await Promise.all([open(), open()]);
      for (let i = 0; i < 40; i++) {
        const { id } = newTask();
        await stores[0].add(newTask({ id }), MAX);
        const [cancelled, claimed] = await Promise.all([
          stores[0].cancel(id, T0, HOUR),
          stores[1].claim('dep1', T0, HOUR),
        ]);
        expect(cancelled!.isCanceled).toBe(claimed === undefined);
        if (claimed) await stores[1].finish(id, ending, T0, HOUR);
      }
      expect(await stores[0].claim('dep1', T0, HOUR)).toBeUndefined();
    });

    it('accept no more than the maximum number of tasks together', async () => {
      fresh();
      const stores = await Promise.all([open(), open()]);
      const added = await Promise.all(
        Array.from({ length: 30 }, (_, i) => stores[i % 2]!.add(newTask(), 10)),
      );
      expect(added.filter(({ kind }) => kind === 'added').length).toBe(10);
    });

    it('notify each other of new tasks and depths', async () => {
      fresh();
      let worked = 0;
      const other = await open({ ...quiet, work: () => void worked++ }, { refreshMs: 50 });
      const store = await open();
      await store.add(newTask(), MAX);
      await until('the other store is notified', () => worked > 0 && other.depth('dep1').queued === 1);
    });

    it('take over the tasks of a crashed store, and count its attempt', async () => {
      fresh();
      const { store: crashed, crash } = await openCrashable();
      const other = await open();
      await crashed.add(newTask({ id: 'inherited', webhook: 'https://x/' }), MAX);
      expect((await crashed.claim('dep1', T0, HOUR))!.attempts).toBe(1);
      crash();
      await untilUnlocked();
      expect(await other.claim('dep1', T0, HOUR)).toMatchObject({ id: 'inherited', attempts: 2 });
      await other.finish('inherited', ending, T0, HOUR);
      expect(await other.claimDelivery(T0)).toMatchObject({ id: 'inherited', attempts: 1 });
      await other.finishDelivery('inherited', true, T0, HOUR);
      expect(await other.status('inherited')).toMatchObject({
        status: 'SUCCEEDED',
        webhookStatus: 'SUCCEEDED',
      });
    });

    it('keep the place of a task of a crashed store in the order', async () => {
      fresh();
      const { store: crashed, crash } = await openCrashable();
      const other = await open();
      await crashed.add(newTask({ id: 'inherited', priority: 1 }), MAX);
      await crashed.claim('dep1', T0, HOUR);
      for (const [id, priority] of [
        ['later', 1],
        ['urgent', 0],
      ] as const)
        await other.add(newTask({ id, priority }), MAX);
      crash();
      await untilUnlocked();
      await until(
        'the task is queued again',
        async () => (await redis.zcard(`{${prefix}}:run-dep1:prioritized`)) === 3,
      );
      const got: string[] = [];
      for (let task = await other.claim('dep1', T0, HOUR); task; task = await other.claim('dep1', T0, HOUR))
        got.push(task.id);
      expect(got).toEqual(['urgent', 'inherited', 'later']);
    });

    it('lose no task when they crash one after the other at any moment', async () => {
      fresh();
      const kept = new Set<string>();
      // Each runs until its connection is cut, in the middle of any step.
      const live = async (store: RedisStore) => {
        const submit = async () => {
          for (;;) {
            const task = newTask({ webhook: 'https://x/' });
            await store.add(task, 1e6);
            kept.add(task.id);
          }
        };
        const work = async () => {
          for (let i = 0; ; i++) {
            const task = await store.claim('dep1', T0, HOUR);
            if (task === undefined) await store.sweep(T0, HOUR);
            else if (i % 5 === 0) await store.retryLater(task.id, T0, { code: 'c', message: 'm' });
            else if (i % 7 === 0) await store.giveBack(task.id);
            else await store.finish(task.id, ending, T0, HOUR);
          }
        };
        const deliver = async () => {
          for (let i = 0; ; i++) {
            const delivery = await store.claimDelivery(T0);
            if (delivery && i % 5 === 0) await store.deliverLater(delivery.id, T0);
            else if (delivery) await store.finishDelivery(delivery.id, true, T0, HOUR);
          }
        };
        const ends = await Promise.allSettled([submit(), work(), work(), deliver()]);
        for (const end of ends)
          expect(end).toMatchObject({ status: 'rejected', reason: expect.any(TaskStoreError) });
      };
      for (let life = 1; life <= 8; life++) {
        const { store, crash } = await openCrashable();
        const lived = live(store);
        await until('some tasks are stored', () => kept.size >= 15 * life);
        crash();
        await lived;
      }
      const other = await open();
      await until(
        'all tasks are done',
        async () => {
          await other.sweep(T0, HOUR);
          for (
            let task = await other.claim('dep1', T0, HOUR);
            task;
            task = await other.claim('dep1', T0, HOUR)
          )
            await other.finish(task.id, ending, T0, HOUR);
          for (let sent = await other.claimDelivery(T0); sent; sent = await other.claimDelivery(T0))
            await other.finishDelivery(sent.id, true, T0, HOUR);
          const statuses = await Promise.all([...kept].map((id) => other.status(id)));
          const { queued, inProgress } = other.depth('dep1');
          // Includes tasks that were stored but not acknowledged.
          return (
            queued + inProgress === 0 && statuses.every((status) => status!.webhookStatus === 'SUCCEEDED')
          );
        },
        20_000,
      );
    });

    it('leave a task with a store that works on it for longer than a lock lasts', async () => {
      fresh();
      const [worker, other] = await Promise.all([open(quiet, { lockMs: 200 }), open(quiet, { lockMs: 200 })]);
      await worker.add(newTask({ id: 'long' }), MAX);
      await worker.claim('dep1', T0, HOUR);
      // Four rounds of the check for stale locks.
      const key = `{${prefix}}:run-dep1:stalled-check`;
      for (const seen = new Set<string>(); seen.size < 4;)
        await until('another round', async () => {
          const turn = await redis.get(key);
          return turn !== null && !seen.has(turn) && seen.add(turn);
        });
      expect(await other.claim('dep1', T0, HOUR)).toBeUndefined();
      await worker.finish('long', ending, T0, HOUR);
      expect(await worker.status('long')).toMatchObject({ status: 'SUCCEEDED' });
    });

    it('ignore the end of a task from a store that has lost it', async () => {
      fresh();
      const [slow, other] = await Promise.all([open(), open()]);
      await slow.add(newTask({ id: 'lost' }), MAX);
      await slow.claim('dep1', T0, HOUR);
      await redis.del(`{${prefix}}:run-dep1:lost.1:lock`);
      await untilUnlocked();
      expect(await other.claim('dep1', T0, HOUR)).toMatchObject({ id: 'lost', attempts: 2 });
      await slow.finish('lost', { ...ending, status: 'FAILED' }, T0, HOUR);
      expect(await other.status('lost')).toMatchObject({ status: 'IN_PROGRESS' });
      await other.finish('lost', ending, T0, HOUR);
      expect(await other.status('lost')).toMatchObject({ status: 'SUCCEEDED' });
    });

    it('write tickets again that a crash has lost', async () => {
      fresh();
      const store = await open();
      await store.add(newTask({ id: 'orphan' }), MAX);
      // As if the process had crashed between the task and its ticket.
      await redis.del(`{${prefix}}:run-dep1:prioritized`, `{${prefix}}:run-dep1:orphan.1`);
      await redis.sadd(`{${prefix}}:unwritten`, 'run\n2\norphan.1\ndep1');
      expect(await store.claim('dep1', T0, HOUR)).toBeUndefined();
      await store.sweep(T0, HOUR);
      // A duplicate ticket is harmless.
      await redis.sadd(`{${prefix}}:unwritten`, 'run\n2\norphan.1\ndep1');
      expect(await store.claim('dep1', T0, HOUR)).toMatchObject({ id: 'orphan', attempts: 1 });
      await store.sweep(T0, HOUR);
      expect(await store.claim('dep1', T0, HOUR)).toBeUndefined();
      await store.finish('orphan', ending, T0, HOUR);
      await redis.sadd(`{${prefix}}:unwritten`, 'run\n2\norphan.1\ndep1');
      await store.sweep(T0, HOUR);
      expect(await store.claim('dep1', T0, HOUR)).toBeUndefined();
      expect(await redis.scard(`{${prefix}}:unwritten`)).toBe(0);
    });

    it('ignore the ticket of an earlier attempt while the task runs again', async () => {
      fresh();
      const store = await open();
      await store.add(newTask({ id: 'again' }), MAX);
      await store.claim('dep1', T0, HOUR);
      await store.retryLater('again', T0, { code: 'c', message: 'm' });
      await store.sweep(T0, HOUR);
      expect(await store.claim('dep1', T0, HOUR)).toMatchObject({ id: 'again', attempts: 2 });
      await redis.sadd(`{${prefix}}:unwritten`, 'run\n2\nagain.1\ndep1');
      await store.sweep(T0, HOUR);
      expect(await store.claim('dep1', T0, HOUR)).toBeUndefined();
    });

    it('leave no keys of deleted tasks', async () => {
      fresh();
      const store = await open();
      for (const deployment of ['a', 'b:c/ä']) {
        const ids = Array.from({ length: 4 }, () => newTask().id);
        for (const id of ids)
          await store.add(newTask({ id, deployment, webhook: 'https://x/', idempotencyKey: id }), MAX);
        await store.cancel(ids[3]!, T0, 1);
        const [one, two, three] = [0, 0, 0].map(() => store.claim(deployment, T0, HOUR));
        await store.retryLater((await one!)!.id, T0, { code: 'c', message: 'm' });
        await store.giveBack((await two!)!.id);
        await store.finish((await three!)!.id, ending, T0, 1);
        await store.sweep(T0, 1);
        for (
          let task = await store.claim(deployment, T0, 1);
          task;
          task = await store.claim(deployment, T0, 1)
        )
          await store.finish(task.id, ending, T0, 1);
      }
      for (let task = await store.claimDelivery(T0); task; task = await store.claimDelivery(T0))
        await store.finishDelivery(task.id, true, T0, 1);
      await store.sweep(T0 + 1, 1);
      const left = await redis.keys(`{${prefix}}:*`);
      // Keys that BullMQ keeps for each queue.
      const bullmqKeys = /:(meta|id|events|marker|pc|stalled-check|stalled)$/;
      expect(left.filter((key) => !bullmqKeys.test(key)).sort()).toEqual([
        `{${prefix}}:depth`,
        `{${prefix}}:schema`,
      ]);
    });
  });

  describe('a Redis that crashes', () => {
    afterEach(clean);

    it('loses no acknowledged task, fails operations with an error, and is used again after its restart', async () => {
      prefix = `weir-${++n}`;
      const store = await open(quiet, { timeoutMs: 2000 });
      const kept: string[] = [];
      let failure: unknown;
      const isAway = () => failure !== undefined;
      const submits = Array.from({ length: 4 }, async () => {
        while (!isAway()) {
          const task = newTask();
          await store.add(task, 1e6).then(
            () => kept.push(task.id),
            (error: unknown) => (failure = error),
          );
        }
      });
      await until('some tasks are stored', () => kept.length > 50);
      const running = (await store.claim('dep1', T0, HOUR))!.id;
      await server.kill();
      await Promise.all(submits);
      expect(failure).toBeInstanceOf(TaskStoreError);
      expect((failure as TaskStoreError).isFull).toBe(false);
      await expect(store.add(newTask(), MAX)).rejects.toThrow(/^Redis at 127\.0\.0\.1:\d+ is not connected$/);
      await expect(store.finish(running, ending, T0, HOUR)).rejects.toThrow(TaskStoreError);
      await expect(store.status(running)).rejects.toThrow(TaskStoreError);
      await server.start();
      await until('the store is connected again', () =>
        store.status(running).then(
          () => true,
          () => false,
        ),
      );
      await store.finish(running, ending, T0, HOUR);
      await store.sweep(T0, HOUR);
      const got = new Set([running]);
      for (let task = await store.claim('dep1', T0, HOUR); task; task = await store.claim('dep1', T0, HOUR)) {
        expect(got.has(task.id)).toBe(false);
        got.add(task.id);
        await store.finish(task.id, ending, T0, HOUR);
      }
      expect(kept.filter((id) => !got.has(id))).toEqual([]);
      expect(store.depth('dep1')).toEqual({ queued: 0, inProgress: 0 });
    });

    it('fails operations at the timeout when it does not respond', async () => {
      prefix = `weir-${++n}`;
      const store = await open(quiet, { timeoutMs: 200 });
      await store.add(newTask(), MAX);
      server.freeze();
      try {
        await expect(store.add(newTask(), MAX)).rejects.toThrow(TaskStoreError);
        await expect(store.claim('dep1', T0, HOUR)).rejects.toThrow(TaskStoreError);
      } finally {
        server.thaw();
      }
      await until('Redis responds again', () =>
        store.add(newTask(), MAX).then(
          () => true,
          () => false,
        ),
      );
    });
  });

  describe('opening the store', () => {
    it('fails for a refused connection and for an invalid URL', async () => {
      const store = new RedisStore('redis://me:geheim@127.0.0.1:1/0', 'p', quiet);
      await expect(store.open()).rejects.toThrow(/cannot use Redis at 127\.0\.0\.1:1: .*ECONNREFUSED/);
      await expect(store.status('x')).rejects.toThrow(TaskStoreError);
      expect(() => new RedisStore('redis//geheim', 'p', quiet)).toThrow(
        /async\.store is not a valid Redis URL/,
      );
    });

    it('never shows the password in an error', async () => {
      const locked = await RedisServer.start('--requirepass', 'geheim');
      try {
        const wrong = new RedisStore(`redis://:falsch-und-geheim@127.0.0.1:${locked.port}`, 'p', quiet);
        const refusal: unknown = await wrong.open().catch((error: unknown) => error);
        expect(inspect(refusal, { depth: 9, showHidden: true })).toMatch(/WRONGPASS/);
        expect(inspect(refusal, { depth: 9, showHidden: true })).not.toMatch(/geheim/);
        const none = new RedisStore(locked.url, 'p', quiet);
        await expect(none.open()).rejects.toThrow(/NOAUTH/);
        const right = new RedisStore(`redis://:geheim@127.0.0.1:${locked.port}`, 'p', quiet);
        await right.open();
        await right.close();
      } finally {
        await locked.stop();
      }
    });

    it('fails if Redis may evict keys', async () => {
      const forgetful = await RedisServer.start('--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-lru');
      try {
        await expect(new RedisStore(forgetful.url, 'p', quiet).open()).rejects.toThrow(
          /has maxmemory-policy allkeys-lru, which drops tasks when its memory is full; set it to noeviction$/,
        );
      } finally {
        await forgetful.stop();
      }
    });

    it('fails for another schema version', async () => {
      prefix = `weir-${++n}`;
      await redis.set(`{${prefix}}:schema`, 99);
      await expect(open()).rejects.toThrow(
        /has schema version 99, but this weir supports 1; use the version of weir that wrote it/,
      );
    });

    it('refuses submits while Redis has little memory, and runs the stored tasks', async () => {
      const small = await RedisServer.start('--maxmemory', '24mb');
      prefix = `weir-${++n}`;
      try {
        const store = await open(quiet, { url: small.url, refreshMs: 10 });
        const big = () => store.add(newTask({ input: 'x'.repeat(50_000) }), 10_000);
        const fill = async () => {
          for (;;) await big();
        };
        await expect(fill()).rejects.toMatchObject({
          isFull: true,
          message: expect.stringMatching(/is out of memory$/),
        });
        for (let i = 0; i < 100; i++)
          await store.finish((await store.claim('dep1', T0, HOUR))!.id, ending, T0, HOUR);
        await until('a submit is accepted again', () =>
          big().then(
            () => true,
            () => false,
          ),
        );
        await store.close();
      } finally {
        await small.stop();
      }
    });

    it('reports a full memory', async () => {
      const small = await RedisServer.start('--maxmemory', '8mb');
      const store = new RedisStore(small.url, 'p', quiet);
      try {
        await store.open();
        const fill = async () => {
          for (;;) await store.add(newTask({ input: 'x'.repeat(100_000) }), 1000);
        };
        const failure: unknown = await fill().catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(TaskStoreError);
        expect((failure as TaskStoreError).isFull).toBe(true);
      } finally {
        await store.close();
        await small.stop();
      }
    });
  });
});
