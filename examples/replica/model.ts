// A tiny language model: word trigram counts, learnt from a text at start.
// Invariant: the same seed gives the same output.

/** Splits a text into words and punctuation marks. */
export const tokenize = (text: string): string[] => text.match(/[\p{L}\p{N}'’]+|[.,:;!?]/gu) ?? [];

const isMark = (token: string): boolean => /^[.,:;!?]$/.test(token);

export class NgramModel {
  /** Words that follow a context of two, one or no words, once for each occurrence. */
  readonly #next = new Map<string, string[]>();
  readonly tokens: number;

  constructor(text: string) {
    const tokens = tokenize(text);
    this.tokens = tokens.length;
    tokens.forEach((token, i) => {
      for (let order = 0; order <= 2; order++) {
        if (i < order) continue;
        const context = tokens
          .slice(i - order, i)
          .join(' ')
          .toLowerCase();
        const seen = this.#next.get(context);
        if (seen) seen.push(token);
        else this.#next.set(context, [token]);
      }
    });
  }

  /**
   * Generates `count` tokens after `prompt`, each with the space before it.
   * Uses a shorter context if the longer one does not occur in the text.
   */
  *generate(prompt: string, count: number, seed: number): Generator<string> {
    const random = randomFrom(seed);
    const context = tokenize(prompt).slice(-2);
    for (let i = 0; i < count; i++) {
      let choices: string[] | undefined;
      for (let order = Math.min(2, context.length); order >= 0 && choices === undefined; order--)
        choices = this.#next.get(
          context
            .slice(context.length - order)
            .join(' ')
            .toLowerCase(),
        );
      const token = choices![Math.floor(random() * choices!.length)]!;
      context.push(token);
      if (context.length > 2) context.shift();
      yield i === 0 || isMark(token) ? token : ` ${token}`;
    }
  }
}

/** Pseudo-random numbers from 0 to 1 that depend only on the seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
