// Where counters keep their numbers: in memory of their thread, or in memory that two threads share.
// Invariant: two threads that take arrays in the same order, with the same lengths, have the same arrays.

/** Gives arrays that are filled with 0. */
export interface ArraySource {
  float64(length: number): Float64Array;
  int32(length: number): Int32Array;
  uint16(length: number): Uint16Array;
}

/** What a thread needs to count together with others. */
export interface ThreadShare {
  /** Number of threads. */
  readonly threads: number;
  /** Number of this one, from 0. */
  readonly thread: number;
  /** Memory that all threads share. */
  readonly arrays: ArraySource;
}

/** Arrays that only their thread can read. */
export const privateArrays: ArraySource = {
  float64: (length) => new Float64Array(length),
  int32: (length) => new Int32Array(length),
  uint16: (length) => new Uint16Array(length),
};

/** Of a thread that counts alone. */
export const ALONE: ThreadShare = { threads: 1, thread: 0, arrays: privateArrays };

/**
 * Arrays in shared memory. The thread that makes them hands `buffers` over; the other one takes the arrays from them.
 * Throws a RangeError if that one asks for other lengths.
 */
export class SharedArrays implements ArraySource {
  /** One for each array, in the order in which they were taken. */
  readonly buffers: SharedArrayBuffer[];
  readonly #isOwner: boolean;
  #next = 0;

  /** `buffers`: of the thread that made them; without them they are made here. */
  constructor(buffers?: readonly SharedArrayBuffer[]) {
    this.#isOwner = buffers === undefined;
    this.buffers = [...(buffers ?? [])];
  }

  float64(length: number): Float64Array {
    return new Float64Array(this.#take(length * Float64Array.BYTES_PER_ELEMENT));
  }

  int32(length: number): Int32Array {
    return new Int32Array(this.#take(length * Int32Array.BYTES_PER_ELEMENT));
  }

  uint16(length: number): Uint16Array {
    return new Uint16Array(this.#take(length * Uint16Array.BYTES_PER_ELEMENT));
  }

  #take(bytes: number): SharedArrayBuffer {
    const at = this.#next++;
    if (this.#isOwner) this.buffers.push(new SharedArrayBuffer(bytes));
    const buffer = this.buffers[at];
    if (buffer?.byteLength !== bytes)
      throw new RangeError(
        `shared array ${at} has ${buffer?.byteLength ?? 'no'} bytes, must have ${bytes}: both threads must take the same arrays`,
      );
    return buffer;
  }
}
