// The token bucket, also over several threads.
import { expect, it } from 'vitest';
import { RateLimiter } from '../../src/core/rate-limiter.ts';
import { SharedArrays } from '../../src/core/shared-arrays.ts';

it('gives as many tokens as the rate allows, and more as time passes', () => {
  const limiter = new RateLimiter(2);
  const nowMs = performance.now() + 1000;
  expect([0, 0, 0, 400, 500].map((ms) => limiter.take(nowMs + ms))).toEqual([true, true, false, false, true]);
});

it('has no limit at 0', () => {
  const limiter = new RateLimiter(0);
  for (let i = 0; i < 1000; i++) expect(limiter.take()).toBe(true);
});

it('gives two threads no more than one', () => {
  const memory = new SharedArrays();
  const one = new RateLimiter(3, { threads: 2, thread: 0, arrays: memory });
  const other = new RateLimiter(3, { threads: 2, thread: 1, arrays: new SharedArrays(memory.buffers) });
  const nowMs = performance.now() + 1000;
  const taken = [one, other, one, other, one].map((limiter) => limiter.take(nowMs));
  expect(taken).toEqual([true, true, true, false, false]);
});
