// GET and POST /v1/project_logs/{id}/fetch: the rows of a project, trace by trace.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendJson } from '../../../protocol/http/json-response.ts';
import { queryOf, type Endpoint } from '../endpoint.ts';
import { jsonBody } from '../read-body.ts';
import { logsOrFail } from '../routes/logs.ts';
import type { WithTraces } from '../routes/traces.ts';
import { formatCursor, readFetch } from './fetch-query.ts';
import { failRequest, fieldsOf, type WithProjects } from './project-json.ts';
import { projectOrFail } from './project-routes.ts';
import { fetchRows } from './project-traces.ts';

/** Modules of these routes. */
export interface WithFetch extends WithProjects, Pick<WithTraces, 'spansOf'> {}

const PATH = '/v1/project_logs/{id}/fetch';
const DOES =
  'returns rows of a project, the newest traces first, with the requests that weir served in them: `limit` (traces), `cursor`, `max_xact_id`, `max_root_span_id`, `version`';

async function fetchPage(
  context: WithFetch,
  id: string,
  fields: Readonly<Record<string, unknown>>,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const logs = logsOrFail(context, req, res);
  if (!logs) return;
  const query = readFetch(fields, logs);
  if (typeof query === 'string') return failRequest(req, res, query);
  const page = await fetchRows({ logs, spansOf: context.spansOf }, id, query, res);
  if (page === undefined) return;
  // A project may have rows and not be listed, for example after the list was lost.
  const isEmpty = page.rows.length === 0 && page.next === undefined;
  if (isEmpty && projectOrFail(context, req, res, id) === undefined) return;
  // Without indentation, since a page may have thousands of rows.
  const text = JSON.stringify({ events: page.rows, cursor: page.next ? formatCursor(page.next) : null });
  sendJson(res, 200, text, ['Cache-Control', 'no-store']);
}

export const fetchEndpoints: readonly Endpoint<WithFetch>[] = [
  {
    method: 'GET',
    path: PATH,
    does: DOES,
    scope: 'logs:read',
    handle: (context, req, res, [id]) => fetchPage(context, id!, Object.fromEntries(queryOf(req)), req, res),
  },
  {
    method: 'POST',
    path: PATH,
    does: `${DOES}; and \`filters\`, which select single rows by the value at a path`,
    scope: 'logs:read',
    effect: 'read',
    async handle(context, req, res, [id]) {
      const body = await jsonBody(req, res);
      if (body) await fetchPage(context, id!, fieldsOf(body.value), req, res);
    },
  },
];
