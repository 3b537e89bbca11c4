import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  initialScale,
  decideReplicas,
  type ScaleDecision,
  type ScaleRule,
} from '../../../src/control/scaling/desired-replicas.ts';
import { SlidingMean } from '../../../src/control/scaling/sliding-mean.ts';

const S = 1000;
/** The contract's defaults (docs/contracts/serving.md 5.1) with a higher maximum. */
const RULE: ScaleRule = { min: 0, max: 100, perReplica: 7, downDelayMs: 900 * S, downRate: 50 };

/** A deployment with a simulated clock. `load(n, seconds)` holds n requests in flight. */
function simulate(rule: ScaleRule, running: number, windowMs = 60 * S) {
  const mean = new SlidingMean(windowMs, 0);
  let nowMs = 0;
  let idleSinceMs = 0;
  let decision = initialScale(running, rule, 0);
  const history: { seconds: number; desired: number }[] = [];
  return {
    history,
    get decision(): ScaleDecision {
      return decision;
    },
    load(inFlight: number, seconds: number) {
      if (inFlight === 0 && mean.value > 0) idleSinceMs = nowMs;
      mean.change(inFlight - mean.value, nowMs);
      for (let i = 0; i < seconds; i++) {
        nowMs += S;
        const before = decision.desired;
        decision = decideReplicas(decision, rule, { mean: mean.mean(nowMs), inFlight, idleSinceMs }, nowMs);
        if (decision.desired !== before) history.push({ seconds: nowMs / S, desired: decision.desired });
      }
      return decision.desired;
    },
  };
}

/** One decision for a constant load. */
const at = (mean: number, rule: ScaleRule = RULE, before: ScaleDecision = initialScale(1, rule, 0)) =>
  decideReplicas(before, rule, { mean, inFlight: Math.ceil(mean), idleSinceMs: 0 }, 0);

describe('the number of replicas', () => {
  it('is 4 in the contract’s example: target 10 at 70 %, 25 in flight', () => {
    expect(at(25)).toMatchObject({ desired: 4, wanted: 4, reason: 'up' });
  });

  it.each([
    [0.001, 1],
    [7, 1],
    [7.001, 2],
    [14, 2],
    [699, 100],
    [5000, 100],
  ])('for %d in flight is %d', (mean, desired) => expect(at(mean).wanted).toBe(desired));

  it('ignores a rounding error', () => {
    // 0.7 × 3 is 2.0999999999999996.
    expect(at(0.7 * 3, { ...RULE, perReplica: 0.7 }).wanted).toBe(3);
  });

  it('stays within the limits, and reports when they decide', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        fc.nat({ max: 50 }),
        fc.integer({ min: 50, max: 100 }),
        fc.nat({ max: 200 }),
        (mean, min, max, running) => {
          const rule = { ...RULE, min, max };
          const { desired, wanted } = at(mean, rule, initialScale(running, rule, 0));
          for (const n of [desired, wanted]) expect(n >= min && n <= max).toBe(true);
        },
      ),
    );
    expect(at(5000, RULE, initialScale(100, RULE, 0)).reason).toBe('at_max');
    expect(at(1, { ...RULE, min: 3 }, initialScale(1, RULE, 0)).reason).toBe('up');
    expect(at(1, { ...RULE, min: 3 }, initialScale(3, { ...RULE, min: 3 }, 0)).reason).toBe('at_min');
  });
});

describe('scaling up', () => {
  it('reaches the wanted number at once, also from zero', () => {
    const sim = simulate(RULE, 0);
    expect(sim.load(1, 1)).toBe(1);
    expect(sim.load(1000, 60)).toBe(100);
  });

  it('never leaves fewer replicas than the load needs', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 500 }), fc.integer({ min: 1, max: 400 })), { maxLength: 20 }),
        fc.constantFrom(0, 30 * S, 900 * S),
        (loads, downDelayMs) => {
          const sim = simulate({ ...RULE, downDelayMs }, 1);
          for (const [inFlight, seconds] of loads) {
            sim.load(inFlight, seconds);
            expect(sim.decision.desired).toBeGreaterThanOrEqual(sim.decision.wanted);
          }
        },
      ),
    );
  });
});

describe('scaling down', () => {
  it('goes from 8 to 4, 2 and 1 in the contract’s example, each after a full delay', () => {
    const sim = simulate({ ...RULE, min: 1 }, 1);
    sim.load(7 * 8, 300);
    expect(sim.decision.desired).toBe(8);
    sim.history.length = 0;
    sim.load(1, 4 * 900);
    expect(sim.history.map(({ desired }) => desired)).toEqual([4, 2, 1]);
    const gaps = sim.history.map(({ seconds }, i) => seconds - (sim.history[i - 1]?.seconds ?? 300));
    // The mean takes some seconds to fall to the load of seven replicas.
    expect(gaps[0]).toBeGreaterThanOrEqual(900);
    expect(gaps[0]).toBeLessThanOrEqual(910);
    expect(gaps.slice(1)).toEqual([900, 900]);
  });

  it('is cancelled when traffic returns, and the delay starts again', () => {
    const sim = simulate(RULE, 8);
    sim.load(56, 120);
    sim.load(7, 890);
    expect(sim.decision.reason).toBe('down_delayed');
    sim.load(56, 70);
    expect(sim.decision).toMatchObject({ desired: 8, reason: 'steady', downAtMs: undefined });
    expect(sim.load(7, 899)).toBe(8);
    expect(sim.load(7, 11)).toBe(4);
  });

  it('removes at most the percentage, and at least one replica', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 100 }), fc.integer({ min: 1, max: 50 }), (running, downRate) => {
        const sim = simulate({ ...RULE, downRate, downDelayMs: 10 * S }, running);
        sim.load(0, 20_000);
        let before = running;
        let lastSeconds = -Infinity;
        for (const { desired, seconds } of sim.history) {
          expect(before - desired).toBe(Math.max(1, Math.floor((before * downRate) / 100)));
          expect(seconds - lastSeconds).toBeGreaterThanOrEqual(10);
          before = desired;
          lastSeconds = seconds;
        }
        expect(before).toBe(0);
      }),
    );
  });

  it('removes no replica that is wanted', () => {
    const sim = simulate(RULE, 8);
    sim.load(7 * 7, 1000);
    expect(sim.decision.desired).toBe(7);
  });
});

describe('scaling to zero', () => {
  it('happens after the full delay without traffic', () => {
    const sim = simulate(RULE, 1);
    sim.load(1, 100);
    expect(sim.load(0, 899)).toBe(1);
    expect(sim.load(0, 1)).toBe(0);
  });

  it('waits until the mean is 0 if the delay is shorter than the window', () => {
    const sim = simulate({ ...RULE, downDelayMs: 0 }, 1);
    sim.load(1, 100);
    expect(sim.load(0, 59)).toBe(1);
    expect(sim.load(0, 1)).toBe(0);
  });

  it('does not happen with min 1, or while a request is open', () => {
    expect(simulate({ ...RULE, min: 1 }, 1).load(0, 10_000)).toBe(1);
    expect(simulate({ ...RULE, perReplica: 1e6 }, 1).load(1, 10_000)).toBe(1);
  });

  it('ends at the first request', () => {
    const sim = simulate(RULE, 1);
    sim.load(0, 1000);
    expect(sim.decision.desired).toBe(0);
    const first = decideReplicas(sim.decision, RULE, { mean: 0, inFlight: 1, idleSinceMs: 0 }, 1000 * S);
    expect(first).toMatchObject({ desired: 1, reason: 'up' });
  });
});

it('keeps the running replicas for the full delay after a restart of weir', () => {
  const sim = simulate(RULE, 6);
  expect(sim.load(1, 899)).toBe(6);
  expect(sim.load(1, 3)).toBe(3);
});
