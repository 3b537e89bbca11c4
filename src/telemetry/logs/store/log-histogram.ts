// Log-linear histogram of any finite numbers: 64 buckets of equal width per power of two, as HdrHistogram does.
// Invariant: a bucket is at most 1/64 of its values wide, so a percentile is wrong by less than 1.6 %.

/** One double, and the same bits as two words, the low one first (all platforms of weir are little-endian). */
const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

const PER_POWER = 64;

/**
 * Index of the bucket of a value; ordered like the values. Exponent and first 6 bits of the mantissa are 17 adjacent bits
 * of a double, so they are the index; negative values have the indexes below 0.
 */
function indexOf(value: number): number {
  double[0] = value;
  const high = words[1]!;
  const index = (high >>> 14) & 0x1ffff;
  return high >>> 31 === 1 ? -1 - index : index;
}

/** The smallest absolute value of a bucket. `index`: not negative. */
function lowerBound(index: number): number {
  words[0] = 0;
  words[1] = index << 14;
  return double[0]!;
}

/** The middle of a bucket. The bucket of 0 has no other values that matter. */
function middleOf(index: number): number {
  if (index < 0) return -middleOf(-1 - index);
  if (index === 0) return 0;
  const lower = lowerBound(index);
  return lower + (lowerBound(index + 1) - lower) / 2;
}

export class LogHistogram {
  #count = 0;
  #min = Infinity;
  #max = -Infinity;
  /** Counts of the buckets of one power of two, by index / 64. */
  readonly #powers = new Map<number, Float64Array>();
  /** The power of two of the last value, since the next value is often near. */
  #lastPower = NaN;
  #lastCounts: Float64Array = new Float64Array(0);

  /** Number of values. */
  get count(): number {
    return this.#count;
  }

  /** Adds a finite number, `count` times. */
  add(value: number, count = 1): void {
    // -0 + 0 is 0.
    const number = value + 0;
    this.#count += count;
    if (number < this.#min) this.#min = number;
    if (number > this.#max) this.#max = number;
    this.#addToBucket(indexOf(number), count);
  }

  /** Adds all values of another histogram. */
  merge(other: LogHistogram): void {
    this.#count += other.#count;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
    for (const [index, count] of other.#buckets()) this.#addToBucket(index, count);
  }

  /** The percentile `p` (0 to 1), interpolated between the two nearest values. `null` without values. */
  percentile(p: number): number | null {
    if (this.#count === 0) return null;
    const rank = (this.#count - 1) * p;
    const below = Math.floor(rank);
    const [lower, upper] = this.#valuesAt(below);
    // The difference of two large numbers may be infinite.
    return rank === below ? lower : lower * (1 - (rank - below)) + upper * (rank - below);
  }

  /**
   * Encodes the histogram. A list of varints: the number of buckets; per bucket, in order, the distance of its index to
   * the previous one (of the first one: the index, zigzag) and its count. Then smallest and largest value as doubles.
   */
  encode(): Uint8Array {
    const buckets = this.#buckets();
    const bytes: number[] = [];
    pushVarint(bytes, buckets.length);
    let previous: number | undefined;
    for (const [index, count] of buckets) {
      pushVarint(bytes, previous === undefined ? zigzag(index) : index - previous);
      pushVarint(bytes, count);
      previous = index;
    }
    if (buckets.length === 0) return Uint8Array.from(bytes);
    const encoded = new Uint8Array(bytes.length + 16);
    encoded.set(bytes);
    const view = new DataView(encoded.buffer);
    view.setFloat64(bytes.length, this.#min, true);
    view.setFloat64(bytes.length + 8, this.#max, true);
    return encoded;
  }

  /** Decodes the result of `encode`. Throws `RangeError` for other bytes. */
  static decode(bytes: Uint8Array): LogHistogram {
    const histogram = new LogHistogram();
    const from = { bytes, at: 0 };
    const length = readVarint(from);
    let index = 0;
    for (let i = 0; i < length; i++) {
      const distance = readVarint(from);
      index = i === 0 ? unzigzag(distance) : index + distance;
      const count = readVarint(from);
      if (Math.abs(index) > 0x1ffff) throw new RangeError('invalid histogram: a bucket is out of range');
      histogram.#addToBucket(index, count);
      histogram.#count += count;
    }
    if (bytes.length !== from.at + (length === 0 ? 0 : 16))
      throw new RangeError(`invalid histogram: ${bytes.length} bytes do not end after its ${length} buckets`);
    if (length === 0) return histogram;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    histogram.#min = view.getFloat64(from.at, true);
    histogram.#max = view.getFloat64(from.at + 8, true);
    return histogram;
  }

  #addToBucket(index: number, count: number): void {
    const power = index >> 6;
    if (power !== this.#lastPower) {
      let counts = this.#powers.get(power);
      if (counts === undefined) this.#powers.set(power, (counts = new Float64Array(PER_POWER)));
      this.#lastPower = power;
      this.#lastCounts = counts;
    }
    this.#lastCounts[index & (PER_POWER - 1)]! += count;
  }

  /** Buckets with values, in order. */
  #buckets(): [index: number, count: number][] {
    const buckets: [number, number][] = [];
    for (const power of Array.from(this.#powers.keys()).sort((a, b) => a - b))
      for (const [i, count] of this.#powers.get(power)!.entries())
        if (count > 0) buckets.push([power * PER_POWER + i, count]);
    return buckets;
  }

  /** The value of a rank (from 0) and the next one; the last value twice. Smallest and largest value are exact. */
  #valuesAt(rank: number): [number, number] {
    const found: number[] = [];
    let seen = 0;
    for (const [index, count] of this.#buckets()) {
      seen += count;
      const value = Math.min(Math.max(middleOf(index), this.#min), this.#max);
      while (found.length < 2 && rank + found.length < seen) found.push(value);
      if (found.length === 2) break;
    }
    const [lower, upper] = [found[0] ?? this.#max, found[1] ?? this.#max];
    if (rank === 0) return [this.#min, this.#count === 2 ? this.#max : upper];
    return [rank >= this.#count - 1 ? this.#max : lower, rank >= this.#count - 2 ? this.#max : upper];
  }
}

const zigzag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value);
const unzigzag = (value: number): number => (value % 2 === 1 ? -(value + 1) / 2 : value / 2);

/** Appends a whole number up to 2 ** 53 - 1. */
function pushVarint(bytes: number[], value: number): void {
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  bytes.push(rest);
}

function readVarint(from: { readonly bytes: Uint8Array; at: number }): number {
  let value = 0;
  for (let factor = 1; factor <= 2 ** 49; factor *= 0x80) {
    const byte = from.bytes[from.at++];
    if (byte === undefined) break;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
  }
  throw new RangeError('invalid histogram: a number does not end');
}
