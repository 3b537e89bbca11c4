// The settings of a custom scorer.
import { int, required, section } from '../../../core/settings.ts';
import type { CodeScorer, ScorerProblems } from '../scorer-definition.ts';
import { COMMON_FIELDS, readFields, slugOf } from '../scorer-settings.ts';

const MAX_CODE = 256 * 1024;
const EXAMPLE = '({ output }) => output.length / 100';

const schema = section({
  ...COMMON_FIELDS,
  code: required(
    `JavaScript such as ${EXAMPLE}`,
    '',
    (input) => {
      if (input.trim() === '') return { problem: `is empty, must be JavaScript such as ${EXAMPLE}` };
      return input.length <= MAX_CODE
        ? { value: input }
        : { problem: `has ${input.length} characters; the maximum is ${MAX_CODE}` };
    },
    String,
  ),
  timeout_ms: int({ default: 1000, min: 10, max: 60_000, doc: '' }),
  memory_mb: int({ default: 64, min: 32, max: 1024, doc: '' }),
});

/** Reads a custom scorer from JSON. Whether its code can be loaded is known only when it is. */
export function parseCodeScorer(given: Readonly<Record<string, unknown>>): CodeScorer | ScorerProblems {
  const result = readFields(schema, given, ['kind']);
  if ('problems' in result) return result;
  const { slug, ...settings } = result.settings;
  return { kind: 'code', ...settings, slug: slug || slugOf(settings.name) };
}
