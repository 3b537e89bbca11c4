// A page that is in memory, with what searches derive from it.
// Invariant: what is derived is made once.
import { rowCandidates } from '../query/row-candidates.ts';
import type { WordTest } from '../query/required-words.ts';
import type { TimeParts } from './block-directory.ts';
import type { Page } from './page.ts';
import { HAS } from './shape.ts';

export class OpenPage {
  readonly page: Page;
  /** Times that no record is outside of. */
  readonly times: TimeParts;
  #order: Uint32Array | undefined;

  constructor(page: Page, times: TimeParts) {
    this.page = page;
    this.times = times;
  }

  /** All rows, ordered by time, then by sequence number. */
  get order(): Uint32Array {
    return (this.#order ??= orderOf(this.page));
  }

  /** For each row with a message, by rank: 1 if the message may pass the test. `undefined`: any may. */
  messagesWith(test: WordTest): Uint8Array | undefined {
    const { text, ends } = this.page.messages.joined;
    return rowCandidates(test, text, ends);
  }
}

/** Order of two rows by time, then by sequence number. */
export const compareRows =
  (page: Page) =>
  (a: number, b: number): number =>
    page.timeMs[a]! - page.timeMs[b]! || page.restNs(a) - page.restNs(b) || a - b;

function orderOf(page: Page): Uint32Array {
  const { rows, timeMs } = page;
  let first = Infinity;
  for (let row = 0; row < rows; row++) if (timeMs[row]! < first) first = timeMs[row]!;
  // Sorts plain numbers, which is much faster than with a function. Up to 2^53 is exact.
  const keys = new Float64Array(rows);
  for (let row = 0; row < rows; row++) keys[row] = (timeMs[row]! - first) * rows + row;
  keys.sort();
  const order = new Uint32Array(rows);
  for (let i = 0; i < rows; i++) order[i] = keys[i]! % rows;
  sortWithinMilliseconds(page, order);
  return order;
}

/** Rows of the same millisecond are in the order of their sequence numbers. Puts them in the order of nanoseconds. */
function sortWithinMilliseconds(page: Page, order: Uint32Array): void {
  if (page.countOf(HAS.nanoseconds) === 0) return;
  const { timeMs } = page;
  for (let from = 0; from < order.length;) {
    const ms = timeMs[order[from]!]!;
    let to = from + 1;
    while (to < order.length && timeMs[order[to]!]! === ms) to++;
    if (to - from > 1) order.subarray(from, to).sort(compareRows(page));
    from = to;
  }
}
