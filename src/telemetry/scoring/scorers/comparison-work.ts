// Limits the work of one comparison, so that no pair of values can keep the scoring thread busy.
// Invariant: after the limit is reached nothing more is compared, and the comparison has no score.

/** Two texts of 4,096 characters that differ from the first to the last, and what is done once for each character. */
const MAX_STEPS = 4096 * 4100;
const MAX_VALUES = 100_000;
const MAX_DEPTH = 100;

export class ComparisonWork {
  #left = MAX_STEPS;
  /** Why there is no score, as a sentence without a full stop; '' while the limit is not reached. */
  problem = '';

  /** Takes so many steps. Returns false if they are too many; then nothing is to be done. */
  spend(steps: number): boolean {
    this.#left -= steps;
    if (this.#left < 0) this.problem ||= 'the values are too long to be compared';
    return this.problem === '';
  }

  /** Returns false if a JSON value has too many values in it, or is nested too deeply for a recursive function. */
  accepts(value: unknown): boolean {
    if (typeof value === 'object' && value !== null) this.problem ||= complexity(value);
    return this.problem === '';
  }
}

/** Why a JSON value is too large to be walked; '' if it is not. */
export function complexity(root: object): string {
  let values = 0;
  let level: object[] = [root];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return `the value is nested more than ${MAX_DEPTH} levels deep`;
    const next: object[] = [];
    for (const one of level)
      for (const inner of Object.values(one) as unknown[]) {
        if (++values > MAX_VALUES) return `the value has more than ${MAX_VALUES} values in it`;
        if (typeof inner === 'object' && inner !== null) next.push(inner);
      }
    level = next;
  }
  return '';
}
