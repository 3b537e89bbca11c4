// What the pools of several threads tell each other: outlier detection, reload, drain, tasks and the budget of retries.
import { MessageChannel } from 'node:worker_threads';
import fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';
import { Exchanges } from '../../../src/core/exchange/exchange.ts';
import { GIVE_UP, RetryBudget } from '../../../src/data-plane/proxy/retry.ts';
import type { Failure } from '../../../src/core/errors.ts';
import {
  Lease,
  Pool,
  WaitEntry,
  WorkerPool,
  type DeploymentOptions,
  type ReplicaPool,
} from '../../../src/data-plane/replicas/pool.ts';
import { configOf, deploymentOptions } from '../../kit/deployment.ts';
import { poolPort } from '../../kit/pool-port.ts';
import { until } from '../../kit/until.ts';

const pools: { stop(): void }[] = [];
let freed: string[] = [];

afterEach(() => {
  for (const pool of pools.splice(0)) pool.stop();
  freed = [];
});

const options = (changes: Partial<DeploymentOptions> = {}, names = ['r0', 'r1', 'r2', 'r3']) =>
  deploymentOptions(names, { concurrency_target: 1, ...changes });

function createPool(deployments: DeploymentOptions[], threads = 3, args: string[] = []): Pool {
  const events = {
    changed: () => undefined,
    dead: () => undefined,
    freeCapacity: (deployment: string) => freed.push(deployment),
  };
  const pool = new Pool(deployments, configOf(args).pool, events, undefined, threads);
  for (const { replicas } of pool.deployments) for (const one of replicas) one.setState('ready');
  pools.push(pool);
  return pool;
}

function attach(pool: Pool, thread: number, updated?: () => void): WorkerPool {
  const { port1, port2 } = new MessageChannel();
  const worker = new WorkerPool(
    structuredClone(pool.attachThread(thread, poolPort(port1))),
    poolPort(port2),
    updated,
  );
  pools.push(worker);
  return worker;
}

const exchanges = new Exchanges({ trust_inbound: false });

/** Reserves a replica of a deployment. `outcome`: of a request that waits. */
function reserve(pool: ReplicaPool, deployment = 0) {
  const exchange = exchanges.open(undefined);
  exchange.deployment = deployment;
  const outcome = Promise.withResolvers<Lease | Failure>();
  const waiter = { granted: outcome.resolve, refused: outcome.resolve };
  const reserved = pool.reserve(exchange, waiter);
  return { reserved, outcome: outcome.promise };
}

function lease(pool: ReplicaPool): Lease {
  const { reserved } = reserve(pool);
  if (!(reserved instanceof Lease)) throw new Error('no replica is free');
  return reserved;
}

function expectWaits(pool: ReplicaPool, deployment = 0): Promise<Lease | Failure> {
  const { reserved, outcome } = reserve(pool, deployment);
  expect(reserved).toBeInstanceOf(WaitEntry);
  return outcome;
}

it('ejects a replica that breaks five exchanges in a row, in whatever threads they are', async () => {
  const pool = createPool([options({ concurrency_target: 0 })]);
  const [first, second] = [attach(pool, 1), attach(pool, 2)];
  const replica = pool.deployments[0]!.replicas[0]!;
  const report = (from: ReplicaPool, act: (one: Lease) => void) => {
    const all = Array.from({ length: 4 }, () => lease(from));
    act(all.find((one) => one.replica.id === replica.id)!);
    for (const one of all) one.release();
  };
  const breaks = (one: Lease) => one.reportBroken();
  for (const from of [first, second, pool, first]) report(from, breaks);
  report(second, (one) => one.reportCompleted());
  for (const from of [first, second, pool, first]) report(from, breaks);
  expect(replica.failures).toBe(4);
  report(second, breaks);
  await until('it is ejected', () => replica.state === 'ejected');
  for (const from of [pool, first, second]) {
    const seen = from.deployments[0]!.replicas[0]!;
    expect([seen.state, seen.isReady]).toEqual(['ejected', false]);
  }
});

it('takes a replica from every thread when one of them finds it unreachable', async () => {
  const pool = createPool([options()]);
  const [first, second] = [attach(pool, 1), attach(pool, 2)];
  const broken = lease(first);
  broken.reportUnreachable();
  broken.release();
  await until('it is down', () => pool.deployments[0]!.count('down') === 1);
  const others = [lease(second), lease(second), lease(second)].map(({ replica }) => replica.id);
  expect(others).not.toContain(broken.replica.id);
  expect(second.tryReserveIdle(0)).toBeUndefined();
});

it('shows the requests of all threads', () => {
  const pool = createPool([options()]);
  const worker = attach(pool, 1);
  lease(pool);
  lease(worker);
  lease(worker);
  lease(worker);
  void expectWaits(worker);
  const [shown] = pool.snapshot(false) as { waiting: number; replicas: { outstanding: number }[] }[];
  expect(shown!.waiting).toBe(1);
  expect(shown!.replicas.map(({ outstanding }) => outstanding)).toEqual([1, 1, 1, 1]);
});

it('applies a changed configuration in every thread', async () => {
  const pool = createPool([options({ id: 'a' }, ['r0', 'r1'])]);
  let updates = 0;
  const worker = attach(pool, 1, () => updates++);
  const held = lease(worker);
  const kept = held.replica.id === 'r0' ? 'r1' : 'r0';
  const changed = options({ id: 'a' }, ['r0', 'r1']);
  const replicas = changed.replicas.filter(({ id }) => id === kept);
  expect(pool.update([{ ...changed, replicas, max_queue: 7 }, options({ id: 'b' }, ['r0'])])).toBe('');
  await until('it has both deployments', () => worker.current.length === 2);
  expect(updates).toBeGreaterThan(0);
  expect(worker.deployments.map(({ options: { id } }) => id)).toEqual(['a', 'b']);
  expect(worker.deployments[0]!.options.max_queue).toBe(7);
  // The replica that left is kept until its request has ended.
  expect(held.replica.isLeaving).toBe(true);
  expect(lease(worker).replica.id).toBe(kept);
  held.release();
  await until('it is gone', () => worker.deployments[0]!.replicas.length === 1);
  expect(pool.deployments[0]!.replicas.map(({ id }) => id)).toEqual([kept]);
});

it('refuses requests of every thread at once when a deployment is removed', async () => {
  const pool = createPool([options({ id: 'a' }, ['r0']), options({ id: 'b' }, ['r0'])]);
  const worker = attach(pool, 1);
  pool.update([options({ id: 'a' }, ['r0'])]);
  expect(reserve(worker, 1).reserved).toBe('no_replica');
  await until('it is gone', () => worker.deployments[1]!.replicas.length === 0);
  expect(worker.current.map(({ index }) => index)).toEqual([0]);
});

it('removes the replicas of a removed deployment after the last waiting request has left', async () => {
  const pool = createPool([options({ id: 'a' }, ['r0']), options({ id: 'b' }, ['r0'])], 1);
  const exchange = exchanges.open(undefined);
  exchange.deployment = 1;
  const waiter = { granted: () => undefined, refused: () => undefined };
  const held = pool.reserve(exchange, waiter) as Lease;
  const waits = pool.reserve(exchange, waiter) as WaitEntry;
  pool.update([options({ id: 'a' }, ['r0'])]);
  expect(pool.deployments[1]!.replicas).toHaveLength(1);
  waits.leave();
  held.release();
  expect(pool.deployments[1]!.replicas).toEqual([]);
});

it('lets no request of any thread wait for a replica that is not ready once weir drains', async () => {
  const pool = createPool([options({}, ['r0'])]);
  const worker = attach(pool, 1);
  pool.deployments[0]!.replicas[0]!.setState('down');
  const waiting = expectWaits(worker);
  await until('it is in the queue', () => pool.deployments[0]!.waitQueue.first !== undefined);
  pool.startDraining();
  expect(await waiting).toBe('draining');
  expect(reserve(worker).reserved).toBe('draining');
});

it('refuses every waiting and every further request when the time for draining is over', async () => {
  const pool = createPool([options({}, ['r0'])]);
  const worker = attach(pool, 1);
  lease(pool);
  const outcomes = [expectWaits(worker), expectWaits(pool), expectWaits(worker)];
  pool.refuseAll();
  expect(await Promise.all(outcomes)).toEqual(['draining', 'draining', 'draining']);
  expect(reserve(worker).reserved).toBe('draining');
  await until('none waits', () => pool.deployments[0]!.waiting === 0);
});

it('refuses what waits in one thread when that thread aborts its requests', async () => {
  const pool = createPool([options({}, ['r0'])]);
  const [first, second] = [attach(pool, 1), attach(pool, 2)];
  const held = lease(pool);
  const outcomes = [expectWaits(first), expectWaits(second)];
  first.refuseAll();
  expect(await outcomes[0]).toBe('draining');
  expect(reserve(first).reserved).toBe('draining');
  held.release();
  expect(await outcomes[1]).toBeInstanceOf(Lease);
});

it('refuses a request of another thread that has waited too long', async () => {
  const pool = createPool([options({ queue_timeout: 30 }, ['r0'])]);
  const worker = attach(pool, 1);
  lease(pool);
  expect(await expectWaits(worker)).toBe('queue_timeout');
});

it('tells the queue of tasks of a replica that another thread has freed', async () => {
  const pool = createPool([options({}, ['r0'])]);
  const worker = attach(pool, 1);
  const held = lease(worker);
  expect(pool.tryReserveIdle(0)).toBeUndefined();
  held.release();
  await until('the queue is told', () => freed.length > 0);
  expect(pool.tryReserveIdle(0)).toBeInstanceOf(Lease);
});

it('limits the buffered bytes of all threads together', async () => {
  const pool = createPool([options({}, ['r0'])], 3, ['--pool-max-queue-bytes=1000']);
  const [first, second] = [attach(pool, 1), attach(pool, 2)];
  lease(pool);
  const [one, two] = [reserve(first).reserved as WaitEntry, reserve(second).reserved as WaitEntry];
  expect(one.buffer(600)).toBe(true);
  expect(two.buffer(600)).toBe(false);
  expect(two.buffer(400)).toBe(true);
  expect(pool.bufferBudget.bytes).toBe(1000);
  pool.threadLost(1);
  expect(pool.bufferBudget.bytes).toBe(400);
  two.leave();
  expect(pool.bufferBudget.bytes).toBe(0);
});

it('never lets the retries of all threads exceed their share of the live traffic, or three', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 100 }),
      fc.array(fc.tuple(fc.nat(2), fc.constantFrom('open', 'open', 'answer', 'close', 'lost'), fc.nat()), {
        maxLength: 200,
      }),
      (budget, steps) => {
        const pool = createPool([options()]);
        const { proxy } = configOf([`--proxy-retry-budget=${budget}`]);
        const create = (from: ReplicaPool) => {
          const own = new Exchanges({ trust_inbound: false });
          const retries = new RetryBudget(proxy, from.retryLoads);
          own.observe(retries);
          return { own, retries };
        };
        const threads = [create(pool), create(attach(pool, 1)), create(attach(pool, 2))];
        const live = threads.map((): ReturnType<Exchanges['open']>[] => []);
        let overBudget = 0;
        for (const [thread, step, pick] of steps) {
          const { own, retries } = threads[thread]!;
          if (step === 'lost' && thread > 0) {
            pool.threadLost(thread);
            threads[thread] = create(attach(pool, thread));
            live[thread] = [];
          }
          if (step === 'open') {
            const exchange = own.open(undefined);
            exchange.method = 'POST';
            exchange.attempts = 1;
            exchange.route(0);
            live[thread]!.push(exchange);
          }
          const mine = live[thread]!;
          const at = pick % (mine.length || 1);
          const one = mine[at];
          if (one === undefined) continue;
          if (step === 'close') mine.splice(at, 1)[0]!.close('ok', 200);
          if (step !== 'answer') continue;
          const all = live.flat();
          const others = all.filter((exchange) => exchange !== one && exchange.retries > 0).length;
          const isAllowed = retries.afterResponse(one, true, '/') !== GIVE_UP;
          expect(isAllowed).toBe(others < Math.max(budget === 0 ? 0 : 3, (all.length * budget) / 100));
          if (!isAllowed) overBudget++;
        }
        expect(threads[0]!.retries.counts(0).overBudget).toBe(overBudget);
        for (const one of pools.splice(0)) one.stop();
      },
    ),
  );
});
