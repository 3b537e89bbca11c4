// Limits the open connections of a server, in all threads.
// Invariant: the count is the number of connections that were accepted and are not closed.
import type { Socket } from 'node:net';
import { ALONE, type ThreadShare } from '../../core/shared-arrays.ts';

export class OpenConnections {
  readonly #limit: number;
  /** All connections, then those of each thread. */
  readonly #counts: Int32Array;
  readonly #own: number;
  readonly #isShared: boolean;

  constructor(limit: number, { threads, thread, arrays }: ThreadShare = ALONE) {
    this.#limit = limit;
    this.#counts = arrays.int32(1 + threads);
    this.#own = 1 + thread;
    this.#isShared = threads > 1;
  }

  /** Open connections of all threads. */
  get count(): number {
    return this.#isShared ? Atomics.load(this.#counts, 0) : this.#counts[0]!;
  }

  /** Counts a new connection until it closes. Returns false if there are too many; then it is not counted. */
  accepts(socket: Socket): boolean {
    if (this.#add(1) >= this.#limit) {
      this.#add(-1);
      return false;
    }
    this.#counts[this.#own]!++;
    socket.once('close', () => {
      this.#counts[this.#own]!--;
      this.#add(-1);
    });
    return true;
  }

  /** A thread is gone, and its connections with it. */
  lost(thread: number): void {
    this.#add(-this.#counts[1 + thread]!);
    this.#counts[1 + thread] = 0;
  }

  /** Returns the count of all threads before. */
  #add(change: number): number {
    if (this.#isShared) return Atomics.add(this.#counts, 0, change);
    const before = this.#counts[0]!;
    this.#counts[0] = before + change;
    return before;
  }
}
