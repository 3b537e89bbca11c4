// A count of taken places that all data threads share, with flags above it. Hot path.
// The memory is one block for all threads and one for each thread, 64 bytes each, so that no two threads write the same
// cache line. With one thread it is plain memory, without atomic operations.
// Invariant: the count is the sum of the places that the blocks of the threads show, so that the places of a thread
// that died can be given back. Nothing is called between the two changes, so a thread is never ended between them.

const BLOCK_BYTES = 64;
const BLOCK_WORDS = BLOCK_BYTES / 4;
const BLOCK_DOUBLES = BLOCK_BYTES / 8;

/** Makes the memory of a count. */
export const countMemory = (threads: number): ArrayBufferLike => {
  const bytes = (1 + threads) * BLOCK_BYTES;
  return threads > 1 ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
};

/** Flags are bits of the word from here up. The count is below. */
export const FIRST_FLAG = 1 << 24;
const COUNT_MASK = FIRST_FLAG - 1;

/** The count in a word. */
export const countIn = (word: number): number => word & COUNT_MASK;

export class PlaceCount {
  /** For another thread. */
  readonly memory: ArrayBufferLike;
  protected readonly words: Int32Array;
  protected readonly doubles: Float64Array;
  /** True if several threads share it. Then the word is `words[0]`. */
  readonly #isShared: boolean;
  /** The word with one thread, since a field is faster to read. */
  #word = 0;
  /** The thread that uses this object. 0 is the main thread. */
  protected readonly thread: number;

  constructor(memory: ArrayBufferLike, thread: number) {
    this.memory = memory;
    this.words = new Int32Array(memory);
    this.doubles = new Float64Array(memory);
    this.#isShared = memory instanceof SharedArrayBuffer;
    this.thread = thread;
  }

  /** The count and the flags. */
  get word(): number {
    return this.#isShared ? Atomics.load(this.words, 0) : this.#word;
  }

  get count(): number {
    return countIn(this.word);
  }

  /** Takes a place for `thread` if the word is still `seen`. Returns false if another thread changed it meanwhile. */
  takeIf(seen: number, thread = this.thread): boolean {
    if (!this.#isShared) {
      this.#word = seen + 1;
      return true;
    }
    if (Atomics.compareExchange(this.words, 0, seen, seen + 1) !== seen) return false;
    Atomics.add(this.words, rowOf(thread), 1);
    return true;
  }

  /** Gives a place of `thread` back. Returns the word before. */
  give(thread = this.thread): number {
    if (!this.#isShared) return this.#word--;
    Atomics.sub(this.words, rowOf(thread), 1);
    return Atomics.sub(this.words, 0, 1);
  }

  /** Gives back every place of a thread that has ended. */
  threadLost(thread: number): void {
    Atomics.sub(this.words, 0, Atomics.exchange(this.words, rowOf(thread), 0));
  }

  protected setFlag(flag: number, isSet: boolean): void {
    if (!this.#isShared) this.#word = isSet ? this.#word | flag : this.#word & ~flag;
    else if (isSet) Atomics.or(this.words, 0, flag);
    else Atomics.and(this.words, 0, ~flag);
  }

  /** Number of threads that the memory is for. */
  protected get threads(): number {
    return this.words.length / BLOCK_WORDS - 1;
  }
}

/** Index of the first 32-bit word of a thread's block: the places that it has taken. */
export const rowOf = (thread: number): number => (1 + thread) * BLOCK_WORDS;

/** Index of the first 64-bit number of a thread's block. */
export const doublesOf = (thread: number): number => (1 + thread) * BLOCK_DOUBLES;
