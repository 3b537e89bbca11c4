// The fields of the form that requests data, their problems, and the request that they mean.
// Invariant: filters that the form has no field for stay what they are: an export of the same data has them, too.
import type { ExportAnswer } from '../../../src/control/admin/answers/export-answers.ts';
import { rangeOf } from '../../parts/time-range.ts';
import { typedCount, typedTime } from '../../parts/typed.ts';
import type { Params } from '../../routes.ts';
import { filtersOf, otherFilters, type ExportBody } from './export-text.ts';

/** Names of the fields, in the order of the contract (docs/contracts/portkey.md 5.3). */
export const FIELDS =
  'id trace_id created_at request response ai_provider ai_model request_tokens response_tokens total_tokens cost cost_currency response_time status_code config prompt_slug metadata'.split(
    ' ',
  );
export const FORMATS = ['jsonl', 'csv', 'json', 'parquet'] as const;

export interface ExportFields {
  readonly query: string;
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly limit: string;
  readonly page: string;
  readonly names: readonly string[];
  readonly format: string;
  /** Filters of a client that have no field. */
  readonly others: Readonly<Record<string, unknown>> | undefined;
}

/** To the second, which is what fits the field. */
const fieldTime = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** The fields of a new form: those of another export, or the question that Logs has in its address. */
export function initialFields(of: ExportAnswer | undefined, its: Params, nowMs: number): ExportFields {
  const usual = { limit: '', page: '', names: FIELDS, format: 'jsonl', others: undefined };
  if (of !== undefined) {
    const {
      query = '',
      time_of_generation_min: from = '',
      time_of_generation_max: to = '',
      page_size: limit = '',
      current_page: page = '',
    } = filtersOf(of);
    return {
      query,
      from,
      to,
      name: of.description,
      limit: String(limit),
      page: String(page),
      names: of.requested_data.length === 0 ? FIELDS : of.requested_data.map(String),
      format: of.format,
      others: otherFilters(of),
    };
  }
  const { fromMs, toMs, since } = rangeOf(its, nowMs, '24h');
  const scope = [
    its['env'] === undefined ? '' : `environment:${JSON.stringify(its['env'])}`,
    its['dep'] === undefined ? '' : `deployment:${JSON.stringify(its['dep'])}`,
  ];
  return {
    ...usual,
    query: [...scope, its['q'] === undefined || scope.join('') === '' ? (its['q'] ?? '') : `(${its['q']})`]
      .filter((part) => part !== '')
      .join(' '),
    name: '',
    from: fieldTime(fromMs),
    to: since === undefined ? fieldTime(toMs) : '',
  };
}

export interface ExportProblems {
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly limit: string | undefined;
  readonly page: string | undefined;
}

/** What is wrong with the fields, by their names. */
export function problemsOf({ from, to, limit, page }: ExportFields): ExportProblems {
  const fromMs = typedTime(from);
  const toMs = typedTime(to);
  return {
    from: from === '' || fromMs !== undefined ? undefined : 'Must be a time, such as 2026-11-27T00:00:00Z.',
    to:
      to !== '' && toMs === undefined
        ? 'Must be a time, or empty for now.'
        : fromMs !== undefined && toMs !== undefined && toMs <= fromMs
          ? 'Must be after the start.'
          : undefined,
    limit: limit === '' || typedCount(limit, 1) !== undefined ? undefined : 'Must be a whole number from 1.',
    page: page === '' || typedCount(page, 0) !== undefined ? undefined : 'Must be a whole number from 0.',
  };
}

const isoTyped = (text: string): string => new Date(typedTime(text)!).toISOString();

/** The request that the fields mean; they must have no problem. */
export function bodyOf({
  query,
  name,
  from,
  to,
  limit,
  page,
  names,
  format,
  others,
}: ExportFields): ExportBody {
  return {
    filters: {
      ...others,
      ...(query.trim() === '' ? {} : { query: query.trim() }),
      ...(from === '' ? {} : { time_of_generation_min: isoTyped(from) }),
      ...(to === '' ? {} : { time_of_generation_max: isoTyped(to) }),
      ...(limit === '' ? {} : { page_size: Number(limit) }),
      ...(page === '' ? {} : { current_page: Number(page) }),
    },
    ...(names.length === FIELDS.length ? {} : { requested_data: names }),
    ...(name.trim() === '' ? {} : { description: name.trim() }),
    format,
  };
}
