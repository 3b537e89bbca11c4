// Finds numbers that people write in groups: `4111 1111 1111 1111`, `+49 (0)30 123456`, `078-05-1120`.
// Invariant: it takes time linear in the text, and a number that is a part of a word or of a decimal fraction is not found.

/** Digits that follow each other. */
export interface DigitGroup {
  readonly start: number;
  readonly end: number;
  readonly digits: string;
  /** What is between this group and the one before it; empty for the first one. */
  readonly before: string;
}

/** Groups with at most two separators between them. */
export interface DigitRun {
  readonly groups: readonly DigitGroup[];
  /** A `+` before the first group. */
  readonly hasPlus: boolean;
}

/** At least seven digits, with up to two separators between digits. Models write spaces and dashes of Unicode. */
const RUN = /\+?\(?\d(?:[ \-./()\u00a0\u2007\u2009-\u2013\u202f]{0,2}\d){6,}/g;
const GROUP = /\d+/g;
const WORD = /[A-Za-z0-9_\u00c0-\u024f]/;
/** What JSON text within a text has before a number at the beginning of a line: `\n`, `\t`, `\r`. */
const ESCAPE = /\\[nrt]$/;

/** True if a number may begin at `at`. */
export function isStart(text: string, at: number): boolean {
  if (at === 0) return true;
  const last = text[at - 1]!;
  if (last === '_') return true;
  if (last === '.' && at > 1 && /\d/.test(text[at - 2]!)) return false;
  return !WORD.test(last) || ESCAPE.test(text.slice(at - 2, at));
}

/** True if a number may end before `at`. */
export function isEnd(text: string, at: number): boolean {
  if (at >= text.length) return true;
  const next = text[at]!;
  if (next === '_') return true;
  if (next === '.' && at + 1 < text.length && /\d/.test(text[at + 1]!)) return false;
  return !WORD.test(next);
}

/** All runs of a text, in order. */
export function digitRuns(text: string): DigitRun[] {
  const runs: DigitRun[] = [];
  RUN.lastIndex = 0;
  for (let match = RUN.exec(text); match !== null; match = RUN.exec(text)) {
    const [all] = match;
    const { index } = match;
    const groups: DigitGroup[] = [];
    let end = index;
    for (const { 0: digits, index: at } of all.matchAll(GROUP)) {
      const start = index + at;
      groups.push({ start, end: start + digits.length, digits, before: text.slice(end, start) });
      end = start + digits.length;
    }
    runs.push({ groups, hasPlus: all.startsWith('+') });
  }
  return runs;
}

/** The digits of some groups, one after the other. */
export const digitsOf = (groups: readonly DigitGroup[]): string => {
  let digits = '';
  for (const group of groups) digits += group.digits;
  return digits;
};

/** True if the check digit at the end is right (ISO/IEC 7812, Luhn). */
export function isLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 48;
    const weighted = i % 2 === 0 ? digit : 2 * digit;
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  return sum % 10 === 0;
}
