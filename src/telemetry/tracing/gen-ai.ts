// Attributes of a request to a language model under the names of OpenTelemetry's GenAI semantic conventions
// (repository open-telemetry/semantic-conventions-genai).
// Invariant: a value is that of one attribute of the request's record; what the record does not have is not sent.
// None of these names is stable yet. `common` are those that have not changed since version 1.28 of the conventions.
import type { OperationName } from './route-name.ts';
import type { SpanValue } from './span.ts';

/** `off`: none; `common`: the names that most tools know; `latest`: also those that are new. */
export const GEN_AI_NAMES = ['common', 'latest', 'off'] as const;
export type GenAiNames = (typeof GEN_AI_NAMES)[number];

/** The name, the attribute of the record, whether it is new, and a divisor of its number. */
const NAMES: readonly (readonly [name: string, attribute: string, isNew: boolean, divisor?: number])[] = [
  ['gen_ai.request.model', 'model', false],
  ['gen_ai.request.stream', 'is_stream', true],
  ['gen_ai.response.id', 'response_id', false],
  ['gen_ai.response.model', 'response_model', false],
  ['gen_ai.response.finish_reasons', 'finish_reason', false],
  ['gen_ai.usage.input_tokens', 'input_tokens', false],
  ['gen_ai.usage.output_tokens', 'output_tokens', false],
  ['gen_ai.usage.cache_read.input_tokens', 'cached_tokens', true],
  ['gen_ai.usage.reasoning.output_tokens', 'reasoning_tokens', true],
  // In seconds.
  ['gen_ai.response.time_to_first_chunk', 'first_token_ms', true, 1000],
];

const LISTS: ReadonlySet<string> = new Set(['gen_ai.response.finish_reasons']);

type Attributes = Readonly<Record<string, unknown>>;

/** The value of a GenAI name in a record with these attributes; undefined: it has none, or the name is another. */
export function genAiValue(name: string, attributes: Attributes): SpanValue | undefined {
  const entry = NAMES.find(([one]) => one === name);
  return entry && valueOf(entry, attributes);
}

/** The names that OTLP log records of requests to language models have. */
export const genAiNames = (names: GenAiNames): readonly string[] =>
  names === 'off' ? [] : NAMES.filter(([, , isNew]) => names === 'latest' || !isNew).map(([name]) => name);

/** Attributes of a span; empty for a request that is not one to a language model. */
export function genAiAttributes(
  attributes: Attributes,
  operation: OperationName | undefined,
  names: GenAiNames,
): Record<string, SpanValue | undefined> {
  const isModel = ['model', 'input_tokens', 'output_tokens'].some((name) => attributes[name] !== undefined);
  if (names === 'off' || !isModel) return {};
  const values: Record<string, SpanValue | undefined> = {
    'gen_ai.operation.name': operation?.name,
    'gen_ai.provider.name': operation?.provider,
  };
  for (const entry of NAMES)
    if (names === 'latest' || !entry[2]) values[entry[0]] = valueOf(entry, attributes);
  return values;
}

function valueOf(
  [name, attribute, , divisor]: (typeof NAMES)[number],
  attributes: Attributes,
): SpanValue | undefined {
  // A record has the model of the response only if it differs.
  const value = attributes[attribute] ?? (attribute === 'response_model' ? attributes['model'] : undefined);
  if (typeof value === 'number') return divisor === undefined ? value : value / divisor;
  if (value === true) return true;
  if (typeof value !== 'string' || value === '') return undefined;
  return LISTS.has(name) ? [value] : value;
}
