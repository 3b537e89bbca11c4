// Reads the body of async_predict (docs/contracts/serving.md 2.1).
// Invariant: `model_input` reaches the model byte for byte, and an error lists all problems of the body.
//
// | The object has                               | Result                                                             |
// | a field of FIELDS                            | read as the contract says; an unknown field is an error            |
// | none, but a name at most 2 edits from one    | an error, since a misspelt webhook_endpoint would lose the result  |
// | none                                         | the whole body is the input of the model                           |
import { isUtf8 } from 'node:buffer';
import { nearest, unknownName } from '../../core/nearest-name.ts';
import type { RetryConfig } from './task.ts';

/** A valid submit. */
export interface Submission {
  /** The input of the model as JSON text. */
  readonly input: string;
  readonly webhook: string;
  readonly priority: number;
  readonly maxQueueMs: number;
  readonly retry: RetryConfig;
}

export type SubmissionResult =
  | { readonly ok: true; readonly submission: Submission }
  | { readonly ok: false; readonly problems: string[] };

const FIELDS = [
  'model_input',
  'webhook_endpoint',
  'priority',
  'max_time_in_queue_seconds',
  'inference_retry_config',
];
const RETRY_FIELDS = ['max_attempts', 'initial_delay_ms', 'max_delay_ms'];

/** Defaults of missing fields (contract 2.1). */
const DEFAULTS = {
  webhook: '',
  priority: 0,
  maxQueueMs: 600_000,
  retry: { max_attempts: 3, initial_delay_ms: 1000, max_delay_ms: 5000 },
} as const;

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads a body. `checkWebhook` returns the problem of a URL as the end of a sentence, or ''. */
export function readSubmission(body: Buffer, checkWebhook: (url: string) => string): SubmissionResult {
  const problems: string[] = [];
  if (!isUtf8(body)) return { ok: false, problems: ['the body is not valid UTF-8'] };
  const text = body.toString('utf8');
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch (error) {
    return { ok: false, problems: [`the body is not valid JSON: ${(error as Error).message}`] };
  }
  if (!isObject(fields))
    return { ok: false, problems: [`the body must be a JSON object, not ${kindOf(fields)}`] };
  if (!FIELDS.some((name) => Object.hasOwn(fields, name))) return readBareInput(text, fields);
  refuseUnknown(fields, FIELDS, '', problems);

  if (!isObject(fields['model_input'])) problems.push(inputProblem(fields));
  const webhook = fields['webhook_endpoint'] ?? '';
  if (typeof webhook !== 'string')
    problems.push(`webhook_endpoint must be a URL as a string, not ${kindOf(webhook)}`);
  else if (webhook !== '') {
    const problem = checkWebhook(webhook);
    if (problem !== '') problems.push(`webhook_endpoint ${problem}`);
  }
  const wholeNumber = (
    from: Fields,
    name: string,
    path: string,
    fallback: number,
    min: number,
    max: number,
  ): number => {
    const value = from[name] ?? fallback;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    problems.push(`${path}${name} must be a whole number from ${min} to ${max}, not ${shortened(value)}`);
    return fallback;
  };
  const config = fields['inference_retry_config'] ?? {};
  const retryFields = isObject(config) ? config : {};
  if (!isObject(config)) problems.push(`inference_retry_config must be an object, not ${kindOf(config)}`);
  refuseUnknown(retryFields, RETRY_FIELDS, 'inference_retry_config.', problems);
  const retry = 'inference_retry_config.';
  const submission: Submission = {
    input: problems.length > 0 ? '' : sourceOf(text, 'model_input'),
    // Normalized, since the outbox finds the receiver by the prefix of the URL.
    webhook: (typeof webhook === 'string' && URL.parse(webhook)?.href) || '',
    priority: wholeNumber(fields, 'priority', '', DEFAULTS.priority, 0, 2),
    maxQueueMs:
      wholeNumber(fields, 'max_time_in_queue_seconds', '', DEFAULTS.maxQueueMs / 1000, 10, 259_200) * 1000,
    retry: {
      max_attempts: wholeNumber(retryFields, 'max_attempts', retry, DEFAULTS.retry.max_attempts, 1, 10),
      initial_delay_ms: wholeNumber(
        retryFields,
        'initial_delay_ms',
        retry,
        DEFAULTS.retry.initial_delay_ms,
        0,
        10_000,
      ),
      max_delay_ms: wholeNumber(retryFields, 'max_delay_ms', retry, DEFAULTS.retry.max_delay_ms, 0, 60_000),
    },
  };
  return problems.length > 0 ? { ok: false, problems } : { ok: true, submission };
}

/** JSON's name of a value's type. */
const kindOf = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`;

/** A value as JSON, at most 40 characters. */
const shortened = (value: unknown): string => {
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
};

const inputProblem = (fields: Fields): string =>
  Object.hasOwn(fields, 'model_input')
    ? `model_input must be an object, not ${kindOf(fields['model_input'])}`
    : `model_input is missing; it is required with ${FIELDS.find((name) => Object.hasOwn(fields, name))}`;

/** Maximum edits for a name to count as a misspelt field, if the body has no field of the contract. */
const FEW_EDITS = 2;
/** Maximum number of unknown names in an error. */
const MOST_NAMED = 10;

/** Reads a body without any field of the contract: the whole body is the input of the model. */
function readBareInput(text: string, fields: Fields): SubmissionResult {
  for (const name of Object.keys(fields)) {
    const near = nearest(name, FIELDS, FEW_EDITS);
    if (near === undefined) continue;
    const problem =
      `unknown field ${JSON.stringify(name)}; did you mean ${JSON.stringify(near)}? ` +
      'If it is part of the input of the model, put the whole input into "model_input"';
    return { ok: false, problems: [problem] };
  }
  return { ok: true, submission: { ...DEFAULTS, input: text } };
}

function refuseUnknown(fields: Fields, known: readonly string[], path: string, problems: string[]): void {
  const unknown = Object.keys(fields).filter((name) => !known.includes(name));
  for (const name of unknown.slice(0, MOST_NAMED)) {
    problems.push(unknownName('field', name, known, path));
  }
  const others = unknown.length - MOST_NAMED;
  if (others > 0) problems.push(`and ${others} more unknown fields`);
}

/** Structural characters of JSON. */
const STRUCTURE = /["{}[\]:,]/g;

/** Source text of a member of the outermost object: the last one of that name, as in JSON.parse. `text` is valid. */
export function sourceOf(text: string, name: string): string {
  let found = '';
  let depth = 0;
  let key = '';
  let valueAt = -1;
  STRUCTURE.lastIndex = 0;
  for (let match = STRUCTURE.exec(text); match !== null; match = STRUCTURE.exec(text)) {
    const at = match.index;
    const char = match[0];
    if (char === '"') {
      const end = endOfString(text, at);
      if (depth === 1 && valueAt === -1) key = JSON.parse(text.slice(at, end)) as string;
      STRUCTURE.lastIndex = end;
    } else if (char === '{' || char === '[') depth++;
    else if (depth > 1) {
      if (char === '}' || char === ']') depth--;
    } else if (char === ':') valueAt = at + 1;
    else {
      // A comma or the end of the outermost object.
      if (key === name && valueAt !== -1) found = text.slice(valueAt, at).trim();
      valueAt = -1;
    }
  }
  return found;
}

/** Index after the closing quote of the string at `start`: the first quote after an even number of backslashes. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text[before] === '\\') before--;
    if ((end - before) % 2 === 1) return end + 1;
  }
}
