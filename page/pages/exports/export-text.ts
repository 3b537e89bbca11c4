// Exports as texts: what a job asks for as a query, as a link to Logs, and as curl.
// Invariant: no key is in any of these texts.
import type { ExportAnswer } from '../../../src/control/admin/answers/export-answers.ts';
import { addressOf, type Params } from '../../routes.ts';

/** The filters that the page sets. Others come from clients, and are shown as JSON. */
export interface PageFilters {
  readonly query?: string;
  readonly time_of_generation_min?: string;
  readonly time_of_generation_max?: string;
  readonly page_size?: number;
  readonly current_page?: number;
}

const OWN: ReadonlySet<string> = new Set([
  'query',
  'time_of_generation_min',
  'time_of_generation_max',
  'page_size',
  'current_page',
]);

export const filtersOf = ({
  filters,
}: Pick<ExportAnswer, 'filters'>): PageFilters & Readonly<Record<string, unknown>> =>
  typeof filters === 'object' && filters !== null ? (filters as Record<string, unknown>) : {};

/** Filters that have no place in the form of the page; `undefined`: all have. */
export function otherFilters(
  job: Pick<ExportAnswer, 'filters'>,
): Readonly<Record<string, unknown>> | undefined {
  const others = Object.entries(filtersOf(job)).filter(([name]) => !OWN.has(name));
  return others.length === 0 ? undefined : Object.fromEntries(others);
}

/** The same question in Logs; `undefined` if it cannot be asked there. */
export function logsAddress(job: Pick<ExportAnswer, 'filters'>): string | undefined {
  if (otherFilters(job) !== undefined) return undefined;
  const { query = '', time_of_generation_min: from, time_of_generation_max: to } = filtersOf(job);
  const its: Params = {
    q: query,
    kind: 'request',
    ...(typeof from === 'string' ? { start: from } : {}),
    ...(typeof from === 'string' && typeof to === 'string' ? { end: to } : {}),
  };
  return addressOf({ page: 'logs' }, its);
}

/** The body of a request for an export, without what has its default. */
export interface ExportBody {
  readonly filters: PageFilters;
  readonly requested_data?: readonly string[];
  readonly description?: string;
  readonly format?: string;
}

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** A command that makes the same export; the key is taken from the environment. */
export const curlOf = (origin: string, body: unknown): string =>
  [
    `curl ${origin}/v1/logs/exports`,
    `-H "Authorization: Bearer $WEIR_KEY"`,
    `-H 'Content-Type: application/json'`,
    `-d ${quoted(JSON.stringify(body))}`,
  ].join(' \\\n  ');
