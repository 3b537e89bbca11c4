// Exact percentiles of numbers in a typed array, by partial sorting.
// Invariant: the time grows with n log n at most, whatever the values are, since clients choose them.

export type NumberArray = Uint32Array | Float64Array;

/** Ranges above this length are first narrowed by a sample. */
const MIN_SAMPLED = 600;

/**
 * Returns percentiles (0 to 1) of the first `length` elements, interpolated linearly between the two nearest values, like
 * `percentile_cont` of SQL. Changes the order of the elements. `length`: at least 1.
 */
export function percentilesOf(values: NumberArray, length: number, ps: readonly number[]): number[] {
  const results = new Map<number, number>();
  // In order of size, so that each search begins where the previous one has split the values.
  let from = 0;
  for (const p of ps.toSorted((a, b) => a - b)) {
    const rank = (length - 1) * p;
    const below = Math.floor(rank);
    placeRank(values, below, from, length - 1);
    from = below;
    const lower = values[below]!;
    const weight = rank - below;
    results.set(p, weight === 0 ? lower : lower + weight * (smallest(values, below + 1, length) - lower));
  }
  return ps.map((p) => results.get(p)!);
}

function smallest(values: NumberArray, from: number, to: number): number {
  let min = values[from]!;
  for (let i = from + 1; i < to; i++) if (values[i]! < min) min = values[i]!;
  return min;
}

/**
 * Moves the element of a rank to its index, smaller ones before it and larger ones behind it (Floyd and Rivest, algorithm
 * SELECT, 1975). `from` and `to`: first and last index of the range that is searched.
 */
function placeRank(values: NumberArray, rank: number, from: number, to: number): void {
  let left = from;
  let right = to;
  let rounds = 2 * Math.log2(to - from + 2) + 8;
  while (right > left) {
    if (rounds-- < 0) return void values.subarray(left, right + 1).sort();
    if (right - left > MIN_SAMPLED) placeInSample(values, rank, left, right);
    const pivot = values[rank]!;
    values[rank] = values[left]!;
    values[left] = pivot;
    if (values[right]! > pivot) swap(values, left, right);
    let i = left;
    let j = right;
    while (i < j) {
      swap(values, i++, j--);
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
    }
    if (values[left] === pivot) swap(values, left, j);
    else swap(values, ++j, right);
    if (j <= rank) left = j + 1;
    if (rank <= j) right = j - 1;
  }
}

/** Places the element of a rank in a small part around it, so that it is near its place in the whole range. */
function placeInSample(values: NumberArray, rank: number, left: number, right: number): void {
  const n = right - left + 1;
  const m = rank - left + 1;
  const z = Math.log(n);
  const size = 0.5 * Math.exp((2 * z) / 3);
  const shift = 0.5 * Math.sqrt((z * size * (n - size)) / n) * (m < n / 2 ? -1 : 1);
  const begin = Math.max(left, Math.floor(rank - (m * size) / n + shift));
  const end = Math.min(right, Math.floor(rank + ((n - m) * size) / n + shift));
  placeRank(values, rank, begin, end);
}

function swap(values: NumberArray, i: number, j: number): void {
  const value = values[i]!;
  values[i] = values[j]!;
  values[j] = value;
}
