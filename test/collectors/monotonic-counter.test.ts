// Counters of things that restart.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MonotonicCounter } from '../../src/collectors/monotonic-counter.ts';

const cgroup = (value: number, of = '/a') => ({ kind: 'cgroup_v2', of, value, onFall: 'restart' as const });
const tree = (value: number, of = '10 7') => ({ kind: 'process_tree', of, value, onFall: 'loss' as const });

it('begins with what its source has counted already', () => {
  expect(new MonotonicCounter().add(cgroup(120))).toBe(120);
});

it('adds what came before a restart', () => {
  const counter = new MonotonicCounter();
  counter.add(cgroup(100));
  expect(counter.add(cgroup(3))).toBe(103);
  expect(counter.add(cgroup(5))).toBe(105);
  expect(counter.add(cgroup(2, '/b'))).toBe(107);
  // Another one may be ahead of the last: it began at zero all the same.
  expect(counter.add(cgroup(50, '/c'))).toBe(157);
});

it('does not take a tree that lost a part for one that began anew', () => {
  const counter = new MonotonicCounter();
  counter.add(tree(100));
  // Out of sight for a moment: it comes back, and is not counted again.
  expect(counter.add(tree(90))).toBe(100);
  expect(counter.add(tree(101))).toBe(101);
  // Out of sight for good: what is left goes on.
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

it('never goes down, and is exact as long as one kind of source counts what happens', () => {
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
          of: fc.constantFrom('1', '2'),
          value: fc.nat(),
          onFall: fc.constantFrom('restart' as const, 'loss' as const),
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
