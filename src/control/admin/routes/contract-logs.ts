// Log API of the serving contract: log lines of a deployment or environment.
// Invariant: parameters, limits and the response are those of docs/contracts/serving.md 8.1.
// Returns log lines and the lifecycle events of the deployment and of weir as a whole. The record of a request itself
// is included only with `request_id`, so that counts are those of the model's log.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { unknownName } from '../../../core/nearest-name.ts';
import { EARLIEST_NS, LATEST_NS } from '../../../core/time.ts';
import {
  apiLevel,
  FILTERS,
  contractQuery,
  type LogRecord,
  type LogStore,
  type QueryNode,
} from '../../../telemetry/logs/logs.ts';
import { jsonBody } from '../read-body.ts';
import { fail, json, queryOf, type Endpoint } from '../endpoint.ts';
import { allOf } from '../logs/search-params.ts';
import { pagedSearch } from '../logs/paged-search.ts';
import { failQuery, failTarget, logsOrFail, type WithLogs } from './logs.ts';

/** Modules of these routes. */
export interface WithModel extends WithLogs {
  readonly modelId: string;
  /** Configured deployments and environments. */
  readonly targets: () => {
    readonly deployments: readonly string[];
    readonly environments: readonly string[];
  };
}

const DEFAULT_WINDOW_MS = 30 * 60_000;
const MAX_WINDOW_MS = 7 * 86_400_000;
const LATEST_MS = Number(LATEST_NS / 1_000_000n) - 1;
const SEARCH_MS = 30_000;

type Of = 'deployment' | 'environment';
type Given = Readonly<Record<string, unknown>>;

const route = (method: 'GET' | 'POST', of: Of): Endpoint<WithModel> => ({
  method,
  path: `/v1/models/{model}/${of}s/{${of}}/logs`,
  does:
    method === 'GET'
      ? `returns log lines of ${of === 'deployment' ? 'a deployment' : 'an environment'}, as the serving contract defines; with \`request_id\` also the record of the request`
      : 'the same as the route above, with the parameters in a JSON body',
  scope: 'logs:read',
  effect: 'read',
  async handle(context, req, res, params) {
    const logs = logsOrFail(context, req, res);
    if (!logs) return;
    const given = method === 'GET' ? fromQuery(queryOf(req), req, res) : await fromBody(req, res);
    if (given) await sendLogs(context, logs, of, params as [string, string], given, req, res);
  },
});

export const contractLogEndpoints: readonly Endpoint<WithModel>[] = [
  route('GET', 'deployment'),
  route('POST', 'deployment'),
  route('GET', 'environment'),
  route('POST', 'environment'),
];

async function sendLogs(
  { modelId, targets }: WithModel,
  logs: LogStore,
  of: Of,
  [model, target]: readonly [string, string],
  given: Given,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  if (model !== modelId) return failTarget(req, res, `model ${model.slice(0, 100)}`);
  const scope = equal(of, target);
  if (!targets()[`${of}s`].includes(target)) {
    // A removed deployment or environment may still have records.
    const all = { fromNs: EARLIEST_NS, toNs: LATEST_NS };
    const query = { node: scope, ...all, direction: 'down' as const, after: undefined, limit: 1 };
    const found = await pagedSearch(logs, query, res);
    if (!found) return;
    if (found.records.length === 0) return failTarget(req, res, `${of} ${target.slice(0, 100)}`);
  }
  const filter = contractQuery(Object.fromEntries(FILTERS.map((name) => [name, given[name]])));
  const window = windowOf(given, Date.now());
  if ('problems' in filter || 'problems' in window) {
    const filters =
      'problems' in filter ? filter.problems.map(({ name, problem }) => `${name}: ${problem}`) : [];
    return failQuery(req, res, [...filters, ...('problems' in window ? window.problems : [])]);
  }
  const kinds: QueryNode =
    typeof given['request_id'] === 'string' && given['request_id'] !== ''
      ? { op: 'not', of: { op: 'or', of: [equal('kind', 'span'), equal('kind', 'annotation')] } }
      : { op: 'or', of: [equal('kind', 'line'), equal('kind', 'event')] };
  const query = { ...window, node: allOf([within(scope), kinds, filter.node]), after: undefined };
  const found = await pagedSearch(logs, query, res, { searchMs: SEARCH_MS });
  if (!found) return;
  // This API has no cursor, so an incomplete result would look complete.
  if (found.isPartial) return fail(req, res, 'search_timeout', 'use a shorter time span');
  json(res, 200, { logs: found.records.map(contractLine) });
}

const equal = (name: string, value: string): QueryNode => ({ op: 'field', name, compare: '=', value });

const without = (name: string): QueryNode => ({ op: 'not', of: { op: 'exists', name } });

/** Records of a target: its own, and lifecycle events of weir as a whole, which name no deployment. */
const within = (scope: QueryNode): QueryNode => ({
  op: 'or',
  of: [scope, allOf([equal('kind', 'event'), without('deployment'), without('environment')])],
});

const contractLine = ({ timeNs, message, replica, requestId, severity }: LogRecord) => ({
  timestamp: String(timeNs),
  message,
  replica: replica === '' ? null : replica,
  request_id: requestId === '' ? null : requestId,
  level: apiLevel(severity) ?? null,
});

/** Known parameters and fields (contract 8.1). */
const KNOWN: readonly string[] = ['start_epoch_millis', 'end_epoch_millis', 'direction', 'limit', ...FILTERS];
const LISTS: ReadonlySet<string> = new Set(['includes', 'excludes']);

/** Parameters of a query string. Numbers stay text; names of lists may end in []. */
function fromQuery(query: URLSearchParams, req: IncomingMessage, res: ServerResponse): Given | undefined {
  const given: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const raw of new Set(query.keys())) {
    const name = raw.endsWith('[]') && LISTS.has(raw.slice(0, -2)) ? raw.slice(0, -2) : raw;
    const values = query.getAll(raw);
    if (!KNOWN.includes(name)) problems.push(unknownName('parameter', raw, KNOWN));
    else if (LISTS.has(name)) given[name] = [...((given[name] as string[] | undefined) ?? []), ...values];
    else if (values.length > 1) problems.push(`${name} is given more than once`);
    else given[name] = values[0];
  }
  if (problems.length === 0) return given;
  failQuery(req, res, problems);
  return undefined;
}

async function fromBody(req: IncomingMessage, res: ServerResponse): Promise<Given | undefined> {
  const body = await jsonBody(req, res);
  if (body === undefined) return undefined;
  if (typeof body.value === 'object' && body.value !== null && !Array.isArray(body.value))
    return knownFields(body.value, req, res);
  failQuery(req, res, ['the body must be a JSON object']);
  return undefined;
}

/** The fields of a body, unless some are unknown. */
function knownFields(body: object, req: IncomingMessage, res: ServerResponse): Given | undefined {
  const unknown = Object.keys(body).filter((name) => !KNOWN.includes(name));
  if (unknown.length === 0) return body as Given;
  failQuery(
    req,
    res,
    unknown.map((name) => unknownName('field', name, KNOWN)),
  );
  return undefined;
}

interface Window {
  readonly fromNs: bigint;
  readonly toNs: bigint;
  readonly direction: 'up' | 'down';
  readonly limit: number;
}

function windowOf(given: Given, nowMs: number): Window | { readonly problems: readonly string[] } {
  const problems: string[] = [];
  const whole = (name: string, min: number, most: number, fallback: number): number => {
    const value = given[name];
    if (value === undefined || value === null || value === '') return fallback;
    const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
    if (Number.isSafeInteger(number) && (number as number) >= min && (number as number) <= most)
      return number as number;
    problems.push(`${name}: must be a whole number from ${min} to ${most}`);
    return fallback;
  };
  const endMs = whole('end_epoch_millis', 0, LATEST_MS, nowMs);
  const startMs = whole('start_epoch_millis', 0, LATEST_MS, Math.max(0, endMs - DEFAULT_WINDOW_MS));
  const limit = whole('limit', 1, 1000, 500);
  const direction = given['direction'] ?? 'desc';
  if (direction !== 'asc' && direction !== 'desc') problems.push('direction: must be asc or desc');
  if (startMs > endMs) problems.push('end_epoch_millis: must not be before start_epoch_millis');
  if (endMs - startMs > MAX_WINDOW_MS)
    problems.push('start_epoch_millis: must be at most 7 days before end_epoch_millis');
  if (problems.length > 0) return { problems };
  return {
    fromNs: BigInt(startMs) * 1_000_000n,
    // The end includes its whole millisecond, since clients page by the millisecond of the oldest line.
    toNs: BigInt(endMs) * 1_000_000n + 999_999n,
    direction: direction === 'asc' ? 'up' : 'down',
    limit,
  };
}
