// How alike two texts are: the edit distance of Levenshtein, in UTF-16 units.
// Invariant: the steps are limited before they are taken, and a comparison of n by m units takes n × m / 32 of them.
// G. Myers, "A fast bit-vector algorithm for approximate string matching", in the form of H. Hyyrö (2003).
import type { ComparisonWork } from './comparison-work.ts';

const BITS = 32;
/** For each unit: the places in the block of 32 units where it is. All 0 between two calls. */
const places = new Int32Array(0x1_0000);

/** 1 for equal texts, 0 for texts of which nothing can stay: 1 − distance / length of the longer. 0 if it is too much work. */
export function textSimilarity(a: string, b: string, work: ComparisonWork): number {
  if (a === b) return 1;
  const [shorter, longer] = a.length <= b.length ? [a, b] : [b, a];
  if (!work.spend(longer.length)) return 0;
  let start = 0;
  while (start < shorter.length && shorter.charCodeAt(start) === longer.charCodeAt(start)) start++;
  let end = 0;
  while (end < shorter.length - start && shorter.at(-1 - end) === longer.at(-1 - end)) end++;
  const pattern = shorter.slice(start, shorter.length - end);
  const text = longer.slice(start, longer.length - end);
  if (!work.spend(pattern.length * text.length)) return 0;
  return 1 - distance(pattern, text) / longer.length;
}

/** Differences between neighbours in a row of the table of distances are -1, 0 or 1: two bits for each of 32 rows. */
function distance(pattern: string, text: string): number {
  /** By column: the difference to the column before, in the last row that is done. */
  const steps = new Int8Array(text.length).fill(1);
  for (let first = 0; first < pattern.length; first += BITS) {
    const rows = Math.min(BITS, pattern.length - first);
    for (let row = 0; row < rows; row++) places[pattern.charCodeAt(first + row)]! |= 1 << row;
    nextRows(steps, text, 1 << (rows - 1));
    for (let row = 0; row < rows; row++) places[pattern.charCodeAt(first + row)] = 0;
  }
  return steps.reduce((sum, step) => sum + step, pattern.length);
}

/** Computes up to 32 rows below those that are done. `last`: the bit of the last of them. */
function nextRows(steps: Int8Array, text: string, last: number): void {
  let up = -1;
  let down = 0;
  for (let column = 0; column < steps.length; column++) {
    const before = steps[column]!;
    const same = places[text.charCodeAt(column)]!;
    const kept = same | down;
    const match = before < 0 ? same | 1 : same;
    const diagonal = (((match & up) + up) ^ up) | match;
    const right = down | ~(diagonal | up);
    const left = up & diagonal;
    steps[column] = (right & last) !== 0 ? 1 : (left & last) !== 0 ? -1 : 0;
    const shiftedRight = (right << 1) | (before > 0 ? 1 : 0);
    const shiftedLeft = (left << 1) | (before < 0 ? 1 : 0);
    up = shiftedLeft | ~(kept | shiftedRight);
    down = shiftedRight & kept;
  }
}
