// Finds numbers of payment cards.
// Invariant: a number that is found has the prefix and the length of an issuer, and a right check digit.
import { isLuhn, type DigitGroup } from './digit-runs.ts';

const SHORTEST = 13;
const LONGEST = 19;

/** First digits, from and to, and the lengths of the numbers. */
const ISSUERS: readonly (readonly [from: string, to: string, lengths: readonly number[]])[] = [
  ['4', '4', [13, 16, 19]],
  ['51', '55', [16]],
  ['2221', '2720', [16]],
  ['34', '34', [15]],
  ['37', '37', [15]],
  ['6011', '6011', [16, 17, 18, 19]],
  ['644', '649', [16, 17, 18, 19]],
  ['65', '65', [16, 17, 18, 19]],
  ['300', '305', [14, 15, 16, 17, 18, 19]],
  ['3095', '3095', [14, 15, 16, 17, 18, 19]],
  ['36', '36', [14, 15, 16, 17, 18, 19]],
  ['38', '39', [14, 15, 16, 17, 18, 19]],
  ['3528', '3589', [16, 17, 18, 19]],
  ['62', '62', [16, 17, 18, 19]],
  ['81', '82', [16, 17, 18, 19]],
  ['5018', '5018', [13, 14, 15, 16, 17, 18, 19]],
  ['5020', '5020', [13, 14, 15, 16, 17, 18, 19]],
  ['5038', '5038', [13, 14, 15, 16, 17, 18, 19]],
  ['508', '508', [16]],
  ['5893', '5893', [13, 14, 15, 16, 17, 18, 19]],
  ['6304', '6304', [13, 14, 15, 16, 17, 18, 19]],
  ['6759', '6763', [13, 14, 15, 16, 17, 18, 19]],
  ['2200', '2204', [16, 17, 18, 19]],
];

let table: readonly (readonly number[] | undefined)[] | undefined;

/** Lengths of the numbers that begin with these digits; `undefined`: of no issuer. The table is made for the first one. */
function lengthsOf(digits: string): readonly number[] | undefined {
  table ??= Array.from({ length: 10_000 }, (_, i) => {
    const first = String(i).padStart(4, '0');
    return ISSUERS.find(([from, to]) => {
      const prefix = first.slice(0, from.length);
      return prefix >= from && prefix <= to;
    })?.[2];
  });
  return table[Number(digits.slice(0, 4))];
}

/** True for a number of a payment card: issuer, length and check digit. */
const isCardNumber = (digits: string): boolean =>
  lengthsOf(digits)?.includes(digits.length) === true && isLuhn(digits);

/** Between the groups of one number, always the same: a space or a dash, also of Unicode, or a `.`. */
const SEPARATOR = /^[ \-.\u00a0\u2007\u2009-\u2013\u202f]$/;

/** Number of groups from `from` on that are a card number, as many as possible; 0: none. */
export function cardGroups(groups: readonly DigitGroup[], from: number): number {
  const first = groups[from]!.digits;
  // People write groups of four, or four and six and five digits.
  if ((first.length !== 4 && first.length < SHORTEST) || first.length > LONGEST) return 0;
  if (lengthsOf(first) === undefined) return 0;
  let digits = first;
  let found = isCardNumber(digits) ? 1 : 0;
  for (let to = from + 1; to < groups.length; to++) {
    const { digits: more, before } = groups[to]!;
    const isSame = to === from + 1 ? SEPARATOR.test(before) : before === groups[from + 1]!.before;
    digits += more;
    if (!isSame || digits.length > LONGEST) break;
    if (digits.length >= SHORTEST && isCardNumber(digits)) found = to + 1 - from;
  }
  return found;
}
