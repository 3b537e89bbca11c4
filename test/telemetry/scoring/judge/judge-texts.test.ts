// The prompt of a judge, and how its answer is read.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readChoice } from '../../../../src/telemetry/scoring/judge/judge-choice.ts';
import { readPrompt } from '../../../../src/telemetry/scoring/judge/judge-prompt.ts';
import type { ScorerInput } from '../../../../src/telemetry/scoring/scorer.ts';

function filled(prompt: string, span: ScorerInput): unknown {
  const read = readPrompt(prompt);
  if ('problems' in read) throw new Error(read.problems.join('; '));
  const result = read.fill(span);
  return 'text' in result ? result.text : result;
}
const problemsOf = (prompt: string): readonly string[] => {
  const read = readPrompt(prompt);
  return 'problems' in read ? read.problems : [];
};

describe('the prompt', () => {
  it('has parts of the span in its places: texts as they are, other values as JSON', () => {
    const span = {
      input: { question: 'a < b & "c"?', list: [{ n: 1 }, 2] },
      output: 'x\ny',
      expected: ['z'],
      metadata: { user: { id: 7 } },
    };
    expect(filled('{{input.question}} {{ output }} {{{expected}}}', span)).toBe('a < b & "c"? x\ny ["z"]');
    expect(filled('{{input.list.0}} {{input.list.1}} {{metadata.user.id}}', span)).toBe('{"n":1} 2 7');
  });

  it('has nothing for a field that is not there, or is not of the object itself', () => {
    expect(filled('[{{metadata.no.such}}{{metadata.toString}}{{input}}]', { metadata: {} })).toBe('[]');
  });

  it('keeps every output as it is, also one with braces, and one with signs of a replacement', () => {
    expect(filled('A {{output}} {{input}}', { output: '{{input}} $& $1', input: 'in' })).toBe(
      'A {{input}} $& $1 in',
    );
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('{', '}', '$', '&', 'output', ' ') }), (output) => {
        expect(filled('<{{output}}>', { output })).toBe(`<${output}>`);
      }),
    );
  });

  it('is refused if it names something else, or has no place', () => {
    expect(problemsOf('{{outputs}} {{#input}} {{input}}')).toEqual([
      'prompt has {{outputs}}; a place is one of input, output, expected, metadata, or a field of them such as metadata.user_id',
      'prompt has {{#input}}; a place is one of input, output, expected, metadata, or a field of them such as metadata.user_id',
    ]);
    expect(problemsOf('Is it good?')).toEqual(['prompt has no place for the span, such as {{output}}']);
  });

  it('gives no score if the span lacks what it needs, or is too long', () => {
    expect(filled('{{output}}', {})).toEqual({ reason: 'the span has no output' });
    expect(filled('{{output}} {{expected}}', { output: 'x' })).toEqual({
      reason: 'the span has no expected value',
    });
    expect(filled('{{output}}', { output: 'x'.repeat(300_000) })).toEqual({
      reason: 'the prompt has 300000 characters; the maximum is 262144',
    });
  });
});

describe('the choice', () => {
  const choices = ['yes', 'no', 'no idea', 'A', 'B'];

  it.each([
    ['yes', 'yes', ''],
    ['Yes.', 'yes', ''],
    ['Reasons.\n\n**no idea**\n', 'no idea', 'Reasons.'],
    ['I think so.\nChoice: "A"', 'A', 'I think so.'],
    ['(B)', 'B', ''],
    ['The answer is B, surely', 'B', ''],
    ['I have no idea at all', 'no idea', ''],
    ['Yes and no.\nFinal answer: no', 'no', 'Yes and no.'],
  ])('of %j is %s', (answer, choice, rationale) => {
    expect(readChoice(answer, choices)).toEqual({ choice, rationale });
  });

  it.each(['', 'maybe', 'A or B', 'yes\nI hope that helps!', 'yesterday', 'Blue'])(
    'of %j is not clear',
    (answer) => {
      expect(readChoice(answer, choices)).toBeUndefined();
    },
  );

  it('is found alone on the last line, whatever it is and whatever is above it', () => {
    const name = fc.string({ minLength: 1, maxLength: 64 }).filter((text) => text.trim() === text);
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 2 }), fc.string(), (names, above) => {
        expect(readChoice(`${above}\n${names[0]!}`, names)?.choice).toBe(names[0]);
      }),
    );
  });
});
