// Random queries on the records of arbitrary-rows.ts, with ways to read their answers.
import fc from 'fast-check';
import { LATEST_NS } from '../../../../src/core/time.ts';
import type { GroupKey } from '../../../../src/telemetry/logs/query/group-query.ts';
import type { QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import type { TimeRange } from '../../../../src/telemetry/logs/store/segment-query.ts';
import { node } from '../query/arbitrary.ts';
import { time } from './arbitrary-rows.ts';

/** A query, and how its answers are read. */
export interface Question {
  readonly node: QueryNode;
  readonly range: TimeRange;
  readonly limit: number;
  readonly afterSeq: number;
  readonly by: readonly GroupKey[];
  /** Chooses the record for `byId`. */
  readonly chosen: number;
}

/** The question for the records that share the request id or the trace id of one of the given records. */
export function byId(question: Question, records: readonly LogRecord[]): Question {
  const name = question.chosen % 2 === 0 ? 'requestId' : 'traceId';
  const ids = records.map((record) => record[name]).filter((id) => id !== '');
  const value = ids[question.chosen % ids.length] ?? 'none';
  return { ...question, node: { op: 'field', name, compare: '=', value } };
}

const EVERY: TimeRange = { fromNs: 0n, toNs: LATEST_NS };

const words: fc.Arbitrary<QueryNode> = fc.record({
  op: fc.constant('words' as const),
  words: fc
    .constantFrom('foo', 'time', 'timeout', 'memory', 'ss', '5', 'ok', 'predict', 'post', '404', '超', 'か')
    .map((word) => [word]),
  isPrefix: fc.boolean(),
});

/** A query that the totals of minutes can answer. */
export const totaled = fc
  .constantFrom<readonly [name: string, values: readonly (string | number)[]]>(
    ['kind', ['request', 'line']],
    ['severity', [9, 13, 17]],
    ['status', [200, 404, 500]],
    ['deployment', ['d1', '']],
    ['environment', ['production']],
    ['replica', ['abc12']],
    ['source', ['weir', 'stdout']],
  )
  .chain(([name, values]) =>
    fc.record({
      op: fc.constant('field' as const),
      name: fc.constant(name),
      compare: fc.constantFrom('=' as const, '>=' as const, '<' as const),
      value: fc.constantFrom(...values),
    }),
  );

const key: fc.Arbitrary<GroupKey> = fc
  .constantFrom(
    'level',
    'severity',
    'status',
    'kind',
    'deployment',
    'requestId',
    'traceId',
    'path',
    'x',
    'user.id',
  )
  .map((field) => ({ field }));
const step: fc.Arbitrary<GroupKey> = fc.constantFrom(1000, 60_000, 86_400_000).map((stepMs) => ({ stepMs }));

export const question: fc.Arbitrary<Question> = fc.record({
  node: fc.oneof(
    { weight: 4, arbitrary: node },
    { weight: 4, arbitrary: words },
    { weight: 1, arbitrary: totaled },
    { weight: 1, arbitrary: totaled.map((of): QueryNode => ({ op: 'not', of })) },
  ),
  range: fc.oneof(
    fc.constant(EVERY),
    fc.tuple(time, time).map(([a, b]) => (a < b ? { fromNs: a, toNs: b } : { fromNs: b, toNs: a })),
  ),
  limit: fc.integer({ min: 2, max: 20 }),
  afterSeq: fc.nat(40),
  chosen: fc.nat(),
  by: fc.oneof(
    fc.constant([]),
    fc.tuple(step),
    fc.tuple(step, key),
    fc.array(key, { minLength: 1, maxLength: 2 }),
  ),
});
