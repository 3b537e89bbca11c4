import { describe, expect, it } from 'vitest';
import { readTrigger } from '../../src/scale/scaled-object.ts';
import type { ScaleReading } from '../../src/scale/scale.ts';

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

describe('a ScaledObject', () => {
  it('that says nothing gets weir’s own decision for the one deployment', () => {
    expect(readTrigger({ scalerAddress: 'weir:9465' }, ONE)).toEqual({
      name: 'weir-replicas-dep1',
      target: 1,
      value: 4,
      isActive: true,
    });
  });

  it('may ask for the mean in flight instead, with weir’s target or its own', () => {
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
  ])('mean %d, now %d, activation %s: %s', (mean_in_flight, in_flight, activationThreshold, isActive) =>
    expect(
      readTrigger({ metric: 'concurrency', activationThreshold }, [
        reading('a', { mean_in_flight, in_flight }),
      ]),
    ).toMatchObject({ isActive }),
  );

  it('is told what is wrong with it, and what would be right', () => {
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
      /^metadata targetConcurrency goes with metric: concurrency/,
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
