// Values of expressions: null, texts, times, functions and derived fields.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile } from '../../../src/telemetry/btql/evaluate.ts';
import { ExpressionParser } from '../../../src/telemetry/btql/parse-expression.ts';
import { rowScope } from '../../../src/telemetry/btql/row-test.ts';
import { tokenize } from '../../../src/telemetry/btql/tokens.ts';
import { operandsOf, type Expr } from '../../../src/telemetry/btql/tree.ts';
import { rowCondition, rowContent } from './arbitrary-query.ts';
import { naiveValue } from './naive-value.ts';

const NOW = Date.parse('2026-11-20T12:34:56Z');
const ROW = {
  id: 'r1',
  created: '2026-11-20T10:00:00.500Z',
  input: { prompt: 'What is recursion, again?' },
  output: null,
  tags: ['triage', 'ok'],
  scores: { Factuality: 0.8, none: null },
  metadata: {
    user_id: 1234,
    text: '50%',
    'a.b': 'dotted',
    list: [1, { deep: 'x' }],
    on: true,
    at: '2026-11-01T23:30:00+02:00',
  },
  metrics: { start: 100, end: 100.25, prompt_tokens: 3, completion_tokens: 4, text: '5' },
};

/** The value of an expression for the row. `westMinutes`: how far the zone is behind UTC. */
function valueOf(text: string, westMinutes = 0): unknown {
  const expr = new ExpressionParser(tokenize(text), false).expression();
  return compile(expr, rowScope({ nowMs: NOW, westMs: westMinutes * 60_000 })).of(ROW) ?? null;
}

describe('an expression', () => {
  it.each([
    // Null
    ['missing = 1', null],
    ['missing != 1', null],
    ['not missing = 1', null],
    ['missing is null', true],
    ['output is null and scores.none is null', true],
    ['missing = 1 or id = "r1"', true],
    ['missing = 1 and id = "x"', false],
    ['missing match "a"', false],
    ['not missing includes "a"', true],
    ['missing in (1, null)', null],
    ['missing like "%"', null],
    ['1 / 0', null],
    ['missing + 1', null],
    // Equality and order
    ['metadata.user_id = "1234"', true],
    ['metadata.user_id != "1234"', false],
    ['metadata.user_id > 1000', true],
    ['metadata.user_id > "1000"', true],
    ['metadata.user_id > "text"', null],
    ['metadata.on = true', true],
    ['metadata.list[1].deep', 'x'],
    ['metadata.list[-1]["deep"]', 'x'],
    ['metadata.a.b', 'dotted'],
    ['metadata."a.b"', 'dotted'],
    ['scores.Factuality between 0.5 and 0.8', true],
    // Lists and texts
    ['tags includes "triage"', true],
    ['tags includes ["triage", "ok"]', true],
    ['tags includes "tri"', false],
    ['tags in ("none", "ok")', true],
    ['input.prompt includes "recur"', true],
    ['metadata.text like "50\\%"', true],
    ['metadata.text like "%0%"', true],
    ['metadata.text like "5_%"', false],
    ['input like "%recursion%"', true],
    ['input.prompt like "what%"', false],
    ['input.prompt ilike "what%"', true],
    ['input match "AGAIN recursion"', true],
    ['input match "recurs"', false],
    ["search('triage')", true],
    // Arithmetic and conditions
    ['1 + 2 * 3 - 4 % 3', 6],
    ['7 / 2', 3.5],
    ['-scores.Factuality', -0.8],
    ['scores.Factuality > 0.9 ? "excellent" : scores.Factuality > 0.7 ? "good" : "poor"', 'good'],
    ["case when missing then 1 when id = 'r1' then 2 end", 2],
    ['metrics.text', null],
    // Derived fields
    ['metrics.total_tokens', 7],
    ['duration', 0.25],
    ['metrics.latency', 0.25],
    ['estimated_cost()', null],
    // Functions
    ['lower("ÄB") || upper("c") || 1', 'äbC1'],
    ['len(tags) + len("abc")', 5],
    ['round(1.005, 2)', 1.01],
    ['round(-2.5)', -2],
    ['coalesce(missing, output, id)', 'r1'],
    ['nullif(id, "r1")', null],
    ['least(3, 1, missing, 2)', 1],
    ['greatest("a", "b")', 'b'],
    ['to_integer("12.9")', 12],
    ['to_number("x")', null],
    ['to_boolean("true")', true],
    ['to_string(tags)', '["triage","ok"]'],
    ['json_extract(to_string(metadata), "list[1].deep")', 'x'],
    ['json_extract("not json", "a")', null],
  ])('%s', (text, expected) => {
    expect(valueOf(text)).toEqual(expected);
  });
});

describe('a time', () => {
  it.each([
    ['created', '2026-11-20T10:00:00.500Z'],
    ['day(created)', '2026-11-20T00:00:00Z'],
    ['hour(created)', '2026-11-20T10:00:00Z'],
    ['week(created)', '2026-11-16T00:00:00Z'],
    ['month(created)', '2026-11-01T00:00:00Z'],
    ['year(created)', '2026-01-01T00:00:00Z'],
    ["date_trunc('15 minutes', now())", '2026-11-20T12:30:00Z'],
    ['now() - interval 1 day', '2026-11-19T12:34:56Z'],
    ["current_timestamp + interval '2 hours'", '2026-11-20T14:34:56Z'],
    ['CURRENT_DATE - INTERVAL 1 DAY', '2026-11-19T00:00:00Z'],
    ["to_datetime('2026-03-31') - interval 1 month", '2026-02-28T00:00:00Z'],
    ['interval 3600 second + created', '2026-11-20T11:00:00.500Z'],
    ["created > '2026-11-20'", true],
    ["'2026-11-20T10:00:00.500Z' = created", true],
    ["metadata.at < to_datetime('2026-11-01T22:00:00Z')", true],
    ['metadata.text < now()', null],
    ["now() - to_interval('7 days') < created", true],
  ])('%s', (text, expected) => {
    expect(valueOf(text)).toEqual(expected);
  });

  it('begins days in the zone of the user', () => {
    expect(valueOf('day(created)', 720)).toBe('2026-11-19T12:00:00Z');
    expect(valueOf('CURRENT_DATE', -60)).toBe('2026-11-19T23:00:00Z');
  });

  it.each([
    'now() - created',
    'now() + 1',
    'interval 1 day + interval 1 day',
    'interval 1 day - now()',
    "date_trunc('2 months', now())",
  ])('is not made by %s', (text) => {
    expect(() => valueOf(text)).toThrow(/time|interval|date_trunc/);
  });
});

/** True for expressions that the reference has: without times and words. */
const isInReference = (expr: Expr): boolean =>
  !['function', 'interval', 'match', 'star'].includes(expr.op) &&
  !(expr.op === 'ident' && ['created', 'is_root', 'metrics'].includes(String(expr.name[0]))) &&
  operandsOf(expr).every(isInReference);

describe('any expression', () => {
  const numbers = fc.constantFrom<Expr>(
    { op: 'ident', name: ['scores', 'a'] },
    { op: 'ident', name: ['metadata', 'a'] },
    { op: 'literal', value: 3 },
    { op: 'literal', value: 0 },
    { op: 'literal', value: true },
    { op: 'literal', value: '7' },
  );
  const sum: fc.Arbitrary<Expr> = fc
    .tuple(fc.constantFrom('add', 'sub', 'mul', 'div', 'mod'), numbers, numbers)
    .map(([op, left, right]): Expr => ({ op: op as 'add', left, right }));
  const condition = rowCondition.filter(isInReference);
  const value: fc.Arbitrary<Expr> = fc.oneof(
    condition,
    sum,
    numbers.map((expr): Expr => ({ op: 'neg', expr })),
    fc.tuple(condition, sum, condition).map(([cond, yes, no]): Expr => ({ op: 'if', cond, yes, no })),
    fc.tuple(sum, numbers).map(([left, right]): Expr => ({ op: 'gt', left, right })),
  );

  it('has the value that the contract says', () => {
    let values = 0;
    fc.assert(
      fc.property(value, rowContent, (expr, row) => {
        const expected = naiveValue(expr, row) ?? null;
        if (expected !== null) values++;
        expect(compile(expr, rowScope({ nowMs: NOW, westMs: 0 })).of(row) ?? null).toEqual(expected);
      }),
      { numRuns: 5000 },
    );
    expect(values).toBeGreaterThan(1000);
  });
});
