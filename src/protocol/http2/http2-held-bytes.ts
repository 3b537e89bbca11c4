// Bytes that all HTTP/2 connections hold for slow receivers, in all threads.
// Invariant: a connection that could not give its peer all credit is told when half of the maximum is free.
import { ALONE, type ThreadShare } from '../../core/shared-arrays.ts';

/** Time between two looks at the room that other threads have made, in milliseconds, while connections wait for room. */
const LOOK_MS = 10;

/** Elements from the number of one thread to that of the next, so that they are in different cache lines. */
const ROW = 8;

/** A connection that gives less credit while there is no room. */
export interface CreditHolder {
  /** Whether it is in the list. Only `Http2HeldBytes` writes it. */
  isStarved: boolean;
  /** Called once when half of the maximum is free. */
  refill(): void;
}

/** Counts bytes of DATA that were received and are not consumed yet. */
export class Http2HeldBytes {
  readonly maxBytes: number;
  /** Thread → bytes that its connections hold. Each thread writes its own number. */
  readonly #rows: Float64Array;
  /** Index of the number of this thread. */
  readonly #own: number;
  #starved: CreditHolder[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(maxBytes: number, { threads, thread, arrays }: ThreadShare = ALONE) {
    this.maxBytes = maxBytes;
    this.#rows = arrays.float64((threads - 1) * ROW + 1);
    this.#own = thread * ROW;
  }

  /** Bytes held now. */
  get bytes(): number {
    let sum = 0;
    for (let i = 0; i < this.#rows.length; i += ROW) sum += this.#rows[i]!;
    return sum;
  }

  get isOver(): boolean {
    return this.bytes > this.maxBytes;
  }

  add(bytes: number): void {
    this.#rows[this.#own]! += bytes;
  }

  release(bytes: number): void {
    this.#rows[this.#own]! -= bytes;
    if (this.#starved.length > 0) this.#refill();
  }

  /** Connections of this thread that wait for room. */
  get waiting(): number {
    return this.#starved.length;
  }

  /** Calls `holder.refill` once half of the maximum is free, unless it is. */
  await(holder: CreditHolder): void {
    if (holder.isStarved || this.bytes <= this.maxBytes / 2) return;
    holder.isStarved = true;
    this.#starved.push(holder);
    // Only this thread is told of bytes that its connections release.
    if (this.#rows.length > 1) this.#timer ??= setInterval(() => this.#refill(), LOOK_MS).unref();
  }

  /** The connection has ended. */
  leave(holder: CreditHolder): void {
    if (!holder.isStarved) return;
    holder.isStarved = false;
    this.#starved.splice(this.#starved.indexOf(holder), 1);
    this.#look();
  }

  /** A thread is gone, and what its connections held. */
  lost(thread: number): void {
    this.#rows[thread * ROW] = 0;
  }

  #refill(): void {
    if (this.bytes > this.maxBytes / 2) return;
    const starved = this.#starved;
    this.#starved = [];
    for (const holder of starved) {
      holder.isStarved = false;
      holder.refill();
    }
    this.#look();
  }

  /** Looks no more if no connection waits. */
  #look(): void {
    if (this.#starved.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
