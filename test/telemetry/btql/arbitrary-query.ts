// Arbitrary expressions, queries and rows.
import fc from 'fast-check';
import { printExpression } from '../../../src/telemetry/btql/print-query.ts';
import { BINARY, UNITS, type Expr, type Item, type Query } from '../../../src/telemetry/btql/tree.ts';

const NAMES = [
  'metadata',
  'scores',
  'metrics',
  'tags',
  'input',
  'error',
  'created',
  'a b',
  'limit',
  'and',
  'élan',
  '"',
  'select',
];
const TEXTS = [
  '',
  'a',
  'A',
  "it's",
  '"quoted"',
  'back\\slash',
  '\\',
  '50%',
  '\\%',
  '%a%',
  '2026-11-20',
  '5',
  'x'.repeat(3),
];

const value = fc.oneof(
  fc.constantFrom(null, true, false),
  fc.integer({ min: -1000, max: 1000 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Object.is(number, -0)),
  fc.constantFrom(...TEXTS),
  fc.string({ maxLength: 8 }),
);

const ident = fc
  .tuple(
    fc.constantFrom(...NAMES),
    fc.array(fc.oneof(fc.constantFrom(...NAMES), fc.integer({ min: -3, max: 3 })), { maxLength: 3 }),
  )
  .map(([first, rest]): Expr => ({ op: 'ident', name: [first, ...rest] }));

/** Expressions of any kind, with or without a meaning. */
export const expression: fc.Arbitrary<Expr> = fc.letrec<{ expr: Expr }>((tie) => {
  const sub = tie('expr');
  return {
    expr: fc.oneof(
      { maxDepth: 4, depthSize: 'small', withCrossShrink: true },
      fc.oneof(
        ident,
        value.map((one): Expr => ({ op: 'literal', value: one })),
        fc.array(value, { maxLength: 3 }).map((one): Expr => ({ op: 'literal', value: one })),
        fc
          .tuple(fc.integer({ min: -50, max: 50 }), fc.constantFrom(...UNITS))
          .map(([count, unit]): Expr => ({ op: 'interval', value: count, unit })),
      ),
      fc
        .tuple(fc.constantFrom(...BINARY), sub, sub, fc.array(value, { maxLength: 3 }))
        .map(([op, left, right, list]): Expr => ({
          op,
          left,
          right: op === 'in' ? { op: 'literal', value: list } : right,
        })),
      fc
        .tuple(fc.constantFrom('and' as const, 'or' as const), fc.array(sub, { minLength: 2, maxLength: 3 }))
        .map(([op, children]): Expr => ({ op, children })),
      fc
        .tuple(fc.constantFrom('not' as const, 'isnull' as const, 'isnotnull' as const), sub)
        .map(([op, expr]): Expr => ({ op, expr })),
      ident.map((expr): Expr => ({ op: 'neg', expr })),
      fc.tuple(sub, sub, sub).map(([cond, yes, no]): Expr => ({ op: 'if', cond, yes, no })),
      fc
        .tuple(
          fc.constantFrom('lower', 'COALESCE', 'count', 'day', 'unknown'),
          fc.array(sub, { maxLength: 2 }),
        )
        .map(([name, args]): Expr => ({ op: 'function', name: { op: 'ident', name: [name] }, args })),
    ),
  };
}).expr;

const item: fc.Arbitrary<Item> = fc.oneof(
  fc.constant<Item>({ op: 'star' }),
  fc
    .tuple(expression, fc.option(fc.constantFrom('n', 'a b', "it's", 'from'), { nil: undefined }))
    .map(([expr, alias]): Item => (alias === undefined ? { expr } : { expr, alias })),
);
const items = fc.array(item, { minLength: 1, maxLength: 3 });

/** Queries that both spellings have. */
export const plainQuery: fc.Arbitrary<Query> = fc.record(
  {
    select: items,
    from: fc
      .tuple(
        fc.array(fc.constantFrom('demo', "it's", '29fd5284-c361-4a7f-8eb5-2e543e1c66aa'), {
          minLength: 1,
          maxLength: 2,
        }),
        fc.constantFrom(undefined, 'spans' as const, 'traces' as const, 'summary' as const),
      )
      .map(([names, shape]): Query['from'] => ({
        op: 'function',
        name: { op: 'ident', name: ['project_logs'] },
        args: names.map((name) => ({ op: 'literal' as const, value: name })),
        ...(shape === undefined ? {} : { shape }),
      })),
    filter: expression,
    sort: fc.array(fc.record({ expr: expression, dir: fc.constantFrom('asc' as const, 'desc' as const) }), {
      minLength: 1,
      maxLength: 2,
    }),
    limit: fc.nat(10_000),
    cursor: fc.constantFrom('abc', '', 'a-b_c'),
  },
  { requiredKeys: ['select', 'from'] },
);

/** Clauses of their own. */
export const clauseQuery: fc.Arbitrary<Query> = fc
  .tuple(
    plainQuery,
    fc.record(
      {
        dimensions: items,
        measures: items,
        sample: fc.oneof(
          fc.constantFrom({ rate: 0.25 }, { rate: 1 }),
          fc.record({ rows: fc.integer({ min: 1, max: 99 }) }),
        ),
        preview_length: fc.integer({ min: -1, max: 2000 }),
      },
      { requiredKeys: [] },
    ),
  )
  .map(([query, more]): Query => ({ ...query, ...more }));

/** Parts of SQL of their own. */
export const sqlQuery: fc.Arbitrary<Query> = fc
  .tuple(
    plainQuery,
    fc.record(
      { group_by: fc.array(expression, { minLength: 1, maxLength: 2 }), having: expression },
      { requiredKeys: [] },
    ),
    fc.boolean(),
  )
  .map(([query, more, isNested]): Query => {
    const inner = { ...query, ...more };
    return isNested ? { ...inner, from: { op: 'query', query: inner } } : inner;
  });

const columnNames = fc.uniqueArray(fc.constantFrom('k', 'v', 'a b', "it's", 'from', 'for', 'any', 'pivot'), {
  minLength: 2,
  maxLength: 6,
});

/** A query and unpivots of it, which both spellings have. */
export const unpivotQuery: fc.Arbitrary<Query> = fc
  .tuple(plainQuery, fc.array(expression, { minLength: 1, maxLength: 2 }), columnNames, fc.boolean())
  .map(([query, exprs, names, hasKey]): Query => {
    const [key, value] = names as [string, string];
    return { ...query, unpivot: exprs.map((expr) => ({ expr, alias: hasKey ? [key, value] : value })) };
  });

const named = (exprs: readonly Expr[], names: readonly string[]): Item[] =>
  exprs.map((expr, i) => (i % 2 === 0 ? { expr, alias: names[i]! } : { expr }));
const uniqueExpressions = fc.uniqueArray(expression, {
  minLength: 2,
  maxLength: 4,
  selector: printExpression,
});

/** Pivots, which both spellings have. */
export const pivotQuery: fc.Arbitrary<Query> = fc
  .tuple(plainQuery, uniqueExpressions, columnNames)
  .map(([{ from, ...plain }, exprs, names]): Query => {
    const others = Object.entries(plain).filter(([name]) => name !== 'select');
    const query = { from, ...Object.fromEntries(others) } as Query;
    // SQL counts the columns of a number, and takes a name for that of a column.
    const keys = exprs.map((expr): Expr => ({ op: 'isnull', expr }));
    const measures = named(keys.slice(-1), names.slice(1));
    const dimensions = named(keys.slice(0, -1), names.slice(0, 1));
    const pivot = measures.map((item): Expr => ({ op: 'ident', name: [(item as { alias: string }).alias] }));
    return { ...query, dimensions, measures, pivot };
  });

const cell = fc.oneof(
  fc.constantFrom(null, true, false, 0, 1, 5, 0.5, '', 'a', 'A', 'ab', '5', '0.5', 'true', '2026-11-20'),
  fc.constantFrom<unknown>(['a'], ['a', 5], [], { a: 1 }, { a: { b: 'a' } }, { 'a.b': 5 }),
);
const members = (...names: string[]): fc.Arbitrary<Record<string, unknown>> =>
  fc.record(Object.fromEntries(names.map((name) => [name, cell])), { requiredKeys: [] });

/** Rows with values of all types in the fields that `rowCondition` names. */
export const rowContent: fc.Arbitrary<Record<string, unknown>> = fc.record(
  {
    span_parents: fc.constantFrom(null, [], ['00000000000000a1']),
    metadata: fc.oneof(members('a', 'b', 'a.b', 'status'), cell),
    scores: fc.oneof(members('a', 'b'), fc.constant(null)),
    metrics: fc.oneof(members('tokens', 'total_tokens', 'prompt_tokens'), fc.constant(null)),
    tags: fc.oneof(cell, fc.array(fc.constantFrom('a', 'ab', 'b'))),
    error: cell,
    input: cell,
    kind: cell,
    message: cell,
    span_attributes: members('name', 'type'),
  },
  { requiredKeys: [] },
);

const field = fc.constantFrom<Expr>(
  ...(
    [
      ['id'],
      ['root_span_id'],
      ['span_id'],
      ['is_root'],
      ['created'],
      ['error'],
      ['input'],
      ['kind'],
      ['message'],
      ['tags'],
      ['metadata'],
      ['metadata', 'a'],
      ['metadata', 'a', 'b'],
      ['metadata', 'status'],
      ['metadata', 'b', 0],
      ['scores', 'a'],
      ['metrics', 'tokens'],
      ['metrics', 'total_tokens'],
      ['span_attributes', 'name'],
    ] as (string | number)[][]
  ).map((name): Expr => ({ op: 'ident', name })),
);
const literal = fc
  .constantFrom<null | boolean | number | string>(
    null,
    true,
    false,
    0,
    1,
    5,
    0.5,
    'a',
    'A',
    'b',
    '5',
    '0.5',
    'true',
    '%a%',
    '2026-11-20',
    '00000000000000000000000000000001',
    '00000000000000a1',
    'r1',
  )
  .map((one): Expr => ({ op: 'literal', value: one }));
const moment = fc.constantFrom<Expr>(
  { op: 'literal', value: '2026-11-20' },
  { op: 'literal', value: '2026-11-20T12:30:00Z' },
  {
    op: 'sub',
    left: { op: 'function', name: { op: 'ident', name: ['now'] }, args: [] },
    right: { op: 'interval', value: 1, unit: 'hour' },
  },
);

/** Conditions that have a meaning for rows of `rowContent`. */
export const rowCondition: fc.Arbitrary<Expr> = fc.letrec<{ condition: Expr }>((tie) => {
  const sub = tie('condition');
  const compares = BINARY.filter((op) => !['add', 'sub', 'mul', 'div', 'mod', 'in'].includes(op));
  return {
    condition: fc.oneof(
      { maxDepth: 3, depthSize: 'small', withCrossShrink: true },
      fc.oneof(
        fc
          .tuple(
            fc.constantFrom(...compares),
            field.filter((one) => one.op === 'ident' && one.name[0] !== 'created'),
            literal,
            fc.boolean(),
          )
          .map(([op, left, right, isSwapped]): Expr =>
            isSwapped ? { op, left: right, right: left } : { op, left, right },
          ),
        fc
          .tuple(
            fc.constantFrom(
              'lt' as const,
              'le' as const,
              'gt' as const,
              'ge' as const,
              'eq' as const,
              'ne' as const,
            ),
            moment,
            fc.boolean(),
          )
          .map(([op, right, isSwapped]): Expr => {
            const left: Expr = { op: 'ident', name: ['created'] };
            return isSwapped ? { op, left: right, right: left } : { op, left, right };
          }),
        fc
          .tuple(field, fc.array(fc.constantFrom(null, 5, 'a', '5', true, 'r1'), { maxLength: 3 }))
          .map(([left, list]): Expr => ({ op: 'in', left, right: { op: 'literal', value: list } })),
        fc
          .tuple(fc.constantFrom('isnull' as const, 'isnotnull' as const), field)
          .map(([op, expr]): Expr => ({ op, expr })),
        field,
      ),
      fc
        .tuple(fc.constantFrom('and' as const, 'or' as const), fc.array(sub, { minLength: 2, maxLength: 3 }))
        .map(([op, children]): Expr => ({ op, children })),
      sub.map((expr): Expr => ({ op: 'not', expr })),
    ),
  };
}).condition;
