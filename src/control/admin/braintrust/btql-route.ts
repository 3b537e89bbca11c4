// POST /btql: queries over the rows of projects (docs/contracts/btql.md).
// Invariant: a query that is not understood is refused with its place; none is answered in part without a warning.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Btql, BtqlProblem, BtqlRequest, FindProject } from '../../../telemetry/btql/btql.ts';
import { fail, setErrorForm, type Endpoint } from '../endpoint.ts';
import { acceptsGzip } from '../../../protocol/http/accept-coding.ts';
import { isClosed } from '../logs/paged-search.ts';
import { jsonBody } from '../read-body.ts';
import { braintrustError } from './braintrust-error.ts';
import { failRequest, fieldsOf, textField } from './project-json.ts';
import { functionObject, type WithScoring } from './score-json.ts';

/** Modules of this route. */
export interface WithBtql extends WithScoring {
  /** `undefined`: nothing is stored. */
  readonly btql: Btql | undefined;
}

const compressed = promisify(gzip);
/** Bodies of fewer bytes are sent as they are. */
const LEAST_COMPRESSED = 1400;
/** Minutes of the zone that is the farthest from UTC. */
const MAX_WEST = 14 * 60;

/** Reads a request. A text is what is wrong with it. Unknown members are ignored, since clients send some. */
function readBtqlRequest(fields: Readonly<Record<string, unknown>>): BtqlRequest | string {
  const { query, fmt = 'json', cursor, tz_offset: west = 0 } = fields;
  if (typeof query !== 'string' && (typeof query !== 'object' || query === null))
    return 'query: must be a text or a tree';
  if (fmt !== 'json' && fmt !== 'jsonl' && fmt !== null)
    return `fmt: ${JSON.stringify(fmt)?.slice(0, 40)} is not supported; use "json" or "jsonl"`;
  if (typeof west !== 'number' || !Number.isFinite(west) || Math.abs(west) > MAX_WEST)
    return 'tz_offset: must be the minutes that the time zone is behind UTC, for example 480';
  // Without it the client would get the first page again.
  if ((cursor ?? null) !== null && typeof cursor !== 'string') return 'cursor: must be a text, or null';
  return { query, cursor: textField(cursor), westMinutes: west, format: fmt ?? 'json' };
}

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** A project by its id or name. A deleted one still has rows, which its id finds. */
export function projectNamed({ projects, scoring }: WithBtql, name: string): ReturnType<FindProject> {
  const known = projects.get(name) ?? projects.find(name);
  if (known === undefined && !UUID.test(name)) return undefined;
  const { id, orgId } = known ?? { id: name, orgId: projects.organizations[0].id };
  const functions = () => (scoring?.functions ?? []).filter(({ projectId }) => projectId === id);
  return { id, orgId, functions: () => functions().map(functionObject) };
}

/** Sends the error response of a query, with its place. */
function failQuery(req: IncomingMessage, res: ServerResponse, { problem, position }: BtqlProblem): void {
  setErrorForm(req, (error) => {
    const formed = braintrustError(error, req)!;
    return position === undefined ? formed : { ...formed, body: { ...formed.body, position } };
  });
  const place = position === undefined ? '' : ` at line ${position.line}, column ${position.column}`;
  fail(req, res, 'bad_request', problem, { text: `Invalid query${place}` });
}

/** Why a query is not run. */
type BtqlRefusal = BtqlProblem | { readonly unknownProject: string } | 'busy';

export const isRefusal = (result: object | 'busy'): result is BtqlRefusal =>
  result === 'busy' || 'problem' in result || 'unknownProject' in result;

/** Sends the error response of a query that is not run. */
export function failBtql(req: IncomingMessage, res: ServerResponse, refusal: BtqlRefusal): void {
  if (refusal === 'busy')
    return fail(req, res, 'rate_limited', '', { text: 'Too many queries are running; try again later' });
  if ('problem' in refusal) return failQuery(req, res, refusal);
  const name = JSON.stringify(refusal.unknownProject.slice(0, 100));
  failQuery(req, res, { problem: `there is no project ${name}` });
}

/** The module that runs queries. Sends an error response if nothing is stored. */
export function btqlOrFail({ btql }: WithBtql, req: IncomingMessage, res: ServerResponse): Btql | undefined {
  if (btql === undefined) fail(req, res, 'unknown_record', 'see logs.capture', { text: 'Nothing is stored' });
  return btql;
}

/** The query in a body. Sends an error response and returns `undefined` if there is none, or nothing is stored. */
export async function askedQuery(
  context: WithBtql,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<{ readonly btql: Btql; readonly request: BtqlRequest } | undefined> {
  const body = await jsonBody(req, res);
  const btql = body && btqlOrFail(context, req, res);
  if (!btql) return undefined;
  const request = readBtqlRequest(fieldsOf(body.value));
  if (typeof request !== 'string') return { btql, request };
  failRequest(req, res, request);
  return undefined;
}

/** Sends rows, compressed if the client accepts it. */
export async function sendAnswer(
  req: IncomingMessage,
  res: ServerResponse,
  { body, cursor }: { readonly body: string; readonly cursor: string | null },
  format: BtqlRequest['format'],
): Promise<void> {
  let bytes = Buffer.from(body);
  const headers = [
    'Content-Type',
    format === 'jsonl' ? 'application/x-ndjson' : 'application/json',
    'Cache-Control',
    'no-store',
    'Vary',
    'Accept-Encoding',
    ...(cursor === null ? [] : ['x-bt-cursor', cursor]),
  ];
  if (bytes.length >= LEAST_COMPRESSED && acceptsGzip(req.headers['accept-encoding'])) {
    bytes = await compressed(bytes);
    headers.push('Content-Encoding', 'gzip');
  }
  res.writeHead(200, [...headers, 'Content-Length', String(bytes.length)]);
  res.end(bytes);
}

export const btqlEndpoints: readonly Endpoint<WithBtql>[] = [
  {
    method: 'POST',
    path: '/btql',
    does: 'runs a query over the rows of projects: `{"query", "fmt"?, "tz_offset"?, "cursor"?}`; the query is BTQL, SQL or a tree',
    scope: 'logs:read',
    effect: 'read',
    async handle(context, req, res) {
      const asked = await askedQuery(context, req, res);
      if (asked === undefined) return;
      const { btql, request } = asked;
      const result = await btql.run(
        request,
        (name) => projectNamed(context, name),
        () => !isClosed(res),
      );
      if (result === undefined || isClosed(res)) return;
      if (isRefusal(result)) return failBtql(req, res, result);
      await sendAnswer(req, res, result, request.format);
    },
  },
];
