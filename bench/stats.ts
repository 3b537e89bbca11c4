// Statistics of the benchmarks.
// Invariant: a ratio is the median of the ratios within each round, since the speed of a machine changes over time.

/** The middle value; `undefined` without values. */
export const median = (values: readonly number[]): number | undefined => percentile(values, 0.5);

/** The value that a part `p` (0 to 1) of the values is below; `undefined` without values. */
export const percentile = (values: readonly number[], p: number): number | undefined =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))];

/** The median over the rounds of `compare`; `undefined` if no round has both values. */
export const paired = (
  ours: readonly number[] = [],
  theirs: readonly number[] = [],
  compare: (ours: number, theirs: number) => number = (a, b) => a / b,
): number | undefined =>
  median(ours.flatMap((value, i) => (theirs[i] === undefined ? [] : [compare(value, theirs[i])])));
