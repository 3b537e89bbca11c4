// GET /v1/logs: search, live tail and download, with the same query parameters.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { DAY_NS, EARLIEST_NS, LATEST_NS, MINUTE_NS, nowNs } from '../../../core/time.ts';
import type { LogRecord, LogStore, Place, QueryNode, SearchQuery } from '../../../telemetry/logs/logs.ts';
import { fail, failProblems, queryOf, type Endpoint, type ParamProblem } from '../endpoint.ts';
import {
  choiceParam,
  cursorOf,
  placeParam,
  readSearchParams,
  wholeNumberParam,
  type SearchParams,
} from '../logs/search-params.ts';
import { acceptedFormat, download } from '../logs/download.ts';
import { FORMATS, type Format } from '../logs/record-formats.ts';
import { listParts, sendParts } from '../json-answer.ts';
import { cursorText } from '../logs/record-json.ts';
import { readView, VIEW_PARAMS, type RecordView } from '../logs/record-view.ts';
import type { SearchAnswer, TotalObject } from '../logs/search-json.ts';
import { pagedSearch, isClosed, PAGE, type SearchResult } from '../logs/paged-search.ts';
import { LiveTail, type LiveTails } from '../logs/live-tail.ts';

/** Longest wait for the number of all matching records of a search, in milliseconds. */
const TOTAL_MS = 500;
/** Longest wait for the number of records of a download, in milliseconds. */
const ESTIMATE_MS = 250;

/** Modules of the log routes. */
export interface WithLogs {
  /** `undefined`: logs.capture is off. */
  readonly logs: LogStore | undefined;
  readonly tails: LiveTails;
  /** Limit downloads to 7 days and 100,000 rows (docs/contracts/serving.md 8.3). */
  readonly limitsDownloads: boolean;
}

/** Modules of GET /v1/logs. */
export interface WithSearch extends WithLogs {
  readonly modelId: string;
}

const OWN = [
  'model_id',
  'direction',
  'limit',
  'cursor',
  'follow',
  'format',
  'tail',
  'after',
  'with',
  ...VIEW_PARAMS,
];
/** Size of one page, since it is serialized on the thread that forwards requests. Its cursor continues. */
const MAX_PAGE_CHARACTERS = 8 * 1024 ** 2;
/** Limits of a download, unless logs.download_unlimited is set. */
export const MAX_DOWNLOAD_ROWS = 100_000;
export const MAX_DOWNLOAD_NS = 7n * DAY_NS;

/** The log store. Sends an error response and returns `undefined` if there is none. */
export function logsOrFail(
  { logs }: { readonly logs: LogStore | undefined },
  req: IncomingMessage,
  res: ServerResponse,
): LogStore | undefined {
  if (!logs) failCaptureOff(req, res);
  return logs;
}

/** Sends the error response of a weir without a log store. */
export const failCaptureOff = (req: IncomingMessage, res: ServerResponse): void =>
  fail(req, res, 'unknown_record', 'set it to metadata', {
    text: 'Nothing is recorded, since logs.capture is off',
  });

/** Sends the error response of an invalid query. */
export const failQuery = (
  req: IncomingMessage,
  res: ServerResponse,
  problems: readonly (string | ParamProblem)[],
): void => failProblems(req, res, 'Invalid query', problems);

/** Sends the error response for an unknown model, deployment or environment. */
export const failTarget = (req: IncomingMessage, res: ServerResponse, what: string): void =>
  fail(req, res, 'unknown_target', what, { text: 'No such target' });

export const logEndpoints: readonly Endpoint<WithSearch>[] = [
  {
    method: 'GET',
    path: '/v1/logs',
    does: 'searches records by `q` and filters, in pages (`cursor`); `fields`, `preview` and `with=total` say what a response has; `Accept: text/event-stream` or `follow=1` starts a live tail; `application/x-ndjson`, `text/csv` or `format` starts a download',
    scope: 'logs:read',
    async handle(context, req, res) {
      const logs = logsOrFail(context, req, res);
      if (!logs) return;
      const params = readSearchParams(queryOf(req), OWN, nowNs());
      if ('problems' in params) return failQuery(req, res, params.problems);
      const model = params.own('model_id');
      if (model !== undefined && model !== context.modelId)
        return failTarget(req, res, `model ${JSON.stringify(model.slice(0, 100))}`);
      const format = formatOf(params, req);
      if (typeof format === 'string') return failQuery(req, res, [format]);
      const shown = readView(params);
      if ('problems' in shown) return failQuery(req, res, shown.problems);
      if (isTail(params, req)) return follow(logs, context.tails, params, shown.view, req, res);
      const tailOnly = tailParamProblems(params);
      if (tailOnly.length > 0) return failQuery(req, res, tailOnly);
      if (format.format === undefined) return search(logs, params, shown.view, req, res);
      const view = { format: format.format, view: shown.view };
      return sendDownload(logs, context.limitsDownloads, params, view, req, res);
    },
  },
];

function formatOf(
  params: SearchParams,
  req: IncomingMessage,
): { readonly format: Format | undefined } | string {
  const wanted = params.own('format');
  if (wanted === undefined) return { format: acceptedFormat(req.headers.accept) };
  const format = FORMATS.find((one) => one === wanted);
  return format ? { format } : `format: must be one of ${FORMATS.join(', ')}`;
}

const isTail = ({ own }: SearchParams, { headers }: IncomingMessage): boolean =>
  ['1', 'true'].includes(own('follow') ?? '') || (headers.accept ?? '').includes('text/event-stream');

/** Problems of live tail parameters in a request without a live tail. */
function tailParamProblems({ own }: SearchParams): string[] {
  const problems = ['tail', 'after']
    .filter((name) => own(name) !== undefined)
    .map((name) => `${name}: applies only to a live tail; add follow=1`);
  const wanted = own('follow') ?? '0';
  if (!['0', 'false'].includes(wanted)) problems.unshift('follow: must be one of 1, true, 0, false');
  return problems;
}

/** Direction, cursor and limit of a query, or their problems. */
function paging(
  logs: LogStore,
  params: SearchParams,
  limit: { readonly min: number; readonly max: number; readonly fallback: number },
): SearchQuery | readonly string[] {
  const direction = choiceParam(params, 'direction', ['desc', 'asc']);
  const cursor = cursorOf(logs, params);
  const count = wholeNumberParam(params, 'limit', limit);
  const wrong = [direction, cursor, count].filter((one) => typeof one === 'string');
  if (typeof direction === 'string' || typeof cursor === 'string' || typeof count === 'string') return wrong;
  return {
    node: params.node,
    ...params.span,
    direction: direction.word === 'asc' ? 'up' : 'down',
    after: cursor.after,
    limit: count,
  };
}

async function search(
  logs: LogStore,
  params: SearchParams,
  view: RecordView,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  if (!['total', undefined].includes(params.own('with'))) return failQuery(req, res, ['with: must be total']);
  const query = paging(logs, params, { min: 1, max: 1000, fallback: 100 });
  if (!('node' in query)) return failQuery(req, res, query);
  const found = await pagedSearch(logs, query, res, { maxCharacters: MAX_PAGE_CHARACTERS });
  if (!found) return;
  const total = params.own('with') === undefined ? undefined : await totalOf(logs, query, found, res);
  if (isClosed(res)) return;
  const others: Omit<SearchAnswer, 'logs'> = {
    ...(found.next && { cursor: cursorText(found.next) }),
    ...(found.isPartial && { is_partial: true }),
    ...(total && { total }),
    ...(params.hints.length > 0 && { hints: params.hints }),
  };
  await sendParts(res, 200, listParts('logs', mapped(found.records, view), others));
}

function* mapped(records: readonly LogRecord[], view: RecordView): Generator<object, undefined> {
  for (const record of records) yield view(record);
}

/** Number of all matching records, or the least that it can be: those that were found in time. */
async function totalOf(
  logs: LogStore,
  query: SearchQuery,
  { records, next }: SearchResult,
  res: ServerResponse,
): Promise<TotalObject> {
  if (query.after === undefined && next === undefined) return { count: records.length, is_exact: true };
  const { node, fromNs, toNs } = query;
  const { matched, isPartial } = await logs.group(
    { node, fromNs, toNs, by: [], measures: [] },
    { timeoutMs: TOTAL_MS, isWanted: () => !isClosed(res) },
  );
  return { count: Math.max(matched, records.length), is_exact: !isPartial };
}

/** The query of a download within its limits, or its problems. `limit`: most records of the file. */
export function downloadQuery(
  logs: LogStore,
  isLimited: boolean,
  params: SearchParams,
): SearchQuery | readonly string[] {
  const maxRows = isLimited ? MAX_DOWNLOAD_ROWS : Number.MAX_SAFE_INTEGER;
  const query = paging(logs, params, { min: 0, max: Math.min(maxRows, 999_999_999_999), fallback: 0 });
  if (!('node' in query)) return query;
  const isOpen = { start: query.fromNs === EARLIEST_NS, end: query.toNs === LATEST_NS };
  const toNs = isOpen.end ? nowNs() : query.toNs;
  // Without a start the download covers the allowed time; with one, it fails if the time is too long.
  const fromNs = isLimited && isOpen.start ? max(0n, toNs - MAX_DOWNLOAD_NS) : query.fromNs;
  if (isLimited && toNs - fromNs > MAX_DOWNLOAD_NS)
    return ['a download covers at most 7 days; logs.download_unlimited lifts that'];
  return {
    ...query,
    fromNs,
    toNs: isOpen.end && query.direction === 'down' ? query.toNs : toNs,
    limit: query.limit === 0 ? maxRows : query.limit,
  };
}

async function sendDownload(
  logs: LogStore,
  isLimited: boolean,
  params: SearchParams,
  { format, view }: { readonly format: Format; readonly view: RecordView },
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  for (const name of ['with', ...(format === 'csv' ? VIEW_PARAMS : [])])
    if (params.own(name) !== undefined)
      return failQuery(req, res, [`${name}: cannot be used with a download as ${format}`]);
  const query = downloadQuery(logs, isLimited, params);
  if (!('node' in query)) return failQuery(req, res, query);
  await download(logs, query, res, {
    format,
    view,
    maxRows: query.limit,
    estimate: await estimateOf(logs, query.node, query),
    name: `weir-logs-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}`,
  });
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** Number of matching records in the minutes of the time span, if it can be told at once. */
async function estimateOf(
  logs: LogStore,
  node: QueryNode,
  { fromNs, toNs }: { fromNs: bigint; toNs: bigint },
): Promise<number | undefined> {
  const minutes = {
    fromNs: fromNs - (fromNs % MINUTE_NS),
    toNs: min(LATEST_NS, toNs - (toNs % MINUTE_NS) + MINUTE_NS - 1n),
  };
  const { matched, isPartial } = await logs.group(
    { node, ...minutes, by: [], measures: [] },
    { timeoutMs: ESTIMATE_MS },
  );
  return isPartial ? undefined : matched;
}

async function follow(
  logs: LogStore,
  tails: LiveTails,
  params: SearchParams,
  view: RecordView,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const lines = wholeNumberParam(params, 'tail', { min: 0, max: PAGE, fallback: 0 });
  const lastId = placeParam(logs, 'Last-Event-ID', req.headers['last-event-id'] as string | undefined);
  const after = placeParam(logs, 'after', params.own('after'));
  const wrong = [lines, lastId, after].filter((one) => typeof one === 'string');
  for (const name of ['since', 'start', 'end', 'cursor', 'limit', 'direction', 'format', 'with'])
    if (params.own(name) !== undefined)
      wrong.push(`${name}: cannot be used with a live tail; tail=100 starts with the last 100 records`);
  if (
    wrong.length > 0 ||
    typeof lines === 'string' ||
    typeof lastId === 'string' ||
    typeof after === 'string'
  )
    return failQuery(req, res, wrong);
  if (tails.isFull)
    return fail(req, res, 'rate_limited', '', {
      text: `The limit of ${tails.limits.maxTails} live tails is reached`,
    });
  if (req.method === 'HEAD') return void res.writeHead(200, { 'content-type': 'text/event-stream' }).end();
  const from = lastId.place ?? after.place;
  const head = await logs.head(from);
  const history =
    from !== undefined || lines === 0 ? [] : await lastRecords(logs, params.node, head.place, lines, res);
  if (!history || isClosed(res)) return;
  const isLive = from === undefined || head.behind === 0;
  const tail = new LiveTail(
    logs,
    params.node,
    res,
    { cursor: isLive ? head.place : from, isLive },
    tails.limits,
    view,
  );
  await tails.run(tail, history);
}

/** The last records up to `head`, oldest first. */
async function lastRecords(
  logs: LogStore,
  node: QueryNode,
  head: Place,
  limit: number,
  res: ServerResponse,
): Promise<LogRecord[] | undefined> {
  const span = { fromNs: EARLIEST_NS, toNs: LATEST_NS };
  const found = await pagedSearch(logs, { node, ...span, direction: 'down', after: undefined, limit }, res);
  // Later records belong to the live tail itself.
  return found?.records.filter((record) => logs.hasRead(head, record)).reverse();
}
