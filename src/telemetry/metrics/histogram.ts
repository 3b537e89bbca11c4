// Histograms in flat arrays: sum, count, then one count per bucket. Hot path: `add` runs several times per exchange.
// Invariant: `add` allocates nothing. Bucket counts are made cumulative when they are read.

/** The values of a histogram. `cumulative`: per bound, how many values were at most the bound. */
export interface HistogramReading {
  readonly bounds: Float64Array;
  readonly cumulative: number[];
  readonly sum: number;
  readonly count: number;
}

/** Number of array elements of a histogram with these bounds. */
export const sizeOf = (bounds: Float64Array): number => 2 + bounds.length + 1;

/** Adds a value to the histogram that begins at index `at`. */
export function add(values: Float64Array, at: number, bounds: Float64Array, value: number): void {
  values[at]! += value;
  values[at + 1]!++;
  let i = 0;
  while (i < bounds.length && value > bounds[i]!) i++;
  values[at + 2 + i]!++;
}

/** Reads the histogram that begins at index `at`. */
export function readAt(values: Float64Array, at: number, bounds: Float64Array): HistogramReading {
  const cumulative: number[] = [];
  let sum = 0;
  for (let i = 0; i < bounds.length; i++) cumulative.push((sum += values[at + 2 + i]!));
  return { bounds, cumulative, sum: values[at]!, count: values[at + 1]! };
}
