// Filters as queries of the store, compared with the test of each row.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rowScope, testOf } from '../../../src/telemetry/btql/row-test.ts';
import { namesIds, storeFilter } from '../../../src/telemetry/btql/store-filter.ts';
import { timeRange } from '../../../src/telemetry/btql/stored-spans.ts';
import { tokenize } from '../../../src/telemetry/btql/tokens.ts';
import { ExpressionParser } from '../../../src/telemetry/btql/parse-expression.ts';
import { compile } from '../../../src/telemetry/logs/query/match.ts';
import { recordOfRow, rowOf } from '../../../src/telemetry/logs/rows/row-record.ts';
import { rowCondition, rowContent } from './arbitrary-query.ts';

const NOON = Date.parse('2026-11-20T12:00:00Z');
const CLOCK = { nowMs: NOON + 3_600_000, westMs: 0 };

const parse = (text: string) => new ExpressionParser(tokenize(text), false).expression();

/** A row as the store has it and as results show it. `startMs`: how far its start is from its creation. */
function stored(content: Record<string, unknown>, createdMs: number | undefined, startMs: number) {
  const start = ((createdMs ?? NOON) + startMs) / 1000;
  const metrics = content['metrics'] === null ? null : { ...(content['metrics'] as object), start };
  const row = {
    root_span_id: '00000000000000000000000000000001',
    span_id: '00000000000000a1',
    ...(createdMs === undefined ? {} : { created: new Date(createdMs).toISOString() }),
    ...content,
    metrics,
  };
  const { record, attributes } = recordOfRow(
    { project: 'p', id: 'r1', content: row, state: {} },
    BigInt(NOON) * 1_000_000n,
  );
  const whole = { ...record, seq: 1, attributes: JSON.stringify(attributes) };
  return { record: whole, row: rowOf(whole)! };
}

describe('a query of the store', () => {
  it('finds every row that meets the filter', () => {
    let matches = 0;
    const times = fc.constantFrom(
      undefined,
      NOON,
      NOON + 1,
      NOON + 1_800_000,
      NOON - 43_200_000,
      NOON + 86_400_000,
    );
    const starts = fc.constantFrom(0, 1, -1, 3_500_000, -3_500_000, -30 * 86_400_000, 86_400_000);
    fc.assert(
      fc.property(rowCondition, rowContent, times, starts, (condition, content, createdMs, startMs) => {
        const { record, row } = stored(content, createdMs, startMs);
        if (!testOf(condition, rowScope(CLOCK))(row)) return;
        matches++;
        const filter = storeFilter(condition, CLOCK);
        const { fromNs, toNs } = timeRange(filter);
        expect(record.timeNs >= fromNs && record.timeNs <= toNs).toBe(true);
        if (filter.node) expect(compile(filter.node)(record)).toBe(true);
      }),
      { numRuns: 5000 },
    );
    expect(matches).toBeGreaterThan(500);
  });

  it.each([
    "metadata.user_id = '1234'",
    'scores.Factuality > 0.5',
    "tags includes 'triage'",
    "metadata.model in ('a', 'b')",
    'error is not null',
    'is_root',
    "root_span_id = '1' and input match 'a'",
    "metadata.a = 1 or metadata.b = 'x'",
  ])('is made of %s', (text) => {
    expect(storeFilter(parse(text), CLOCK).node).toBeDefined();
  });

  it.each([
    "input match 'a'",
    'metadata.a = 1 or input is null',
    'not metadata.a = 1',
    'metrics.total_tokens > 5',
  ])('cannot be made of %s', (text) => {
    expect(storeFilter(parse(text), CLOCK).node).toBeUndefined();
  });

  it('leaves out what takes longer than reading the rows', () => {
    const many = Array.from({ length: 300 }, (_, n) => `'v${n}'`).join(', ');
    const nodeOf = (text: string) => storeFilter(parse(text), CLOCK).node;
    expect(nodeOf(`metadata.a in (${many})`)).toBeUndefined();
    expect(nodeOf(`metadata.a in (${many}) and metadata.b = 1`)).toEqual({
      op: 'and',
      of: [nodeOf('metadata.b = 1')],
    });
    expect(nodeOf(`root_span_id in (${many})`)).toBeDefined();
  });

  it('reads only the time that a condition on created leaves', () => {
    const older = timeRange(storeFilter(parse('created < CURRENT_DATE - INTERVAL 1 DAY'), CLOCK));
    const bound = BigInt(Date.parse('2026-11-19T00:00:00Z')) * 1_000_000n;
    expect(older.fromNs).toBe(0n);
    expect(older.toNs - bound).toBeLessThan(2n * 3_600_000_000_000n);
    const newer = timeRange(
      storeFilter(parse('now() - interval 1 hour <= created and error is null'), CLOCK),
    );
    expect(newer.fromNs).toBeGreaterThan(BigInt(NOON - 2 * 3_600_000) * 1_000_000n);
  });
});

describe('a filter', () => {
  it('names traces or rows only if all rows that meet it are in them', () => {
    for (const text of ["id = 'a'", "root_span_id in ('a', 'b') and metadata.x = 1", "span_id = 'a'"])
      expect(namesIds(parse(text)), text).toBe(true);
    for (const text of [
      "id != 'a'",
      "id = 'a' or metadata.x = 1",
      'id = metadata.x',
      "not id = 'a'",
      "id > 'a'",
    ])
      expect(namesIds(parse(text)), text).toBe(false);
  });
});
