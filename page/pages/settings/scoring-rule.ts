// A scoring rule as the API has it, and as the form edits it (docs/contracts/scoring.md 1).
// Invariant: what the form does not know of a rule, or what was not changed in it, is not sent, so that it stays as it is.

import { typedCount } from '../../parts/typed.ts';

export const RULES = '/v1/project_score';
export const rulePath = (id: string): string => `${RULES}/${encodeURIComponent(id)}`;

export interface RuleScorer {
  readonly type: 'global' | 'function';
  readonly name?: string;
  readonly id?: string;
  readonly options?: unknown;
}

export interface OnlineConfig {
  readonly sampling_rate: number;
  readonly scorers: readonly RuleScorer[];
  readonly filter?: string | null;
  readonly btql_filter?: string | null;
  readonly apply_to_root_span?: boolean;
  readonly apply_to_span_names?: readonly string[] | null;
  readonly source?: 'spans' | 'requests';
}

export interface RuleStatus {
  readonly state: 'running' | 'retrying' | 'paused' | 'off';
  readonly reason: string | null;
  readonly retry_at: string | null;
  readonly behind_records: number;
  readonly behind_seconds: number;
  readonly scored: number;
  readonly failed: number;
  readonly skipped: Readonly<Record<string, number>>;
  readonly cost: Readonly<Record<string, number>>;
  readonly last_error: string;
  readonly backfill: RuleBackfill | null;
}

export interface RuleBackfill {
  readonly state: string;
  readonly progress: number;
  readonly scored: number;
  readonly failed: number;
  readonly started_at: string;
}

export interface Rule {
  readonly id: string;
  readonly project_id: string | null;
  readonly name: string;
  readonly description: string;
  readonly config: { readonly online: OnlineConfig };
  readonly status?: RuleStatus;
}

/** A stored scorer of GET /v1/function. */
export interface StoredScorer {
  readonly id: string;
  readonly name: string;
  readonly kind: 'code' | 'judge';
}

/** A record of a test. */
export interface TestedRecord {
  readonly id: string;
  readonly span_id: string;
  readonly root_span_id: string;
  readonly name: string;
  readonly created: string;
  readonly is_in_sample: boolean;
  readonly scores: Readonly<Record<string, number | null>>;
  readonly results: readonly { readonly scorer: string; readonly error?: string }[];
}

export interface TestAnswer {
  readonly records: readonly TestedRecord[];
  readonly examined: number;
  readonly is_complete: boolean;
}

/** Scorers of weir, and the options that each needs or takes (docs/contracts/scorers.md 1). */
export const GLOBAL_SCORERS = [
  ['ExactMatch', 'output and expected are equal'],
  ['Levenshtein', 'similarity of output and expected, by edit distance'],
  ['NumericDiff', 'similarity of two numbers'],
  ['JSONDiff', 'similarity of two JSON values'],
  ['ListContains', 'similarity of the items of two lists'],
  ['ValidJSON', 'the output is valid JSON, and fits the schema if one is given'],
  ['Contains', 'the output contains a text'],
  ['Regex', 'the output matches a regular expression'],
  ['MaxLength', 'the output is short enough'],
] as const;

/** The option of a scorer that is typed as a text: its name, and how the text becomes a value. */
const TEXT_OPTION: Readonly<Record<string, readonly [string, (text: string) => unknown]>> = {
  Contains: ['text', String],
  Regex: ['pattern', String],
  MaxLength: ['max', Number],
};

/** What is wrong with the option of a chosen scorer. */
export function optionProblem(scorer: string, text: string): string | undefined {
  if (scorer === 'Regex') return text === '' ? 'Needed.' : undefined;
  if (scorer === 'MaxLength')
    return typedCount(text, 0) === undefined ? 'Must be a whole number of characters.' : undefined;
  return undefined;
}

export const optionName = (scorer: string): string | undefined => TEXT_OPTION[scorer]?.[0];

/** Fields of the form. */
export interface RuleFields {
  readonly name: string;
  readonly source: 'spans' | 'requests';
  readonly project: string;
  readonly filter: string;
  readonly percent: string;
  /** `ExactMatch`, or the id of a stored scorer. */
  readonly scorers: readonly string[];
  /** Texts of options by the name of the scorer. */
  readonly options: Readonly<Record<string, string>>;
  readonly isRootOnly: boolean;
}

const scorerKey = ({ name, id }: RuleScorer): string => name ?? id ?? '';

export function fieldsOfRule(rule: Rule | undefined, project: string): RuleFields {
  const online = rule?.config.online;
  return {
    name: rule?.name ?? '',
    source: online?.source ?? 'requests',
    project,
    filter: online?.filter ?? '',
    percent: online === undefined ? '100' : String(Number((online.sampling_rate * 100).toPrecision(6))),
    scorers: online?.scorers.map(scorerKey) ?? [],
    options: Object.fromEntries(
      (online?.scorers ?? []).flatMap((one) => {
        const name = optionName(one.name ?? '');
        const value =
          name === undefined ? undefined : (one.options as Record<string, unknown> | undefined)?.[name];
        return typeof value === 'string' || typeof value === 'number' ? [[one.name!, String(value)]] : [];
      }),
    ),
    isRootOnly: online?.apply_to_root_span ?? false,
  };
}

/** The scorers of the fields. Options that the form has no field for are those of `old`. */
const scorersOf = ({ scorers, options }: RuleFields, old: OnlineConfig | undefined): RuleScorer[] =>
  scorers.map((key): RuleScorer => {
    const isGlobal = GLOBAL_SCORERS.some(([name]) => name === key);
    if (!isGlobal) return { type: 'function', id: key };
    const [option, read] = TEXT_OPTION[key] ?? [];
    const known = old?.scorers.find((one) => scorerKey(one) === key)?.options;
    const given: Record<string, unknown> = { ...(known as object | undefined) };
    const text = options[key] ?? '';
    if (option !== undefined) {
      delete given[option];
      if (text !== '') given[option] = read!(text);
    }
    return { type: 'global', name: key, ...(Object.keys(given).length > 0 && { options: given }) };
  });

/** The whole config of the fields, on top of that of the rule that is edited: for a new rule, and for a test. */
export function configOf(fields: RuleFields, old: OnlineConfig | undefined): OnlineConfig {
  const { filter: _filter, apply_to_root_span: _root, ...kept } = old ?? {};
  const { source } = fields;
  return {
    ...kept,
    source,
    sampling_rate: Number(fields.percent) / 100,
    scorers: scorersOf(fields, old),
    ...(fields.filter.trim() === '' ? {} : { filter: fields.filter.trim() }),
    ...(source === 'spans' && fields.isRootOnly ? { apply_to_root_span: true } : {}),
  };
}

/** The body of a PATCH: what of `edits` differs from the rule. Empty: nothing does. */
export function changesOfRule(edits: Partial<RuleFields>, old: Rule): Readonly<Record<string, unknown>> {
  const before = fieldsOfRule(old, '');
  const fields = { ...before, ...edits };
  const isChanged = (name: keyof RuleFields): boolean =>
    JSON.stringify(fields[name]) !== JSON.stringify(before[name]);
  const online = {
    ...(isChanged('filter') && { filter: fields.filter.trim() }),
    ...(isChanged('percent') && { sampling_rate: Number(fields.percent) / 100 }),
    ...((isChanged('scorers') || isChanged('options')) && { scorers: scorersOf(fields, old.config.online) }),
    ...(isChanged('isRootOnly') && { apply_to_root_span: fields.isRootOnly }),
  };
  return {
    ...(isChanged('name') && { name: fields.name.trim() }),
    ...(Object.keys(online).length > 0 && { config: { online } }),
  };
}
