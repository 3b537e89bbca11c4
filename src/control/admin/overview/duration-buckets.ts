// Histogram buckets for durations: six for each doubling, from 0.125 ms to 17 minutes. Hot path: `bucketOf`.
// Invariant: a percentile is at most 12 % away from the exact one, and null without values.

const LOWEST_MS = 0.125;
const PER_DOUBLING = 6;
/** Number of buckets. The first one is for everything up to LOWEST_MS, the last one for everything above 17 minutes. */
export const BUCKETS = 23 * PER_DOUBLING + 1;

/** Index of the bucket of a duration in milliseconds. */
export const bucketOf = (ms: number): number =>
  ms <= LOWEST_MS ? 0 : Math.min(BUCKETS - 1, Math.ceil(PER_DOUBLING * Math.log2(ms / LOWEST_MS)));

const upperBound = (bucket: number): number => LOWEST_MS * 2 ** (bucket / PER_DOUBLING);

/** The value below which a share `p` (0 to 1) of the counted durations lies, in milliseconds; null if there are none. */
export function percentileMs(counts: ArrayLike<number>, p: number): number | null {
  let total = 0;
  for (let i = 0; i < BUCKETS; i++) total += counts[i]!;
  if (total === 0) return null;
  const rank = p * total;
  let below = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const count = counts[bucket]!;
    if (count > 0 && below + count >= rank) {
      const lower = bucket === 0 ? 0 : upperBound(bucket - 1);
      return lower + ((upperBound(bucket) - lower) * Math.max(0, rank - below)) / count;
    }
    below += count;
  }
  return upperBound(BUCKETS - 1);
}
