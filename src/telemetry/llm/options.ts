// Settings of what is read about language models, and of what their tokens cost (section `llm`).
import { PatternIndex } from '../../core/pattern-index.ts';
import {
  amount,
  flag,
  int,
  listOf,
  optionalAmount,
  optionalTime,
  required,
  section,
  text,
  wordList,
  type Settings,
} from '../../core/settings.ts';

/** A bound that keeps each cost finite. */
const HIGHEST_PRICE = 1_000_000_000;
/** Models that begin with `*`: a name is compared with each of them, so that many would block forwarding. */
const MAX_OPEN = 1000;
const MODEL = /^[!-~]{1,256}$/;

/** One price: what tokens of some models cost from some time on. */
export const priceEntry = section({
  model: required(
    'a model name',
    'Model that the price is for; `*` stands for any characters. The first entry that matches the name in the request gives the price, or else the first that matches the name in the response. Entries with the same `model` count as one, in the place of the first: the one with the latest `valid_from` that is not after the end of the request. Prices of `PUT /v1/prices` come before these. These are read at the start; `PUT /v1/prices` changes prices while weir runs.',
    (input) =>
      MODEL.test(input)
        ? { value: input }
        : {
            problem: `is ${JSON.stringify(input.slice(0, 60))}, must be the name of a model, which may contain *: 1 to 256 visible ASCII characters`,
          },
    String,
  ),
  input: amount({
    max: HIGHEST_PRICE,
    doc: 'Price of a million input tokens, in `llm.currency`.',
  }),
  output: amount({ max: HIGHEST_PRICE, doc: 'Price of a million output tokens. For embeddings: 0.' }),
  cached: optionalAmount({
    max: HIGHEST_PRICE,
    doc: 'Price of a million input tokens that came from a cache. Without it: `input`.',
  }),
  reasoning: optionalAmount({
    max: HIGHEST_PRICE,
    doc: 'Price of a million output tokens for reasoning. Without it: `output`.',
  }),
  valid_from: optionalTime({
    doc: 'Time from which the price is valid; requests that end before it do not get it. Without it: always.',
  }),
});
export type PriceEntry = Settings<typeof priceEntry>;

export const llmOptions = section({
  follow: flag({
    default: true,
    doc: 'Read model, tokens and times of tokens from the bodies of POST requests and their responses (JSON and event streams) while they pass. Entries of `logs.routes` with `follow: false` or `capture: off` are not read.',
  }),
  models: wordList({
    default: [],
    pattern: /^[!-~]{1,128}$/,
    like: 'names of models, which may contain *',
    doc: 'Models with their own series in the `weir_llm_*` metrics, in the label `model`. `*` stands for any characters. Other models are counted as `other`. Empty: the label is empty.',
  }),
  max_models: int({
    default: 64,
    min: 1,
    max: 1024,
    doc: 'Maximum number of models that get their own series by a pattern with `*`. Further ones are counted as `other`.',
  }),
  currency: text({
    default: 'USD',
    pattern: /^[A-Z]{3}$/,
    like: 'three capital letters, such as USD or EUR',
    doc: 'Currency of all prices, here and in `PUT /v1/prices`.',
  }),
  prices: listOf(priceEntry),
});
export type LlmOptions = Settings<typeof llmOptions>;

/**
 * Problems between entries that are each valid: two prices of the same models from the same time on, and entries that an
 * earlier one leaves nothing to. `at`: name of the list in the texts.
 */
export function priceProblems(entries: readonly PriceEntry[], at: string): string[] {
  const problems: string[] = [];
  const seen = new Map<string, number>();
  entries.forEach(({ model, valid_from }, i) => {
    const key = `${model} ${valid_from ?? ''}`;
    const first = seen.get(key);
    if (first === undefined) seen.set(key, i);
    else
      problems.push(
        `${at}[${i}]: ${at}[${first}] has the same model ${JSON.stringify(model)} and the same valid_from; remove one of them, or change its valid_from`,
      );
  });
  const models = pricesOfModels(entries);
  const open = models.filter(({ model }) => model.startsWith('*')).length;
  if (open > MAX_OPEN)
    return [...problems, `${at}: has ${open} models that begin with *, must have at most ${MAX_OPEN}`];
  const earlier = new PatternIndex<ModelPrices>();
  for (const prices of models) {
    const { model, index, fromMs } = prices;
    // A pattern that matches the text of another one matches all its names, since its `*` may stand for the other's.
    const hiding = earlier.first(model, (one) => one.fromMs <= fromMs);
    if (hiding)
      problems.push(
        `${at}[${index}]: ${JSON.stringify(model)} never gets this price, since ${at}[${hiding.index}] ${JSON.stringify(hiding.model)} matches the same names before it; move it in front of that one`,
      );
    earlier.add(model, prices);
  }
  return problems;
}

/** All entries with the same `model`. */
interface ModelPrices {
  readonly model: string;
  /** Index of the first of them. */
  readonly index: number;
  /** From this time on one of them is valid. */
  fromMs: number;
}

function pricesOfModels(entries: readonly PriceEntry[]): ModelPrices[] {
  const models = new Map<string, ModelPrices>();
  entries.forEach(({ model, valid_from = -Infinity }, index) => {
    const known = models.get(model);
    if (known) known.fromMs = Math.min(known.fromMs, valid_from);
    else models.set(model, { model, index, fromMs: valid_from });
  });
  return Array.from(models.values());
}
