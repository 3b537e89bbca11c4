// When collectors run, and when they do not.
import { afterEach, expect, it } from 'vitest';
import { Logger } from '../../src/core/logger.ts';
import { CollectorRunner, type RunnerOptions, type CollectorReading } from '../../src/collectors/runner.ts';
import { until } from '../kit/until.ts';

const lines: string[] = [];
const log = new Logger(
  { write: (line) => lines.push(line), flush: () => undefined, dropped: () => 0 },
  { level: 'info', isText: false },
);
const started: CollectorRunner<unknown>[] = [];
afterEach(() => {
  lines.length = 0;
  for (const runner of started.splice(0)) void runner.stop();
});

const good = <T>(value: T): CollectorReading<T> => ({ value, problem: '', retrySoon: false });

function start<T>(
  collect: (signal: AbortSignal) => Promise<CollectorReading<T>>,
  options: Partial<RunnerOptions> = {},
): CollectorRunner<T> {
  const runner = new CollectorRunner<T>(
    { name: 'test', collect },
    { intervalMs: 5, timeoutMs: 5000, maxAgeMs: 60_000, retryMs: 5, ...options },
    log,
  );
  started.push(runner);
  runner.start(0);
  return runner;
}

it('reads repeatedly and keeps the last reading', async () => {
  let count = 0;
  const runner = start(async () => good(++count));
  await until('it has run a few times', () => (runner.last() ?? 0) >= 3);
  expect(runner.stats()).toMatchObject({ sampler: 'test', isSuccess: true });
  expect(runner.stats().runs.success).toBeGreaterThanOrEqual(3);
  expect(runner.stats().ageSeconds).toBeLessThan(5);
});

it('never runs twice at once: a run past its deadline fails, and the next one waits until it has ended', async () => {
  let running = 0;
  let most = 0;
  let begun = 0;
  let aborted = 0;
  let release = (): void => undefined;
  const runner = start(
    async (signal) => {
      const number = ++begun;
      most = Math.max(most, ++running);
      signal.addEventListener('abort', () => aborted++);
      if (number > 1) await new Promise<void>((resolve) => (release = resolve));
      running--;
      return good(number);
    },
    { timeoutMs: 20 },
  );
  await until('the second run is over its deadline', () => runner.stats().runs.timeout === 1);
  expect(runner.stats()).toMatchObject({ isSuccess: false });
  // The reading before it stays until it is too old.
  expect(runner.last()).toBe(1);
  // Many intervals pass; another runner keeps the time.
  let ticks = 0;
  const clock = start(async () => good(++ticks));
  await until('many intervals have passed', () => (clock.last() ?? 0) > 10);
  expect([begun, most, aborted]).toEqual([2, 1, 1]);
  expect(runner.stats().runs.timeout).toBe(1);
  release();
  await until('the next one runs', () => begun === 3);
  // The late reading is dropped.
  expect(runner.last()).toBe(1);
  release();
  await until('it reads again', () => runner.stats().isSuccess === true);
  expect(runner.last()).toBe(3);
  expect(most).toBe(1);
});

it('drops a reading that is older than maxAgeMs', async () => {
  let isDown = false;
  const runner = start(async () => (isDown ? Promise.reject(new Error('gone')) : good('x')), {
    maxAgeMs: 100,
  });
  await until('it has read', () => runner.last() === 'x');
  isDown = true;
  await until('the reading has disappeared', () => runner.last() === undefined);
  expect(runner.stats()).toMatchObject({ isSuccess: false });
  expect(runner.stats().ageSeconds).toBeGreaterThanOrEqual(0.1);
});

it('keeps a partial reading and counts a failure', async () => {
  const runner = start(async () => ({ value: ['a'], problem: 'b: no', retrySoon: false }));
  await until('it has run', () => runner.stats().runs.failure > 0);
  expect(runner.last()).toEqual(['a']);
  expect(runner.stats().isSuccess).toBe(false);
});

it('counts no run if there is nothing to read', async () => {
  let calls = 0;
  const runner = start<string>(async () => {
    calls++;
    return { value: undefined, problem: '', retrySoon: false };
  });
  await until('it has run', () => calls > 2);
  expect(runner.stats()).toMatchObject({ isSuccess: undefined, runs: { success: 0, failure: 0 } });
});

it('retries soon while a reading says so, and then at the interval', async () => {
  let calls = 0;
  start(async () => ({ value: 1, problem: '', retrySoon: ++calls < 5 }), {
    intervalMs: 3_600_000,
    retryMs: 1,
  });
  await until('it has run often', () => calls === 5);
});

it('logs changes only', async () => {
  let isDown = true;
  const runner = start(async () => (isDown ? Promise.reject(new Error('no such thing')) : good(1)));
  await until('it has failed often', () => runner.stats().runs.failure > 3);
  isDown = false;
  await until('it reads', () => runner.stats().runs.success > 3);
  expect(lines.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual([
    'collector failed',
    'collector recovered',
  ]);
  expect(lines[0]).toContain('no such thing');
});

it('stops after the current run has ended', async () => {
  let begun = 0;
  let release = (): void => undefined;
  const runner = start(async () => {
    begun++;
    await new Promise<void>((resolve) => (release = resolve));
    return good(1);
  });
  await until('a run is under way', () => begun === 1);
  let isStopped = false;
  const stopped = runner.stop().then(() => (isStopped = true));
  runner.runSoon();
  expect(isStopped).toBe(false);
  release();
  await stopped;
  let ticks = 0;
  const clock = start(async () => good(++ticks));
  await until('many intervals have passed', () => (clock.last() ?? 0) > 10);
  expect(begun).toBe(1);
});
