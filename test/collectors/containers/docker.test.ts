// Statistics of the Docker daemon. A stand-in for the daemon is in test/e2e/samplers.slow.test.ts.
import { expect, it } from 'vitest';
import { countersFrom } from '../../../src/collectors/containers/docker.ts';

const stats = (
  memory: Record<string, number>,
  cpu: object = { cpu_usage: { total_usage: 2_500_000_000 } },
) => ({
  id: 'abc',
  cpuStats: cpu,
  memoryStats: { usage: 1000, stats: memory },
});

it('subtracts inactive file pages, by their name in either version of control groups', () => {
  expect(countersFrom(stats({ inactive_file: 300 }))?.figures).toEqual({
    cpuSeconds: 2.5,
    workingSetBytes: 700,
    throttledSeconds: undefined,
  });
  expect(countersFrom(stats({ inactive_file: 1, total_inactive_file: 400 }))?.figures.workingSetBytes).toBe(
    600,
  );
  expect(countersFrom(stats({}))?.figures.workingSetBytes).toBe(1000);
});

it('gives the throttled time', () => {
  const cpu = { cpu_usage: { total_usage: 1 }, throttling_data: { throttled_time: 1_500_000_000 } };
  expect(countersFrom(stats({}, cpu))).toMatchObject({
    source: 'docker',
    owner: 'abc',
    figures: { throttledSeconds: 1.5 },
  });
});

it('gives nothing for a container that does not run', () => {
  expect(countersFrom({ id: 'abc', cpuStats: {}, memoryStats: {} })).toBeUndefined();
  expect(countersFrom({ id: 'abc' })).toBeUndefined();
  expect(countersFrom(stats({}, { cpu_usage: {} }))).toBeUndefined();
});
