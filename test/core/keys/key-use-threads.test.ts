// Limits of keys with several threads: they hold for all threads together.
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dayOf } from '../../../src/core/keys/key-use.ts';
import { KeyUseTable } from '../../../src/core/keys/key-use-table.ts';
import { CLIENT, type LimitsFound, type LimitsJob } from '../../kit/limits-thread.ts';

const THREADS = 3;

const runThread = (job: LimitsJob): Promise<LimitsFound> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('../../kit/limits-thread.ts', import.meta.url), { workerData: job });
    worker.once('message', resolve).once('error', reject);
  });

/** Runs a job in three threads at the same time. */
function runThreads(job: Record<string, unknown>): Promise<LimitsFound[]> {
  const start = new Int32Array(new SharedArrayBuffer(4));
  return Promise.all(
    Array.from({ length: THREADS }, (_, thread) =>
      runThread({ ...job, thread, threads: THREADS, start } as unknown as LimitsJob),
    ),
  );
}

describe('a limit of a key with three threads', () => {
  it('never allows more requests a second than it says, and allows as many', async () => {
    const table = new KeyUseTable(THREADS);
    const rate = 400;
    const found = await runThreads({
      kind: 'rate',
      shared: table.share([CLIENT]),
      limits: { requests_per_second: rate },
      durationMs: 1500,
    });
    const allowed = found.flatMap((one) => one.allowed).sort((a, b) => a.afterMs - b.afterMs);
    for (const { beforeMs } of allowed) {
      let count = 0;
      for (const one of allowed) {
        if (one.beforeMs < beforeMs) continue;
        count++;
        // All of them were checked in this time, which is known to a millisecond.
        const windowMs = one.afterMs - beforeMs + 1;
        if (count > rate + (rate * windowMs) / 1000) expect.fail(`${count} requests in ${windowMs} ms`);
      }
    }
    const passedMs = allowed.at(-1)!.afterMs - allowed[0]!.beforeMs;
    expect(allowed.length).toBeGreaterThan(rate + (rate * (passedMs - 50)) / 1000);
    const refused = found.reduce((sum, one) => sum + one.refused, 0);
    expect(table.of(CLIENT).requests).toBe(allowed.length + refused);
    expect(table.of(CLIENT).running).toBe(allowed.length);
    table.lost(1);
    expect(table.of(CLIENT).running).toBe(allowed.length - found[1]!.allowed.length);
  });

  it('never lets more requests run at the same time', async () => {
    const running = new Int32Array(new SharedArrayBuffer(4));
    const table = new KeyUseTable(THREADS);
    const found = await runThreads({
      kind: 'concurrency',
      shared: table.share([CLIENT]),
      limits: { concurrency: 2 },
      rounds: 400_000,
      running,
    });
    expect(Math.max(...found.map(({ most }) => most))).toBeLessThanOrEqual(2);
    expect(found.every(({ allowed }) => allowed.length > 0)).toBe(true);
    expect(table.of(CLIENT).running).toBe(0);
  });

  it('counts the tokens and the cost of all threads', async () => {
    const table = new KeyUseTable(THREADS);
    const rounds = 400_000;
    await runThreads({ kind: 'charge', shared: table.share([CLIENT]), rounds });
    const use = table.of(CLIENT);
    expect(use.tokens).toBe(THREADS * rounds * 3);
    expect(use.cost).toBe(THREADS * rounds * 0.25);
    expect(use.costOn(dayOf(Date.now()))).toBe(THREADS * rounds * 0.25);
    expect(use.begin({ cost_per_day: use.cost + 0.1 }, Date.now())).toBeUndefined();
    expect(use.begin({ cost_per_day: use.cost }, Date.now())?.reason).toBe('cost');
  });

  it('decides as with one thread, whichever thread a request is in', () => {
    const step = fc.record({
      thread: fc.nat(THREADS - 1),
      passedMs: fc.nat(400),
      tokens: fc.nat(30),
      cost: fc.nat(3),
      ends: fc.boolean(),
    });
    const limits = fc.record(
      {
        requests_per_second: fc.constantFrom(0.5, 2, 5),
        concurrency: fc.integer({ min: 1, max: 4 }),
        tokens_per_minute: fc.constantFrom(60, 600),
        cost_per_day: fc.integer({ min: 1, max: 40 }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 80 }), (given, steps) => {
        const alone = new KeyUseTable().of(CLIENT);
        const main = new KeyUseTable(THREADS);
        const shared = main.share([CLIENT]);
        const tables = [main, new KeyUseTable(THREADS, 1, shared), new KeyUseTable(THREADS, 2, shared)];
        const begun = [0, 0, 0];
        let nowMs = Date.UTC(2026, 10, 28, 23, 59, 50);
        for (const { thread, passedMs, tokens, cost, ends } of steps) {
          nowMs += passedMs;
          const use = tables[thread]!.of(CLIENT);
          const reached = use.begin(given, nowMs);
          expect(reached).toEqual(alone.begin(given, nowMs));
          if (reached === undefined) begun[thread]!++;
          for (const one of [use, alone]) one.charge(tokens, cost, nowMs);
          if (!ends || begun[thread] === 0) continue;
          begun[thread]!--;
          for (const one of [use, alone]) one.end();
        }
        expect(main.of(CLIENT).running).toBe(alone.running);
      }),
    );
  });
});

it('knows names that were added while threads run, and shows the clients that were used first', () => {
  const main = new KeyUseTable(2);
  const other = new KeyUseTable(2, 1, main.share(['first']));
  expect(() => other.of('later')).toThrow('the use of keys named "later" has no place');
  const many = Array.from({ length: 600 }, (_, i) => `client-${i}`);
  other.update(main.share([...many, 'later']));
  other.of('later').came();
  other.of('client-500').came();
  other.unknown.refuse('missing');
  expect(main.of('later').requests).toBe(1);
  expect(main.seen().map(({ name }) => name)).toEqual(['later', 'client-500']);
  expect(main.unknown.refused).toEqual(new Map([['missing', 1]]));
});
