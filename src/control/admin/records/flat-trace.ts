// Reads a trace, or the records of a request without one, and makes the rows of its waterfall.
// Invariant: the thread that forwards requests works on a limited number of records without a pause.
import type { ServerResponse } from 'node:http';
import { EARLIEST_NS, formatTime, LATEST_NS } from '../../../core/time.ts';
import { severityText, type LogRecord, type LogStore, type QueryNode } from '../../../telemetry/logs/logs.ts';
import { inSteps } from '../in-steps.ts';
import { isClosed, pagedSearch } from '../logs/paged-search.ts';
import { allOf } from '../logs/search-params.ts';
import { inTreeOrder, type OrderedSpan } from './span-order.ts';
import { SpansByLine } from './spans-by-line.ts';
import type { FlatLineJson, FlatSpanJson, FlatTraceJson } from './trace-json.ts';
import { waterfallSpans, withSpanId, type SpansOfRecord, type WaterfallSpan } from './waterfall-spans.ts';

const MAX_SPAN_RECORDS = 20_000;
const MAX_LINES = 5000;
/** Of messages and attributes of all spans together. */
const MAX_CHARACTERS = 32 * 1024 ** 2;
const MAX_MESSAGE = 2000;
/** Request records with one id that are looked at for their traces. */
const MAX_REQUESTS = 50;

/** A trace with all rows of its waterfall. */
export interface FlatTrace {
  readonly head: Pick<
    FlatTraceJson,
    'trace_id' | 'request_id' | 'start_ns' | 'duration_ms' | 'counts' | 'is_partial'
  >;
  readonly spans: readonly FlatSpanJson[];
  readonly lines: readonly FlatLineJson[];
}

/** What an id names: a trace, a request without one, or a request in one. */
interface TraceTarget {
  readonly traceId: string;
  readonly requestId: string;
}

const equal = (name: string, value: string): QueryNode => ({ op: 'field', name, compare: '=', value });
const isKind = (...kinds: readonly string[]): QueryNode => ({
  op: 'or',
  of: kinds.map((kind) => equal('kind', kind)),
});
const ALL = { fromNs: EARLIEST_NS, toNs: LATEST_NS, direction: 'up', after: undefined } as const;

/**
 * The trace with an id, or that of the request with an id. `undefined`: the client has left; 'none': nothing is recorded.
 * `withAttributes`: the rows have them.
 */
export async function readFlatTrace(
  logs: LogStore,
  spansOf: SpansOfRecord,
  id: string,
  withAttributes: boolean,
  res: ServerResponse,
): Promise<FlatTrace | 'none' | undefined> {
  const target = await targetOf(logs, id, res);
  if (target === undefined) return undefined;
  const { traceId, requestId } = target;
  // One condition, since the store finds records of either by an index, and records of one of both by reading all.
  const node = traceId === '' ? equal('requestId', requestId) : equal('traceId', traceId);
  const isSpan = isKind('request', 'span');
  const found = await pagedSearch(
    logs,
    { ...ALL, node: allOf([node, isSpan]), limit: MAX_SPAN_RECORDS },
    res,
    { maxCharacters: MAX_CHARACTERS },
  );
  const lines =
    found &&
    (await pagedSearch(logs, { ...ALL, node: allOf([node, isKind('line')]), limit: MAX_LINES }, res));
  if (!found || !lines) return undefined;
  if (found.records.length === 0 && lines.records.length === 0) return 'none';
  const spans = await spansOfAll(found.records, spansOf);
  const isPartial = found.next !== undefined || lines.next !== undefined;
  const trace = await flatTrace(logs, target, spans, lines.records, isPartial, withAttributes);
  return isClosed(res) ? undefined : trace;
}

/** `undefined` if the client has left. An id that no request has is taken as that of a trace. */
async function targetOf(logs: LogStore, id: string, res: ServerResponse): Promise<TraceTarget | undefined> {
  const traceId = id.toLowerCase();
  const node = allOf([isKind('request'), equal('requestId', id)]);
  const found = await pagedSearch(logs, { ...ALL, node, limit: MAX_REQUESTS }, res);
  if (found === undefined) return undefined;
  if (found.records.length > 0)
    return { requestId: id, traceId: found.records.find((one) => one.traceId !== '')?.traceId ?? '' };
  return /^[0-9a-f]{32}$/.test(traceId) ? { traceId, requestId: '' } : { traceId: '', requestId: id };
}

/** The spans of records that are in the order of time. Runs of a task are below its submit. */
async function spansOfAll(records: readonly LogRecord[], spansOf: SpansOfRecord): Promise<WaterfallSpan[]> {
  const submits = new Map<string, string>();
  const spans = await inSteps(records, (record) => {
    const submit = record.kind === 'request' && record.spanId === '' ? submits.get(record.requestId) : '';
    if (submit === undefined) submits.set(record.requestId, withSpanId(record, '').spanId);
    return waterfallSpans(record, spansOf, submit ?? '');
  });
  return spans.flat();
}

const min = (times: readonly bigint[]): bigint => times.reduce((a, b) => (b < a ? b : a));
const max = (times: readonly bigint[]): bigint => times.reduce((a, b) => (b > a ? b : a));

async function flatTrace(
  logs: LogStore,
  { traceId, requestId }: TraceTarget,
  spans: readonly WaterfallSpan[],
  lines: readonly LogRecord[],
  isPartial: boolean,
  withAttributes: boolean,
): Promise<FlatTrace> {
  const startNs = min([...spans.map((span) => span.startNs), ...lines.map(({ timeNs }) => timeNs)]);
  const endNs = max([...spans.map(endOf), ...lines.map(({ timeNs }) => timeNs)]);
  const offset = (timeNs: bigint): number => Number(timeNs - startNs) / 1e6;
  const rows = await inSteps(inTreeOrder(spans), (one) => spanRow(logs, one, offset, withAttributes));
  const owners = new SpansByLine(spans);
  const lineRows = await inSteps(lines, (line) => lineRow(logs, line, owners.spanOf(line), offset));
  return {
    head: {
      trace_id: traceId === '' ? null : traceId,
      ...(requestId === '' ? {} : { request_id: requestId }),
      start_ns: String(startNs),
      duration_ms: Number(endNs - startNs) / 1e6,
      counts: {
        spans: spans.length,
        lines: lines.length,
        errors: spans.filter(({ isError }) => isError).length,
        programs: new Set(spans.map(({ record }) => record.source)).size,
      },
      ...(isPartial ? { is_partial: true as const } : {}),
    },
    spans: rows,
    lines: lineRows,
  };
}

const endOf = ({ startNs, durationNs }: WaterfallSpan): bigint => startNs + BigInt(Math.round(durationNs));

const texts = (of: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(of).filter(([, text]) => text !== ''));

function spanRow(
  logs: LogStore,
  { span, depth, children }: OrderedSpan<WaterfallSpan>,
  offset: (timeNs: bigint) => number,
  withAttributes: boolean,
): FlatSpanJson {
  const { record, facts } = span;
  return {
    span_id: span.spanId,
    parent_span_id: span.parentSpanId === '' ? null : span.parentSpanId,
    depth,
    children,
    type: span.type,
    name: span.name,
    start_ns: String(span.startNs),
    offset_ms: offset(span.startNs),
    duration_ms: span.durationNs / 1e6,
    is_error: span.isError,
    ...texts({
      error: span.error,
      deployment: record.deployment,
      replica: record.replica,
      source: record.source,
      request_id: span.type === 'row' ? '' : record.requestId,
    }),
    ...(span.status === undefined ? {} : { status: span.status }),
    ...(Object.keys(facts).length === 0 ? {} : { facts }),
    events: span.events.map(({ name, timeNs }) => ({ name, offset_ms: offset(timeNs) })),
    place: logs.placeOf(record),
    ...(withAttributes ? { attributes: span.attributes } : {}),
  };
}

function lineRow(
  logs: LogStore,
  line: LogRecord,
  owner: string | undefined,
  offset: (timeNs: bigint) => number,
): FlatLineJson {
  const isCut = line.message.length > MAX_MESSAGE;
  return {
    timestamp: formatTime(line.timeNs),
    timestamp_ns: String(line.timeNs),
    offset_ms: offset(line.timeNs),
    ...texts({ level: severityText(line.severity), replica: line.replica, source: line.source }),
    message: isCut ? line.message.slice(0, MAX_MESSAGE).toWellFormed() : line.message,
    ...(isCut ? { is_cut: true as const } : {}),
    place: logs.placeOf(line),
    span_id: owner ?? null,
  };
}
