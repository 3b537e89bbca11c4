// GET /v1/logs: search, live tail and download, three answers to one question.
// Must stay true: what is asked means the same in all three; nobody is answered by a search that he no longer waits for.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LogRecord, QueryNode, PageQuery } from '../../../telemetry/logs/logs.ts';
import { fail, json, queryOf, type Endpoint } from '../endpoint.ts';
import {
  choiceParam,
  cursorOf,
  readSearchParams,
  seqOf,
  wholeParam,
  type SearchParams,
} from '../logs/search-params.ts';
import { acceptedFormat, download, FORMATS, type Format } from '../logs/download.ts';
import { cursorText, logObject } from '../logs/record-json.ts';
import { pagedSearch, isGone, PAGE, type LogStore } from '../logs/paged-search.ts';
import { hasMinuteTotals } from '../logs/minute-totals.ts';
import { headOf, LiveTail, type LiveTails } from '../logs/live-tail.ts';
import { DAY_NS, EARLIEST_NS, LATEST_NS } from '../logs/time.ts';

/** What the routes of the record need to know. */
export interface WithLogs {
  /** `undefined`: nothing is recorded. */
  readonly logs: LogStore | undefined;
  readonly tails: LiveTails;
  /** Downloads cover at most 7 days and 100,000 rows (contracts/baseten.md 8.3). */
  readonly limitsDownloads: boolean;
}

/** Further inputs of the search. */
export interface WithSearch extends WithLogs {
  readonly modelId: string;
}

const OWN = ['model_id', 'direction', 'limit', 'cursor', 'follow', 'format', 'tail', 'after'];
/** Of one answer, which is made in one go on the thread that forwards requests; its cursor goes on. */
const MAX_PAGE_CHARACTERS = 8 * 1024 ** 2;
const MAX_DOWNLOAD_ROWS = 100_000;
const MAX_DOWNLOAD_NS = 7n * DAY_NS;

export const nowNs = (): bigint => BigInt(Date.now()) * 1_000_000n;

/** The record, or `undefined` where the client has been told that there is none. */
export function recordOf(
  { logs }: { readonly logs: LogStore | undefined },
  req: IncomingMessage,
  res: ServerResponse,
): LogStore | undefined {
  if (!logs) nothingRecorded(req, res);
  return logs;
}

/** Tells that there is no record. */
export const nothingRecorded = (req: IncomingMessage, res: ServerResponse): void =>
  fail(req, res, 'unknown_record', 'set it to metadata', {
    text: 'Nothing is recorded: logs.capture is off',
  });

/** Mistakes that an answer lists. */
const MOST_PROBLEMS = 10;

/** Tells what is wrong with a question. */
export function refuseSearch(req: IncomingMessage, res: ServerResponse, problems: readonly string[]): void {
  const others = problems.length - MOST_PROBLEMS;
  const listed = [...problems.slice(0, MOST_PROBLEMS), ...(others > 0 ? [`and ${others} more`] : [])];
  fail(req, res, 'bad_request', listed.join('; '), { text: 'This cannot be asked' });
}

/** The same answer as the contract's log API gives for an unknown target. */
export const notThere = (req: IncomingMessage, res: ServerResponse, what: string): void =>
  fail(req, res, 'unknown_target', what, { text: 'There is no such target' });

export const searchEndpoints: readonly Endpoint<WithSearch>[] = [
  {
    method: 'GET',
    path: '/v1/logs',
    does: 'what happened: search by `q` and filters, page by page (`cursor`); as `text/event-stream` (or `follow=1`) a live tail; as `application/x-ndjson` or `text/csv` (or `format`) a download',
    scope: 'logs:read',
    async answer(shown, req, res) {
      const logs = recordOf(shown, req, res);
      if (!logs) return;
      const ask = readSearchParams(queryOf(req), OWN, nowNs());
      if ('problems' in ask) return refuseSearch(req, res, ask.problems);
      const model = ask.own('model_id');
      if (model !== undefined && model !== shown.modelId)
        return notThere(req, res, `model ${JSON.stringify(model.slice(0, 100))}`);
      const format = formatOf(ask, req);
      if (typeof format === 'string') return refuseSearch(req, res, [format]);
      if (isTail(ask, req)) return follow(logs, shown.tails, ask, req, res);
      const idle = idleParameters(ask);
      if (idle.length > 0) return refuseSearch(req, res, idle);
      if (format.format) return send(logs, shown.limitsDownloads, ask, format.format, req, res);
      return search(logs, ask, req, res);
    },
  },
];

function formatOf(ask: SearchParams, req: IncomingMessage): { readonly format: Format | undefined } | string {
  const wanted = ask.own('format');
  if (wanted === undefined) return { format: acceptedFormat(req.headers.accept) };
  const format = FORMATS.find((one) => one === wanted);
  return format ? { format } : `format: must be one of ${FORMATS.join(', ')}`;
}

const isTail = ({ own }: SearchParams, { headers }: IncomingMessage): boolean =>
  ['1', 'true'].includes(own('follow') ?? '') || (headers.accept ?? '').includes('text/event-stream');

/** What is wrong with parameters that only a live tail has, where none is asked for. */
function idleParameters({ own }: SearchParams): string[] {
  const problems = ['tail', 'after']
    .filter((name) => own(name) !== undefined)
    .map((name) => `${name}: applies only to a live tail; add follow=1`);
  const wanted = own('follow') ?? '0';
  if (!['0', 'false'].includes(wanted)) problems.unshift('follow: must be one of 1, true, 0, false');
  return problems;
}

/** Direction, cursor and limit of a question; problems where they are none. */
function paging(
  ask: SearchParams,
  limit: { readonly min: number; readonly max: number; readonly fallback: number },
): PageQuery | readonly string[] {
  const direction = choiceParam(ask, 'direction', ['desc', 'asc']);
  const after = cursorOf(ask);
  const count = wholeParam(ask, 'limit', limit);
  const wrong = [direction, after, count].filter((one) => typeof one === 'string');
  if (typeof direction === 'string' || typeof after === 'string' || typeof count === 'string') return wrong;
  return {
    node: ask.node,
    ...ask.span,
    direction: direction.word === 'asc' ? 'up' : 'down',
    after: after.position,
    limit: count,
  };
}

async function search(
  logs: LogStore,
  ask: SearchParams,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const query = paging(ask, { min: 1, max: 1000, fallback: 100 });
  if (!('node' in query)) return refuseSearch(req, res, query);
  const found = await pagedSearch(logs, query, res, { maxCharacters: MAX_PAGE_CHARACTERS });
  if (!found) return;
  json(res, 200, {
    logs: found.records.map(logObject),
    cursor: found.next && cursorText(found.next),
    is_partial: found.isPartial || undefined,
    hints: ask.hints.length > 0 ? ask.hints : undefined,
  });
}

async function send(
  logs: LogStore,
  isLimited: boolean,
  ask: SearchParams,
  format: Format,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const most = isLimited ? MAX_DOWNLOAD_ROWS : Number.MAX_SAFE_INTEGER;
  const query = paging(ask, { min: 0, max: Math.min(most, 999_999_999_999), fallback: 0 });
  if (!('node' in query)) return refuseSearch(req, res, query);
  const isOpen = { start: query.fromNs === EARLIEST_NS, end: query.toNs === LATEST_NS };
  const toNs = isOpen.end ? nowNs() : query.toNs;
  // Without a beginning it is as much as is allowed; with one, what is asked for or nothing.
  const fromNs = isLimited && isOpen.start ? max(0n, toNs - MAX_DOWNLOAD_NS) : query.fromNs;
  if (isLimited && toNs - fromNs > MAX_DOWNLOAD_NS)
    return refuseSearch(req, res, ['a download covers at most 7 days; logs.download_unlimited lifts that']);
  const span = { fromNs, toNs: isOpen.end && query.direction === 'down' ? query.toNs : toNs };
  await download(logs, { ...query, ...span }, res, {
    format,
    most: query.limit === 0 ? most : query.limit,
    estimate: await estimateOf(logs, query.node, span),
    name: `weir-logs-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}`,
  });
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** About how many match, where that is known without reading them. */
async function estimateOf(
  logs: LogStore,
  node: QueryNode,
  span: { fromNs: bigint; toNs: bigint },
): Promise<number | undefined> {
  if (!hasMinuteTotals(node)) return undefined;
  const sums = await logs.aggregateMinutes(node, span, { field: 'kind' });
  return Array.from(sums.values()).reduce((sum, n) => sum + n, 0);
}

async function follow(
  logs: LogStore,
  tails: LiveTails,
  ask: SearchParams,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const lines = wholeParam(ask, 'tail', { min: 0, max: PAGE, fallback: 0 });
  const from = seqOf('Last-Event-ID', req.headers['last-event-id'] as string | undefined);
  const after = seqOf('after', ask.own('after'));
  const wrong = [lines, from, after].filter((one) => typeof one === 'string');
  for (const name of ['since', 'start', 'end', 'cursor', 'limit', 'direction', 'format'])
    if (ask.own(name) !== undefined)
      wrong.push(`${name}: does not go with a live tail; tail=100 begins with the last 100`);
  if (wrong.length > 0 || typeof lines === 'string') return refuseSearch(req, res, wrong);
  if (tails.isFull)
    return fail(req, res, 'rate_limited', '', { text: `There are ${tails.limits.most} live tails already` });
  if (req.method === 'HEAD') return void res.writeHead(200, { 'content-type': 'text/event-stream' }).end();
  const headSeq = await headOf(logs);
  // What a client has seen that is not stored any more is behind it.
  const seq = Math.min((from ?? after ?? headSeq) as number, headSeq);
  const isResumed = from !== undefined || after !== undefined;
  const history = isResumed || lines === 0 ? [] : await lastOf(logs, ask.node, headSeq, lines, res);
  if (!history || isGone(res)) return;
  const tail = new LiveTail(logs, ask.node, res, { seq, isLive: seq === headSeq }, tails.limits);
  await tails.run(tail, history);
}

/** The last records up to a place, oldest first. */
async function lastOf(
  logs: LogStore,
  node: QueryNode,
  headSeq: number,
  limit: number,
  res: ServerResponse,
): Promise<LogRecord[] | undefined> {
  const span = { fromNs: EARLIEST_NS, toNs: LATEST_NS };
  const found = await pagedSearch(logs, { node, ...span, direction: 'down', after: undefined, limit }, res);
  // What was stored since belongs to the tail itself.
  return found?.records.filter(({ seq }) => seq <= headSeq).reverse();
}
