// The question that an address of Logs means, as parameters of the API.
// Invariant: equal addresses ask the same; what the address does not say has its default. Pure functions.
import type { Params } from '../../routes.ts';
import { rangeOf, rangeQuery } from '../../parts/time-range.ts';

/** Parameters of the routes of logs. */
export type ApiQuery = Readonly<Record<string, string>>;

export type Direction = 'asc' | 'desc';

/** Environment, deployment and kind: what a question is asked of. */
export const scopeQuery = ({ env, dep, kind }: Params): ApiQuery => ({
  ...(env !== undefined && { environment: env }),
  ...(dep !== undefined && { deployment: dep }),
  ...(kind !== undefined && { kind }),
});

/** Scope and text of the query, without times. */
export const filterQuery = (params: Params): ApiQuery => ({
  ...(params['q'] !== undefined && { q: params['q'] }),
  ...scopeQuery(params),
});

/** The whole question: text, scope and times. */
export const questionOf = (params: Params, nowMs: number): ApiQuery => ({
  ...filterQuery(params),
  ...rangeQuery(rangeOf(params, nowMs)),
});

export const directionOf = ({ dir }: Params): Direction => (dir === 'asc' ? 'asc' : 'desc');

/** The number of a record in the address; `undefined` for other texts. */
export const seqOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
