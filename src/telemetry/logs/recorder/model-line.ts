// What a line of the access log says of a language model.
// Invariant: a value that is not known is left out. What requests share is formatted once.
import { escapedJson } from '../../../core/escaped-json.ts';
import { LLM_NUMBERS, llmValue } from '../store/llm-numbers.ts';

/** What requests share, under the names that it has in records. */
interface SharedModelFacts {
  readonly model?: string;
  readonly finish_reason?: string;
  readonly is_stream?: boolean;
  readonly is_finished?: boolean;
  readonly currency?: string;
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
const NAMES = LLM_NUMBERS.map(({ name }) => `,"${name}":`);

/** `numbers`: LLM_NUMBERS as they are in columns. */
const valueOf = (numbers: Float64Array, index: number): number | undefined =>
  llmValue(numbers[index]!, LLM_NUMBERS[index]!.scale);

/** The parts of the lines of requests that share their facts about a model. */
export class ModelLine {
  readonly #before: string;
  readonly #after: string;
  readonly #isUnfinished: boolean;

  /** `shared`: members of a JSON object, without braces (store/llm-numbers.ts). */
  constructor(shared: string) {
    const facts = JSON.parse(`{${shared}}`) as SharedModelFacts;
    const { model, finish_reason, is_finished, currency } = facts;
    this.#isUnfinished = is_finished === false;
    this.#before = model === undefined ? '' : `,"model":${escapedJson(model)}`;
    this.#after =
      (currency === undefined ? '' : `,"currency":"${currency}"`) +
      (finish_reason === undefined ? '' : `,"finish_reason":${escapedJson(finish_reason)}`) +
      (this.#isUnfinished ? ',"is_finished":false' : '');
  }

  /** Members of a JSON object, each with a comma before it. */
  members(numbers: Float64Array): string {
    let text = this.#before;
    for (const index of SHOWN) {
      const value = valueOf(numbers, index);
      if (value !== undefined) text += NAMES[index]! + String(value);
    }
    return text + this.#after;
  }

  /** For a terminal: ` ttft 812.3ms, 7 + 20 tokens`. */
  text(numbers: Float64Array): string {
    const first = valueOf(numbers, FIRST_TOKEN);
    const [input, output] = [valueOf(numbers, INPUT), valueOf(numbers, OUTPUT)];
    const parts = [
      ...(first === undefined ? [] : [`ttft ${first.toFixed(1)}ms`]),
      ...(input === undefined && output === undefined ? [] : [`${input ?? '?'} + ${output ?? '?'} tokens`]),
      ...(this.#isUnfinished ? ['unfinished'] : []),
    ];
    return parts.length === 0 ? '' : ` ${parts.join(', ')}`;
  }
}
