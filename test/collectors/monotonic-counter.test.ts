// Counters that continue after restarts of their source.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MonotonicCounter } from '../../src/collectors/monotonic-counter.ts';

const cgroup = (value: number, owner = '/a') => ({
  kind: 'cgroup_v2',
  owner,
  value,
  onDecrease: 'restart' as const,
});
const tree = (value: number, owner = '10 7') => ({
  kind: 'process_tree',
  owner,
  value,
  onDecrease: 'loss' as const,
});

it('starts with the value of its source', () => {
  expect(new MonotonicCounter().add(cgroup(120))).toBe(120);
});

it('adds the count before a restart', () => {
  const counter = new MonotonicCounter();
  counter.add(cgroup(100));
  expect(counter.add(cgroup(3))).toBe(103);
  expect(counter.add(cgroup(5))).toBe(105);
  expect(counter.add(cgroup(2, '/b'))).toBe(107);
  // The value of a new owner may be higher than the last one, but it started at zero.
  expect(counter.add(cgroup(50, '/c'))).toBe(157);
});

it('distinguishes a process tree that lost a part from a restart', () => {
  const counter = new MonotonicCounter();
  counter.add(tree(100));
  // Not visible for a moment: it comes back, and is not counted again.
  expect(counter.add(tree(90))).toBe(100);
  expect(counter.add(tree(101))).toBe(101);
  // Lost for good: the rest continues.
  for (const value of [81, 82, 83]) expect(counter.add(tree(value))).toBe(101);
  expect(counter.add(tree(85))).toBe(103);
  expect(counter.add(tree(1, '11 8'))).toBe(104);
});

it('counts nothing twice when the source changes', () => {
  const counter = new MonotonicCounter();
  counter.add(tree(100));
  expect(counter.add(cgroup(130))).toBe(100);
  expect(counter.add(cgroup(131))).toBe(101);
});

it('never decreases, and is exact while the kind of source is the same', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(50), fc.boolean()), { minLength: 1 }), (steps) => {
      const counter = new MonotonicCounter();
      let [worked, value, life, last] = [0, 0, 0, 0];
      for (const [work, restarts] of steps) {
        if (restarts) [value, life] = [0, life + 1];
        value += work;
        worked += work;
        const total = counter.add(tree(value, String(life)));
        expect(total).toBeGreaterThanOrEqual(last);
        expect(total).toBe(worked);
        last = total;
      }
    }),
  );
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          kind: fc.constantFrom('a', 'b'),
          owner: fc.constantFrom('1', '2'),
          value: fc.nat(),
          onDecrease: fc.constantFrom('restart' as const, 'loss' as const),
        }),
      ),
      (readings) => {
        const counter = new MonotonicCounter();
        const totals = readings.map((reading) => counter.add(reading));
        expect(totals).toEqual([...totals].sort((a, b) => a - b));
      },
    ),
  );
});
