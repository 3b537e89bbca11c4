// GET /v1/traces/{trace_id}: everything that is recorded of one trace, spans as a tree, and the lines.
// Must stay true: a span whose parent is not recorded is a root, and nothing of a trace is left out for having no place.
import type { LogRecord, QueryNode } from '../../../telemetry/logs/logs.ts';
import { fail, json, queryOf, type Endpoint } from '../endpoint.ts';
import { both, refuseAll } from '../logs/search-params.ts';
import { logObject } from '../logs/record-json.ts';
import { pagedSearch } from '../logs/paged-search.ts';
import { EARLIEST_NS, formatTime, LATEST_NS } from '../logs/time.ts';
import { attributesOf } from '../../../telemetry/logs/logs.ts';
import { STATUS, type Span as Made } from '../../../telemetry/tracing/tracing.ts';
import { recordOf, refuseSearch, type WithLogs } from './logs.ts';

/** A span of a trace. Times in nanoseconds since the epoch. */
export interface TraceSpan {
  readonly spanId: string;
  /** Empty: none. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly startNs: bigint;
  readonly durationNs: number;
  readonly isError: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Place of the record that it was made of. */
  readonly seq: number;
}

/** What this route needs to know besides. */
export interface WithTraces extends WithLogs {
  /** The spans of a request's record: its own first, then its children. */
  readonly spansOf: (record: LogRecord) => readonly Made[];
}

const MAX_RECORDS = 5000;
/** Spans below each other; what is deeper stands beside the last of them, and still names its parent. */
const MAX_DEPTH = 50;

/** A record of a request, or of a span that others posted, as the one span that it says. */
export function spanOf(record: LogRecord): TraceSpan {
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

/** The spans that a request's record stands for. */
const madeOf = (record: LogRecord, { spansOf }: WithTraces): TraceSpan[] =>
  spansOf(record).map((made) => ({
    spanId: made.spanId,
    parentSpanId: made.parentSpanId,
    name: made.name,
    startNs: made.startTimeUnixNano,
    durationNs: Number(made.endTimeUnixNano - made.startTimeUnixNano),
    isError: made.status.code === STATUS.error,
    attributes: made.attributes,
    seq: record.seq,
  }));

interface SpanObject {
  readonly span_id: string;
  readonly children: SpanObject[];
  readonly [name: string]: unknown;
}

export const traceEndpoints: readonly Endpoint<WithTraces>[] = [
  {
    method: 'GET',
    path: '/v1/traces/{trace_id}',
    does: 'one trace: its spans as a tree, and the lines that were logged in it',
    scope: 'logs:read',
    async answer(shown, req, res, [id]) {
      const logs = recordOf(shown, req, res);
      if (!logs) return;
      const problems = refuseAll(queryOf(req));
      if (problems.length > 0) return refuseSearch(req, res, problems);
      if (!/^[0-9a-f]{32}$/i.test(id!))
        return refuseSearch(req, res, ['a trace id is 32 hexadecimal characters']);
      const traceId = id!.toLowerCase();
      const ofTrace: QueryNode = { op: 'field', name: 'traceId', compare: '=', value: traceId };
      const isLine: QueryNode = { op: 'field', name: 'kind', compare: '=', value: 'line' };
      const ask = (node: QueryNode) =>
        pagedSearch(
          logs,
          { node: both([ofTrace, node]), ...ALL, direction: 'up', after: undefined, limit: MAX_RECORDS },
          res,
        );
      const spans = await ask({ op: 'not', of: isLine });
      const lines = spans && (await ask(isLine));
      if (!spans || !lines) return;
      if (spans.records.length === 0 && lines.records.length === 0)
        return fail(req, res, 'unknown_record', `trace ${traceId}; a request is recorded when it ends`);
      const flat = spans.records.flatMap((record) =>
        record.kind === 'request' && record.spanId !== '' ? madeOf(record, shown) : [spanOf(record)],
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

/** Spans below their parents, in the order of time. */
export function tree(spans: readonly TraceSpan[]): SpanObject[] {
  const nodes = spans.map((span) => ({
    span,
    object: spanObject(span),
    above: undefined as Placed | undefined,
    depth: 0,
  }));
  const byId = new Map<string, Placed>(nodes.map((node) => [node.span.spanId, node]));
  for (const node of nodes) {
    const parent = node.span.parentSpanId === '' ? undefined : byId.get(node.span.parentSpanId);
    if (parent && !isBelow(parent, node)) node.above = parent;
  }
  const roots: SpanObject[] = [];
  for (const node of nodes) (placeOf(node)?.object.children ?? roots).push(node.object);
  return roots;
}

interface Placed {
  readonly span: TraceSpan;
  readonly object: SpanObject;
  above: Placed | undefined;
  /** How many stand above it; 0: not known yet, or none. */
  depth: number;
}

/** What it is shown below: its parent, or, where that would be too deep to be written, the last above it that is not. */
function placeOf(node: Placed): Placed | undefined {
  const line: Placed[] = [];
  for (let at: Placed | undefined = node; at?.above && at.depth === 0; at = at.above) line.push(at);
  for (const one of line.reverse()) {
    while (one.above!.depth >= MAX_DEPTH) one.above = one.above!.above!;
    one.depth = one.above!.depth + 1;
  }
  return node.above;
}

/** True where `span` is `above`, or stands below it: whoever posts spans may have them go in circles. */
function isBelow(span: Placed, above: Placed): boolean {
  for (let at: Placed | undefined = span; at; at = at.above) if (at === above) return true;
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
