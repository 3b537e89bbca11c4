// ValidJSON: the output is a JSON object or list, and meets a schema if there is one.
// Invariant: a text, number, boolean or null does not count, also if it is valid JSON.
import { parsedJson } from '../../../protocol/llm/json-values.ts';
import { complexity } from './comparison-work.ts';
import { compileSchema } from './json-schema.ts';
import type { OpenScore } from './score-function.ts';
import { unknownOptions } from './score-options.ts';

/** `schema`: a JSON schema. */
export const openValidJson: OpenScore = (options) => {
  const { schema } = options;
  const problems = unknownOptions(options, ['schema']);
  const compiled = schema === undefined || schema === null ? undefined : compileSchema(schema);
  if (compiled !== undefined && 'problems' in compiled) problems.push(...compiled.problems);
  if (problems.length > 0) return { problems };
  const valid = compiled !== undefined && 'valid' in compiled ? compiled.valid : undefined;
  return ({ output }) => {
    if (output === undefined) return { reason: 'the span has no output' };
    const value = structureOf(output);
    if (value === undefined) return { score: 0 };
    if (valid === undefined) return { score: 1 };
    const reason = complexity(value);
    if (reason !== '') return { reason };
    const result = valid(value);
    return typeof result === 'boolean' ? { score: result ? 1 : 0 } : result;
  };
};

/** The object or list that a value is, or holds as text. */
function structureOf(output: unknown): object | undefined {
  const value = typeof output === 'string' ? parsedJson(output) : output;
  return typeof value === 'object' && value !== null ? value : undefined;
}
