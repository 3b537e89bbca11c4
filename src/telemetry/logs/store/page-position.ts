// A place in the order of time: where a page ends and the next one goes on.
// Must stay true: no two records have the same place, however many share a nanosecond: `seq` decides between them.

export interface PagePosition {
  readonly timeNs: bigint;
  readonly seq: number;
}

/** `down`: from the newest to the oldest. */
export type Direction = 'down' | 'up';

/** Larger than any place: the files' names have room for as many digits. */
export const BEYOND = 999_999_999_999_999;

/** The largest time that the store can hold. */
const LATEST_NS = 2n ** 63n - 1n;

/** Before the first and behind the last record that there can be. */
export const startOf = (direction: Direction): PagePosition =>
  direction === 'down' ? { timeNs: LATEST_NS, seq: BEYOND } : { timeNs: -1n, seq: -1 };

/** True where `a` comes before `b` in the direction. */
export function isBefore(a: PagePosition, b: PagePosition, direction: Direction): boolean {
  const isSmaller = a.timeNs < b.timeNs || (a.timeNs === b.timeNs && a.seq < b.seq);
  const isSame = a.timeNs === b.timeNs && a.seq === b.seq;
  return !isSame && (direction === 'up' ? isSmaller : !isSmaller);
}

/** The text of a position, for clients that come back with it. */
export const formatPosition = ({ timeNs, seq }: PagePosition): string => `${timeNs}-${seq}`;

/** A position from its text; `undefined` for text that is none. */
export function parsePosition(text: string): PagePosition | undefined {
  const match = /^(\d{1,19})-(\d{1,15})$/.exec(text);
  if (!match) return undefined;
  const timeNs = BigInt(match[1]!);
  return timeNs <= LATEST_NS ? { timeNs, seq: Number(match[2]) } : undefined;
}
