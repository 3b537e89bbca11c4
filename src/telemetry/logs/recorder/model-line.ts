// What a line of the access log says of a language model.
// Invariant: a value that is not known is left out.
import { LLM_NUMBERS, llmValue } from '../store/llm-numbers.ts';

/** What requests share, under the names that it has in records. */
export interface SharedModelFacts {
  readonly model?: string;
  readonly finish_reason?: string;
  readonly is_finished?: boolean;
  readonly currency?: string;
}

export interface ModelFacts extends SharedModelFacts {
  /** LLM_NUMBERS as they are in columns. */
  readonly numbers: Float64Array;
}

const indexOf = (name: string): number => LLM_NUMBERS.findIndex((one) => one.name === name);
const INPUT = indexOf('input_tokens');
const OUTPUT = indexOf('output_tokens');
const FIRST_TOKEN = indexOf('first_token_ms');
/** Numbers of the JSON form. */
const SHOWN = [
  INPUT,
  OUTPUT,
  indexOf('cached_tokens'),
  indexOf('reasoning_tokens'),
  FIRST_TOKEN,
  indexOf('cost'),
];

const valueOf = ({ numbers }: ModelFacts, index: number): number | undefined =>
  llmValue(numbers[index]!, LLM_NUMBERS[index]!.scale);

/** Members of a JSON object, each with a comma before it. */
export function modelMembers(facts: ModelFacts): string {
  const { model, finish_reason, is_finished, currency } = facts;
  let text = '';
  if (model !== undefined) text += `,"model":${JSON.stringify(model)}`;
  for (const index of SHOWN) {
    const value = valueOf(facts, index);
    if (value !== undefined) text += `,"${LLM_NUMBERS[index]!.name}":${value}`;
  }
  if (currency !== undefined) text += `,"currency":"${currency}"`;
  if (finish_reason !== undefined) text += `,"finish_reason":${JSON.stringify(finish_reason)}`;
  if (is_finished === false) text += ',"is_finished":false';
  return text;
}

/** For a terminal: ` ttft 812.3ms, 7 + 20 tokens`. */
export function modelText(facts: ModelFacts): string {
  const first = valueOf(facts, FIRST_TOKEN);
  const [input, output] = [valueOf(facts, INPUT), valueOf(facts, OUTPUT)];
  const parts = [
    ...(first === undefined ? [] : [`ttft ${first.toFixed(1)}ms`]),
    ...(input === undefined && output === undefined ? [] : [`${input ?? '?'} + ${output ?? '?'} tokens`]),
    ...(facts.is_finished === false ? ['unfinished'] : []),
  ];
  return parts.length === 0 ? '' : ` ${parts.join(', ')}`;
}
