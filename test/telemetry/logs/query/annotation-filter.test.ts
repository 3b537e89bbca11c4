import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Annotation } from '../../../../src/telemetry/logs/annotation.ts';
import { withAnnotations } from '../../../../src/telemetry/logs/merge-annotations.ts';
import { annotationFilter, changedNames } from '../../../../src/telemetry/logs/query/annotation-filter.ts';
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import { parseQuery } from '../../../../src/telemetry/logs/query/parse.ts';
import { annotation, annotationQuery } from '../annotation-arbitrary.ts';
import { record, recordOf } from './arbitrary.ts';

function nodeOf(text: string) {
  const parsed = parseQuery(text);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.node;
}

it('an annotation passes because of which a record matches', () => {
  const attributes = fc.constantFrom(
    '',
    '{"annotations":{"tags":["foo"]},"x":"foo"}',
    '{"annotations.tags":"foo","user":{"id":5}}',
    '{"user.id":"foo","annotations":{"scores":{"q":1}},"annotations.scores":{"q":0.5}}',
  );
  const anyRecord = fc
    .tuple(record, fc.option(attributes, { nil: undefined }))
    .map(([one, own]) => (own === undefined ? one : { ...one, attributes: own }));
  let changed = 0;
  fc.assert(
    fc.property(
      anyRecord,
      fc.array(annotation, { minLength: 1, maxLength: 3 }),
      annotationQuery,
      (own, contents, node) => {
        const matches = compile(node);
        if (matches(own) || !matches(withAnnotations(own, contents))) return;
        changed++;
        const filter = annotationFilter(node);
        const passing = contents.filter((one) => filter.mayPass(changedNames(one)) && filter.passes(one));
        expect(passing).not.toEqual([]);
      },
    ),
    { numRuns: 20_000 },
  );
  expect(changed).toBeGreaterThan(500);
}, 60_000);

it.each<[query: string, content: Annotation, passes: boolean]>([
  ['scores.quality>0.5', { scores: { quality: 0.9 } }, true],
  ['scores.quality>0.5', { scores: { quality: 0.5 } }, false],
  ['tags:golden', { tags: ['other'] }, false],
  ['-tags:golden', { tags: ['other'] }, true],
  ['model:m', { fields: { model: 'other' } }, true],
  ['model:m', { comment: 'm' }, false],
  ['timeout', { fields: { exc_info: 'timeout' } }, true],
  ['timeout', { comment: 'timeout' }, false],
  ['level:error deployment:d1', { fields: { level: 1 } }, false],
])('for %s the annotation %j passes: %s', (query, content, passes) => {
  const filter = annotationFilter(nodeOf(query));
  expect(filter.mayPass(changedNames(content)) && filter.passes(content)).toBe(passes);
});

it.each([
  ['scores.quality>0.5', { scores: { quality: 0.6 } }],
  ['feedback.value:1', { feedback: { value: 1 } }],
  ['metadata.user:ann', { metadata: { user: 'ann' } }],
  ['Tags:golden', { tags: ['silver', 'golden'] }],
  ['comment:*wrong*', { comment: 'this is wrong' }],
  ['expected:*', { expected: { text: 'yes' } }],
  ['expected.text:yes', { expected: { text: 'yes' } }],
])('%s finds a record with this part of an annotation', (query, content: Annotation) => {
  const matches = compile(nodeOf(query));
  const own = recordOf({ attributes: '{"x":1}' });
  expect(matches(own)).toBe(false);
  expect(matches(withAnnotations(own, [content]))).toBe(true);
});

it('a short name finds an attribute with the same name too, and with @ only that', () => {
  const own = recordOf({ attributes: '{"tags":["golden"]}' });
  const annotated = withAnnotations(recordOf(), [{ tags: ['golden'] }]);
  const found = (query: string): boolean[] => [own, annotated].map(compile(nodeOf(query)));
  expect(found('tags:golden')).toEqual([true, true]);
  expect(found('tags!=golden')).toEqual([false, false]);
  expect(found('@tags:golden')).toEqual([true, false]);
});
