// Routes of long queries: POST /btql/async starts one, and the client comes back for its status and its rows.
// Invariant: a status says how far the query is, and a result that is not complete says so.
// Source: docs/contracts/btql.md 6.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { JobView } from '../../../telemetry/btql/btql.ts';
import { fail, json, queryOf, type Endpoint } from '../endpoint.ts';
import {
  askedQuery,
  btqlOrFail,
  failBtql,
  isRefusal,
  projectNamed,
  sendAnswer,
  type WithBtql,
} from './btql-route.ts';
import { failRequest } from './project-json.ts';

/** Rows on a page of a result. */
const USUAL_ROWS = 1000;
const MOST_ROWS = 10_000;

const iso = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());

/** A job as the API shows it. */
function jobObject({ id, status, figures, outcome, error, ...times }: JobView): object {
  return {
    id,
    status,
    created: iso(times.createdMs),
    started: iso(times.startedMs),
    ended: iso(times.endedMs),
    expires: iso(times.expiresMs),
    progress: { rows_read: figures.read, reached: iso(figures.reachedMs) },
    ...(outcome && { row_count: outcome.rows, bytes: outcome.bytes, query_cursor: outcome.cursor }),
    ...(outcome && outcome.warnings.length > 0 && { warnings: outcome.warnings }),
    ...(error !== undefined && { error }),
  };
}

const failUnknown = (req: IncomingMessage, res: ServerResponse, id: string): void =>
  fail(
    req,
    res,
    'unknown_record',
    `${id.slice(0, 60)}; results are kept for an hour, not more than there is room for, and not over a restart`,
    { text: 'No such query' },
  );

/** A whole number in the query of a request; a text is what is wrong with it. */
function numberOf(params: URLSearchParams, name: string, least: number, usual: number): number | string {
  const text = params.get(name);
  if (text === null || text === '') return usual;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  return value >= least ? value : `${name}: must be a whole number of at least ${least}`;
}

export const btqlJobEndpoints: readonly Endpoint<WithBtql>[] = [
  {
    method: 'POST',
    path: '/btql/async',
    does: 'starts a query that takes long: `{"query", "tz_offset"?, "cursor"?}`; returns its `id` and `status`',
    scope: 'logs:read',
    effect: 'read',
    async handle(context, req, res) {
      const asked = await askedQuery(context, req, res);
      if (asked === undefined) return;
      const { btql, request } = asked;
      const job = await btql.submit(request, (name) => projectNamed(context, name));
      if (isRefusal(job)) return failBtql(req, res, job);
      json(res, 200, jobObject(job));
    },
  },
  {
    method: 'GET',
    path: '/btql/async/{id}',
    does: 'returns the status of a query: `queued`, `running`, `succeeded`, `failed` or `canceled`, and how far it is',
    scope: 'logs:read',
    handle(context, req, res, [id]) {
      const btql = btqlOrFail(context, req, res);
      if (!btql) return;
      const job = btql.jobs.get(id!);
      if (job === undefined) return failUnknown(req, res, id!);
      json(res, 200, jobObject(job));
    },
  },
  {
    method: 'GET',
    path: '/btql/async/{id}/result',
    does: 'returns rows of a query that succeeded, in pages of `limit` (default: 1000) from `cursor` on',
    scope: 'logs:read',
    async handle(context, req, res, [id]) {
      const btql = btqlOrFail(context, req, res);
      if (!btql) return;
      const params = queryOf(req);
      const limit = numberOf(params, 'limit', 1, USUAL_ROWS);
      const from = numberOf(params, 'cursor', 0, 0);
      for (const problem of [limit, from])
        if (typeof problem === 'string') return failRequest(req, res, problem);
      const job = btql.jobs.get(id!);
      if (job === undefined) return failUnknown(req, res, id!);
      const { status, error, outcome } = job;
      if (outcome === undefined) return json(res, 200, { status, rows: [], cursor: null, error });
      const page = await btql.jobs.page(id!, Number(from), Math.min(Number(limit), MOST_ROWS));
      if (page === undefined) return failUnknown(req, res, id!);
      const cursor = page.next === undefined ? null : String(page.next);
      const rest = JSON.stringify({ status, cursor, schema: outcome.schema, warnings: outcome.warnings });
      await sendAnswer(req, res, { body: `{"rows":${page.rows},${rest.slice(1)}\n`, cursor }, 'json');
    },
  },
  {
    method: 'DELETE',
    path: '/btql/async/{id}',
    does: 'cancels a query that waits or runs, or forgets one that has ended',
    scope: 'logs:read',
    effect: 'read',
    handle(context, req, res, [id]) {
      const btql = btqlOrFail(context, req, res);
      if (!btql) return;
      const job = btql.jobs.cancel(id!);
      if (job === undefined) return failUnknown(req, res, id!);
      json(res, 200, jobObject(job));
    },
  },
];
