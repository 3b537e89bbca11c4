// Finds phone numbers: international ones (`+`, or `00` and groups), and national ones in the ways people write them.
// Invariant: digits without a `+` and without separators are never a phone number, since ids and times look like that.
import type { DigitGroup } from './digit-runs.ts';

const SHORTEST = 8;
/** E.164. */
const LONGEST = 15;

/** Number of groups from the first one on that have up to `longest` digits; 0: fewer than `shortest`. */
function prefixOf(groups: readonly DigitGroup[], shortest: number, longest: number): number {
  let [length, count] = [0, 0];
  for (const { digits } of groups) {
    if (length + digits.length > longest) break;
    length += digits.length;
    count++;
  }
  return length >= shortest ? count : 0;
}

/** An area code or exchange of North America. */
const isNanp = (digits: string | undefined): boolean => digits !== undefined && /^[2-9]\d\d$/.test(digits);

function northAmerican(groups: readonly DigitGroup[]): number {
  const first = groups[0]!.digits === '1' ? 1 : 0;
  const [area, exchange, line] = groups.slice(first, first + 3);
  const isNumber = isNanp(area?.digits) && isNanp(exchange?.digits) && line?.digits.length === 4;
  return isNumber ? first + 3 : 0;
}

/** Two digits each, five times, as in France. */
const isPairs = (groups: readonly DigitGroup[]): boolean =>
  groups.length >= 5 && groups.slice(0, 5).every(({ digits }) => digits.length === 2);

/** A number with a leading 0, as most of Europe writes it: an area code, and at least one separator. */
function national(groups: readonly DigitGroup[]): number {
  if (!/^0[1-9]\d{0,3}$/.test(groups[0]!.digits)) return 0;
  if (isPairs(groups)) return 5;
  const count = prefixOf(groups, 9, 12);
  // `01-02-2024` and `01.02.2024` are dates.
  const isDate = groups[0]!.digits.length === 2 && groups[1]?.digits.length === 2;
  const isPlain = groups.slice(1, count).every(({ before }) => !before.includes('.'));
  return count >= 2 && !isDate && isPlain ? count : 0;
}

/** False if no phone number without a `+` begins with these digits. */
export const mayBePhone = (digits: string): boolean =>
  digits === '1' || digits.length === 3 || (digits.startsWith('0') && digits.length <= 5);

/** Number of groups from the first one on that are a phone number; 0: none. `hasPlus`: a `+` is before them. */
export function phoneGroups(groups: readonly DigitGroup[], hasPlus: boolean): number {
  const first = groups[0]!.digits;
  if (hasPlus) return first.startsWith('0') ? 0 : prefixOf(groups, SHORTEST, LONGEST);
  if (/^00[1-9]/.test(first) && first.length <= 5) return prefixOf(groups, SHORTEST + 2, LONGEST + 2);
  return northAmerican(groups) || national(groups);
}
