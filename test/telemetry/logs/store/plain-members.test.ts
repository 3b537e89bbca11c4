// Members of JSON objects, split without parsing.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainMembersOf } from '../../../../src/telemetry/logs/store/plain-members.ts';

/** The members as parsing gives them, if JSON.stringify writes the same text again. */
function parsedMembers(text: string): [string, string][] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return JSON.stringify(value) === text
    ? Object.entries(value).map(([name, one]) => [name, JSON.stringify(one)])
    : undefined;
}

const value = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.integer(), { maxLength: 2 }),
);
const attributes = fc.dictionary(
  fc.oneof(fc.string({ maxLength: 6 }), fc.stringMatching(/^\d{1,3}$/)),
  value,
);

describe('members of an object', () => {
  it('are those that parsing gives', () => {
    fc.assert(
      fc.property(attributes, (object) => {
        const text = JSON.stringify(object);
        const members = plainMembersOf(text);
        if (members) expect(members).toEqual(parsedMembers(text));
      }),
    );
  });

  it('are found in the attributes of requests', () => {
    const text =
      '{"model":"llama-3-8b","input_tokens":120,"rest":-1,"is_stream":true,"gone":null,"text":"ü,\u{2028}}"}';
    expect(plainMembersOf(text)).toEqual(parsedMembers(text));
    expect(plainMembersOf(text)).toHaveLength(6);
  });

  it.each([
    '',
    '{',
    '{}',
    '[]',
    '{"a":1',
    '{"a":1,}',
    '{"a":1}}',
    '{"a" :1}',
    '{"a":1 }',
    '{"a":1,"a":2}',
    '{"b":1,"2":1}',
    '{"a":01}',
    '{"a":-0}',
    '{"a":-}',
    '{"a":1.50}',
    '{"a":1e3}',
    '{"a":12345678901234567890}',
    String.raw`{"a":"\u0041"}`,
    String.raw`{"a\n":1}`,
    '{"a":"\t"}',
    '{"a":"\ud800"}',
    '{"a":truex}',
    '{"a":nul}',
    '{a:1}',
    '{"a":"b}',
    '{"a":{"b":1}}',
  ])('are not taken from %j', (text) => {
    expect(plainMembersOf(text)).toBeUndefined();
  });
});
