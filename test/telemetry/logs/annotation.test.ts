import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ANNOTATION_LIMITS,
  annotationOf,
  annotationRecord,
  keysOf,
  readKey,
  targetKeyOf,
  type Annotation,
  type AnnotationTarget,
} from '../../../src/telemetry/logs/annotation.ts';
import { attributesText } from '../../../src/telemetry/logs/ingest/attributes.ts';
import { Redactor } from '../../../src/telemetry/logs/ingest/redact.ts';
import type { LogRecord } from '../../../src/telemetry/logs/log-record.ts';
import { recordOf } from './query/arbitrary.ts';

const ORIGIN = { deployment: 'dep1', environment: '', replica: '', source: 'api' };
const TRACE = 'a'.repeat(32);
const SPAN = 'b'.repeat(16);
const plain = new Redactor({ builtIn: false, custom: [] });

function recordFor(target: AnnotationTarget, content: Annotation): LogRecord {
  const record = annotationRecord(target, content, ORIGIN);
  if ('invalid' in record) throw new Error(record.invalid);
  return record;
}

/** What is wrong with an annotation, whose JSON may have any form. */
const problemOf = (target: unknown, content: unknown): string | undefined => {
  const record = annotationRecord(target as AnnotationTarget, content as Annotation, ORIGIN);
  return 'invalid' in record ? record.invalid : undefined;
};

const nested = (levels: number): unknown => (levels === 0 ? 1 : { x: nested(levels - 1) });

describe('the record of an annotation', () => {
  it('has the ids of its target, its content, and a summary', () => {
    const content = { scores: { quality: 0.9 }, tags: ['golden'], comment: 'good', expected: 'yes' };
    const record = recordFor({ requestId: 'r1' }, content);
    expect(record).toMatchObject({
      kind: 'annotation',
      message: 'score quality=0.9, tag golden, comment, expected',
      requestId: 'r1',
      traceId: '',
      deployment: 'dep1',
      source: 'api',
    });
    expect(annotationOf(record)).toEqual(content);
    expect(recordFor({ traceId: TRACE, spanId: SPAN }, content)).toMatchObject({
      traceId: TRACE,
      spanId: SPAN,
    });
    expect(JSON.parse(recordFor({ seq: 12 }, content).attributes)).toEqual({
      target_seq: 12,
      annotation: content,
    });
  });

  it.each<[AnnotationTarget, Partial<LogRecord>, Partial<LogRecord>]>([
    [{ seq: 7 }, { seq: 7 }, { seq: 8 }],
    [{ requestId: 'r 1' }, { kind: 'request', requestId: 'r 1' }, { kind: 'line', requestId: 'r 1' }],
    [{ traceId: TRACE }, { kind: 'request', traceId: TRACE }, { kind: 'span', traceId: TRACE }],
    [
      { traceId: TRACE, spanId: SPAN },
      { kind: 'span', traceId: TRACE, spanId: SPAN },
      { kind: 'line', traceId: TRACE, spanId: SPAN },
    ],
  ])('finds the target %j, and not what only belongs to it', (target, is, isNot) => {
    const key = targetKeyOf(recordFor(target, { comment: 'x' }))!;
    expect(keysOf(recordOf(is))).toContain(key);
    expect(keysOf(recordOf(isNot))).not.toContain(key);
    expect(readKey(key)).toEqual(target);
  });

  it('keeps a target whose id looks like a secret', () => {
    const record = recordFor({ requestId: 'sk-0123456789abcdef0123' }, { comment: 'x' });
    const redactor = new Redactor({ builtIn: true, custom: [] });
    const stored = { ...record, attributes: attributesText(JSON.parse(record.attributes), redactor) };
    expect(targetKeyOf(stored)).toBe('request sk-0123456789abcdef0123');
  });
});

describe('an annotation is refused', () => {
  it.each([
    [{ seq: 0 }, { comment: 'x' }, /^invalid seq 0; use the sequence number of a record/],
    [{ requestId: '' }, { comment: 'x' }, /^the request id is empty/],
    [{ requestId: 'x'.repeat(257) }, { comment: 'x' }, /^the request id has 257 characters; at most 256/],
    [{ traceId: 'A'.repeat(32) }, { comment: 'x' }, /^invalid trace id; use 32 lowercase hex digits/],
    [{ traceId: TRACE, spanId: '1' }, { comment: 'x' }, /^invalid span id; use 16 lowercase hex digits/],
    [{ seq: 1 }, {}, /^the annotation is empty; use one of scores, feedback/],
    [{ seq: 1 }, { comment: undefined }, /^the annotation is empty/],
    [{ seq: 1 }, { score: 1 }, /^unknown part "score" of an annotation/],
    [{ seq: 1 }, { scores: [1] }, /^scores must be an object/],
    [{ seq: 1 }, { fields: 'x' }, /^fields must be an object/],
    [{ seq: 1 }, { scores: { a: '1' } }, /^score "a" must be a number or null/],
    [{ seq: 1 }, { scores: { a: NaN } }, /^score "a" must be a number or null/],
    [{ seq: 1 }, { comment: 1 }, /^comment must be a text/],
    [{ seq: 1 }, { tags: 'a' }, /^tags must be a list of texts/],
    [{ seq: 1 }, { tags: [''] }, /^a tag is empty/],
    [{ seq: 1 }, { tags: ['x'.repeat(257)] }, /^a tag has 257 characters; at most 256/],
    [{ seq: 1 }, { fields: { annotations: {} } }, /^fields must not contain "annotations"/],
    [{ seq: 1 }, { fields: { 'annotations.tags': 1 } }, /^fields must not contain "annotations.tags"/],
    [{ seq: 1 }, { metadata: { a: Infinity } }, /contains a number that is not a value of JSON/],
    [{ seq: 1 }, { metadata: { a: () => 1 } }, /contains a function that is not a value of JSON/],
    [{ seq: 1 }, { metadata: nested(5) }, /has more than 4 levels of objects and lists/],
    [{ seq: 1 }, { metadata: { ['x'.repeat(257)]: 1 } }, /^a name has 257 characters; at most 256/],
    [{ seq: 1 }, { comment: 'x'.repeat(32_769) }, /has more than 32768 characters/],
    [{ seq: 1 }, { expected: Array(400).fill(1) }, /has more than 400 values/],
  ])('for the target %j and the content %j', (target, content, problem) => {
    expect(problemOf(target, content)).toMatch(problem);
  });
});

it('an annotation at the limits is stored whole', () => {
  const { characters, values, depth } = ANNOTATION_LIMITS;
  const contents: Annotation[] = [
    { comment: 'x'.repeat(characters) },
    { expected: Array(values - 1).fill('x') },
    { metadata: nested(depth) as Record<string, unknown>, fields: nested(depth) as Record<string, unknown> },
  ];
  for (const content of contents) {
    const record = recordFor({ seq: 1 }, content);
    const stored = { ...record, attributes: attributesText(JSON.parse(record.attributes), plain) };
    expect(annotationOf(stored)).toEqual(content);
  }
});

it('an annotation of any form is read without its wrong parts', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (annotation) => {
      const record = recordOf({ kind: 'annotation', attributes: JSON.stringify({ annotation }) });
      const content = annotationOf(record)!;
      expect(problemOf({ seq: 1 }, { ...content, comment: 'x' }) ?? '').not.toMatch(/must|unknown part/);
    }),
  );
  const wrong = { scores: { a: 1, b: '1' }, tags: [1], fields: { annotations: 1, x: 2 }, comment: 5 };
  const record = recordOf({ kind: 'annotation', attributes: JSON.stringify({ annotation: wrong }) });
  expect(annotationOf(record)).toEqual({ scores: { a: 1 }, fields: { x: 2 } });
  expect(annotationOf(recordOf())).toBeUndefined();
});
