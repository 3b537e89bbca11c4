// The order of described tags: texts of positions, as Braintrust's clients write them, and what a move changes.
// Invariant: positions are compared as texts; after the changes of a move the tags stand as they were put.

/** What of a tag decides its place. */
export interface PlacedTag {
  readonly id: string;
  /** `null`: it comes after those that have one. */
  readonly position: string | null;
}

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Tags by their positions; those without one as they came. */
export const inOrder = <T extends PlacedTag>(tags: readonly T[]): T[] => {
  const placed = tags.filter(({ position }) => position !== null);
  return [
    ...placed.sort((a, b) => compare(a.position!, b.position!)),
    ...tags.filter(({ position }) => position === null),
  ];
};

/** True for a text that another one can be put before and after. */
const isKnown = (position: string): boolean => /^[0-9A-Za-z]*[1-9A-Za-z]$/.test(position);

/** A text between two of digits, the first of which may be empty, and the second missing. */
function middle(after: string, before: string | undefined): string {
  if (before !== undefined) {
    let same = 0;
    while ((after[same] ?? '0') === before[same]) same++;
    if (same > 0) return before.slice(0, same) + middle(after.slice(same), before.slice(same));
  }
  const low = after === '' ? 0 : DIGITS.indexOf(after[0]!);
  const high = before === undefined ? DIGITS.length : DIGITS.indexOf(before[0]!);
  if (high - low > 1) return DIGITS[Math.round((low + high) / 2)]!;
  if (before !== undefined && before.length > 1) return before[0]!;
  return DIGITS[low]! + middle(after.slice(1), undefined);
}

/** A position between two others; `undefined`: there is none, since they are equal or of another kind. */
export function positionBetween(after: string | undefined, before: string | undefined): string | undefined {
  if ([after, before].some((one) => one !== undefined && !isKnown(one))) return undefined;
  if (after !== undefined && before !== undefined && after >= before) return undefined;
  return middle(after ?? '', before);
}

/** Positions for all, with room between them. */
function spread(n: number): string[] {
  const width = Math.ceil(Math.log(4 * (n + 1)) / Math.log(DIGITS.length));
  const step = Math.floor(DIGITS.length ** width / (n + 1));
  return Array.from({ length: n }, (_, i) => {
    let rest = (i + 1) * step;
    let text = '';
    for (let digit = 0; digit < width; digit++) {
      text = DIGITS[rest % DIGITS.length]! + text;
      rest = Math.floor(rest / DIGITS.length);
    }
    return text.replace(/0+$/, '');
  });
}

/** The positions that change when the tag at index `from` of an ordered list is put at index `to`. */
export function changesOfMove(
  tags: readonly PlacedTag[],
  from: number,
  to: number,
): { readonly id: string; readonly position: string }[] {
  const next = [...tags];
  const [moved] = next.splice(from, 1);
  if (moved === undefined || from === to) return [];
  next.splice(to, 0, moved);
  const [before, after] = [next[to - 1], next[to + 1]];
  // Those without a position come last, so one after them needs positions for all of them.
  const position =
    before?.position === null
      ? undefined
      : positionBetween(before?.position ?? undefined, after?.position ?? undefined);
  if (position !== undefined) return [{ id: moved.id, position }];
  const all = spread(next.length);
  return next.flatMap((tag, i) => (tag.position === all[i] ? [] : [{ id: tag.id, position: all[i]! }]));
}
