// Routes of the connections to OTLP receivers.
// Must stay true: no answer holds a header's value; a change is answered when it is on disk.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OtlpExport } from '../../../telemetry/otlp-export/otlp-export.ts';
import { jsonBody } from '../read-body.ts';
import { fail, json, type Endpoint } from '../endpoint.ts';
import { nothingRecorded } from './logs.ts';

/** What these routes need to know. */
export interface WithConnections {
  /** `undefined`: nothing is recorded. */
  readonly connections: OtlpExport | undefined;
}

const ONE = '/v1/otel/connections/{id}';

const routes: readonly Endpoint<{ readonly connections: OtlpExport }>[] = [
  {
    method: 'GET',
    path: '/v1/otel/connections',
    does: 'every connection to an OTLP receiver, header values as `***`',
    scope: 'export',
    answer: ({ connections }, _, res) => json(res, 200, { connections: connections.list() }),
  },
  {
    method: 'POST',
    path: '/v1/otel/connections',
    does: 'makes a connection: `{"endpoint_url", "header_name", "header_value", …}`; it sends from now on',
    scope: 'export',
    async answer({ connections }, req, res) {
      const body = await jsonBody(req, res);
      if (body === undefined) return;
      const made = await connections.create(body.value);
      if ('problems' in made) fail(req, res, 'bad_request', made.problems.join('; '));
      else json(res, 201, made.shown);
    },
  },
  {
    method: 'GET',
    path: ONE,
    does: 'one of them',
    scope: 'export',
    answer: ({ connections }, req, res, [id]) => found(req, res, id!, connections.get(id!)),
  },
  {
    method: 'PATCH',
    path: ONE,
    does: 'changes what is given; `null` sets back to the default, another `start_from` places it anew',
    scope: 'export',
    async answer({ connections }, req, res, [id]) {
      const body = await jsonBody(req, res);
      if (body === undefined) return;
      const changed = await connections.change(id!, body.value);
      if (changed !== undefined && 'problems' in changed)
        fail(req, res, 'bad_request', changed.problems.join('; '));
      else found(req, res, id!, changed?.shown);
    },
  },
  {
    method: 'DELETE',
    path: ONE,
    does: 'removes it: nothing more is sent, at once',
    scope: 'export',
    async answer({ connections }, req, res, [id]) {
      const removed = await connections.remove(id!);
      if (typeof removed !== 'boolean') return fail(req, res, 'bad_request', removed.problems.join('; '));
      if (!removed) return found(req, res, id!, undefined);
      res.writeHead(204).end();
    },
  },
  {
    method: 'POST',
    path: `${ONE}/test`,
    does: 'sends one record that says that it is a test, and tells what the receiver answered',
    scope: 'export',
    async answer({ connections }, req, res, [id]) {
      found(req, res, id!, await connections.test(id!));
    },
  },
  {
    method: 'GET',
    path: `${ONE}/status`,
    does: 'how far it is: cursor, queue, lag, sent, rejected, dropped, last error; `paused`: the receiver refuses who sends (401, 402, 403, 404, 405, 407 or a redirect), which is asked again and again, and nothing is given up',
    scope: 'export',
    answer: ({ connections }, req, res, [id]) => found(req, res, id!, connections.status(id!)),
  },
];

/** Without a record there is nothing to send, and nobody who would. */
export const otelEndpoints: readonly Endpoint<WithConnections>[] = routes.map((route) => ({
  ...route,
  answer: ({ connections }, req, res, names) =>
    connections ? route.answer({ connections }, req, res, names) : nothingRecorded(req, res),
}));

function found(req: IncomingMessage, res: ServerResponse, id: string, what: unknown): void {
  if (what === undefined) fail(req, res, 'unknown_route', id.slice(0, 100), { text: 'No such connection' });
  else json(res, 200, what);
}
