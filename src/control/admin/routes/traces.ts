// GET /v1/traces/{trace_id}: the spans of a trace as a tree, and its log lines.
// Invariant: every recorded span is in the tree. A span whose parent is not recorded is a root.
import { EARLIEST_NS, formatTime, LATEST_NS } from '../../../core/time.ts';
import type { LogRecord, QueryNode } from '../../../telemetry/logs/logs.ts';
import { fail, json, queryOf, type Endpoint } from '../endpoint.ts';
import { allOf, unexpectedParams } from '../logs/search-params.ts';
import { logObject } from '../logs/record-json.ts';
import { pagedSearch } from '../logs/paged-search.ts';
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
    does: 'returns a trace: its spans as a tree, and its log lines',
    scope: 'logs:read',
    async handle(context, req, res, [id]) {
      const logs = logsOrFail(context, req, res);
      if (!logs) return;
      const problems = unexpectedParams(queryOf(req));
      if (problems.length > 0) return failQuery(req, res, problems);
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
      const flat = spans.records.flatMap((record) =>
        record.kind === 'request' && record.spanId !== '' ? requestSpans(record, context) : [spanOf(record)],
      );
      json(res, 200, {
        trace_id: traceId,
        spans: tree(flat),
        logs: lines.records.map(logObject),
        is_partial: spans.next !== undefined || lines.next !== undefined || undefined,
      });
    },
  },
];

const ALL = { fromNs: EARLIEST_NS, toNs: LATEST_NS };

/** Places spans below their parents, in order of time. */
function tree(spans: readonly TraceSpan[]): SpanObject[] {
  const nodes = spans.map((span) => ({
    span,
    object: spanObject(span),
    above: undefined as TreeNode | undefined,
    depth: 0,
  }));
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
