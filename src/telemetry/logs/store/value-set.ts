// The values of one group for percentiles: all of them, or a histogram once memory is short.
// Invariant: percentiles are exact as long as no value is in a histogram.
import { LogHistogram } from './log-histogram.ts';
import { percentilesOf, type NumberArray } from './order-statistic.ts';

/** Numbers in the first chunk. Each further one is twice as long, up to the maximum, so few bytes are unused. */
const FIRST_LENGTH = 8;
const MAX_LENGTH = 8192;
/** With limited memory a longer set becomes a histogram. A histogram of durations is about as large. */
const LIMITED_LENGTH = 512;

/** Memory for values that all group queries of a thread share. */
export class ValueBudget {
  #bytes: number;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** Takes bytes, or gives back those of a negative number. */
  take(bytes: number): void {
    this.#bytes -= bytes;
  }

  get isExceeded(): boolean {
    return this.#bytes < 0;
  }
}

export class ValueSet {
  /** Told how many more bytes the set holds; it may call `limit` at once. */
  readonly #grew: (bytes: number) => void;
  /** Values, in the first `#end` elements of it; and chunks that are full. */
  #chunk: NumberArray = new Uint32Array(FIRST_LENGTH);
  #end = 0;
  #full: NumberArray[] = [];
  /** True if `#chunk` takes any number, not only whole ones below 2 ** 32. */
  #isWide = false;
  #isLimited = false;
  #histogram: LogHistogram | undefined;

  constructor(grew: (bytes: number) => void) {
    this.#grew = grew;
    grew(this.#chunk.byteLength);
  }

  get isExact(): boolean {
    return this.#histogram === undefined;
  }

  add(value: number): void {
    if (!this.#isWide && value >>> 0 !== value) {
      this.#isWide = true;
      this.#nextChunk();
    } else if (this.#end === this.#chunk.length) this.#nextChunk();
    if (this.#histogram === undefined) this.#chunk[this.#end++] = value;
    else this.#histogram.add(value);
  }

  addHistogram(histogram: LogHistogram): void {
    this.#summarize().merge(histogram);
  }

  merge(other: ValueSet): void {
    if (other.#histogram !== undefined) this.addHistogram(other.#histogram);
    else for (const chunk of other.#chunks()) for (const value of chunk) this.add(value);
  }

  /** From now on a long set is a histogram. */
  limit(): void {
    this.#isLimited = true;
    if (this.#length >= LIMITED_LENGTH) this.#summarize();
  }

  /** Percentiles, each 0 to 1; `null` without values. */
  percentiles(ps: readonly number[]): (number | null)[] {
    if (this.#histogram !== undefined) return ps.map((p) => this.#histogram!.percentile(p));
    const length = this.#length;
    if (length === 0) return ps.map(() => null);
    const values = new (this.#isWide ? Float64Array : Uint32Array)(length);
    let at = 0;
    for (const chunk of this.#chunks()) {
      values.set(chunk, at);
      at += chunk.length;
    }
    return percentilesOf(values, length, ps);
  }

  get #length(): number {
    return this.#full.reduce((sum, { length }) => sum + length, this.#end);
  }

  #chunks(): NumberArray[] {
    return [...this.#full, this.#chunk.subarray(0, this.#end)];
  }

  /** Makes room for more values, unless the set is or becomes a histogram. */
  #nextChunk(): void {
    if (this.#histogram !== undefined) return;
    if (this.#isLimited && this.#length >= LIMITED_LENGTH) return void this.#summarize();
    const length = Math.min(MAX_LENGTH, 2 * this.#chunk.length);
    this.#full.push(this.#chunk.subarray(0, this.#end));
    this.#chunk = new (this.#isWide ? Float64Array : Uint32Array)(length);
    this.#end = 0;
    this.#grew(this.#chunk.byteLength);
  }

  #summarize(): LogHistogram {
    if (this.#histogram !== undefined) return this.#histogram;
    const histogram = (this.#histogram = new LogHistogram());
    let bytes = 0;
    for (const chunk of this.#chunks()) {
      for (const value of chunk) histogram.add(value);
      bytes += chunk.buffer.byteLength;
    }
    this.#full = [];
    this.#chunk = new Uint32Array(0);
    this.#end = 0;
    this.#grew(-bytes);
    return histogram;
  }
}
