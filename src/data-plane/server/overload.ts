// Notices that the event loop runs late, so that new requests are refused while weir cannot keep up.
// Invariant: one late interval is not overload, since a single long pause is over when it is seen.
import type { Component } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/logger.ts';

const INTERVAL_MS = 100;
/** Late intervals in a row that are overload. */
const LATE = 2;
/** Intervals in time, in a row, that end it. */
const IN_TIME = 5;

export class Overload implements Component {
  readonly name = 'overload';
  readonly #limitMs: number;
  readonly #log: Logger;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #lastMs = 0;
  /** Intervals in a row that were late (above 0) or in time (below 0). */
  #inARow = 0;
  /** One element: 1 while new requests are refused. */
  readonly #isOn: Int32Array;

  /** `limitMs`: how late is overload; 0: never. `isOn`: memory for the state, if another thread reads it. */
  constructor(
    limitMs: number,
    log: Logger,
    now: () => number = () => performance.now(),
    isOn: Int32Array = new Int32Array(1),
  ) {
    this.#isOn = isOn;
    this.#limitMs = limitMs;
    this.#log = log;
    this.#now = now;
  }

  /** True: refuse new requests of this thread. Read for each request. */
  get isOn(): boolean {
    return this.#isOn[0] === 1;
  }

  start(): void {
    if (this.#limitMs === 0) return;
    this.#lastMs = this.#now();
    this.#timer = setInterval(() => this.measure(), INTERVAL_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Takes the time since the last call as an interval. */
  measure(): void {
    const nowMs = this.#now();
    const lateMs = nowMs - this.#lastMs - INTERVAL_MS;
    this.#lastMs = nowMs;
    const isLate = lateMs >= this.#limitMs;
    if (isLate !== this.#inARow > 0) this.#inARow = 0;
    this.#inARow += isLate ? 1 : -1;
    if (!this.isOn && this.#inARow >= LATE) {
      this.#isOn[0] = 1;
      this.#log.event('overload_began', { late_ms: Math.round(lateMs) });
    } else if (this.isOn && this.#inARow <= -IN_TIME) {
      this.#isOn[0] = 0;
      this.#log.event('overload_ended', {});
    }
  }
}
