// Series from a store that the test plays: how often it is asked, and what its answers mean.
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { GroupQuery, GroupResult } from '../../../src/telemetry/logs/logs.ts';
import {
  computeSeries,
  MAX_NEEDS,
  mostGroups,
  neededMeasures,
  seriesField,
  seriesMeasure,
  type SeriesMeasure,
  type SeriesQuery,
} from '../../../src/telemetry/series/series.ts';

const measures = (...names: string[]): SeriesMeasure[] =>
  names.map((name) => {
    const measure = seriesMeasure(name, 'requests');
    if (typeof measure === 'string') throw new Error(measure);
    return measure;
  });
const NINE = [
  'requests',
  'errors',
  'latency_p50',
  'latency_p95',
  'ttft_p95',
  'output_tokens',
  'tokens_per_second',
  'cost',
  'errors_by_cause',
];
const QUERY: SeriesQuery = {
  node: { op: 'all' },
  span: { fromMs: 0, toMs: 3_600_000, stepMs: 900_000 },
  by: undefined,
  top: 6,
  beforeMs: undefined,
  measures: measures(...NINE),
};
const EMPTY: GroupResult = { groups: [], matched: 0, others: 0, isApproximate: false, isPartial: false };

/** Computes series from a store that always has the same answer, and returns what it was asked. */
async function asked(query: Partial<SeriesQuery>, result: Partial<GroupResult> = {}) {
  const questions: GroupQuery[] = [];
  const answer = await computeSeries(
    async (one, timeoutMs) => {
      expect(timeoutMs).toBeLessThanOrEqual(15_000);
      questions.push(one);
      return { ...EMPTY, ...result };
    },
    { ...QUERY, ...query },
  );
  return { questions, answer };
}

describe('the store', () => {
  it('is asked as often for nine measures as for one', async () => {
    const one = await asked({ measures: measures('latency_p95') });
    const nine = await asked({ measures: measures(...NINE.filter((name) => !name.startsWith('errors'))) });
    expect(one.questions).toHaveLength(2);
    expect(nine.questions).toHaveLength(2);
    // Errors are counted by one more, groups and an earlier period need some more.
    expect((await asked({})).questions).toHaveLength(3);
    expect((await asked({ by: 'model', beforeMs: 3_600_000 })).questions.length).toBeLessThanOrEqual(8);
  });

  it('has time for each question, also if those before it take all of theirs', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const times: number[] = [];
    const slow: Parameters<typeof computeSeries>[0] = async (_, timeoutMs) => {
      times.push(timeoutMs);
      vi.advanceTimersByTime(timeoutMs);
      return { ...EMPTY, isPartial: true };
    };
    for (const query of [{}, { by: 'model', beforeMs: 3_600_000 }]) {
      times.length = 0;
      await computeSeries(slow, { ...QUERY, ...query });
      expect(times.length).toBeGreaterThan(2);
      expect(Math.min(...times)).toBeGreaterThan(1000);
      expect(times.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(15_000);
    }
  });

  it('is asked for each of its measures once', () => {
    const needs = neededMeasures(measures(...NINE, 'latency_mean', 'concurrency'));
    expect(new Set(needs.map((need) => JSON.stringify(need))).size).toBe(needs.length);
    expect(needs[0]).toEqual({ op: 'count' });
    expect(needs.length).toBeLessThan(MAX_NEEDS);
    expect(mostGroups(measures('requests', 'cost'))).toBe(20_000);
    expect(mostGroups(measures(...NINE))).toBeLessThan(7000);
  });

  it('says that an answer is partial or approximate', async () => {
    expect((await asked({})).answer).toMatchObject({ isPartial: false, isApproximate: false });
    expect((await asked({}, { isPartial: true })).answer).toMatchObject({ isPartial: true });
    expect((await asked({}, { isApproximate: true })).answer).toMatchObject({ isApproximate: true });
  });
});

describe('an answer without records', () => {
  it('has numbers of 0 and no values', async () => {
    const { answer } = await asked({ beforeMs: 3_600_000 });
    expect(answer.times).toEqual([0, 900_000, 1_800_000, 2_700_000]);
    expect(answer.measures.get('requests')).toMatchObject({
      total: { points: [0, 0, 0, 0], value: 0, n: 0 },
    });
    expect(answer.measures.get('errors')).toMatchObject({ before: { points: [0, 0, 0, 0], value: 0 } });
    expect(answer.measures.get('latency_p95')).toMatchObject({
      total: { points: [null, null, null, null], value: null, n: 0 },
      before: { points: [null, null, null, null], value: null },
    });
  });
});

describe('groups', () => {
  const group = (key: string | null, count: number) => ({ key: [key], values: [count] });

  it('that are lists or objects are among the others', async () => {
    const { questions, answer } = await asked(
      { by: 'tags', measures: measures('requests') },
      { groups: [group('["a"]', 9), group('b', 5), group(null, 2)] },
    );
    expect(answer.measures.get('requests')!.groups.map(({ name }) => name)).toEqual(['b', null]);
    expect(answer.measures.get('requests')!.others).toMatchObject({ groups: 1 });
    const others = questions.at(-1)!.node;
    expect(JSON.stringify(others)).toContain('"not"');
  });

  it.each([
    ['model', 'requests', 'model'],
    ['model', 'spans', 'metadata.model'],
    ['status', 'requests', 'status'],
    ['env', 'spans', 'environment'],
    ['metadata.tier', 'requests', 'metadata.tier'],
    ['message', 'requests', '@message'],
    ['constructor', 'requests', 'constructor'],
    ['__proto__', 'spans', '__proto__'],
  ] as const)('by %s of %s are those of %s', (name, of, field) => {
    expect(seriesField(name, of)).toBe(field);
  });
});
