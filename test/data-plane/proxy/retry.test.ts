// Delays, limits and the budget of retries.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Exchanges, type Exchange } from '../../../src/core/exchange/exchange.ts';
import { GIVE_UP, RetryBudget } from '../../../src/data-plane/proxy/retry.ts';
import { RetryLoad } from '../../../src/data-plane/replicas/pool.ts';
import { configOf } from '../../kit/deployment.ts';

let exchanges: Exchanges;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function make(...args: string[]): RetryBudget {
  exchanges = new Exchanges({ trust_inbound: false });
  const retries = new RetryBudget(configOf(args).proxy, [new RetryLoad()]);
  exchanges.observe(retries);
  return retries;
}

function open(): Exchange {
  const exchange = exchanges.open(undefined);
  exchange.method = 'POST';
  exchange.attempts = 1;
  exchange.route(0);
  return exchange;
}

/** The delays until it gives up, if every response is a 503. */
function pauses(retries: RetryBudget, exchange: Exchange): number[] {
  const found: number[] = [];
  for (;;) {
    const pause = retries.afterResponse(exchange, true, '/');
    if (pause === GIVE_UP) return found;
    found.push(pause);
    exchange.attempts++;
    vi.advanceTimersByTime(pause);
  }
}

it('waits 500 ms, then 1.5 times as long each time, with jitter, at most a minute, for 15 minutes', () => {
  const found = pauses(make(), open());
  for (const [i, pause] of found.entries()) {
    const step = Math.min(60_000, 500 * 1.5 ** i);
    expect(pause).toBeGreaterThanOrEqual(step / 2);
    expect(pause).toBeLessThanOrEqual(step);
  }
  const total = found.reduce((sum, pause) => sum + pause, 0);
  expect(total).toBeLessThan(15 * 60_000);
  expect(total).toBeGreaterThan(13 * 60_000);
});

it('gives up at the total timeout of the request if that is nearer', () => {
  const found = pauses(make('--proxy-total-timeout=10s'), open());
  expect(found.reduce((sum, pause) => sum + pause, 0)).toBeLessThan(10_000);
});

it('tries another replica at once after a failed connection, then waits, up to 16 attempts', () => {
  const retries = make();
  const exchange = open();
  const found: number[] = [];
  for (let pause = retries.afterConnectFailure(exchange, true); pause !== GIVE_UP;) {
    found.push(pause);
    exchange.attempts++;
    vi.advanceTimersByTime(pause);
    pause = retries.afterConnectFailure(exchange, true);
  }
  expect(found[0]).toBe(0);
  expect(found.slice(1).every((pause) => pause >= 250)).toBe(true);
  expect(exchange.attempts).toBe(16);
});

it('never lets retries exceed their share of the live traffic, or three', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 100 }),
      fc.array(fc.constantFrom('open', 'open', 'answer', 'close'), { maxLength: 200 }),
      fc.infiniteStream(fc.nat()),
      (budget, steps, picks) => {
        const retries = make(`--proxy-retry-budget=${budget}`);
        const live: Exchange[] = [];
        for (const step of steps) {
          if (step === 'open') live.push(open());
          if (live.length === 0) continue;
          const at = Number(picks.next().value) % live.length;
          if (step === 'close') live.splice(at, 1)[0]!.close('ok', 200);
          if (step !== 'answer') continue;
          const before = live.filter(({ retries: times }) => times > 0).length;
          const wasRepeat = live[at]!.retries > 0;
          const isAllowed = retries.afterResponse(live[at]!, true, '/') !== GIVE_UP;
          const limit = Math.max(budget === 0 ? 0 : 3, (live.length * budget) / 100);
          expect(isAllowed).toBe(before - (wasRepeat ? 1 : 0) < limit);
        }
        for (const exchange of live) exchange.close('ok', 200);
        // Closed exchanges are not counted any more.
        if (budget > 0) expect(retries.afterResponse(open(), true, '/')).not.toBe(GIVE_UP);
      },
    ),
  );
});

it('counts retries that the budget did not allow', () => {
  const retries = make('--proxy-retry-budget=0');
  expect(retries.afterResponse(open(), true, '/')).toBe(GIVE_UP);
  expect(retries.counts(0).overBudget).toBe(1);
});
