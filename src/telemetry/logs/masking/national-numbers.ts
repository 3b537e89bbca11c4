// Finds numbers by which states know people. Each has a check digit or rules on its parts.
// Invariant: a number that is found passes its check, and is a whole word of its text.
import { digitsOf, isLuhn, type DigitGroup } from './digit-runs.ts';
import type { MaskRule, OnFound } from './mask-rules.ts';

const codeOf = (text: string, at: number): number => text.charCodeAt(at) - 48;

/** Sum of the digits times their weights. */
function weighted(digits: string, weights: readonly number[]): number {
  let sum = 0;
  for (const [i, weight] of weights.entries()) sum += weight * codeOf(digits, i);
  return sum;
}

const isDate = (month: number, day: number): boolean => month >= 1 && month <= 12 && day >= 1 && day <= 31;

/** Area 000, 666 and from 900 on, group 00 and serial 0000 are not given. */
const isSsn = (digits: string): boolean => /^(?!000|666|9)\d{3}(?!00)\d{2}(?!0000)\d{4}$/.test(digits);

const isSin = (digits: string): boolean => /^[1-79]\d{8}$/.test(digits) && isLuhn(digits);

/** ISO/IEC 7064 MOD 11,10; of the first ten digits one or two are repeated. */
function isGermanTaxId(digits: string): boolean {
  if (!/^[1-9]\d{10}$/.test(digits)) return false;
  const different = new Set(digits.slice(0, 10)).size;
  if (different < 8 || different > 9) return false;
  let product = 10;
  for (let i = 0; i < 10; i++) {
    const sum = (codeOf(digits, i) + product) % 10;
    product = ((sum === 0 ? 10 : sum) * 2) % 11;
  }
  return (11 - product) % 10 === codeOf(digits, 10);
}

/** Sex, year, month, and 97 minus the remainder of the number by 97 at the end. */
const isNir = (digits: string): boolean =>
  /^[12]\d{2}(?:0[1-9]|1[0-2]|[2-9]\d)\d{10}$/.test(digits) &&
  97 - (Number(digits.slice(0, 13)) % 97) === Number(digits.slice(13));

/** EAN-13 with the prefix of Switzerland. */
const isAhv = (digits: string): boolean =>
  /^756\d{10}$/.test(digits) && weighted(digits, [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]) % 10 === 0;

/** The month has 20, 40, 60 or 80 added, by century. */
const isPesel = (digits: string): boolean =>
  /^\d{11}$/.test(digits) &&
  isDate(Number(digits.slice(2, 4)) % 20, Number(digits.slice(4, 6))) &&
  weighted(digits, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]) % 10 === 0;

function isCpf(digits: string): boolean {
  if (!/^(\d)(?!\1{10})\d{10}$/.test(digits)) return false;
  const check = (weights: readonly number[]): number => ((weighted(digits, weights) * 10) % 11) % 10;
  return (
    check([10, 9, 8, 7, 6, 5, 4, 3, 2]) === codeOf(digits, 9) &&
    check([11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) === codeOf(digits, 10)
  );
}

/** Multiplication of the dihedral group of order 10, and the permutation of Verhoeff. */
const PRODUCT = [
  '0123456789',
  '1234067895',
  '2340178956',
  '3401289567',
  '4012395678',
  '5987604321',
  '6598710432',
  '7659821043',
  '8765932104',
  '9876543210',
];
const PERMUTATION = [
  '0123456789',
  '1576283094',
  '5803796142',
  '8916043527',
  '9453126870',
  '4286573901',
  '2793806415',
  '7046913258',
];

/** Verhoeff. */
function isAadhaar(digits: string): boolean {
  if (!/^[2-9]\d{11}$/.test(digits)) return false;
  let check = 0;
  for (let i = 0; i < 12; i++)
    check = Number(PRODUCT[check]![Number(PERMUTATION[i % 8]![codeOf(digits, 11 - i)])]);
  return check === 0;
}

/** How the digits of a number are grouped, and its check. */
interface GroupedNumber {
  readonly rule: MaskRule;
  readonly check: (digits: string) => boolean;
  /** Lengths of the groups. One group: written without separators. */
  readonly forms: readonly (readonly number[])[];
}

const GROUPED: readonly GroupedNumber[] = [
  { rule: 'us_ssn', check: isSsn, forms: [[3, 2, 4]] },
  { rule: 'ca_sin', check: isSin, forms: [[3, 3, 3]] },
  { rule: 'de_tax_id', check: isGermanTaxId, forms: [[11], [2, 3, 3, 3]] },
  { rule: 'fr_nir', check: isNir, forms: [[15], [1, 2, 2, 2, 3, 3, 2], [13, 2]] },
  { rule: 'ch_ahv', check: isAhv, forms: [[13], [3, 4, 4, 2]] },
  { rule: 'pl_pesel', check: isPesel, forms: [[11]] },
  { rule: 'br_cpf', check: isCpf, forms: [[11], [3, 3, 3, 2], [9, 2]] },
  { rule: 'in_aadhaar', check: isAadhaar, forms: [[4, 4, 4]] },
];

/** One way of writing a number. */
interface NumberForm {
  readonly rule: MaskRule;
  readonly check: (digits: string) => boolean;
  readonly lengths: readonly number[];
}

/** The forms by the length of their first group. */
const FORMS: ReadonlyMap<number, readonly NumberForm[]> = Map.groupBy(
  GROUPED.flatMap(({ rule, check, forms }) => forms.map((lengths) => ({ rule, check, lengths }))),
  ({ lengths }) => lengths[0]!,
);

/** One separator between groups. */
const SEPARATOR = /^[ \-.\u00a0\u202f]$/;

/** Numbers with a weak check are not found as a part of a longer row of groups. */
const ALONE = new Set<MaskRule>(['us_ssn', 'ca_sin', 'in_aadhaar']);

/** The national number that begins with the group `from`, and its number of groups. */
export function nationalGroups(
  groups: readonly DigitGroup[],
  from: number,
  rules: ReadonlySet<MaskRule>,
): { readonly rule: MaskRule; readonly count: number } | undefined {
  for (const { rule, check, lengths } of FORMS.get(groups[from]!.digits.length) ?? []) {
    const count = lengths.length;
    if (!rules.has(rule) || !isForm(groups, from, lengths)) continue;
    const separator = groups[from + 1]?.before;
    const isLonger =
      count > 1 &&
      ((from > 0 && groups[from]!.before === separator) || groups[from + count]?.before === separator);
    if (isLonger && ALONE.has(rule)) continue;
    if (check(digitsOf(groups.slice(from, from + count)))) return { rule, count };
  }
  return undefined;
}

function isForm(groups: readonly DigitGroup[], from: number, lengths: readonly number[]): boolean {
  for (let i = 1; i < lengths.length; i++) {
    const group = groups[from + i];
    if (group === undefined || group.digits.length !== lengths[i] || !SEPARATOR.test(group.before))
      return false;
  }
  return true;
}

/** What is before a number without separators if it is a social security number. */
const SSN_NAME = /(?:ssn|social[ _-]?security)[^\d]{0,32}$/i;

/** True if nine digits follow a name that says what they are. `before`: the text before them. */
export const isNamedSsn = (digits: string, before: string): boolean =>
  isSsn(digits) && SSN_NAME.test(before.slice(-64));

const NINO =
  /(?<![A-Za-z0-9])(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?![A-Za-z0-9])/g;
const DNI = /(?<![A-Za-z0-9])(?:\d{8}|[XYZ][ -]?\d{7})[ -]?[A-Z](?![A-Za-z0-9])/g;
const DNI_LETTERS = 'TRWAGMYFPDXBNJZSQVHLCKE';
const CODICE =
  /(?<![A-Za-z0-9])[A-Z]{6}[\dL-NP-V]{2}[A-EHLMPRST][\dL-NP-V]{2}[A-Z][\dL-NP-V]{3}[A-Z](?![A-Za-z0-9])/g;
const CHINESE_ID = /(?<![A-Za-z0-9])[1-9]\d{16}[\dXx](?![A-Za-z0-9])/g;

function isDni(text: string): boolean {
  const plain = text.replace(/[ -]/g, '');
  const number = Number(plain.slice(0, -1).replace(/^[XYZ]/, (letter) => String('XYZ'.indexOf(letter))));
  return DNI_LETTERS[number % 23] === plain.at(-1);
}

/** Values of characters at odd places, by their values at even places. */
const ODD = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

function isCodice(text: string): boolean {
  let sum = 0;
  for (let i = 0; i < 15; i++) {
    const code = text.charCodeAt(i);
    const value = code < 65 ? code - 48 : code - 65;
    sum += i % 2 === 0 ? ODD[value]! : value;
  }
  return sum % 26 === text.charCodeAt(15) - 65;
}

/** Date of birth, and ISO/IEC 7064 MOD 11-2. */
function isChineseId(text: string): boolean {
  const year = Number(text.slice(6, 10));
  if (year < 1880 || year > 2100 || !isDate(Number(text.slice(10, 12)), Number(text.slice(12, 14))))
    return false;
  const sum = weighted(text, [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
  return '10X98765432'[sum % 11] === text.at(-1)!.toUpperCase();
}

const LETTERED: readonly { rule: MaskRule; pattern: RegExp; check: (text: string) => boolean }[] = [
  { rule: 'uk_nino', pattern: NINO, check: () => true },
  { rule: 'es_dni', pattern: DNI, check: isDni },
  { rule: 'it_cf', pattern: CODICE, check: isCodice },
  { rule: 'cn_id', pattern: CHINESE_ID, check: isChineseId },
];

/** Finds the national numbers that have letters, or may have some. */
export function findLettered(text: string, rules: ReadonlySet<MaskRule>, found: OnFound): void {
  for (const { rule, pattern, check } of LETTERED)
    if (rules.has(rule))
      for (const { 0: match, index } of text.matchAll(pattern))
        if (check(match)) found(rule, index, index + match.length);
}
