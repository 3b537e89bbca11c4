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
/** The numbers of the JSON form: their index, the bytes before them, and their unit (store/llm-numbers.ts). */
export const SHOWN_NUMBERS = [
  INPUT,
  OUTPUT,
  indexOf('cached_tokens'),
  indexOf('reasoning_tokens'),
  FIRST_TOKEN,
  indexOf('cost'),
].map((index) => ({
  index,
  name: Buffer.from(`,"${LLM_NUMBERS[index]!.name}":`),
  scale: LLM_NUMBERS[index]!.scale,
}));

/** `numbers`: LLM_NUMBERS as they are in columns. */
const valueOf = (numbers: Float64Array, index: number): number | undefined =>
  llmValue(numbers[index]!, LLM_NUMBERS[index]!.scale);

/** The parts of the lines of requests that share their facts about a model. */
export class ModelLine {
  /** Members of a JSON object, each with a comma before it: those before SHOWN_NUMBERS, and those after them. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  readonly #isUnfinished: boolean;

  /** `shared`: members of a JSON object, without braces (store/llm-numbers.ts). */
  constructor(shared: string) {
    const facts = JSON.parse(`{${shared}}`) as SharedModelFacts;
    const { model, finish_reason, is_finished, currency } = facts;
    this.#isUnfinished = is_finished === false;
    this.before = Buffer.from(model === undefined ? '' : `,"model":${escapedJson(model)}`);
    this.after = Buffer.from(
      (currency === undefined ? '' : `,"currency":"${currency}"`) +
        (finish_reason === undefined ? '' : `,"finish_reason":${escapedJson(finish_reason)}`) +
        (this.#isUnfinished ? ',"is_finished":false' : ''),
    );
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
