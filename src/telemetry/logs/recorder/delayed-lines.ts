// Lines of followed files wait a moment before their owner is looked up, so that the requests that they name are known.
// Invariant: lines keep their order, and what follows them is done after them.
import type { LogRecord } from '../log-record.ts';

/** How long lines wait, in milliseconds: longer than running requests are collected on the main thread. */
const DELAY_MS = 60;
/** Number of waiting deliveries at which reading of the files pauses. */
const MAX_WAITING = 50;

interface Delivery {
  readonly records: readonly LogRecord[];
  /** When the wait began (performance.now()). */
  readonly sinceMs: number;
  then?: (() => void) | undefined;
}

export class DelayedLines {
  readonly #add: (record: LogRecord) => void;
  #waiting: Delivery[] = [];

  constructor(add: (record: LogRecord) => void) {
    this.#add = add;
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** What a LogFileFollower needs to deliver its lines here. */
  readonly follower = {
    deliver: (records: readonly LogRecord[]): void =>
      void this.#waiting.push({ records, sinceMs: performance.now() }),
    isFull: (): boolean => this.#waiting.length > MAX_WAITING,
  };

  /** Calls `work` after the lines that wait now were added. */
  then(work: () => void): void {
    const last = this.#waiting.at(-1);
    if (last) last.then = work;
    else this.#waiting.push({ records: [], sinceMs: performance.now(), then: work });
  }

  /** Adds the lines whose wait is over at `nowMs` (performance.now()). */
  release(nowMs: number): void {
    while (this.#waiting[0] !== undefined && this.#waiting[0].sinceMs <= nowMs - DELAY_MS) {
      const { records, then } = this.#waiting.shift()!;
      for (const record of records) this.#add(record);
      then?.();
    }
  }
}
