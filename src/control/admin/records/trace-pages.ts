// Pages of a flat trace. The first page reads the trace; later ones are from the same reading, if that is still kept.
// Invariant: few traces are kept, for a short time, and without attributes.
import type { LogStore } from '../../../telemetry/logs/logs.ts';
import type { FlatTrace } from './flat-trace.ts';
import { cursorFor, readCursor } from './query-params.ts';
import type { FlatTraceJson } from './trace-json.ts';

const MAX_KEPT = 4;
const KEPT_MS = 15_000;
const MAX_LINES = 1000;

/** Traces with further pages, by their ids, the oldest first. */
type KeptTraces = Map<string, FlatTrace>;
const stores = new WeakMap<LogStore, KeptTraces>();

/** The trace that an earlier page was of. */
export const keptTrace = (logs: LogStore, id: string): FlatTrace | undefined => stores.get(logs)?.get(id);

/** Keeps a trace for its further pages. */
export function keepTrace(logs: LogStore, id: string, trace: FlatTrace): void {
  let kept = stores.get(logs);
  if (kept === undefined) stores.set(logs, (kept = new Map()));
  kept.delete(id);
  kept.set(id, trace);
  if (kept.size > MAX_KEPT) kept.delete(kept.keys().next().value!);
  setTimeout(() => {
    if (kept.get(id) === trace) kept.delete(id);
  }, KEPT_MS).unref();
}

/** Number of the first span of a page; `undefined` for a cursor that is none. */
export function firstOfPage(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return 0;
  const text = readCursor(cursor);
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** The page from the span with the number `from` on. */
export function tracePage({ head, spans, lines }: FlatTrace, from: number, limit: number): FlatTraceJson {
  const shown = spans.slice(from, from + limit);
  const ids = new Set<string | null>(shown.map((span) => span.span_id));
  if (from === 0) ids.add(null);
  const own = lines.filter((line) => ids.has(line.span_id));
  const leftOut = own.length - MAX_LINES;
  return {
    ...head,
    spans: shown,
    lines: own.slice(0, MAX_LINES),
    ...(leftOut > 0 ? { lines_left_out: leftOut } : {}),
    ...(from + limit < spans.length ? { cursor: cursorFor(String(from + limit)) } : {}),
  };
}

/** Only the span with an id, and its lines; `undefined` if it is not in the trace. */
export function spanPage({ head, spans, lines }: FlatTrace, spanId: string): FlatTraceJson | undefined {
  const span = spans.find((one) => one.span_id === spanId);
  const own = lines.filter((line) => line.span_id === spanId);
  return span && { ...head, spans: [span], lines: own.slice(0, MAX_LINES) };
}
