// Redis: the contract of all stores, several that share a queue, and what can happen to a server.
import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RedisStore, type RedisStoreOptions } from '../../../../src/async/queue/stores/redis-store.ts';
import { TaskStoreError, type TaskStoreEvents } from '../../../../src/async/queue/store.ts';
import { newTask, storeContract } from '../../../contract/store.ts';
import { isMissing } from '../../../kit/program.ts';
import { RedisServer, Wire } from '../../../kit/redis.ts';
import { until } from '../../../kit/until.ts';

const HOUR = 3_600_000;
const T0 = 1_790_000_000_000;
const MAX = 1000;
/** Long enough for a machine that is busy with other tests. */
const LOCK_MS = 1000;
const quiet: TaskStoreEvents = { work: () => undefined, expired: () => undefined };
const ending = { status: 'SUCCEEDED', errors: [], result: undefined, keepResult: false } as const;

let server: RedisServer;
let eye: Redis;
let prefix = '';
let n = 0;
const opened: RedisStore[] = [];
const wires: Wire[] = [];

async function open(events = quiet, options: RedisStoreOptions & { url?: string } = {}): Promise<RedisStore> {
  const { url = server.url, ...others } = options;
  const store = new RedisStore(url, prefix, events, { lockMs: LOCK_MS, ...others });
  await store.open();
  opened.push(store);
  return store;
}

/** A store that ends when its wire is cut: it can say nothing any more, as after a kill. */
async function openMortal(events = quiet): Promise<{ store: RedisStore; die: () => void }> {
  const wire = new Wire(server.port);
  wires.push(wire);
  return { store: await open(events, { url: await wire.open() }), die: () => wire.cut() };
}

/** Until nobody holds a ticket: locks of the dead have run out. */
const untilTakenOver = () =>
  until('what the dead held is free', async () => {
    const held = await eye.keys(`{${prefix}}:*:active`);
    const lengths = await Promise.all(held.map((key) => eye.llen(key)));
    return lengths.every((length) => length === 0);
  });

async function clean(): Promise<void> {
  for (const wire of wires.splice(0)) wire.cut();
  await Promise.all(opened.splice(0).map((store) => store.close()));
}

describe.skipIf(isMissing('redis-server'))('with Redis', () => {
  beforeAll(async () => {
    server = await RedisServer.start();
    eye = new Redis(server.url);
    eye.on('error', () => {
      // Tests kill the server.
    });
  });
  afterAll(async () => {
    eye.disconnect();
    await server.stop();
  });

  storeContract('redis', () => {
    prefix = `weir-${++n}`;
    let die: () => void;
    return {
      async open(events) {
        const mortal = await openMortal(events);
        die = mortal.die;
        return mortal.store;
      },
      async reopen(events) {
        die();
        const store = await open(events);
        await untilTakenOver();
        return store;
      },
      clean,
    };
  });

  describe('a queue that several share', () => {
    afterEach(clean);
    const fresh = () => {
      prefix = `weir-${++n}`;
    };

    it('gives every task to one of them', async () => {
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

    it('delivers every result once', async () => {
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

    it('knows a key whoever is asked, also at once', async () => {
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

    it('either cancels a task or runs it', async () => {
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

    it('never takes more than a deployment may have, whoever is asked', async () => {
      fresh();
      const stores = await Promise.all([open(), open()]);
      const added = await Promise.all(
        Array.from({ length: 30 }, (_, i) => stores[i % 2]!.add(newTask(), 10)),
      );
      expect(added.filter(({ kind }) => kind === 'added').length).toBe(10);
    });

    it('tells the others that there is work, and how much', async () => {
      fresh();
      let worked = 0;
      const other = await open({ ...quiet, work: () => void worked++ }, { refreshMs: 50 });
      const store = await open();
      await store.add(newTask(), MAX);
      await until('the other hears of it', () => worked > 0 && other.depth('dep1').queued === 1);
    });

    it('gives what a dead one held to the others, and counts the try', async () => {
      fresh();
      const { store: dead, die } = await openMortal();
      const heir = await open();
      await dead.add(newTask({ id: 'inherited', webhook: 'https://x/' }), MAX);
      expect((await dead.claim('dep1', T0, HOUR))!.attempts).toBe(1);
      die();
      await untilTakenOver();
      expect(await heir.claim('dep1', T0, HOUR)).toMatchObject({ id: 'inherited', attempts: 2 });
      await heir.finish('inherited', ending, T0, HOUR);
      expect(await heir.claimDelivery(T0)).toMatchObject({ id: 'inherited', attempts: 1 });
      await heir.delivered('inherited', true, T0, HOUR);
      expect(await heir.status('inherited')).toMatchObject({
        status: 'SUCCEEDED',
        webhookStatus: 'SUCCEEDED',
      });
    });

    it('gives it in the place that it had: after what is more urgent, before what came later', async () => {
      fresh();
      const { store: dead, die } = await openMortal();
      const heir = await open();
      await dead.add(newTask({ id: 'inherited', priority: 1 }), MAX);
      await dead.claim('dep1', T0, HOUR);
      for (const [id, priority] of [
        ['later', 1],
        ['urgent', 0],
      ] as const)
        await heir.add(newTask({ id, priority }), MAX);
      die();
      await untilTakenOver();
      await until(
        'it is in its place',
        async () => (await eye.zcard(`{${prefix}}:run-dep1:prioritized`)) === 3,
      );
      const got: string[] = [];
      for (let task = await heir.claim('dep1', T0, HOUR); task; task = await heir.claim('dep1', T0, HOUR))
        got.push(task.id);
      expect(got).toEqual(['urgent', 'inherited', 'later']);
    });

    it('loses nothing when they die at any moment, one after the other', async () => {
      fresh();
      const kept = new Set<string>();
      // Each lives until its wire is cut, in the middle of whatever it does.
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
            else if (i % 5 === 0) await store.rest(task.id, T0, { code: 'c', message: 'm' });
            else if (i % 7 === 0) await store.giveBack(task.id);
            else await store.finish(task.id, ending, T0, HOUR);
          }
        };
        const deliver = async () => {
          for (let i = 0; ; i++) {
            const delivery = await store.claimDelivery(T0);
            if (delivery && i % 5 === 0) await store.deliverLater(delivery.id, T0);
            else if (delivery) await store.delivered(delivery.id, true, T0, HOUR);
          }
        };
        const ends = await Promise.allSettled([submit(), work(), work(), deliver()]);
        for (const end of ends)
          expect(end).toMatchObject({ status: 'rejected', reason: expect.any(TaskStoreError) });
      };
      for (let life = 1; life <= 8; life++) {
        const { store, die } = await openMortal();
        const lived = live(store);
        await until('it has taken some', () => kept.size >= 15 * life);
        die();
        await lived;
      }
      const heir = await open();
      await until(
        'all is worked off',
        async () => {
          await heir.sweep(T0, HOUR);
          for (let task = await heir.claim('dep1', T0, HOUR); task; task = await heir.claim('dep1', T0, HOUR))
            await heir.finish(task.id, ending, T0, HOUR);
          for (let sent = await heir.claimDelivery(T0); sent; sent = await heir.claimDelivery(T0))
            await heir.delivered(sent.id, true, T0, HOUR);
          const statuses = await Promise.all([...kept].map((id) => heir.status(id)));
          const { queued, inProgress } = heir.depth('dep1');
          // Also those that were kept although their clients never heard of it.
          return (
            queued + inProgress === 0 && statuses.every((status) => status!.webhookStatus === 'SUCCEEDED')
          );
        },
        20_000,
      );
    });

    it('leaves a task with the one who works on it for longer than a lock lasts', async () => {
      fresh();
      const [worker, other] = await Promise.all([open(quiet, { lockMs: 200 }), open(quiet, { lockMs: 200 })]);
      await worker.add(newTask({ id: 'long' }), MAX);
      await worker.claim('dep1', T0, HOUR);
      // Four turns of the one who looks for locks that have run out.
      const key = `{${prefix}}:run-dep1:stalled-check`;
      for (const seen = new Set<string>(); seen.size < 4;)
        await until('it looks again', async () => {
          const turn = await eye.get(key);
          return turn !== null && !seen.has(turn) && seen.add(turn);
        });
      expect(await other.claim('dep1', T0, HOUR)).toBeUndefined();
      await worker.finish('long', ending, T0, HOUR);
      expect(await worker.status('long')).toMatchObject({ status: 'SUCCEEDED' });
    });

    it('does not let one that has lost a task end it', async () => {
      fresh();
      const [slow, heir] = await Promise.all([open(), open()]);
      await slow.add(newTask({ id: 'lost' }), MAX);
      await slow.claim('dep1', T0, HOUR);
      await eye.del(`{${prefix}}:run-dep1:lost.1:lock`);
      await untilTakenOver();
      expect(await heir.claim('dep1', T0, HOUR)).toMatchObject({ id: 'lost', attempts: 2 });
      await slow.finish('lost', { ...ending, status: 'FAILED' }, T0, HOUR);
      expect(await heir.status('lost')).toMatchObject({ status: 'IN_PROGRESS' });
      await heir.finish('lost', ending, T0, HOUR);
      expect(await heir.status('lost')).toMatchObject({ status: 'SUCCEEDED' });
    });

    it('writes tickets again that a crash has lost', async () => {
      fresh();
      const store = await open();
      await store.add(newTask({ id: 'orphan' }), MAX);
      // As if the process had died after the record and before the ticket.
      await eye.del(`{${prefix}}:run-dep1:prioritized`, `{${prefix}}:run-dep1:orphan.1`);
      await eye.sadd(`{${prefix}}:unwritten`, 'run\n2\norphan.1\ndep1');
      expect(await store.claim('dep1', T0, HOUR)).toBeUndefined();
      await store.sweep(T0, HOUR);
      // And one too many harms nobody.
      await eye.sadd(`{${prefix}}:unwritten`, 'run\n2\norphan.1\ndep1');
      expect(await store.claim('dep1', T0, HOUR)).toMatchObject({ id: 'orphan', attempts: 1 });
      await store.sweep(T0, HOUR);
      expect(await store.claim('dep1', T0, HOUR)).toBeUndefined();
      await store.finish('orphan', ending, T0, HOUR);
      await eye.sadd(`{${prefix}}:unwritten`, 'run\n2\norphan.1\ndep1');
      await store.sweep(T0, HOUR);
      expect(await store.claim('dep1', T0, HOUR)).toBeUndefined();
      expect(await eye.scard(`{${prefix}}:unwritten`)).toBe(0);
    });

    it('takes no notice of a ticket from before a rest while the task runs again', async () => {
      fresh();
      const store = await open();
      await store.add(newTask({ id: 'again' }), MAX);
      await store.claim('dep1', T0, HOUR);
      await store.rest('again', T0, { code: 'c', message: 'm' });
      await store.sweep(T0, HOUR);
      expect(await store.claim('dep1', T0, HOUR)).toMatchObject({ id: 'again', attempts: 2 });
      await eye.sadd(`{${prefix}}:unwritten`, 'run\n2\nagain.1\ndep1');
      await store.sweep(T0, HOUR);
      expect(await store.claim('dep1', T0, HOUR)).toBeUndefined();
    });

    it('leaves nothing behind of what is forgotten', async () => {
      fresh();
      const store = await open();
      for (const deployment of ['a', 'b:c/ä']) {
        const ids = Array.from({ length: 4 }, () => newTask().id);
        for (const id of ids)
          await store.add(newTask({ id, deployment, webhook: 'https://x/', idempotencyKey: id }), MAX);
        await store.cancel(ids[3]!, T0, 1);
        const [one, two, three] = [0, 0, 0].map(() => store.claim(deployment, T0, HOUR));
        await store.rest((await one!)!.id, T0, { code: 'c', message: 'm' });
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
        await store.delivered(task.id, true, T0, 1);
      await store.sweep(T0 + 1, 1);
      const left = await eye.keys(`{${prefix}}:*`);
      // What BullMQ keeps for every line, whatever is in it.
      const furniture = /:(meta|id|events|marker|pc|stalled-check|stalled)$/;
      expect(left.filter((key) => !furniture.test(key)).sort()).toEqual([
        `{${prefix}}:depth`,
        `{${prefix}}:schema`,
      ]);
    });
  });

  describe('a server that goes away', () => {
    afterEach(clean);

    it('loses nothing that was acknowledged, is missed clearly, and is used again when it is back', async () => {
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
      await until('some are kept', () => kept.length > 50);
      const running = (await store.claim('dep1', T0, HOUR))!.id;
      await server.kill();
      await Promise.all(submits);
      expect(failure).toBeInstanceOf(TaskStoreError);
      expect((failure as TaskStoreError).isFull).toBe(false);
      await expect(store.add(newTask(), MAX)).rejects.toThrow(/^Redis at 127\.0\.0\.1:\d+ is not connected$/);
      await expect(store.finish(running, ending, T0, HOUR)).rejects.toThrow(TaskStoreError);
      await expect(store.status(running)).rejects.toThrow(TaskStoreError);
      await server.start();
      await until('it is connected again', () =>
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

    it('is waited for no longer than a while when it says nothing', async () => {
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
      await until('it answers again', () =>
        store.add(newTask(), MAX).then(
          () => true,
          () => false,
        ),
      );
    });
  });

  describe('a server that cannot be used', () => {
    it('is named where nobody listens, and for what is no URL', async () => {
      const store = new RedisStore('redis://me:geheim@127.0.0.1:1/0', 'p', quiet);
      await expect(store.open()).rejects.toThrow(/cannot use Redis at 127\.0\.0\.1:1: .*ECONNREFUSED/);
      await expect(store.status('x')).rejects.toThrow(TaskStoreError);
      expect(() => new RedisStore('redis//geheim', 'p', quiet)).toThrow(
        /async\.store is not a valid Redis URL/,
      );
    });

    it('never has its password told', async () => {
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

    it('is refused when it would drop keys', async () => {
      const forgetful = await RedisServer.start('--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-lru');
      try {
        await expect(new RedisStore(forgetful.url, 'p', quiet).open()).rejects.toThrow(
          /has maxmemory-policy allkeys-lru, which drops tasks when its memory is full; set it to noeviction$/,
        );
      } finally {
        await forgetful.stop();
      }
    });

    it('is refused when another version wrote it', async () => {
      prefix = `weir-${++n}`;
      await eye.set(`{${prefix}}:schema`, 99);
      await expect(open()).rejects.toThrow(
        /has schema version 99, but this weir supports 1; use the version of weir that wrote it/,
      );
    });

    it('takes no more while there is little memory left, and works off what it has', async () => {
      const small = await RedisServer.start('--maxmemory', '24mb');
      prefix = `weir-${++n}`;
      try {
        const store = await open(quiet, { url: small.url, refreshMs: 10 });
        const big = () => store.add(newTask({ input: Buffer.alloc(50_000, 'x') }), 10_000);
        const fill = async () => {
          for (;;) await big();
        };
        await expect(fill()).rejects.toMatchObject({
          isFull: true,
          message: expect.stringMatching(/is out of memory$/),
        });
        for (let i = 0; i < 100; i++)
          await store.finish((await store.claim('dep1', T0, HOUR))!.id, ending, T0, HOUR);
        await until('there is room again', () =>
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

    it('says so when its memory is full', async () => {
      const small = await RedisServer.start('--maxmemory', '8mb');
      const store = new RedisStore(small.url, 'p', quiet);
      try {
        await store.open();
        const fill = async () => {
          for (;;) await store.add(newTask({ input: Buffer.alloc(100_000, 'x') }), 1000);
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
