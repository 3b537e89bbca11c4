// What Monitor asks, and what its charts show of an answer.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SeriesJson } from '../../src/control/admin/answers/series-answers.ts';
import { parseQuery } from '../../src/telemetry/logs/query/grammar.ts';
import { allOf, condition, logsAddress, seriesQuestion } from '../../page/pages/monitor/monitor-question.ts';
import {
  changeOf,
  csvOf,
  feedbackChart,
  mainCharts,
  scoreChart,
  sentenceOf,
  stepText,
} from '../../page/pages/monitor/series-view.ts';

const measure = { unit: 'count', counts: 'requests', is_exact: true, value: 10, n: 10 } as const;
const group = (name: string | number | null, ...points: (number | null)[]) => ({
  name,
  points,
  value: points.reduce<number>((sum, one) => sum + (one ?? 0), 0),
  n: points.filter((one) => one !== null).length,
});
const groups = [group('free', 4, 2), group(null, 3, null)];
const grouped = {
  ...measure,
  groups,
  others: { groups: 2, points: [1, 0] },
  before: { points: [8, 8], value: 16 },
};
const ANSWER: SeriesJson = {
  of: 'requests',
  step_ms: 900_000,
  start: '2026-11-27T03:00:00.000Z',
  end: '2026-11-27T03:30:00.000Z',
  before_start: '2026-11-26T03:00:00.000Z',
  by: 'metadata.tier',
  matched: 10,
  times_ms: [1_795_748_400_000, 1_795_749_300_000],
  measures: {
    requests: grouped,
    latency_p95: { ...grouped, unit: 'ms', value: 2400, before: { points: [1000, 1100], value: 1900 } },
    ttft_p95: { ...grouped, unit: 'ms', value: null, groups: [], others: null },
    output_tokens: { ...grouped, unit: 'tokens' },
    input_tokens: { ...grouped, unit: 'tokens' },
    cost: { ...grouped, unit: 'EUR', value: 1.5 },
    errors_by_cause: {
      ...measure,
      value: 3,
      groups: [group('ok', 1, 0), group('reset_midway', 0, 2)],
      others: null,
      before: { points: [0, 1], value: 1 },
    },
    'score:Grounded': { ...grouped, unit: 'score', value: 0.7, n: 5, before: { points: [1, 1], value: 0.9 } },
  },
  is_partial: false,
};
const chart = (id: string) => mainCharts(ANSWER, '95').find((one) => one.id === id)!;

describe('a chart', () => {
  it('gives a group the same colour everywhere, and names those without a value', () => {
    const colors = (id: string) => chart(id).lines.map(({ name, color }) => [name, color]);
    expect(colors('latency')).toEqual([
      ['free', 's1'],
      ['none', 's3'],
      ['2 others', 'bar-2'],
      ['before', 'text-3'],
    ]);
    expect(colors('requests')).toEqual(colors('latency').slice(0, 3));
  });

  it('keeps what was not measured as a gap', () => {
    expect(chart('requests').lines[1]!.points).toEqual([3, null]);
    expect(chart('ttft')).toMatchObject({ total: undefined, change: undefined });
  });

  it('leads to the requests of a group', () => {
    expect(chart('latency').lines.map(({ where }) => where)).toEqual([
      'metadata.tier:free',
      '-metadata.tier:*',
      undefined,
      undefined,
    ]);
    expect(chart('errors').lines[1]).toMatchObject({
      where: 'cause:reset_midway level>=error',
      counts: [0, 2],
    });
  });

  it('has tokens a second, a cost in the currency of the prices, and errors as a share', () => {
    expect(chart('tokens').lines[0]!.points).toEqual([4 / 900, 2 / 900]);
    expect(chart('cost').total).toBe('1.5 EUR');
    expect(chart('errors').total).toBe('30.0 %');
  });

  it('says a change only where there was something before, and that it is worse only where that has a meaning', () => {
    const plain = String;
    expect(chart('latency').change).toEqual({ text: 'was 1.90 s', isWorse: true, shape: '▲' });
    expect(chart('requests').change).toEqual({ text: '−38 %', isWorse: false, shape: '' });
    expect(scoreChart(ANSWER, 'Grounded').change).toEqual({ text: 'was 0.90', isWorse: true, shape: '▼' });
    expect(changeOf(5, 0, plain, 'up')).toBeUndefined();
    expect(changeOf(null, 5, plain, 'up')).toBeUndefined();
    expect(changeOf(105, 100, plain, 'up')).toEqual({ text: '+5.0 %', isWorse: false, shape: '' });
    expect(changeOf(9000, 10, plain, undefined)!.text).toBe('more than +999 %');
  });

  it('counts feedback that is good', () => {
    const requests = { ...grouped, groups: [group(1, 3, 1), group(-1, 1, null)], others: null };
    const answer = { ...ANSWER, by: 'annotations.feedback.rating', measures: { requests } };
    expect(feedbackChart(answer, 'annotations.feedback.rating')).toMatchObject({
      title: 'Feedback: rating',
      total: '66.7 % good',
    });
  });

  it('says what it shows in a sentence', () => {
    expect(sentenceOf(chart('latency'))).toBe(
      'Latency, p95 of requests. Whole time: 2.40 s, was 1.90 s. free 6.0 ms, none 3.0 ms, 2 others unknown.',
    );
  });

  it('is a table of comma-separated values in which no cell is a formula', () => {
    const lines = [
      { ...chart('requests').lines[0]!, name: '=1+1' },
      { ...chart('requests').lines[1]!, name: 'a "b", c' },
    ];
    expect(csvOf({ ...chart('requests'), lines })).toBe(
      `time,'=1+1,"a ""b"", c"\r\n2026-11-27T03:00:00.000Z,4,3\r\n2026-11-27T03:15:00.000Z,2,\r\n`,
    );
  });
});

describe('a question', () => {
  it('says the length of its steps in words', () => {
    expect([60_000, 900_000, 3_600_000, 86_400_000, 5000].map(stepText)).toEqual([
      '1 min',
      '15 min',
      'a hour',
      'a day',
      '5 s',
    ]);
  });

  it('has the scope in its query, and about a hundred steps', () => {
    const asked = seriesQuestion({ q: 'a OR b', env: 'prod', by: 'model', vs: 'week' }, 0, {
      measures: ['cost'],
    });
    expect(asked).toEqual({
      path: '/v1/series',
      method: 'POST',
      body: {
        measures: ['cost'],
        since: '24h',
        step: '900s',
        q: 'environment:prod (a OR b)',
        by: 'model',
        vs: 'week',
      },
    });
  });

  it('of Logs counts exactly the requests of a step', () => {
    const address = logsAddress({ q: 'a', dep: 'dep1' }, 1_795_748_400_000, 900_000, 'model:m');
    expect(address).toBe(
      '/ui/logs?q=model:m+a&dep=dep1&start=2026-11-27T03:00:00.000Z&end=2026-11-27T03:14:59.999Z&kind=request',
    );
  });

  it('asks for any value of a group as it is', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (value) => {
        const { node } = parseQuery(condition('tier', value)) as { node: { op: string; value: unknown } };
        expect(node.op).toBe('field');
        // Values that are numbers are compared as numbers.
        expect([value, Number(value)]).toContain(node.value);
      }),
    );
  });

  it('keeps the meaning of a query with OR', () => {
    expect(allOf('a OR b', 'environment:production')).toBe('environment:production (a OR b)');
    expect(allOf('', 'a:1', 'b:2')).toBe('a:1 b:2');
    expect(allOf('a', '')).toBe('a');
  });
});
