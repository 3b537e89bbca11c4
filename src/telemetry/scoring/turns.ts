// Limits how many rules work at the same time. The others wait in the order in which they came.
// Invariant: a turn that was taken is given back once, and then the first that waits has it.

export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** `count`: turns at the same time. */
  constructor(count: number) {
    this.#free = count;
  }

  /** Does work when it is its turn. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
