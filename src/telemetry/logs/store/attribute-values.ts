// The values of one attribute in a page, parsed when they are needed.
// Invariant: a value is parsed at most once.
import type { Known } from '../query/possible.ts';
import type { TextColumn } from './text-column.ts';

/** With more different values, a search looks at each row instead of at all values. */
const MAX_VALUES = 256;

export class AttributeValues {
  /** For each row with attributes, by rank: the number of its value; -1: it has none. */
  readonly numbers: Int32Array;
  readonly #texts: TextColumn;
  readonly #values: unknown[] = [];
  #all: Known | undefined;

  constructor({ numbers, texts }: { readonly numbers: Int32Array; readonly texts: TextColumn }) {
    this.numbers = numbers;
    this.#texts = texts;
  }

  value(number: number): unknown {
    if (!(number in this.#values)) this.#values[number] = JSON.parse(this.#texts.text(number));
    return this.#values[number];
  }

  /** All values, if they are few. */
  get all(): Known | undefined {
    const { count } = this.#texts;
    if (count > MAX_VALUES) return undefined;
    return (this.#all ??= { values: [undefined, ...Array.from({ length: count }, (_, i) => this.value(i))] });
  }
}
