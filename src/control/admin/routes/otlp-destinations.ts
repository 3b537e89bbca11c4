// Routes of OTLP destinations, which the API calls connections.
// Invariant: no response contains the value of a header, and a change is acknowledged after it is on disk.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OtlpExport, StoredCount } from '../../../telemetry/otlp-export/otlp-export.ts';
import { noteMade } from '../audit.ts';
import { jsonBody } from '../read-body.ts';
import type { ConnectionCount } from '../answers/settings-answers.ts';
import { fail, json, queryOf, type Endpoint } from '../endpoint.ts';
import { withParam } from '../with-param.ts';
import { failCaptureOff, failQuery } from './logs.ts';

/** Modules of these routes. */
export interface WithConnections {
  /** `undefined`: logs.capture is off. */
  readonly connections: OtlpExport | undefined;
}

const ONE = '/v1/otel/connections/{id}';

const routes: readonly Endpoint<{ readonly connections: OtlpExport }>[] = [
  {
    method: 'GET',
    path: '/v1/otel/connections',
    does: 'returns all connections to OTLP receivers; `with=status` adds the status of each, `with=waiting` the number of stored records that it wants and has not sent; header values are shown as `***`',
    scope: 'export',
    async handle({ connections }, req, res) {
      const asked = withParam(queryOf(req), ['status', 'waiting']);
      if ('problems' in asked) return failQuery(req, res, asked.problems);
      const all = connections.list().map(async (one) => {
        const waiting = asked.has('waiting') ? await connections.waiting(one.id) : undefined;
        return {
          ...one,
          ...(asked.has('status') && { status: connections.status(one.id) }),
          ...(waiting && { waiting: countJson(waiting) }),
        };
      });
      json(res, 200, { connections: await Promise.all(all) });
    },
  },
  {
    method: 'POST',
    path: '/v1/otel/connections',
    does: 'creates a connection from `{"endpoint_url", "header_name", "header_value", …}`; it starts sending at once',
    scope: 'export',
    effect: 'change',
    async handle({ connections }, req, res) {
      const body = await jsonBody(req, res);
      if (body === undefined) return;
      const made = await connections.create(body.value);
      if ('problems' in made) fail(req, res, 'bad_request', made.problems.join('; '));
      else {
        noteMade(res, `connection ${made.shown.id}`);
        json(res, 201, made.shown);
      }
    },
  },
  {
    method: 'POST',
    path: '/v1/otel/connections/count',
    does: 'counts the stored records that fit `signal`, `min_level` and `query` of the body, and makes no connection; one with `start_from: earliest` would send so many',
    scope: 'export',
    effect: 'read',
    async handle({ connections }, req, res) {
      const body = await jsonBody(req, res);
      if (body === undefined) return;
      const counted = await connections.count(body.value);
      if ('problems' in counted) fail(req, res, 'bad_request', counted.problems.join('; '));
      else json(res, 200, countJson(counted));
    },
  },
  {
    method: 'GET',
    path: ONE,
    does: 'returns one connection',
    scope: 'export',
    handle: ({ connections }, req, res, [id]) => sendOrFail(req, res, id!, connections.get(id!)),
  },
  {
    method: 'PATCH',
    path: ONE,
    does: 'changes the given fields; `null` restores a default, a new `start_from` moves the cursor',
    scope: 'export',
    effect: 'change',
    async handle({ connections }, req, res, [id]) {
      const body = await jsonBody(req, res);
      if (body === undefined) return;
      const changed = await connections.change(id!, body.value);
      if (changed !== undefined && 'problems' in changed)
        fail(req, res, 'bad_request', changed.problems.join('; '));
      else sendOrFail(req, res, id!, changed?.shown);
    },
  },
  {
    method: 'DELETE',
    path: ONE,
    does: 'removes a connection; nothing more is sent',
    scope: 'export',
    effect: 'change',
    async handle({ connections }, req, res, [id]) {
      const removed = await connections.remove(id!);
      if (typeof removed !== 'boolean') return fail(req, res, 'bad_request', removed.problems.join('; '));
      if (!removed) return sendOrFail(req, res, id!, undefined);
      res.writeHead(204).end();
    },
  },
  {
    method: 'POST',
    path: `${ONE}/test`,
    does: 'sends one test record and returns `ok`, `status`, `message` and `duration_ms`',
    scope: 'export',
    effect: 'read',
    async handle({ connections }, req, res, [id]) {
      sendOrFail(req, res, id!, await connections.test(id!));
    },
  },
  {
    method: 'GET',
    path: `${ONE}/status`,
    does: 'returns the state: cursor, queue, lag, sent, rejected, dropped, last error, last response, `paused_since`, `next_try_at`; `paused`: the receiver rejects the credentials or the URL (401, 402, 403, 404, 405, 407 or a redirect); weir keeps trying and drops nothing',
    scope: 'export',
    handle: ({ connections }, req, res, [id]) => sendOrFail(req, res, id!, connections.status(id!)),
  },
];

/** Without a log store there is nothing to export, and the routes return an error. */
export const destinationEndpoints: readonly Endpoint<WithConnections>[] = routes.map((route) => ({
  ...route,
  handle: ({ connections }, req, res, params) =>
    connections ? route.handle({ connections }, req, res, params) : failCaptureOff(req, res),
}));

const countJson = ({ count, isExact }: StoredCount): ConnectionCount => ({ count, is_exact: isExact });

function sendOrFail(req: IncomingMessage, res: ServerResponse, id: string, what: unknown): void {
  if (what === undefined) fail(req, res, 'unknown_route', id.slice(0, 100), { text: 'No such connection' });
  else json(res, 200, what);
}
