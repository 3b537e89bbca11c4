// Finds the first of many patterns with `*` that matches a text. Hot path (names of models).
// Invariant: it finds what a search through all patterns in their order finds. Only patterns whose beginning, the part
// before the first `*`, is the beginning of the text are tested.
import { wildcard } from './wildcard.ts';

interface Indexed<T> {
  /** Number of patterns before it. */
  readonly place: number;
  readonly value: T;
  readonly matches: (text: string) => boolean;
}

export class PatternIndex<T> {
  /** Patterns by their beginning, each list in order. */
  readonly #byStart = new Map<string, Indexed<T>[]>();
  /** Lengths of all beginnings. */
  readonly #lengths = new Set<number>();
  #count = 0;

  /** Adds a pattern behind all others. */
  add(pattern: string, value: T): void {
    const start = pattern.split('*', 1)[0]!;
    const one = { place: this.#count++, value, matches: wildcard(pattern) };
    const known = this.#byStart.get(start);
    if (known) known.push(one);
    else this.#byStart.set(start, [one]);
    this.#lengths.add(start.length);
  }

  /** The value of the first pattern that matches the text, of those with an accepted value; `undefined`: none. */
  first(text: string, accepts: (value: T) => boolean = () => true): T | undefined {
    let found: Indexed<T> | undefined;
    for (const length of this.#lengths) {
      if (length > text.length) continue;
      for (const one of this.#byStart.get(text.slice(0, length)) ?? []) {
        if (found !== undefined && found.place < one.place) break;
        if (one.matches(text) && accepts(one.value)) found = one;
      }
    }
    return found?.value;
  }
}
