// Position in the order of time, where one page of records ends and the next one begins.
// Invariant: no two records have the same position, since records of the same nanosecond are ordered by `seq`.
import { LATEST_NS } from '../../../core/time.ts';

export interface PagePosition {
  readonly timeNs: bigint;
  readonly seq: number;
}

/** `down`: from the newest to the oldest record. */
export type Direction = 'down' | 'up';

/** Largest sequence number: the names of day files have 15 digits for it. */
export const MAX_SEQ = 999_999_999_999_999;

/** Position before all records in the direction. */
export const startPosition = (direction: Direction): PagePosition =>
  direction === 'down' ? { timeNs: LATEST_NS, seq: MAX_SEQ } : { timeNs: -1n, seq: -1 };

/** True if `a` comes before `b` in the direction. */
export function isBefore(a: PagePosition, b: PagePosition, direction: Direction): boolean {
  const isSmaller = a.timeNs < b.timeNs || (a.timeNs === b.timeNs && a.seq < b.seq);
  const isSame = a.timeNs === b.timeNs && a.seq === b.seq;
  return !isSame && (direction === 'up' ? isSmaller : !isSmaller);
}
