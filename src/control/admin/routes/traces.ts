// GET /v1/traces/{trace_id}: the spans of a trace as a tree, or as the rows of a waterfall, and its log lines.
// Invariant: every recorded span is in the tree. A span whose parent is not recorded is a root.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { EARLIEST_NS, formatTime, LATEST_NS } from '../../../core/time.ts';
import type { LogRecord, LogStore, QueryNode } from '../../../telemetry/logs/logs.ts';
import { fail, json, queryOf, type Endpoint } from '../endpoint.ts';
import { inSteps } from '../in-steps.ts';
import { readFlatTrace } from '../records/flat-trace.ts';
import { readParams } from '../records/query-params.ts';
import { firstOfPage, keepTrace, keptTrace, spanPage, tracePage } from '../records/trace-pages.ts';
import { allOf, wholeNumberParam } from '../logs/search-params.ts';
import { logObject } from '../logs/record-json.ts';
import { isClosed, pagedSearch } from '../logs/paged-search.ts';
import { attributesOf } from '../../../telemetry/logs/logs.ts';
import { STATUS, type Span } from '../../../telemetry/tracing/tracing.ts';
import { failQuery, logsOrFail, type WithLogs } from './logs.ts';

/** A span of a trace. Times in nanoseconds since the epoch. */
export interface TraceSpan {
  readonly spanId: string;
  /** '' for none. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly startNs: bigint;
  readonly durationNs: number;
  readonly isError: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Sequence number of its record. */
  readonly seq: number;
}

/** Modules of this route. */
export interface WithTraces extends WithLogs {
  /** Spans of a request's record: its own first, then its children. */
  readonly spansOf: (record: LogRecord) => readonly Span[];
}

const MAX_RECORDS = 5000;
/** Depth of the tree. A deeper span is placed at this depth, and still names its parent. */
const MAX_DEPTH = 50;

/** The span of a posted span record, or of a request record without spans. */
function spanOf(record: LogRecord): TraceSpan {
  const attributes = attributesOf(record);
  const name = record.kind === 'span' ? attributes['name'] : undefined;
  return {
    spanId: record.spanId,
    parentSpanId: record.parentSpanId,
    name: typeof name === 'string' && name !== '' ? name : record.message,
    startNs: record.timeNs,
    durationNs: record.durationNs,
    isError: record.severity >= 17 || (record.kind === 'span' && attributes['status_code'] === STATUS.error),
    attributes,
    seq: record.seq,
  };
}

/** Spans of a request's record. The first one, its own, has the annotations of the record. */
function requestSpans(record: LogRecord, { spansOf }: WithTraces): TraceSpan[] {
  const { annotations } = attributesOf(record);
  return spansOf(record).map((span, i) => ({
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    name: span.name,
    startNs: span.startTimeUnixNano,
    durationNs: Number(span.endTimeUnixNano - span.startTimeUnixNano),
    isError: span.status.code === STATUS.error,
    attributes: i === 0 && annotations !== undefined ? { ...span.attributes, annotations } : span.attributes,
    seq: record.seq,
  }));
}

interface SpanObject {
  readonly span_id: string;
  readonly children: SpanObject[];
  readonly [name: string]: unknown;
}

export const traceEndpoints: readonly Endpoint<WithTraces>[] = [
  {
    method: 'GET',
    path: '/v1/traces/{trace_id}',
    does: 'returns a trace: its spans as a tree, and its log lines; with `shape=flat` the rows of a waterfall in pages (`limit`, `cursor`), also of a request by its request id, with attributes only with `with=attributes` or of one `span`',
    scope: 'logs:read',
    async handle(context, req, res, [id]) {
      const logs = logsOrFail(context, req, res);
      if (!logs) return;
      const params = flatParams(queryOf(req));
      if ('problems' in params) return failQuery(req, res, params.problems);
      if (params.isFlat) return sendFlat(logs, context, id!, params, req, res);
      if (!/^[0-9a-f]{32}$/i.test(id!))
        return failQuery(req, res, [
          `trace_id: must be 32 hexadecimal characters, not ${JSON.stringify(id!.slice(0, 60))}`,
        ]);
      const traceId = id!.toLowerCase();
      const ofTrace: QueryNode = { op: 'field', name: 'traceId', compare: '=', value: traceId };
      const isKind = (value: string): QueryNode => ({ op: 'field', name: 'kind', compare: '=', value });
      const isLine = isKind('line');
      const find = (node: QueryNode) =>
        pagedSearch(
          logs,
          { node: allOf([ofTrace, node]), ...ALL, direction: 'up', after: undefined, limit: MAX_RECORDS },
          res,
        );
      // Annotations are in the records that they are for.
      const spans = await find({ op: 'not', of: { op: 'or', of: [isLine, isKind('annotation')] } });
      const lines = spans && (await find(isLine));
      if (!spans || !lines) return;
      if (spans.records.length === 0 && lines.records.length === 0)
        return fail(req, res, 'unknown_record', `trace ${traceId}; a request is recorded when it ends`);
      const flat = await inSteps(spans.records, (record) =>
        record.kind === 'request' && record.spanId !== '' ? requestSpans(record, context) : [spanOf(record)],
      );
      const nodes = await inSteps(flat.flat(), treeNode);
      const trace = { trace_id: traceId, spans: tree(nodes), logs: await inSteps(lines.records, logObject) };
      if (isClosed(res)) return;
      json(res, 200, {
        ...trace,
        is_partial: spans.next !== undefined || lines.next !== undefined || undefined,
      });
    },
  },
];

const ALL = { fromNs: EARLIEST_NS, toNs: LATEST_NS };

/** Spans on a page; fewer with attributes, since these may be large. */
const PAGE_SPANS = 1000;
const PAGE_SPANS_WITH_ATTRIBUTES = 200;

interface FlatParams {
  readonly isFlat: boolean;
  readonly withAttributes: boolean;
  /** The only span that is wanted; '' for all. */
  readonly span: string;
  readonly limit: number;
  /** Number of the first span. */
  readonly from: number;
}

function flatParams(query: URLSearchParams): FlatParams | { readonly problems: readonly string[] } {
  const isFlat = query.get('shape') === 'flat';
  const own = isFlat ? ['shape', 'with', 'span', 'limit', 'cursor'] : ['shape'];
  const read = readParams(query, own);
  if ('problems' in read) return read;
  const { values } = read;
  const problems: string[] = [];
  if (!['flat', 'tree', undefined].includes(values['shape'])) problems.push('shape: must be flat or tree');
  if (!['attributes', undefined].includes(values['with'])) problems.push('with: must be attributes');
  const withAttributes = values['with'] === 'attributes' || values['span'] !== undefined;
  const max = withAttributes ? PAGE_SPANS_WITH_ATTRIBUTES : PAGE_SPANS;
  const limit = wholeNumberParam(read, 'limit', { min: 1, max, fallback: max });
  if (typeof limit === 'string') problems.push(limit);
  const from = firstOfPage(values['cursor']);
  if (from === undefined) problems.push('invalid cursor: it was not issued by this server');
  return problems.length > 0 || typeof limit === 'string' || from === undefined
    ? { problems }
    : { isFlat, withAttributes, span: (values['span'] ?? '').toLowerCase(), limit, from };
}

/** Sends a page of the rows of a waterfall. */
async function sendFlat(
  logs: LogStore,
  { spansOf }: WithTraces,
  id: string,
  { withAttributes, span, limit, from }: FlatParams,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const kept = from > 0 && !withAttributes ? keptTrace(logs, id) : undefined;
  const trace = kept ?? (await readFlatTrace(logs, spansOf, id, withAttributes, res));
  if (trace === undefined) return;
  if (trace === 'none')
    return fail(req, res, 'unknown_record', `${id.slice(0, 256)}; a request is recorded when it ends`);
  const page = span === '' ? tracePage(trace, from, limit) : spanPage(trace, span);
  if (page === undefined) return fail(req, res, 'unknown_record', `span ${span.slice(0, 80)} in this trace`);
  if (page.cursor !== undefined && !withAttributes) keepTrace(logs, id, trace);
  json(res, 200, page);
}

/** Places spans below their parents, in order of time. */
function tree(nodes: readonly TreeNode[]): SpanObject[] {
  const byId = new Map<string, TreeNode>(nodes.map((node) => [node.span.spanId, node]));
  for (const node of nodes) {
    const parent = node.span.parentSpanId === '' ? undefined : byId.get(node.span.parentSpanId);
    if (parent && !isBelow(parent, node)) node.above = parent;
  }
  const roots: SpanObject[] = [];
  for (const node of nodes) (parentOf(node)?.object.children ?? roots).push(node.object);
  return roots;
}

interface TreeNode {
  readonly span: TraceSpan;
  readonly object: SpanObject;
  above: TreeNode | undefined;
  /** Number of ancestors; 0: none, or not known yet. */
  depth: number;
}

const treeNode = (span: TraceSpan): TreeNode => ({
  span,
  object: spanObject(span),
  above: undefined,
  depth: 0,
});

/** The node that a node is placed below: its parent, or the deepest ancestor that MAX_DEPTH allows. */
function parentOf(node: TreeNode): TreeNode | undefined {
  const path: TreeNode[] = [];
  for (let at: TreeNode | undefined = node; at?.above && at.depth === 0; at = at.above) path.push(at);
  for (const one of path.reverse()) {
    while (one.above!.depth >= MAX_DEPTH) one.above = one.above!.above!;
    one.depth = one.above!.depth + 1;
  }
  return node.above;
}

/** True if `span` is `above` or below it. Needed since posted spans may form a cycle. */
function isBelow(span: TreeNode, above: TreeNode): boolean {
  for (let at: TreeNode | undefined = span; at; at = at.above) if (at === above) return true;
  return false;
}

function spanObject(span: TraceSpan): SpanObject {
  return {
    span_id: span.spanId,
    parent_span_id: span.parentSpanId === '' ? null : span.parentSpanId,
    name: span.name,
    start: formatTime(span.startNs),
    start_ns: String(span.startNs),
    duration_ms: span.durationNs / 1e6,
    is_error: span.isError,
    seq: span.seq,
    attributes: span.attributes,
    children: [],
  };
}
