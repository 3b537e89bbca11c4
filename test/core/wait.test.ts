// Waiting for a promise up to a limit.
import { getActiveResourcesInfo } from 'node:process';
import { describe, expect, it } from 'vitest';
import { TIMED_OUT, waitAtMost } from '../../src/core/wait.ts';

const never = new Promise<never>(() => undefined);
const timers = () => getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

describe('waitAtMost', () => {
  it('resolves to the value of a promise that is settled in time', async () => {
    expect(await waitAtMost(60_000, Promise.resolve(7))).toBe(7);
  });

  it('resolves to TIMED_OUT after the given time', async () => {
    const startedMs = performance.now();
    expect(await waitAtMost(30, never)).toBe(TIMED_OUT);
    expect(performance.now() - startedMs).toBeGreaterThan(25);
  });

  it.each([0, -5, Number.NEGATIVE_INFINITY])('does not wait with %s ms', async (ms) => {
    expect(await waitAtMost(ms, never)).toBe(TIMED_OUT);
  });

  it.each([0, -5])('prefers a settled promise with %s ms', async (ms) => {
    expect(await waitAtMost(ms, Promise.resolve(7))).toBe(7);
  });

  it('rejects if the promise rejects in time', async () => {
    await expect(waitAtMost(60_000, Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  });

  it('ignores a promise that rejects after the time', async () => {
    const { promise, reject } = Promise.withResolvers<never>();
    expect(await waitAtMost(1, promise)).toBe(TIMED_OUT);
    reject(new Error('late'));
  });

  it('leaves no timer behind, however the wait ends', async () => {
    const before = timers();
    for (let i = 0; i < 10; i++) {
      await waitAtMost(60_000, Promise.resolve());
      await waitAtMost(60_000, Promise.reject(new Error('broken'))).catch(() => undefined);
      await waitAtMost(1, never);
    }
    // Timers of others may have ended meanwhile.
    expect(timers()).toBeLessThanOrEqual(before + 1);
  });
});
