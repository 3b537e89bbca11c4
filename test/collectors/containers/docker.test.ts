// What the Docker daemon tells of a container. The daemon itself is played in test/e2e/samplers.slow.test.ts.
import { expect, it } from 'vitest';
import { figuresIn } from '../../../src/collectors/containers/docker.ts';

const stats = (
  memory: Record<string, number>,
  cpu: object = { cpu_usage: { total_usage: 2_500_000_000 } },
) => ({
  id: 'abc',
  cpuStats: cpu,
  memoryStats: { usage: 1000, stats: memory },
});

it('takes what can be dropped off the usage, as either version of control groups calls it', () => {
  expect(figuresIn(stats({ inactive_file: 300 }))?.figures).toEqual({
    cpuSeconds: 2.5,
    workingSetBytes: 700,
    throttledSeconds: undefined,
  });
  expect(figuresIn(stats({ inactive_file: 1, total_inactive_file: 400 }))?.figures.workingSetBytes).toBe(600);
  expect(figuresIn(stats({}))?.figures.workingSetBytes).toBe(1000);
});

it('tells how long it was held back', () => {
  const cpu = { cpu_usage: { total_usage: 1 }, throttling_data: { throttled_time: 1_500_000_000 } };
  expect(figuresIn(stats({}, cpu))).toMatchObject({
    source: 'docker',
    of: 'abc',
    figures: { throttledSeconds: 1.5 },
  });
});

it('has nothing for a container that does not run', () => {
  expect(figuresIn({ id: 'abc', cpuStats: {}, memoryStats: {} })).toBeUndefined();
  expect(figuresIn({ id: 'abc' })).toBeUndefined();
  expect(figuresIn(stats({}, { cpu_usage: {} }))).toBeUndefined();
});
