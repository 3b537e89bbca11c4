// The built-in rules of masking: their names, in the order in which they apply.
// Invariant: each name is in the settings, in replacements such as `[email]`, and in the metrics, spelled the same.

/** National numbers. The rule `national_id` stands for all of them. */
const NATIONAL_RULES = [
  'us_ssn',
  'uk_nino',
  'ca_sin',
  'de_tax_id',
  'fr_nir',
  'es_dni',
  'it_cf',
  'ch_ahv',
  'pl_pesel',
  'br_cpf',
  'in_aadhaar',
  'cn_id',
] as const;

/** Where several rules match the same text, the first one in this list counts. */
export const MASK_RULES = ['email', 'iban', 'card', ...NATIONAL_RULES, 'phone'] as const;

/** A rule that `[name]` replaces. */
export type MaskRule = (typeof MASK_RULES)[number];

/** Words of the settings: the rules, and `national_id`. */
export const MASK_WORDS: readonly string[] = [...MASK_RULES, 'national_id'];

/** The rules that words of the settings name. Unknown words are left out. */
export function rulesOf(words: readonly string[]): ReadonlySet<MaskRule> {
  const all = words.includes('national_id') ? [...words, ...NATIONAL_RULES] : words;
  return new Set(MASK_RULES.filter((rule) => all.includes(rule)));
}

/** A value that a rule found, from `start` to before `end`. */
export interface FoundValue {
  readonly rule: MaskRule;
  readonly start: number;
  readonly end: number;
}

/** Is told of each value that a rule finds. */
export type OnFound = (rule: MaskRule, start: number, end: number) => void;
