import { describe, expect, it } from 'vitest';
import { mergePatch, withAnnotations } from '../../../src/telemetry/logs/merge-annotations.ts';
import { attributesOf } from '../../../src/telemetry/logs/log-record.ts';
import { recordOf } from './query/arbitrary.ts';

const parse = (text: string): unknown => JSON.parse(text);

/** The test cases of RFC 7396, appendix A. */
it.each([
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', '{}'],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['["a","b"]', '["c","d"]', '["c","d"]'],
  ['{"a":"b"}', '["c"]', '["c"]'],
  ['{"a":"foo"}', 'null', 'null'],
  ['{"a":"foo"}', '"bar"', '"bar"'],
  ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
  ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
  ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
])('merges %s with the patch %s', (target, patch, result) => {
  expect(JSON.stringify(mergePatch(parse(target), parse(patch)))).toBe(result);
});

it('a patch with the name __proto__ changes only the object', () => {
  const merged = mergePatch({}, parse('{"__proto__":{"x":1}}'));
  expect(JSON.stringify(merged)).toBe('{"__proto__":{"x":1}}');
  expect(({} as { x?: number }).x).toBeUndefined();
});

describe('a record with annotations', () => {
  const merged = (attributes: string, ...contents: Parameters<typeof withAnnotations>[1]): unknown =>
    attributesOf(withAnnotations(recordOf({ attributes }), contents));

  it('has the last score, expected output and member of each name, all tags once, and all comments', () => {
    expect(
      merged(
        '{"model":"m"}',
        { scores: { a: 1, b: 0 }, tags: ['x', 'y'], comment: 'one', expected: 1, feedback: { value: 1 } },
        { metadata: { user: { id: 1, name: 'ann' } } },
        { scores: { a: 0.5, b: null }, tags: ['y', 'z'], comment: 'two', expected: { text: 'yes' } },
        { metadata: { user: { id: 2, name: null } } },
      ),
    ).toEqual({
      model: 'm',
      annotations: {
        scores: { a: 0.5 },
        feedback: { value: 1 },
        metadata: { user: { id: 2 } },
        expected: { text: 'yes' },
        tags: ['x', 'y', 'z'],
        comments: ['one', 'two'],
      },
    });
  });

  it('has the merged fields among its own attributes', () => {
    const own = '{"user":{"id":1},"model":"m","input_tokens":5}';
    expect(
      merged(own, { fields: { user: { name: 'ann' }, model: null } }, { fields: { output_tokens: 7 } }),
    ).toEqual({
      user: { id: 1, name: 'ann' },
      input_tokens: 5,
      output_tokens: 7,
    });
  });

  it('loses an attribute of its own with the name of annotations', () => {
    expect(merged('{"annotations":{"tags":["own"]},"annotations.tags":1,"x":1}', { tags: ['a'] })).toEqual({
      x: 1,
      annotations: { tags: ['a'] },
    });
  });

  it('has no attributes if none are left', () => {
    const record = withAnnotations(recordOf({ attributes: '{"x":1}' }), [{ fields: { x: null } }]);
    expect(record.attributes).toBe('');
  });
});
