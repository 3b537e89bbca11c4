// The settings of a judge.
// Invariant: a judge that was read has a usable URL, prompt and header, and at least two choices.
import { headerProblems, HIDDEN_VALUE, readReceiverUrl } from '../../../core/receiver.ts';
import { flag, int, required, section, text } from '../../../core/settings.ts';
import { isObject } from '../../../protocol/llm/json-values.ts';
import type { JudgeScorer, ScorerProblems } from '../scorer-definition.ts';
import { COMMON_FIELDS, readFields, slugOf } from '../scorer-settings.ts';
import { readPrompt } from './judge-prompt.ts';

const EXAMPLE_URL = 'https://api.openai.com/v1';
const MAX_PROMPT = 64 * 1024;
const MAX_CHOICES = 32;
const CHOICE = /^[^\p{Cc}]{1,64}$/u;

const schema = section({
  ...COMMON_FIELDS,
  url: required(`a URL such as ${EXAMPLE_URL}`, '', (input) => readReceiverUrl(input, EXAMPLE_URL), String),
  model: required(
    'the name of a model',
    '',
    (input) => (/^\S.{0,255}$/.test(input) ? { value: input } : { problem: 'must be the name of a model' }),
    String,
  ),
  prompt: required(
    'a text with places such as {{output}}',
    '',
    (input) =>
      input.length <= MAX_PROMPT
        ? { value: input }
        : { problem: `has ${input.length} characters; the maximum is ${MAX_PROMPT}` },
    String,
  ),
  header_name: text({ default: '', doc: '' }),
  header_value: text({ default: '', doc: '', show: () => HIDDEN_VALUE }),
  use_cot: flag({ default: true, doc: '' }),
  max_tokens: int({ default: 1024, min: 1, max: 32_768, doc: '' }),
  timeout_ms: int({ default: 30_000, min: 100, max: 300_000, doc: '' }),
});

/** Reads a judge from JSON. Problems never contain its header value. */
export function parseJudge(given: Readonly<Record<string, unknown>>): JudgeScorer | ScorerProblems {
  const result = readFields(schema, given, ['kind', 'choices']);
  const choices = readChoices(given['choices']);
  const problems = [
    ...('problems' in result ? result.problems : problemsOf(result.settings)),
    ...('problems' in choices ? choices.problems : []),
  ];
  if ('problems' in result || 'problems' in choices || problems.length > 0) return { problems };
  const { slug, ...settings } = result.settings;
  return { kind: 'judge', ...settings, slug: slug || slugOf(settings.name), choices: choices.choices };
}

function problemsOf({ prompt, header_name: name, header_value: value }: HeaderAndPrompt): string[] {
  const read = readPrompt(prompt);
  const problems = 'problems' in read ? [...read.problems] : [];
  if (name === '' && value === '') return problems;
  problems.push(...headerProblems('header_name', name, value));
  if (name !== '' && value === '') problems.push(`header_value is missing for header ${name}`);
  return problems;
}

type HeaderAndPrompt = Pick<JudgeScorer, 'prompt' | 'header_name' | 'header_value'>;

function readChoices(given: unknown): Pick<JudgeScorer, 'choices'> | ScorerProblems {
  if (!isObject(given))
    return { problems: ['choices must be an object of scores by choice, such as {"yes": 1, "no": 0}'] };
  const entries = Object.entries(given);
  const problems: string[] = [];
  if (entries.length < 2 || entries.length > MAX_CHOICES)
    problems.push(`choices has ${entries.length} choices, must have 2 to ${MAX_CHOICES}`);
  const choices: Record<string, number | null> = {};
  for (const [name, score] of entries.slice(0, MAX_CHOICES)) {
    if (!CHOICE.test(name) || name.trim() !== name || name === '__proto__')
      problems.push(
        `choices has ${JSON.stringify(name.slice(0, 80))}; a choice has 1 to 64 characters, no space at either end`,
      );
    if (score === null || (typeof score === 'number' && score >= 0 && score <= 1)) choices[name] = score;
    else
      problems.push(
        `choices[${JSON.stringify(name.slice(0, 80))}] must be a score from 0 to 1, or null for no score`,
      );
  }
  const lower = Object.keys(choices).map((name) => name.toLowerCase());
  if (new Set(lower).size < lower.length) problems.push('choices has two choices that differ in case only');
  return problems.length > 0 ? { problems } : { choices };
}
