import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { initialScale, decideReplicas } from '../../../src/control/scaling/desired-replicas.ts';
import { readTrigger, type Trigger } from '../../../src/control/scaling/scaled-object.ts';
import type { ScaleReading } from '../../../src/control/scaling/autoscaler.ts';

const reading = (id: string, more: Partial<ScaleReading> = {}): ScaleReading => ({
  id,
  desired: 4,
  current: 2,
  wanted: 4,
  reason: 'up',
  mean_in_flight: 25,
  in_flight: 30,
  async_counted: 0,
  concurrency_target: 10,
  target_utilization_percentage: 70,
  in_flight_per_replica: 7,
  min_replica: 0,
  max_replica: 10,
  scale_down_in_seconds: null,
  ...more,
});
const ONE = [reading('dep1')];
const problem = (metadata: Record<string, string>, readings = ONE) => {
  const read = readTrigger(metadata, readings);
  return 'problem' in read ? read.problem : undefined;
};

describe('readTrigger', () => {
  it('returns weir’s own decision without metadata', () => {
    expect(readTrigger({ scalerAddress: 'weir:9465' }, ONE)).toEqual({
      name: 'weir-replicas-dep1',
      target: 1,
      value: 4,
      isActive: true,
    });
  });

  it('returns the mean in flight, with weir’s target or a given one', () => {
    const concurrency = { name: 'weir-concurrency-dep1', target: 7, value: 25, isActive: true };
    expect(readTrigger({ metric: 'concurrency' }, ONE)).toEqual(concurrency);
    const own = { metric: 'concurrency', targetConcurrency: '32', targetUtilization: '50' };
    expect(readTrigger(own, ONE)).toEqual({ ...concurrency, target: 16 });
  });

  it.each([
    [25, 0, '24.9', true],
    [25, 0, '25', false],
    [0, 1, '0', true],
    [0, 0, '0', false],
  ])(
    'with mean %d, %d in flight and activation %s is active: %s',
    (mean_in_flight, in_flight, activationThreshold, isActive) =>
      expect(
        readTrigger({ metric: 'concurrency', activationThreshold }, [
          reading('a', { mean_in_flight, in_flight }),
        ]),
      ).toMatchObject({ isActive }),
  );

  it('accepts values from variables, as KEDA passes them', () => {
    const read = readTrigger(
      { metric: 'concurrency', targetConcurrencyFromEnv: '32', targetUtilization: '50', caCertFromEnv: 'x' },
      ONE,
    );
    expect(read).toMatchObject({ target: 16 });
    expect(problem({ metric: 'concurrency', targetConcurrencyFromEnv: 'many' })).toMatch(
      /^metadata targetConcurrency is "many", must be a number/,
    );
    expect(problem({ targetConcurencyFromEnv: '4' })).toBe(
      'metadata targetConcurencyFromEnv is unknown; did you mean targetConcurrency?',
    );
    expect(problem({ deployment: 'dep1', deploymentFromEnv: 'dep1' })).toBe(
      'metadata deployment is given twice, as deployment and as deploymentFromEnv',
    );
  });

  it('rejects a target that rounds to zero thousandths in Kubernetes', () => {
    const tiny = { metric: 'concurrency', targetConcurrency: '0.01', targetUtilization: '1' };
    expect(problem(tiny)).toBe(
      'metadata targetConcurrency × targetUtilization is 0.0001 requests per replica, must be at least 0.001',
    );
    expect(readTrigger({ ...tiny, targetConcurrency: '0.1' }, ONE)).toMatchObject({ target: 0.001 });
  });

  it('is active during requests, and otherwise unknown, before the replicas are counted', () => {
    const uncounted = { desired: null, current: null, wanted: null, reason: 'not_counted' } as const;
    for (const [in_flight, isActive] of [
      [1, true],
      [0, undefined],
    ] as const)
      expect(readTrigger({}, [reading('dep1', { ...uncounted, in_flight })])).toMatchObject({
        value: undefined,
        isActive,
      });
  });

  it('leads KEDA and the HPA to the number of replicas that weir wants', () => {
    // KEDA truncates to thousandths; an HPA divides by an average value and rounds up.
    const replicas = (value: number, target: number) =>
      Math.ceil(Math.trunc(value * 1000) / Math.trunc(target * 1000));
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 100 }),
        fc.nat({ max: 5_000_000 }),
        (concurrency_target, target_utilization_percentage, thousandths) => {
          const mean_in_flight = thousandths / 1000;
          const perReplica = (concurrency_target * target_utilization_percentage) / 100;
          const rule = { min: 0, max: 1e9, perReplica, downDelayMs: 0, downRate: 50 };
          const load = { mean: mean_in_flight, inFlight: 0, idleSinceMs: 0 };
          const { wanted } = decideReplicas(initialScale(0, rule, 0), rule, load, 0);
          const now = [
            reading('dep1', {
              mean_in_flight,
              concurrency_target,
              target_utilization_percentage,
              desired: wanted,
            }),
          ];
          const byLoad = readTrigger({ metric: 'concurrency' }, now) as Trigger;
          // Both may be off by a thousandth, since 2.03 times 1000 is less than 2030 in doubles.
          const { value, target } = byLoad;
          expect(wanted).toBeGreaterThanOrEqual(replicas(value! - 0.001, target + 0.001));
          expect(wanted).toBeLessThanOrEqual(replicas(value! + 0.001, Math.max(0.0011, target - 0.001)));
          const byDecision = readTrigger({}, now) as Trigger;
          expect(replicas(byDecision.value!, byDecision.target)).toBe(wanted);
        },
      ),
    );
  });

  it('reports what is wrong and what would be right', () => {
    const two = [reading('dep1'), reading('dep2')];
    expect(problem({}, two)).toBe('metadata deployment is missing, must be one of dep1, dep2');
    expect(problem({ deployment: 'dep3' }, two)).toBe(
      'metadata deployment is "dep3", must be one of dep1, dep2',
    );
    expect(problem({ deployment: 'dep3' })).toBe('metadata deployment is "dep3", must be dep1');
    expect(problem({ metric: 'gpu' })).toBe('metadata metric is "gpu", must be replicas or concurrency');
    expect(problem({ targetConcurency: '4' })).toBe(
      'metadata targetConcurency is unknown; did you mean targetConcurrency?',
    );
    expect(problem({ targetConcurrency: '4' })).toMatch(
      /^metadata targetConcurrency needs metric: concurrency/,
    );
    for (const targetConcurrency of ['0', '-1', 'many', '', '1e3', 'Infinity'])
      expect(problem({ metric: 'concurrency', targetConcurrency })).toBe(
        `metadata targetConcurrency is ${JSON.stringify(targetConcurrency)}, must be a number from 0.001 to 1000000, such as "10"`,
      );
    expect(problem({ metric: 'concurrency', targetUtilization: '101' })).toMatch(/from 1 to 100/);
    expect(problem({ metric: 'concurrency', activationThreshold: 'x' })).toMatch(
      /from 0 to 1000000, such as "0"/,
    );
  });
});
