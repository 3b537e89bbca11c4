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
  afterwards?: (() => void) | undefined;
}

export class DelayedLines {
  readonly #add: (record: LogRecord) => void;
  readonly #hasRoom: () => boolean;
  #waiting: Delivery[] = [];

  /** `hasRoom`: false while the store is behind, so that lines wait in their files. */
  constructor(add: (record: LogRecord) => void, hasRoom: () => boolean) {
    this.#add = add;
    this.#hasRoom = hasRoom;
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
  afterwards(work: () => void): void {
    const last = this.#waiting.at(-1);
    if (last) last.afterwards = work;
    else this.#waiting.push({ records: [], sinceMs: performance.now(), afterwards: work });
  }

  /** Adds the lines whose wait is over at `nowMs` (performance.now()), as long as there is room. */
  release(nowMs: number): void {
    const untilMs = nowMs - DELAY_MS;
    for (let [next] = this.#waiting; next !== undefined && next.sinceMs <= untilMs; [next] = this.#waiting) {
      if (nowMs !== Infinity && !this.#hasRoom()) return;
      this.#waiting.shift();
      const { records, afterwards } = next;
      for (const record of records) this.#add(record);
      afterwards?.();
    }
  }
}
