// ValidJSON with a schema: what the keywords check, and what keeps a schema from running for ever.
import { describe, expect, it } from 'vitest';
import { compileSchema } from '../../../../src/telemetry/scoring/scorers/json-schema.ts';
import { openBuiltIn } from '../../../../src/telemetry/scoring/scorers/built-in.ts';
import { cpuMs } from '../../../kit/cpu-time.ts';

function valid(schema: unknown, value: unknown): boolean | { reason: string } {
  const compiled = compileSchema(schema);
  if ('problems' in compiled) throw new Error(compiled.problems.join('; '));
  return compiled.valid(value);
}
const problemsOf = (schema: unknown): readonly string[] => {
  const compiled = compileSchema(schema);
  return 'problems' in compiled ? compiled.problems : [];
};

describe('a JSON schema', () => {
  it.each<[string, unknown, unknown, unknown]>([
    ['type', { type: ['integer', 'null'] }, 1.0, 1.5],
    ['enum, whatever the order of fields', { enum: [{ a: 1, b: 2 }] }, { b: 2, a: 1 }, { a: 1 }],
    ['const', { const: [1] }, [1], ['1']],
    ['minimum and exclusiveMaximum', { minimum: 1, exclusiveMaximum: 2 }, 1, 2],
    ['multipleOf of a fraction', { multipleOf: 0.0001 }, 0.0075, 0.00751],
    ['maxLength in characters', { maxLength: 1 }, '😀', 'ab'],
    ['pattern', { pattern: '^a+$' }, 'aaa', 'baa'],
    [
      'uniqueItems',
      { uniqueItems: true },
      [{ a: 1 }, { a: 2 }],
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
    ],
    ['prefixItems and items', { prefixItems: [{ type: 'string' }], items: false }, ['a'], ['a', 1]],
    ['items of draft 7', { items: [{ type: 'string' }], additionalItems: false }, ['a'], ['a', 1]],
    ['contains', { contains: { const: 1 }, maxContains: 1 }, [1, 2], [1, 1]],
    ['required', { required: ['toString'] }, { toString: 1 }, {}],
    [
      'additionalProperties',
      { properties: { a: true }, patternProperties: { '^x': true }, additionalProperties: false },
      { a: 1, x1: 2 },
      { b: 1 },
    ],
    ['propertyNames', { propertyNames: { maxLength: 1 } }, { a: 1 }, { ab: 1 }],
    ['dependentRequired', { dependentRequired: { a: ['b'] } }, { b: 1 }, { a: 1 }],
    ['oneOf', { oneOf: [{ type: 'number' }, { minimum: 5 }] }, 3, 7],
    ['not', { not: { type: 'string' } }, 1, 'a'],
    [
      'if, then, else',
      JSON.parse('{"if": {"type": "string"}, "then": {"minLength": 2}, "else": false}'),
      'ab',
      'a',
    ],
    [
      '$ref to a list of itself',
      { $defs: { tree: { type: 'array', items: { $ref: '#/$defs/tree' } } }, $ref: '#/$defs/tree' },
      [[], [[]]],
      [[], [1]],
    ],
    [
      'a name in a $ref with escapes',
      { $defs: { 'a/b%': { type: 'string' } }, $ref: '#/$defs/a~1b%25' },
      'x',
      1,
    ],
  ])('checks %s', (_, schema, good, bad) => {
    expect(valid(schema, good)).toBe(true);
    expect(valid(schema, bad)).toBe(false);
  });

  it('is refused if a keyword is misspelled or not checked', () => {
    expect(problemsOf({ type: 'object', requried: ['a'] })).toEqual([
      'schema has the keyword "requried"; did you mean "required"?',
    ]);
    expect(problemsOf({ properties: { a: { unevaluatedProperties: false } } })).toEqual([
      'schema.properties.a has the keyword "unevaluatedProperties"; weir does not check it',
    ]);
  });

  it('is refused with the place of each mistake', () => {
    expect(problemsOf({ properties: { a: { type: 'text' } }, minLength: -1, $ref: '#/$defs/no' })).toEqual([
      'schema.properties.a.type must be one of null, boolean, object, array, number, string, integer, or a list of them',
      'schema.minLength must be a whole number of at least 0',
      'schema.$ref leads to nothing: #/$defs/no',
    ]);
    expect(problemsOf({ $ref: 'https://example.com/schema.json' })[0]).toMatch(
      /must be a place in this schema/,
    );
    expect(problemsOf(5)).toEqual(['schema must be a schema: an object, true or false']);
  });

  it('is refused with a pattern that RE2 does not know', () => {
    expect(problemsOf({ pattern: '(?=a)' })[0]).toMatch(/^schema.pattern is an invalid regular expression/);
  });

  it('is refused if it is too large', () => {
    expect(problemsOf({ enum: ['x'.repeat(70_000)] })[0]).toMatch(
      /^schema has \d+ bytes; the maximum is 65536$/,
    );
    let deep: unknown = true;
    for (let i = 0; i < 200; i++) deep = { not: deep };
    expect(problemsOf(deep)).toEqual(['schema: the value is nested more than 100 levels deep']);
  });

  it('that refers to itself without an end gives no answer', () => {
    expect(valid({ $ref: '#' }, 1)).toEqual({ reason: 'the schema refers to itself without an end' });
  });

  it('that would take for ever gives no answer, soon', () => {
    // Each level checks the next one twice.
    const $defs: Record<string, unknown> = { d60: { const: 1 } };
    for (let i = 0; i < 60; i++) {
      const next = { $ref: `#/$defs/d${i + 1}` };
      $defs[`d${i}`] = { oneOf: [next, { allOf: [next] }] };
    }
    const startMs = cpuMs();
    expect(valid({ $defs, $ref: '#/$defs/d0' }, 1)).toEqual({ reason: 'checking the schema takes too long' });
    expect(cpuMs() - startMs).toBeLessThan(5000);
  });
});

describe('ValidJSON', () => {
  it('gives no score, with the reason, if the schema cannot be checked to its end', () => {
    const scorer = openBuiltIn('ValidJSON', { schema: { $ref: '#' } });
    if ('problems' in scorer) throw new Error(scorer.problems.join());
    expect(scorer.score({ output: '{}' }, AbortSignal.timeout(1000))).toEqual({
      kind: 'scored',
      scores: [
        {
          name: 'ValidJSON',
          score: null,
          metadata: { reason: 'the schema refers to itself without an end' },
        },
      ],
    });
  });

  it('refuses a schema that is not valid', () => {
    expect(openBuiltIn('ValidJSON', { schema: { type: 1 } })).toHaveProperty('problems');
  });
});
