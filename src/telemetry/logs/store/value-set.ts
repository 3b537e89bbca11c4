// The values of one group for percentiles: all of them, or a histogram once memory is short.
// Invariant: percentiles are exact as long as no value is in a histogram.
import { LogHistogram } from './log-histogram.ts';
import { percentilesOf, type NumberArray } from './order-statistic.ts';

const FIRST_LENGTH = 8;
/** Sets grow fast while they are small, and waste less memory when they are large. */
const GROWTH = 1.5;
const SMALL_GROWTH = 4;
const SMALL_LENGTH = 2048;
/** With limited memory a longer set becomes a histogram. A histogram of durations is about as large. */
const LIMITED_LENGTH = 512;
const NO_VALUES = new Uint32Array(0);

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
  #values: NumberArray = new Uint32Array(FIRST_LENGTH);
  #length = 0;
  /** True if `#values` takes any number, not only whole ones below 2 ** 32. */
  #isWide = false;
  #isLimited = false;
  #histogram: LogHistogram | undefined;

  constructor(grew: (bytes: number) => void) {
    this.#grew = grew;
    grew(this.#values.byteLength);
  }

  get isExact(): boolean {
    return this.#histogram === undefined;
  }

  add(value: number): void {
    if (!this.#isWide && value >>> 0 !== value) this.#widen();
    if (this.#length === this.#values.length) this.#grow();
    if (this.#histogram === undefined) this.#values[this.#length++] = value;
    else this.#histogram.add(value);
  }

  addHistogram(histogram: LogHistogram): void {
    this.#summarize().merge(histogram);
  }

  merge(other: ValueSet): void {
    if (other.#histogram !== undefined) this.addHistogram(other.#histogram);
    else for (let i = 0; i < other.#length; i++) this.add(other.#values[i]!);
  }

  /** From now on a long set is a histogram. */
  limit(): void {
    this.#isLimited = true;
    if (this.#length >= LIMITED_LENGTH) this.#summarize();
  }

  /** Percentiles, each 0 to 1; `null` without values. */
  percentiles(ps: readonly number[]): (number | null)[] {
    if (this.#histogram !== undefined) return ps.map((p) => this.#histogram!.percentile(p));
    return this.#length === 0 ? ps.map(() => null) : percentilesOf(this.#values, this.#length, ps);
  }

  #widen(): void {
    this.#isWide = true;
    if (this.#histogram === undefined) this.#replace(new Float64Array(this.#values.length));
  }

  /** Makes room for one more value, unless the set is or becomes a histogram. */
  #grow(): void {
    if (this.#histogram !== undefined) return;
    if (this.#isLimited && this.#length >= LIMITED_LENGTH) this.#summarize();
    else {
      const growth = this.#length < SMALL_LENGTH ? SMALL_GROWTH : GROWTH;
      this.#replace(new (this.#isWide ? Float64Array : Uint32Array)(this.#length * growth));
    }
  }

  #replace(values: NumberArray): void {
    const bytes = values.byteLength - this.#values.byteLength;
    values.set(this.#values.subarray(0, this.#length));
    this.#values = values;
    this.#grew(bytes);
  }

  #summarize(): LogHistogram {
    if (this.#histogram !== undefined) return this.#histogram;
    const histogram = (this.#histogram = new LogHistogram());
    for (let i = 0; i < this.#length; i++) histogram.add(this.#values[i]!);
    const bytes = this.#values.byteLength;
    this.#values = NO_VALUES;
    this.#length = 0;
    this.#grew(-bytes);
    return histogram;
  }
}
