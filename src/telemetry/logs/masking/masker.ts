// Masks personal data in text by built-in rules: `write to ann@example.com` becomes `write to [email]`.
// Invariant: it takes time linear in the text, and masked text has nothing more to mask.
import { cardGroups } from './card-number.ts';
import { digitRuns, isEnd, isStart, type DigitGroup } from './digit-runs.ts';
import { findEmails, findIbans } from './email-and-iban.ts';
import { MASK_RULES, type FoundValue, type MaskRule, type OnFound } from './mask-rules.ts';
import { findLettered, isNamedSsn, nationalGroups } from './national-numbers.ts';
import { mayBePhone, phoneGroups } from './phone-number.ts';
import { plainText } from './plain-text.ts';

/** Every value has a digit or one of these. */
const MAY_HAVE_VALUE = /[@\d]/;
/** Digits of a number without separators that only a name before it tells to be a social security number. */
const SSN_DIGITS = 9;

/** Is told how many values each rule masked. */
export type OnMasked = (rule: MaskRule, count: number) => void;

export class Masker {
  readonly rules: ReadonlySet<MaskRule>;
  readonly #onMasked: OnMasked;
  readonly #hasNumbers: boolean;
  readonly #hasLettered: boolean;

  constructor(rules: ReadonlySet<MaskRule>, onMasked: OnMasked = () => undefined) {
    this.rules = rules;
    this.#onMasked = onMasked;
    this.#hasNumbers = [...rules].some((rule) => rule !== 'email' && rule !== 'iban');
    this.#hasLettered = (['uk_nino', 'es_dni', 'it_cf', 'cn_id'] as const).some((rule) => rules.has(rule));
  }

  /**
   * The values in a text, in order, without overlaps. `before`: what is before the text, such as the name of a member of
   * an object.
   */
  find(text: string, before = ''): FoundValue[] {
    if (!MAY_HAVE_VALUE.test(text)) return [];
    const values = this.#findPlain(text, before);
    const escaped = plainText(text);
    if (escaped === undefined) return values;
    const { plain, placeOf } = escaped;
    for (const { rule, start, end } of this.#findPlain(plain, before))
      values.push({ rule, start: placeOf(start), end: placeOf(end) });
    return withoutOverlaps(values);
  }

  #findPlain(text: string, before: string): FoundValue[] {
    const all: FoundValue[] = [];
    const found: OnFound = (rule, start, end) => void all.push({ rule, start, end });
    if (this.rules.has('email')) findEmails(text, found);
    if (this.rules.has('iban')) findIbans(text, found);
    if (this.#hasLettered) findLettered(text, this.rules, found);
    if (this.#hasNumbers) this.#findNumbers(text, before, found);
    return all.length < 2 ? all : withoutOverlaps(all);
  }

  /** The text with `[rule]` instead of each value. */
  mask(text: string, before = ''): string {
    const values = this.find(text, before);
    if (values.length === 0) return text;
    let out = '';
    let from = 0;
    for (const { rule, start, end } of values) {
      out += `${text.slice(from, start)}[${rule}]`;
      from = end;
      this.#onMasked(rule, 1);
    }
    return out + text.slice(from);
  }

  #findNumbers(text: string, before: string, found: OnFound): void {
    for (const { groups, hasPlus } of digitRuns(text))
      for (let i = 0; i < groups.length;) {
        const value = this.#numberAt(text, before, groups, i, hasPlus && i === 0);
        if (value === undefined) {
          i++;
          continue;
        }
        const isPhone = value.rule === 'phone';
        const first = groups[i]!;
        let { start } = first;
        // With the `+`, or with the bracket before an area code.
        if (isPhone) while (start > 0 && /[+(]/.test(text[start - 1]!)) start--;
        found(value.rule, start, groups[i + value.count - 1]!.end);
        i += value.count;
      }
  }

  #numberAt(
    text: string,
    before: string,
    groups: readonly DigitGroup[],
    from: number,
    hasPlus: boolean,
  ): { readonly rule: MaskRule; readonly count: number } | undefined {
    const { start, digits } = groups[from]!;
    const ends = (count: number): boolean =>
      count > 0 && (hasPlus || isStart(text, start)) && isEnd(text, groups[from + count - 1]!.end);
    if (this.rules.has('card')) {
      const count = cardGroups(groups, from);
      if (ends(count)) return { rule: 'card', count };
    }
    const national = nationalGroups(groups, from, this.rules);
    if (national !== undefined && ends(national.count)) return national;
    if (this.rules.has('us_ssn') && digits.length === SSN_DIGITS && ends(1))
      if (isNamedSsn(digits, before + text.slice(Math.max(0, start - 64), start)))
        return { rule: 'us_ssn', count: 1 };
    if (!this.rules.has('phone') || !(hasPlus || mayBePhone(digits))) return undefined;
    const count = phoneGroups(groups.slice(from, from + 8), hasPlus);
    return ends(count) ? { rule: 'phone', count } : undefined;
  }
}

/** The values in the order of the text. Those that overlap become one, of the rule that is first in MASK_RULES. */
function withoutOverlaps(values: readonly FoundValue[]): FoundValue[] {
  const kept: FoundValue[] = [];
  for (const value of values.toSorted((a, b) => a.start - b.start)) {
    const last = kept.at(-1);
    if (last === undefined || value.start >= last.end) {
      kept.push(value);
      continue;
    }
    const isFirst = MASK_RULES.indexOf(value.rule) < MASK_RULES.indexOf(last.rule);
    const rule = isFirst ? value.rule : last.rule;
    kept[kept.length - 1] = { rule, start: last.start, end: Math.max(last.end, value.end) };
  }
  return kept;
}
