// The JSON of scorers: in rules, and of those that users store.
import { describe, expect, it } from 'vitest';
import { parseScorer, parseStoredScorer } from '../../../src/telemetry/scoring/scorer-definition.ts';

describe('a scorer in a rule', () => {
  it('is one of weir, with options, or the id of a stored one', () => {
    expect(
      parseScorer({ type: 'global', name: 'ExactMatch', function_type: 'scorer' }, 'scorers[0]'),
    ).toEqual({
      type: 'global',
      name: 'ExactMatch',
      options: {},
    });
    const options = { schema: { type: 'object' } };
    expect(parseScorer({ type: 'global', name: 'ValidJSON', options }, 'scorers[0]')).toEqual({
      type: 'global',
      name: 'ValidJSON',
      options,
    });
    expect(parseScorer({ type: 'function', id: 'f1' }, 'scorers[0]')).toEqual({ type: 'function', id: 'f1' });
  });

  it.each<[unknown, string]>([
    ['ExactMatch', 'scorers[2] must be an object such as {"type": "global", "name": "ExactMatch"}'],
    [{ type: 'local' }, 'scorers[2].type must be global or function'],
    [
      { type: 'global', name: 'ExactMach' },
      'scorers[2].name: unknown scorer "ExactMach"; did you mean "ExactMatch"?',
    ],
    [
      { type: 'global', name: 'ExactMatch', function_type: 'tool' },
      'scorers[2].function_type must be scorer',
    ],
    [{ type: 'global', name: 'Regex' }, 'scorers[2].options: pattern: must be a regular expression'],
    [
      { type: 'function', id: 'f', version: '3' },
      'scorers[2].version: weir keeps the newest version of a scorer only; leave it out',
    ],
    [{ type: 'function', id: '' }, 'scorers[2].id must be the id of a stored scorer'],
    [
      { type: 'function', id: 'f', nam: 1 },
      'scorers[2]: unknown field "nam"; known fields: type, id, version',
    ],
  ])('is refused with its place: %j', (value, problem) => {
    expect(parseScorer(value, 'scorers[2]')).toEqual({ problems: [problem] });
  });
});

describe('a custom scorer', () => {
  it('has a slug made of its name, and limits', () => {
    expect(parseStoredScorer({ kind: 'code', name: 'Is Short!', code: '() => 1' })).toEqual({
      kind: 'code',
      name: 'Is Short!',
      slug: 'is-short',
      description: '',
      code: '() => 1',
      timeout_ms: 1000,
      memory_mb: 64,
    });
  });

  it.each<[unknown, readonly string[]]>([
    [5, ['a scorer must be an object such as {"kind": "code", "name": "short", "code": "…"}']],
    [{ kind: 'prompt' }, ['kind must be code or judge']],
    [
      { kind: 'code', name: '', code: ' ' },
      [
        'name must be a name of 1 to 128 characters',
        'code is empty, must be JavaScript such as ({ output }) => output.length / 100',
      ],
    ],
    [
      { kind: 'code', name: 'a', code: 'x', timeout_ms: 5 },
      ['timeout_ms is 5, must be a whole number from 10 to 60000'],
    ],
    [{ kind: 'code', name: 'a', code: 'x', cod: 1 }, ['unknown field "cod"; did you mean "code"?']],
  ])('is refused with what is wrong: %j', (value, problems) => {
    expect(parseStoredScorer(value)).toEqual({ problems });
  });
});

describe('a judge', () => {
  const JUDGE = {
    kind: 'judge',
    name: 'helpful',
    url: 'https://api.example.com/v1',
    model: 'm',
    prompt: '{{output}}',
    choices: { yes: 1, no: 0 },
  };

  it('has defaults for what is not given', () => {
    expect(parseStoredScorer(JUDGE)).toEqual({
      ...JUDGE,
      slug: 'helpful',
      description: '',
      header_name: '',
      header_value: '',
      use_cot: true,
      max_tokens: 1024,
      timeout_ms: 30_000,
    });
  });

  it.each<[object, string]>([
    [{ url: 'ftp://x' }, 'url must be a URL such as https://api.openai.com/v1'],
    [
      { url: 'https://u:p@x' },
      'url must not contain a user name or password; use header_name and header_value',
    ],
    [{ prompt: 'x' }, 'prompt has no place for the span, such as {{output}}'],
    [{ choices: { yes: 1 } }, 'choices has 1 choices, must have 2 to 32'],
    [{ choices: ['yes'] }, 'choices must be an object of scores by choice, such as {"yes": 1, "no": 0}'],
    [{ choices: { yes: 1, no: 2 } }, 'choices["no"] must be a score from 0 to 1, or null for no score'],
    [{ choices: { yes: 1, Yes: 0 } }, 'choices has two choices that differ in case only'],
    [
      { choices: { yes: 1, ' no': 0 } },
      'choices has " no"; a choice has 1 to 64 characters, no space at either end',
    ],
    [{ header_name: 'Authorization' }, 'header_value is missing for header Authorization'],
    [{ header_name: 'Host', header_value: 'x' }, 'header_name is Host; weir sets this header itself'],
  ])('is refused with %j', (change, problem) => {
    expect(parseStoredScorer({ ...JUDGE, ...change })).toEqual({ problems: [problem] });
  });

  it('never has its header value in a problem', () => {
    const parsed = parseStoredScorer({ ...JUDGE, header_name: 'a b', header_value: 'sec\nret' });
    expect(parsed).toHaveProperty('problems');
    expect(JSON.stringify(parsed)).not.toContain('sec');
  });
});
