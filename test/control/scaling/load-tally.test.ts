// Requests of several threads in one autoscaler: it decides as if one thread had served them all.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Exchange } from '../../../src/core/exchange/exchange.ts';
import { read } from '../../../src/core/read-settings.ts';
import { Autoscaler, LoadTally, type ScaledDeployment } from '../../../src/control/scaling/autoscaler.ts';
import { scaleOptions } from '../../../src/control/scaling/options.ts';
import { quietLog } from '../../kit/quiet-log.ts';

const DEPLOYMENTS: ScaledDeployment[] = [0, 1].map((index) => ({
  index,
  id: `dep${index}`,
  concurrencyTarget: 0,
  current: 0,
}));

/** An autoscaler with a manual clock and without timers. */
function manual(clock: { nowMs: number }): Autoscaler {
  const options = read(scaleOptions, { max_replica: 50, autoscaling_window: '10s', scale_down_delay: '20s' });
  if (!options.ok) throw new Error('bad settings');
  const deps = { deployments: () => DEPLOYMENTS, asyncLoad: () => 0, log: quietLog() };
  const autoscaler = new Autoscaler(options.settings, deps, () => clock.nowMs);
  autoscaler.tick();
  return autoscaler;
}

const exchangeOf = (deployment: number, endMs = 0) => ({ deployment, isAsync: false, endMs }) as Exchange;

describe('requests of other threads', () => {
  it('give the same load and decisions as in one thread', () => {
    const step = fc.record({
      thread: fc.nat(2),
      deployment: fc.nat(1),
      passedMs: fc.nat(90),
      ends: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const clock = { nowMs: 1_000_000 };
        const [one, all] = [manual(clock), manual(clock)];
        const tallies = [1, 2].map(
          () =>
            new LoadTally(
              () => undefined,
              () => clock.nowMs,
            ),
        );
        const observers = [all.observer, ...tallies];
        const running = observers.map(() => [0, 0]);
        const report = (): void => {
          for (const [i, tally] of tallies.entries()) {
            const changes = tally.take();
            if (changes !== undefined) all.report(i + 1, structuredClone(changes));
          }
        };
        let tickMs = clock.nowMs;
        for (const { thread, deployment, passedMs, ends } of steps) {
          clock.nowMs += passedMs;
          // The other threads report before each decision here, so that nothing is late.
          if (clock.nowMs - tickMs >= 1000) {
            tickMs = clock.nowMs;
            report();
            for (const autoscaler of [one, all]) autoscaler.tick();
          }
          if (ends && running[thread]![deployment]! > 0) {
            running[thread]![deployment]!--;
            const exchange = exchangeOf(deployment, clock.nowMs);
            for (const observer of [one.observer, observers[thread]!]) observer.closed(exchange);
          } else if (!ends) {
            running[thread]![deployment]!++;
            const exchange = exchangeOf(deployment);
            for (const observer of [one.observer, observers[thread]!]) observer.routed!(exchange);
          }
        }
        clock.nowMs += 1000;
        report();
        for (const autoscaler of [one, all]) autoscaler.tick();
        for (const [i, expected] of one.readings().entries()) {
          const { mean_in_flight, ...found } = all.readings()[i]!;
          expect(mean_in_flight).toBeCloseTo(expected.mean_in_flight, 6);
          expect({ ...found, mean_in_flight: 0 }).toEqual({ ...expected, mean_in_flight: 0 });
        }
      }),
    );
  });

  it('scale up from zero at once', async () => {
    const clock = { nowMs: 1_000_000 };
    const autoscaler = manual(clock);
    const urgent: number[] = [];
    const tally = new LoadTally(
      () => urgent.push(clock.nowMs),
      () => clock.nowMs,
    );
    clock.nowMs += 5000;
    tally.routed(exchangeOf(0));
    tally.routed(exchangeOf(0));
    expect(urgent).toHaveLength(1);
    autoscaler.report(1, tally.take()!);
    await Promise.resolve();
    expect(autoscaler.readings()[0]).toMatchObject({ desired: 1, in_flight: 2, reason: 'up' });
    expect(tally.take()).toBeUndefined();
  });

  it('end with their thread', () => {
    const clock = { nowMs: 1_000_000 };
    const autoscaler = manual(clock);
    for (const thread of [1, 2]) {
      const tally = new LoadTally(
        () => undefined,
        () => clock.nowMs,
      );
      for (let i = 0; i < 3; i++) tally.routed(exchangeOf(1));
      autoscaler.report(thread, tally.take()!);
    }
    autoscaler.tick();
    expect(autoscaler.readings()[1]).toMatchObject({ in_flight: 6 });
    clock.nowMs += 1000;
    autoscaler.lost(2);
    autoscaler.lost(2);
    autoscaler.tick();
    expect(autoscaler.readings()[1]).toMatchObject({ in_flight: 3 });
    expect(autoscaler.readings()[1]!.mean_in_flight).toBeCloseTo(6, 6);
  });
});
