// Random annotations, and queries on them. They are made from few values, so that many records have several.
import fc from 'fast-check';
import type { Annotation } from '../../../src/telemetry/logs/annotation.ts';
import type { Compare, QueryNode } from '../../../src/telemetry/logs/query/query-node.ts';
import { node as anyNode } from './query/arbitrary.ts';

const value = fc.constantFrom<unknown>('foo', 'bar', 5, 0.5, true, null, ['foo'], { id: 5 }, { id: null });
const patch = fc.dictionary(
  fc.constantFrom('x', 'user', 'user.id', 'id', 'exc_info', 'path', '__proto__'),
  value,
  {
    maxKeys: 2,
  },
);

export const annotation: fc.Arbitrary<Annotation> = fc
  .record(
    {
      scores: fc.dictionary(fc.constantFrom('q', 'r'), fc.constantFrom(0, 0.5, 1, null)),
      feedback: patch,
      comment: fc.constantFrom('foo', 'time out'),
      expected: value,
      tags: fc.array(fc.constantFrom('foo', 'bar'), { maxLength: 2 }),
      metadata: patch,
      fields: patch,
      id: fc.constantFrom('one', 'two', 'three'),
      withdraws: fc.subarray(['one', 'two'], { minLength: 1 }),
    },
    { requiredKeys: [] },
  )
  // An id alone says nothing.
  .filter((content) => Object.keys(content).some((name) => name !== 'id'));

const NAMES = [
  'annotations',
  'annotations.scores.q',
  'annotations.scores',
  'annotations.metadata.user.id',
  'annotations.metadata.x',
  'annotations.feedback.id',
  'annotations.tags',
  'annotations.comments',
  'annotations.expected',
  'annotations.expected.id',
  'user.id',
  'x',
];

const leaf: fc.Arbitrary<QueryNode> = fc.oneof(
  fc.record({
    op: fc.constant('field' as const),
    name: fc.constantFrom(...NAMES),
    compare: fc.constantFrom<Compare>('=', '=', '>', '<=', 'like'),
    value: fc.constantFrom<string | number>('foo', 5, 0.5, 1, 'f*'),
  }),
  fc.record({ op: fc.constant('exists' as const), name: fc.constantFrom(...NAMES) }),
  fc.record({
    op: fc.constant('words' as const),
    words: fc.constantFrom(['foo'], ['bar'], ['time', 'out']),
    isPrefix: fc.boolean(),
  }),
);

/** A query of conditions that annotations can change, and others. */
export const annotationQuery: fc.Arbitrary<QueryNode> = fc.letrec<{ node: QueryNode }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    anyNode,
    fc.record({
      op: fc.constantFrom('and' as const, 'or' as const),
      of: fc.array(tie('node'), { maxLength: 3 }),
    }),
    fc.record({ op: fc.constant('not' as const), of: tie('node') }),
  ),
})).node;
