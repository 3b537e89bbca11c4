// Contains, Regex and MaxLength: checks of the output as a text, which need no expected value.
// Invariant: an output that is not text is checked as JSON.
import { compileRegex } from '../../logs/logs.ts';
import { complexity } from './comparison-work.ts';
import type { MeasuredScore, OpenScore, ScoreFunction } from './score-function.ts';
import { unknownOptions } from './score-options.ts';

/** Longest text that is searched with a regular expression, in characters. */
const MAX_SEARCHED = 65_536;

/** `text`: what the output must contain. Without it: the expected value, if that is a text. */
export const openContains: OpenScore = (options) => {
  const problems = unknownOptions(options, ['text']);
  const { text } = options;
  if (text !== undefined && typeof text !== 'string') problems.push('text must be a text');
  if (problems.length > 0) return { problems };
  return ({ output, expected }) => {
    const wanted = text ?? expected;
    if (typeof wanted !== 'string') return { reason: 'the expected value is not a text' };
    return check(output, (given) => given.includes(wanted));
  };
};

/** `pattern`: in the syntax of RE2. */
export const openRegex: OpenScore = (options) => {
  const problems = unknownOptions(options, ['pattern']);
  const { pattern } = options;
  const regex = typeof pattern === 'string' ? compileRegex(pattern) : 'must be a regular expression';
  if (typeof regex === 'string') return { problems: [...problems, `pattern: ${regex}`] };
  if (problems.length > 0) return { problems };
  return ({ output }) =>
    check(output, (text) =>
      text.length > MAX_SEARCHED
        ? { reason: `the output has more than ${MAX_SEARCHED} characters` }
        : regex.test(text),
    );
};

/** `max`: in UTF-16 units. */
export const openMaxLength: OpenScore = (options) => {
  const problems = unknownOptions(options, ['max']);
  const { max } = options;
  if (!Number.isInteger(max) || (max as number) < 0) problems.push('max must be a number of characters');
  if (problems.length > 0) return { problems };
  return ({ output }) => check(output, (text) => text.length <= (max as number));
};

function check(
  output: unknown,
  passes: (text: string) => boolean | MeasuredScore,
): ReturnType<ScoreFunction> {
  if (output === undefined) return { reason: 'the span has no output' };
  const reason = typeof output === 'object' && output !== null ? complexity(output) : '';
  if (reason !== '') return { reason };
  const result = passes(typeof output === 'string' ? output : JSON.stringify(output));
  return typeof result === 'boolean' ? { score: result ? 1 : 0 } : result;
}
