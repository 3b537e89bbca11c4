// The use of all clients by name. With several threads, its numbers are in memory that all of them share.
// Invariant: the main thread gives each name its place, and other threads know a name before they know a key of it.
import { SharedLocks } from '../shared-lock.ts';
import { fillBuckets, KeyUse, LIMIT_ROW, THREAD_ROW } from './key-use.ts';

/** Names whose numbers are in one piece of memory. */
const PER_CHUNK = 256;

/** What another thread needs to know. Lists only grow. */
export interface SharedKeyUses {
  /** In the order of their places. */
  readonly names: readonly string[];
  readonly chunks: readonly SharedArrayBuffer[];
}

export class KeyUseTable {
  /** Requests without a key of a client: no key, a wrong one, one that has expired. */
  readonly unknown: KeyUse;
  readonly #threads: number;
  readonly #thread: number;
  readonly #uses = new Map<string, KeyUse>();
  /** Those that were used, in order. */
  readonly #seen = new Set<KeyUse>();
  readonly #chunks: { readonly memory: SharedArrayBuffer; readonly locks: SharedLocks }[] = [];

  /** `thread`: number of this thread; the main thread is 0. `shared`: what the main thread has, in another thread. */
  constructor(threads = 1, thread = 0, shared?: SharedKeyUses) {
    this.#threads = threads;
    this.#thread = thread;
    // The first place.
    this.unknown = shared === undefined ? this.of('') : this.#placed('', 0, shared.chunks);
    if (shared !== undefined) this.update(shared);
  }

  /** The use of all keys of a name. Throws an Error in another thread than the main one for a name without a place. */
  of(name: string): KeyUse {
    const use = this.#uses.get(name) ?? this.#newUse(name);
    this.#seen.add(use);
    return use;
  }

  /** Every name with a place. */
  uses(): Iterable<KeyUse> {
    return this.#uses.values();
  }

  /** Main thread: the names that were asked for or used, the earliest first; not `unknown`. */
  seen(): readonly KeyUse[] {
    if (this.#threads > 1) for (const use of this.#uses.values()) if (use.requests > 0) this.#seen.add(use);
    return Array.from(this.#seen).filter((use) => use !== this.unknown);
  }

  /** Main thread: gives places to these names too. Returns what the other threads must know before they use them. */
  share(names: Iterable<string>): SharedKeyUses {
    for (const name of names) if (!this.#uses.has(name)) this.#newUse(name);
    return { names: Array.from(this.#uses.keys()), chunks: this.#chunks.map(({ memory }) => memory) };
  }

  /** Another thread: takes over new places. */
  update({ names, chunks }: SharedKeyUses): void {
    for (let place = this.#uses.size; place < names.length; place++)
      this.#placed(names[place]!, place, chunks);
  }

  /** A thread is gone, and its requests with it. */
  lost(thread: number): void {
    for (const use of this.#uses.values()) use.lost(thread);
  }

  #newUse(name: string): KeyUse {
    if (this.#thread > 0) throw new Error(`the use of keys named ${JSON.stringify(name)} has no place`);
    return this.#placed(name, this.#uses.size, undefined);
  }

  /** `chunks`: of the main thread; `undefined`: this is the main thread. */
  #placed(name: string, place: number, chunks: readonly SharedArrayBuffer[] | undefined): KeyUse {
    const use = this.#threads === 1 ? new KeyUse(name) : new KeyUse(name, this.#rows(place, chunks));
    this.#uses.set(name, use);
    return use;
  }

  /** A chunk has the locks of its names, then for each name the row of limits and one row per thread. */
  #rows(place: number, chunks: readonly SharedArrayBuffer[] | undefined) {
    const index = place % PER_CHUNK;
    const perName = LIMIT_ROW + this.#threads * THREAD_ROW;
    const locksBytes = PER_CHUNK * Int32Array.BYTES_PER_ELEMENT;
    const chunk = Math.floor(place / PER_CHUNK);
    if (this.#chunks.length === chunk) {
      const memory = chunks?.[chunk] ?? new SharedArrayBuffer(locksBytes + PER_CHUNK * perName * 8);
      const locks = new SharedLocks(new Int32Array(memory, 0, PER_CHUNK), this.#thread);
      this.#chunks.push({ memory, locks });
    }
    const { memory, locks } = this.#chunks[chunk]!;
    const row = (offset: number, length: number) =>
      new Float64Array(memory, locksBytes + (index * perName + offset) * 8, length);
    const limits = row(0, LIMIT_ROW);
    if (chunks === undefined) fillBuckets(limits);
    const threads = Array.from({ length: this.#threads }, (_, i) =>
      row(LIMIT_ROW + i * THREAD_ROW, THREAD_ROW),
    );
    return { threads, thread: this.#thread, limits, locks, lock: index };
  }
}
