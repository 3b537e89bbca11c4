// The open exchanges and retries of one deployment in all threads. Hot path: `opened` and `closed`.
// Invariant: only a thread itself writes its open exchanges and its totals, so they need no atomic operations.
import { countMemory, doublesOf, PlaceCount, rowOf } from './place-count.ts';

/** Words of a thread's block. Word 0: its open exchanges that were sent again after a response. */
const OPEN = 1;
/** 64-bit numbers of a thread's block. */
const CONNECT = 1;
const ANSWER = 2;
const OVER_BUDGET = 3;

/** The retries of one deployment since the start. */
export interface RetryCounts {
  /** Sent again since no connection to the replica could be made. */
  readonly connect: number;
  /** Sent again since the replica responded 502, 503 or 504. */
  readonly answer: number;
  /** Not sent again after such a response, since too many others were. */
  readonly overBudget: number;
}

/** The count: open exchanges that were sent again after a response. */
export class RetryLoad extends PlaceCount {
  readonly #open: number;
  readonly #doubles: number;

  constructor(memory: ArrayBufferLike = countMemory(1), thread = 0) {
    super(memory, thread);
    this.#open = rowOf(thread) + OPEN;
    this.#doubles = doublesOf(thread);
  }

  opened(): void {
    this.words[this.#open]!++;
  }

  /** `isRetried`: it was sent again after a response. */
  closed(isRetried: boolean): void {
    this.words[this.#open]!--;
    if (isRetried) this.give();
  }

  /**
   * Counts an exchange that is to be sent again after a response. Returns false if `percent` of the open exchanges, and
   * at least `minimum`, are being sent again already. `isRetried`: it was sent again before.
   */
  allow(isRetried: boolean, percent: number, minimum: number): boolean {
    for (;;) {
      const seen = this.word;
      const others = isRetried ? seen - 1 : seen;
      if (others >= Math.max(minimum, (this.#openCount() * percent) / 100)) {
        this.doubles[this.#doubles + OVER_BUDGET]!++;
        return false;
      }
      if (isRetried || this.takeIf(seen)) return true;
    }
  }

  /** An exchange was sent again. */
  sent(reason: 'connect' | 'answer'): void {
    this.doubles[this.#doubles + (reason === 'connect' ? CONNECT : ANSWER)]!++;
  }

  get totals(): RetryCounts {
    return { connect: this.#sum(CONNECT), answer: this.#sum(ANSWER), overBudget: this.#sum(OVER_BUDGET) };
  }

  /** The exchanges of a thread that has ended are no longer open. Its totals stay. */
  override threadLost(thread: number): void {
    super.threadLost(thread);
    Atomics.store(this.words, rowOf(thread) + OPEN, 0);
  }

  #openCount(): number {
    let open = 0;
    for (let thread = 0; thread < this.threads; thread++) open += this.words[rowOf(thread) + OPEN]!;
    return open;
  }

  #sum(at: number): number {
    let sum = 0;
    for (let thread = 0; thread < this.threads; thread++) sum += this.doubles[doublesOf(thread) + at]!;
    return sum;
  }
}
