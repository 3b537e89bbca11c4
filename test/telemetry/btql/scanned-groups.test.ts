// Groups from the columns of the store, compared with groups of rows.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { printExpression } from '../../../src/telemetry/btql/print-query.ts';
import { parseBtql } from '../../../src/telemetry/btql/parse-btql.ts';
import { QueryPlan } from '../../../src/telemetry/btql/query-plan.ts';
import { canScanGroups } from '../../../src/telemetry/btql/scanned-groups.ts';
import { recordOfRow, ROW_CUT } from '../../../src/telemetry/logs/rows/row-record.ts';
import { querying } from '../../kit/btql-store.ts';
import { removeFolders } from '../../kit/folder.ts';
import { closeStores, DAY_MS, NOON, OwnStore } from '../../kit/own-store.ts';
import { rowCondition, rowContent } from './arbitrary-query.ts';

const P = "project_logs('p')";
const CLOCK = { nowMs: NOON, westMs: 0 };
let ask: ReturnType<typeof querying>;

beforeAll(() => {
  const store = new OwnStore();
  const contents = fc.sample(rowContent, { numRuns: 600, seed: 42 });
  const records = contents.map((content, i) => {
    const ms = NOON - i * 60_000;
    const row = {
      root_span_id: i % 5 === 0 ? `trace ${i % 7}` : (i % 7).toString(16).padStart(32, '0'),
      span_id: i.toString(16).padStart(16, '0'),
      ...(i % 3 === 0 ? {} : { created: new Date(ms).toISOString() }),
      ...content,
      metrics: { ...(content['metrics'] as object), start: ms / 1000, end: ms / 1000 + (i % 11) / 10 },
    };
    const { record, attributes } = recordOfRow(
      { project: i % 9 === 0 ? 'q' : 'p', id: `r${i}`, content: row, state: {} },
      0n,
    );
    const cut = i % 50 === 7 ? { [ROW_CUT]: true } : {};
    return { ...record, attributes: JSON.stringify({ ...cut, ...attributes }) };
  });
  for (let i = 0; i < records.length; i += 100) {
    // The rows of the first day are in a block, the others in the tail.
    if (i === 300) store.nowMs += DAY_MS;
    store.add(...records.slice(i, i + 100));
  }
  ask = querying(store, NOON);
});

afterAll(() => {
  closeStores();
  removeFolders();
});

const key = fc.constantFrom(
  'metadata.a',
  'metadata.a.b',
  'metadata',
  'metadata.status',
  'kind',
  'tags',
  'is_root',
  'root_span_id',
  'day(created)',
  "date_trunc('15 minutes', created)",
  'metadata.a = 5',
  'coalesce(metadata.a, scores.a)',
  'span_attributes.type',
);
const measure = fc.constantFrom(
  'count(1)',
  'count(error)',
  'sum(metrics.total_tokens)',
  'avg(scores.a)',
  'min(metadata.b)',
  'max(created)',
  'percentile(metrics.duration, 0.95)',
  'count_distinct(root_span_id)',
  'count_distinct(id)',
  'sum(len(tags))',
  "sum(tags includes 'a')",
  'sum(metrics.latency) / count(1)',
);

describe('groups from columns', () => {
  it('are those of the rows', () => {
    const query = fc.tuple(
      fc.array(key, { maxLength: 2 }),
      fc.array(measure, { minLength: 1, maxLength: 3 }),
      fc.option(rowCondition.map(printExpression)),
    );
    fc.assert(
      fc.property(query, ([keys, measures, filter]) => {
        const text = [
          ...(keys.length > 0 ? [`dimensions: ${keys.map((one, i) => `${one} as k${i}`).join(', ')}`] : []),
          `measures: ${measures.map((one, i) => `${one} as m${i}`).join(', ')}`,
          `from: ${P}`,
          ...(filter === null ? [] : [`filter: ${filter}`]),
          ...(keys.length > 0 ? [`sort: ${keys.map((_, i) => `k${i}`).join(', ')}`] : []),
        ].join(' | ');
        const byText = (data: readonly object[]) =>
          data.map((row) => JSON.stringify(row, rounded)).toSorted((a, b) => (a < b ? -1 : 1));
        // A sample is taken of rows only.
        expect(byText(ask(text).data)).toEqual(byText(ask(`${text} | sample: 100%`).data));
      }),
      { numRuns: 150 },
    );
  }, 120_000);

  it('are made for the queries of a monitor page', () => {
    const canScan = (text: string): boolean => canScanGroups(new QueryPlan(parseBtql(text), CLOCK));
    const measured =
      'count(1) as n, percentile(metrics.duration, 0.95) as p95, sum(metrics.total_tokens) as t';
    expect(
      canScan(`dimensions: metadata.model as m, day(created) as d | measures: ${measured} | from: ${P}`),
    ).toBe(true);
    expect(canScan(`dimensions: metadata.list[0] as m | measures: ${measured} | from: ${P}`)).toBe(false);
    expect(canScan(`measures: count(1) as n | from: ${P} traces | filter: error is not null`)).toBe(false);
    expect(canScan(`measures: count(1) as n | from: ${P} | filter: search('a')`)).toBe(false);
  });
});

/** Sums may be added in another order. */
const rounded = (_: string, value: unknown): unknown =>
  typeof value === 'number' ? Number(value.toPrecision(12)) : value;
