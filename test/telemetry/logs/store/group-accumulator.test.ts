// Counts and measures of groups, against a plain computation over all rows.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GroupQuery, GroupResult, KeyValue } from '../../../../src/telemetry/logs/query/group-query.ts';
import { GroupAccumulator } from '../../../../src/telemetry/logs/store/group-accumulator.ts';
import { LogHistogram } from '../../../../src/telemetry/logs/store/log-histogram.ts';
import { ValueBudget } from '../../../../src/telemetry/logs/store/value-set.ts';

const SECOND_NS = 1_000_000_000n;
const measures = [
  { op: 'count' },
  { op: 'sum', field: 'a' },
  { op: 'mean', field: 'a' },
  { op: 'min', field: 'a' },
  { op: 'max', field: 'a' },
  { op: 'percentile', p: 0.5, field: 'a' },
  { op: 'percentile', p: 0.99, field: 'b' },
] as const;
const query = (changes: Partial<GroupQuery> = {}): GroupQuery => ({
  node: { op: 'all' },
  fromNs: 0n,
  toNs: 60n * SECOND_NS - 1n,
  by: [{ field: 'x' }],
  measures,
  ...changes,
});
const ample = () => new ValueBudget(2 ** 27);
const start = (changes: Partial<GroupQuery> = {}, budget = ample(), maxGroups = 1000) =>
  new GroupAccumulator(query(changes), budget, maxGroups);

interface Row {
  readonly key: KeyValue;
  readonly a?: number;
  readonly b?: number;
}
const key = fc.constantFrom<KeyValue>(null, '', 'null', '1', 1, true, 'true', 'x');
const number = fc.oneof(fc.nat(50), fc.nat(), fc.integer(), fc.constantFrom(0.5, 2 ** 32, 1e15));
const rows: fc.Arbitrary<Row[]> = fc.array(
  fc.record({ key, a: number, b: number }, { requiredKeys: ['key'] }),
  { maxLength: 200 },
);

function addRows(accumulator: GroupAccumulator, added: readonly Row[]): void {
  for (const row of added) {
    const group = accumulator.group([row.key]);
    accumulator.count(group, 1);
    for (const [i, field] of accumulator.fields.entries()) {
      const value = row[field as 'a' | 'b'];
      if (value !== undefined) accumulator.add(group, i, value);
    }
  }
}

const percentile = (values: readonly number[], p: number): number | null => {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const rank = (sorted.length - 1) * p;
  const below = sorted[Math.floor(rank)]!;
  return below + (rank - Math.floor(rank)) * (sorted[Math.ceil(rank)]! - below);
};

/** The measures of each group, computed from all rows at once. */
function expectedOf(added: readonly Row[]): Map<string, (number | null)[]> {
  return new Map(
    Array.from(
      Map.groupBy(added, (row) => JSON.stringify([row.key])),
      ([text, own]) => {
        const a = own.flatMap((row) => row.a ?? []);
        const b = own.flatMap((row) => row.b ?? []);
        const sum = a.reduce((total, one) => total + one, 0);
        const ofA =
          a.length === 0 ? [null, null, null, null] : [sum, sum / a.length, Math.min(...a), Math.max(...a)];
        return [text, [own.length, ...ofA, percentile(a, 0.5), percentile(b, 0.99)]];
      },
    ),
  );
}

const valuesOf = ({ groups }: GroupResult) =>
  new Map(groups.map(({ key: found, values }) => [JSON.stringify(found), values]));

function expectClose(found: ReturnType<typeof valuesOf>, expected: ReturnType<typeof expectedOf>): void {
  expect(new Set(found.keys())).toEqual(new Set(expected.keys()));
  for (const [text, values] of expected)
    for (const [i, value] of values.entries()) {
      const other = found.get(text)![i]!;
      if (value === null) expect(other).toBeNull();
      else expect(Math.abs(other - value)).toBeLessThanOrEqual(Math.abs(value) * 1e-9 + 1e-6);
    }
}

describe('groups', () => {
  it('have the counts, sums and percentiles of their rows', () => {
    fc.assert(
      fc.property(rows, (added) => {
        const accumulator = start();
        addRows(accumulator, added);
        const result = accumulator.result(false);
        expectClose(valuesOf(result), expectedOf(added));
        expect(result).toMatchObject({
          matched: added.length,
          others: 0,
          isApproximate: false,
          isPartial: false,
        });
      }),
    );
  });

  it('are the same after a merge as with all rows added', () => {
    fc.assert(
      fc.property(rows, rows, (some, more) => {
        const [one, other] = [start(), start()];
        addRows(one, some);
        addRows(other, more);
        one.merge(other);
        expectClose(valuesOf(one.result(false)), expectedOf([...some, ...more]));
      }),
    );
  });

  it('are one group without keys', () => {
    const accumulator = start({ by: [], measures: [{ op: 'count' }] });
    accumulator.count(accumulator.group([]), 5);
    expect(accumulator.result(true)).toEqual({
      groups: [{ key: [], values: [5] }],
      matched: 5,
      others: 0,
      isApproximate: false,
      isPartial: true,
    });
  });

  it('beyond the maximum are counted as others', () => {
    const accumulator = start({}, ample(), 9);
    for (let i = 0; i < 10; i++) addRows(accumulator, [{ key: i, a: 1 }, { key: i }]);
    const { groups, others, matched } = accumulator.result(false);
    expect(groups.map(({ key: [found], values }) => [found, values[0]])).toEqual([[0, 2], [1, 2], [2, 2]]); // prettier-ignore
    expect([others, matched]).toEqual([14, 20]);
  });

  it('with very long keys are counted as others', () => {
    const accumulator = start({ measures: [{ op: 'count' }] });
    for (let i = 0; i < 10; i++) addRows(accumulator, [{ key: `${i}${'x'.repeat(1024 ** 2)}` }]);
    expect(accumulator.result(false)).toMatchObject({ others: 7, matched: 10 });
  });
});

describe('a rate', () => {
  const rates = (changes: Partial<GroupQuery>, keys: readonly (readonly KeyValue[])[]) => {
    const accumulator = start({ measures: [{ op: 'rate' }], ...changes });
    for (const one of keys) accumulator.count(accumulator.group(one), 30);
    return accumulator.result(false).groups.map(({ values }) => values[0]);
  };

  it('is that of the whole time range without time steps', () => {
    expect(rates({}, [['x']])).toEqual([0.5]);
  });

  it('is that of the part of the time step that lies in the time range', () => {
    const range = { fromNs: 5n * SECOND_NS, toNs: 23n * SECOND_NS - 1n, by: [{ stepMs: 10_000 }] };
    expect(rates(range, [[0], [10_000], [20_000]])).toEqual([6, 3, 10]);
  });
});

describe('with little memory', () => {
  it('percentiles of many values are approximate, and those of few are exact', () => {
    const budget = new ValueBudget(10_000);
    const accumulator = start({}, budget);
    const many = Array.from({ length: 20_000 }, (_, i): Row => ({
      key: 'many',
      a: 1000 + ((i * 7919) % 20_000),
    }));
    const few = Array.from({ length: 100 }, (_, i): Row => ({ key: 'few', a: i, b: i }));
    addRows(accumulator, [...many, ...few]);
    const result = accumulator.result(false);
    const found = valuesOf(result);
    const expected = expectedOf([...many, ...few]);
    expect(result.isApproximate).toBe(true);
    expect(found.get('["few"]')).toEqual(expected.get('["few"]'));
    const [exact, approximate] = [expected.get('["many"]')!, found.get('["many"]')!];
    expect(approximate.toSpliced(5, 1)).toEqual(exact.toSpliced(5, 1));
    expect(approximate[5]).not.toBe(exact[5]);
    expect(Math.abs(approximate[5]! / exact[5]! - 1)).toBeLessThan(0.016);
  });

  it('a value that needs more room turns the set into a histogram without a loss', () => {
    const accumulator = start({}, new ValueBudget(7000));
    addRows(
      accumulator,
      Array.from({ length: 1000 }, (_, i): Row => ({ key: 1, a: i })),
    );
    addRows(accumulator, [{ key: 1, a: 0.5 }, { key: 1, a: -4 }]); // prettier-ignore
    const { groups, isApproximate } = accumulator.result(false);
    expect(isApproximate).toBe(true);
    expect(groups[0]!.values.slice(0, 5)).toEqual([1002, 499_496.5, 499_496.5 / 1002, -4, 999]);
    expect(Math.abs(groups[0]!.values[5]! / 498.5 - 1)).toBeLessThan(0.016);
  });

  it('gets the memory of a released query back', () => {
    const budget = new ValueBudget(10_000);
    const first = start({}, budget);
    addRows(
      first,
      Array.from({ length: 1500 }, (_, i): Row => ({ key: 1, a: i })),
    );
    expect(first.result(false).isApproximate).toBe(false);
    first.release();
    const second = start({}, budget);
    addRows(
      second,
      Array.from({ length: 1500 }, (_, i): Row => ({ key: 1, a: i })),
    );
    expect(second.result(false).isApproximate).toBe(false);
    expect(budget.isExceeded).toBe(false);
  });
});

describe('sums and histograms of minutes', () => {
  it('add up with single values, and make percentiles approximate', () => {
    const accumulator = start();
    const group = accumulator.group(['x']);
    const a = accumulator.fields.indexOf('a');
    const histogram = new LogHistogram();
    for (const value of [10, 20, 30]) histogram.add(value);
    accumulator.count(group, 4);
    accumulator.add(group, a, 40);
    accumulator.addSums(group, a, { count: 3, sum: 60, min: 10, max: 30 });
    accumulator.addHistogram(group, a, histogram);
    const { groups, isApproximate } = accumulator.result(false);
    expect(isApproximate).toBe(true);
    expect(groups[0]!.values.slice(0, 5)).toEqual([4, 100, 25, 10, 40]);
    expect(Math.abs(groups[0]!.values[5]! / 25 - 1)).toBeLessThan(0.016);
  });
});

it.each([
  [{ by: [{ stepMs: 1000 }, { stepMs: 5000 }] }, /at most one time step/],
  [{ by: [{ stepMs: 0.5 }] }, /invalid time step 0\.5/],
  [{ by: [{ stepMs: 0 }] }, /invalid time step 0/],
  [
    { measures: [{ op: 'percentile', p: 99, field: 'a' }] },
    /invalid percentile 99; use a number from 0 to 1/,
  ],
  [{ measures: [{ op: 'percentile', p: Number.NaN, field: 'a' }] }, /invalid percentile NaN/],
  [{ by: Array.from({ length: 9 }, () => ({ field: 'x' })) }, /at most 8 keys, not 9/],
  [{ measures: Array.from({ length: 33 }, () => ({ op: 'count' })) }, /at most 32 measures, not 33/],
] satisfies [object, RegExp][])('rejects the query %j', (changes, why) => {
  expect(() => start(changes as Partial<GroupQuery>)).toThrow(why);
});
