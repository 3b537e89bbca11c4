// Counts of connections by address, which all threads share: a hash table with linear probing.
// Invariant: an address is in the table while a thread has a connection of it. The table is changed under its lock only.
import { hash } from 'node:crypto';
import type { ThreadShare } from '../../core/shared-arrays.ts';
import { SharedLocks } from '../../core/shared-lock.ts';

/** Entries; a power of two. */
const SIZE = 1 << 15;
/** Addresses that are counted at most. */
const MAX_USED = SIZE * 0.75;

export class SharedAddressTable {
  readonly #threads: number;
  readonly #thread: number;
  /** Entry → two halves of the hash of its address; both 0: it is free. */
  readonly #keys: Int32Array;
  /** Entry → connections of each thread. */
  readonly #counts: Int32Array;
  /** One element: entries in use. */
  readonly #used: Int32Array;
  readonly #locks: SharedLocks;
  /** Half of the hash of the address that was looked up last. */
  #low = 0;
  #high = 0;

  constructor({ threads, thread, arrays }: ThreadShare) {
    this.#threads = threads;
    this.#thread = thread;
    this.#keys = arrays.int32(SIZE * 2);
    this.#counts = arrays.int32(SIZE * threads);
    this.#used = arrays.int32(1);
    this.#locks = new SharedLocks(arrays.int32(1), thread);
  }

  /**
   * Counts a connection of this thread, unless all threads have `limit` of this address. Returns false if they have;
   * `undefined` if the table is full, so that nothing was counted.
   */
  enter(address: string, limit: number): boolean | undefined {
    this.#hash(address);
    this.#locks.lock(0);
    const entry = this.#find();
    const isNew = this.#isFree(entry);
    const isFull = isNew && this.#used[0]! >= MAX_USED;
    const isAllowed = !isFull && (isNew || this.#total(entry) < limit);
    if (isAllowed) {
      if (isNew) this.#claim(entry);
      this.#counts[entry * this.#threads + this.#thread]!++;
    }
    this.#locks.unlock(0);
    return isFull ? undefined : isAllowed;
  }

  /** A connection that `enter` has counted is closed. */
  leave(address: string): void {
    this.#hash(address);
    this.#locks.lock(0);
    const entry = this.#find();
    this.#counts[entry * this.#threads + this.#thread]!--;
    if (this.#total(entry) === 0) this.#remove(entry);
    this.#locks.unlock(0);
  }

  /** A thread is gone, and its connections with it. */
  lost(thread: number): void {
    this.#locks.lock(0);
    for (let entry = 0; entry < SIZE; entry++)
      while (!this.#isFree(entry)) {
        this.#counts[entry * this.#threads + thread] = 0;
        if (this.#total(entry) > 0) break;
        // This may move another entry here.
        this.#remove(entry);
      }
    this.#locks.unlock(0);
  }

  /** Addresses with connections. */
  get used(): number {
    return this.#used[0]!;
  }

  #hash(address: string): void {
    const digest = hash('sha256', address, 'buffer');
    this.#low = digest.readInt32LE(0);
    // Not 0, which is the key of a free entry.
    this.#high = digest.readInt32LE(4) || 1;
  }

  /** The entry of the address that was hashed, or the free one where it belongs. */
  #find(): number {
    let entry = this.#low & (SIZE - 1);
    while (
      !this.#isFree(entry) &&
      (this.#keys[entry * 2] !== this.#low || this.#keys[entry * 2 + 1] !== this.#high)
    )
      entry = (entry + 1) & (SIZE - 1);
    return entry;
  }

  #isFree(entry: number): boolean {
    return this.#keys[entry * 2 + 1] === 0;
  }

  #total(entry: number): number {
    let sum = 0;
    for (let i = 0; i < this.#threads; i++) sum += this.#counts[entry * this.#threads + i]!;
    return sum;
  }

  #claim(entry: number): void {
    this.#keys[entry * 2] = this.#low;
    this.#keys[entry * 2 + 1] = this.#high;
    this.#used[0]!++;
  }

  /** Frees an entry. Entries behind it that would not be found any more move up. */
  #remove(entry: number): void {
    this.#used[0]!--;
    let hole = entry;
    for (let next = (hole + 1) & (SIZE - 1); !this.#isFree(next); next = (next + 1) & (SIZE - 1)) {
      const home = this.#keys[next * 2]! & (SIZE - 1);
      // It stays if its home is behind the hole.
      if (((next - home) & (SIZE - 1)) < ((next - hole) & (SIZE - 1))) continue;
      this.#copy(next, hole);
      hole = next;
    }
    this.#keys[hole * 2] = this.#keys[hole * 2 + 1] = 0;
    this.#counts.fill(0, hole * this.#threads, (hole + 1) * this.#threads);
  }

  #copy(from: number, to: number): void {
    const threads = this.#threads;
    this.#keys.copyWithin(to * 2, from * 2, from * 2 + 2);
    this.#counts.copyWithin(to * threads, from * threads, (from + 1) * threads);
  }
}
