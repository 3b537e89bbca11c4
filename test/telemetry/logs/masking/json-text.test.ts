// Values in JSON bodies are masked without changing anything else of the body.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJsonPath } from '../../../../src/telemetry/logs/masking/json-path.ts';
import { JsonMasker, type PathRule } from '../../../../src/telemetry/logs/masking/json-text.ts';
import { MASK_RULES, rulesOf } from '../../../../src/telemetry/logs/masking/mask-rules.ts';
import { Masker } from '../../../../src/telemetry/logs/masking/masker.ts';

const runs = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 500) };
const masker = new Masker(rulesOf(MASK_RULES));

function dropped(path: string): PathRule {
  const parsed = parseJsonPath(path);
  if (typeof parsed === 'string') throw new Error(parsed);
  return { path: parsed, replace: (value) => `<${value.length}>` };
}

const masked = (json: string, ...paths: string[]): string =>
  new JsonMasker((text, before) => masker.mask(text, before), paths.map(dropped)).mask(json).text;
const unmasked = (json: string, ...paths: string[]) =>
  new JsonMasker((text) => text, paths.map(dropped)).mask(json);

describe('JsonMasker', () => {
  it.each([
    ['{"a": "ann@example.com",  "n": 1.0}', '{"a": "[email]",  "n": 1.0}'],
    [String.raw`{"a":"ann\u0040example.com\n"}`, String.raw`{"a":"[email]\n"}`],
    [String.raw`{"a":"4111\u00201111\u00201111\u00201111"}`, '{"a":"[card]"}'],
    [String.raw`{"a":"{\"to\":\"ann@example.com\"}"}`, String.raw`{"a":"{\"to\":\"[email]\"}"}`],
    [String.raw`{"a":"{\"to\":\"ann\\u0040example.com\"}"}`, String.raw`{"a":"{\"to\":\"[email]\"}"}`],
    ['{"card":4111111111111111,"t":1732764028}', '{"card":"[card]","t":1732764028}'],
    ['{"ssn":"078051120","zip":"078051120"}', '{"ssn":"[us_ssn]","zip":"078051120"}'],
    ['{"ssn":[78051120,"078051120"]}', '{"ssn":[78051120,"[us_ssn]"]}'],
    ['{"card":4111111111111111.0,"n":-1.50}', '{"card":"[card]","n":-1.50}'],
    ['{"ann@example.com":1}', '{"[email]":1}'],
    ['{"a":"b"}\n{"a":"ann@example.com"}\n', '{"a":"b"}\n{"a":"[email]"}\n'],
    ['{"a":"to ann@example.com and 41', '{"a":"to [email] and 41'],
    [String.raw`{"a":"x\"ann@example.com\\"}`, String.raw`{"a":"x\"[email]\\"}`],
  ])('masks %s', (json, expected) => {
    expect(masked(json)).toBe(expected);
  });

  it.each([
    ['$.user.email', '{"user":{"email":"abc","n":1}}', '{"user":{"email":"<3>","n":1}}'],
    ['$.user', '{"user":{"email":["a]",{}],"n":1},"x":2}', '{"user":"<25>","x":2}'],
    ['$.a[*].b', '{"a":[{"b":1},{"c":2},{"b":true}]}', '{"a":[{"b":"<1>"},{"c":2},{"b":"<4>"}]}'],
    ['$.a[1]', '{"a":["x","yy","z"]}', '{"a":["x","<2>","z"]}'],
    [
      '$..p',
      '{"p":1,"a":[{"p":"xy"},[{"q":{"p":null}}]]}',
      '{"p":"<1>","a":[{"p":"<2>"},[{"q":{"p":"<4>"}}]]}',
    ],
    ["$['a b'].*", '{"a b":{"x":1,"y":[2]},"c":3}', '{"a b":{"x":"<1>","y":"<3>"},"c":3}'],
    ['$.a', String.raw`{"\u0061":"x\"y"}`, String.raw`{"\u0061":"<3>"}`],
    ['$.a', '{"b":1,"a":"cut off he', '{"b":1,"a":"<9>"'],
    ['$.a', '{"a":1}\n{"a":2}', '{"a":"<1>"}\n{"a":"<1>"}'],
  ])('replaces the values at %s', (path, json, expected) => {
    const { text, isJson } = unmasked(json, path);
    expect(text).toBe(expected);
    expect(isJson).toBe(true);
  });

  it.each([
    '{"a":1]',
    '{"a":1}}',
    '[INFO] x',
    '{user:{name:"Ann"}}',
    '{"x":1 "user":{"name":"Ann"}}',
    '{"x":{"y":1,:"user":{"name":"Ann"}}}',
    '["x":{"name":"Ann"}]',
    '{"x" {"name":"Ann"}}',
    '{"x":tru e}',
  ])('says that %s is not JSON', (text) => {
    expect(unmasked(text, '$.b').isJson).toBe(false);
  });

  it('takes JSON that is cut for JSON', () => {
    const json = '{"a":[true,null,{"b":"c\\u0041"}],"d":-1.5e3}';
    for (let end = 1; end <= json.length; end++) expect(unmasked(json.slice(0, end)).isJson).toBe(true);
  });

  it('leaves every value as it is if nothing is to be masked', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(unmasked(json, '$.no.such.path[7]').text).toBe(json);
        expect(unmasked(json).isJson).toBe(true);
      }),
      runs,
    );
  });

  it('returns valid JSON with the values of all other members', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (others, secret) => {
        const body = { before: others, secret: { deep: [secret] }, after: others };
        const { text } = unmasked(JSON.stringify(body, null, 1), '$.secret');
        const expected = JSON.parse(JSON.stringify(body)) as object;
        expect(JSON.parse(text)).toEqual({
          ...expected,
          secret: expect.stringMatching(/^<\d+>$/) as unknown,
        });
      }),
      runs,
    );
  });

  it('masks deeply nested values', () => {
    const depth = 100_000;
    const json = `${'['.repeat(depth)}"ann@example.com"${']'.repeat(depth)}`;
    expect(masked(json)).toContain('"[email]"');
  });
});

describe('parseJsonPath', () => {
  it.each([
    ['user', 'must begin with $'],
    ['$', 'must begin with $'],
    ['$.a.', 'at character 4'],
    ['$.a[b]', 'at character 4'],
    ['$a', 'at character 2'],
    ['$.a[?(@.b)]', 'at character 4'],
  ])('refuses %s', (path, problem) => {
    expect(parseJsonPath(path)).toContain(problem);
  });
});
