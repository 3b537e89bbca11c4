// Histograms in flat arrays: sum, then one count per bucket. Hot path: `add` runs several times per exchange.
// Invariant: `add` allocates nothing. The count of all values is the sum of the buckets, so that a reading in another
// thread, in the middle of an `add`, is still one that a histogram can have.

/** The values of a histogram. `cumulative`: per bound, how many values were at most the bound. */
export interface HistogramReading {
  readonly bounds: Float64Array;
  readonly cumulative: readonly number[];
  readonly sum: number;
  readonly count: number;
}

/** Number of array elements of a histogram with these bounds. */
export const sizeOf = (bounds: Float64Array): number => 1 + bounds.length + 1;

/** Adds a value to the histogram that begins at index `at`. */
export function add(values: Float64Array, at: number, bounds: Float64Array, value: number): void {
  values[at]! += value;
  let i = 0;
  while (i < bounds.length && value > bounds[i]!) i++;
  values[at + 1 + i]!++;
}

/** Reads the histogram that begins at index `at`. */
export function readAt(values: Float64Array, at: number, bounds: Float64Array): HistogramReading {
  const cumulative: number[] = [];
  let count = 0;
  for (let i = 0; i < bounds.length; i++) cumulative.push((count += values[at + 1 + i]!));
  return { bounds, cumulative, sum: values[at]!, count: count + values[at + 1 + bounds.length]! };
}

/** The histogram of all values of several ones with the same bounds. At least one is needed. */
export const sumHistograms = (all: readonly HistogramReading[]): HistogramReading =>
  all.length === 1
    ? all[0]!
    : {
        bounds: all[0]!.bounds,
        cumulative: all[0]!.cumulative.map((_, i) => all.reduce((sum, one) => sum + one.cumulative[i]!, 0)),
        sum: all.reduce((sum, one) => sum + one.sum, 0),
        count: all.reduce((sum, one) => sum + one.count, 0),
      };
