// The scorers of a rule, and the scorers that users write: what their JSON may contain.
// Invariant: what is accepted here can be opened as a scorer; all problems are reported at once, as sentences.
import { unknownName } from '../../core/nearest-name.ts';
import { parseCodeScorer } from './custom/code-settings.ts';
import { parseJudge } from './judge/judge-settings.ts';
import { BUILT_IN_NAMES, openBuiltIn, type BuiltInName } from './scorers/built-in.ts';

/** A scorer as a rule names it. */
export type ScorerDefinition =
  | {
      readonly type: 'global';
      readonly name: BuiltInName;
      readonly options: Readonly<Record<string, unknown>>;
    }
  /** `id`: of a scorer that a user stored. */
  | { readonly type: 'function'; readonly id: string };

/** Problems as sentences. */
export interface ScorerProblems {
  readonly problems: readonly string[];
}

/** A stored scorer whose code runs in a process of its own. */
export interface CodeScorer {
  readonly kind: 'code';
  /** Name of its scores that have none. */
  readonly name: string;
  readonly slug: string;
  readonly description: string;
  /** Text of an ES module, or of a function expression. */
  readonly code: string;
  /** Longest time of one call, in milliseconds. */
  readonly timeout_ms: number;
  /** Memory of the process, in MiB. */
  readonly memory_mb: number;
}

/** A stored scorer that asks a language model. */
export interface JudgeScorer {
  readonly kind: 'judge';
  readonly name: string;
  readonly slug: string;
  readonly description: string;
  /** Of an OpenAI-compatible server: the base URL, or the whole URL of its chat completions. */
  readonly url: string;
  readonly model: string;
  /** With `{{input}}`, `{{output}}`, `{{expected}}`, `{{metadata.name}}`. */
  readonly prompt: string;
  /** Score of each choice, 0 to 1; null: no score. */
  readonly choices: Readonly<Record<string, number | null>>;
  /** A header with a key. Both empty: none. */
  readonly header_name: string;
  /** Secret: it is stored encrypted, and never shown. */
  readonly header_value: string;
  /** Let the model explain its choice before it names it. */
  readonly use_cot: boolean;
  /** Most tokens of an answer. */
  readonly max_tokens: number;
  readonly timeout_ms: number;
}

export type StoredScorer = CodeScorer | JudgeScorer;

const KINDS = ['global', 'function'];
const MAX_ID = 128;

/** Reads a scorer that a user writes, from JSON. `kind`: `code` or `judge`. */
export function parseStoredScorer(value: unknown): StoredScorer | ScorerProblems {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return {
      problems: ['a scorer must be an object such as {"kind": "code", "name": "short", "code": "…"}'],
    };
  const given = value as Record<string, unknown>;
  if (given['kind'] === 'code') return parseCodeScorer(given);
  if (given['kind'] === 'judge') return parseJudge(given);
  return { problems: ['kind must be code or judge'] };
}

/** Reads a scorer of a rule from JSON. `at`: its place, such as `scorers[0]`, for the texts of problems. */
export function parseScorer(value: unknown, at: string): ScorerDefinition | ScorerProblems {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { problems: [`${at} must be an object such as {"type": "global", "name": "ExactMatch"}`] };
  const given = value as Record<string, unknown>;
  if (given['type'] === 'global') return parseBuiltIn(given, at);
  if (given['type'] === 'function') return parseFunction(given, at);
  return { problems: [`${at}.type must be ${KINDS.join(' or ')}`] };
}

function parseBuiltIn(given: Record<string, unknown>, at: string): ScorerDefinition | ScorerProblems {
  const { name, function_type: type = 'scorer', options = {} } = given;
  const problems = unknownKeys(given, ['type', 'name', 'function_type', 'options'], at);
  if (type !== null && type !== 'scorer') problems.push(`${at}.function_type must be scorer`);
  const known = BUILT_IN_NAMES.find((one) => one === name);
  if (known === undefined)
    problems.push(`${at}.name: ${unknownName('scorer', String(name), BUILT_IN_NAMES)}`);
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    problems.push(`${at}.options must be an object`);
  else if (known !== undefined) {
    const opened = openBuiltIn(known, options as Record<string, unknown>);
    if ('problems' in opened) problems.push(...opened.problems.map((problem) => `${at}.options: ${problem}`));
  }
  return problems.length > 0 || known === undefined
    ? { problems }
    : { type: 'global', name: known, options: options as Record<string, unknown> };
}

function parseFunction(given: Record<string, unknown>, at: string): ScorerDefinition | ScorerProblems {
  const { id, version } = given;
  const problems = unknownKeys(given, ['type', 'id', 'version'], at);
  if (typeof id !== 'string' || id === '' || id.length > MAX_ID)
    problems.push(`${at}.id must be the id of a stored scorer`);
  if (version !== undefined && version !== null)
    problems.push(`${at}.version: weir keeps the newest version of a scorer only; leave it out`);
  return problems.length > 0 ? { problems } : { type: 'function', id: id as string };
}

const unknownKeys = (given: object, known: readonly string[], at: string): string[] =>
  Object.keys(given)
    .filter((key) => !known.includes(key))
    .map((key) => `${at}: ${unknownName('field', key, known)}`);
