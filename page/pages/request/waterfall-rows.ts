// The rows of a waterfall: spans in the order of their tree, each followed by its lines; what is folded is left out.
// Invariant: pure; a line stands behind its span and before the first child that begins later.
import type {
  FlatLineJson,
  FlatSpanJson,
  FlatTraceJson,
} from '../../../src/control/admin/records/trace-json.ts';
import type { Span } from './time-scale.ts';

/** Which lines are shown among the spans. */
export type ShownLines = 'none' | 'all' | 'warn';

export type WaterfallRow =
  | {
      readonly kind: 'span';
      readonly id: string;
      readonly depth: number;
      readonly span: FlatSpanJson;
      readonly isOpen: boolean;
    }
  | { readonly kind: 'line'; readonly id: string; readonly depth: number; readonly line: FlatLineJson };

/** Ids of rows of lines begin with this. */
export const LINE = 'line ';
export const lineId = ({ place }: Pick<FlatLineJson, 'place'>): string => LINE + place;

const SEVERE: ReadonlySet<string> = new Set(['WARN', 'ERROR', 'FATAL']);

/** True for WARN and above. */
export const isSevere = ({ level = '' }: Pick<FlatLineJson, 'level'>): boolean =>
  SEVERE.has(level.toUpperCase().replace(/\d$/, ''));

/** Rows to show. `folded`: ids of spans whose children and lines are not shown. */
export function waterfallRows(
  spans: readonly FlatSpanJson[],
  lines: readonly FlatLineJson[],
  shown: ShownLines,
  folded: ReadonlySet<string>,
): WaterfallRow[] {
  const kept = shown === 'none' ? [] : shown === 'all' ? lines : lines.filter(isSevere);
  const linesOf = Map.groupBy(kept, ({ span_id: id }) => id ?? '');
  const rows: WaterfallRow[] = [];
  const lineRow = (line: FlatLineJson, depth: number): void =>
    void rows.push({ kind: 'line', id: lineId(line), depth, line });
  /** Spans that are open at this place, with the lines that they still have. */
  const open: { readonly depth: number; readonly lines: FlatLineJson[] }[] = [];
  const close = (depth: number): void => {
    while (open.length > 0 && open.at(-1)!.depth >= depth) {
      const { depth: own, lines: rest } = open.pop()!;
      for (const line of rest) lineRow(line, own + 1);
    }
  };
  let hiddenBelow = Infinity;
  for (const span of spans) {
    if (span.depth > hiddenBelow) continue;
    hiddenBelow = Infinity;
    close(span.depth);
    for (const { depth, lines: rest } of open)
      while (rest.length > 0 && rest[0]!.offset_ms < span.offset_ms) lineRow(rest.shift()!, depth + 1);
    const isOpen = !folded.has(span.span_id);
    rows.push({ kind: 'span', id: span.span_id, depth: span.depth, span, isOpen });
    if (isOpen) open.push({ depth: span.depth, lines: [...(linesOf.get(span.span_id) ?? [])] });
    else hiddenBelow = span.depth;
  }
  close(0);
  for (const line of linesOf.get('') ?? []) lineRow(line, 0);
  return rows;
}

/** The type whose time is idle. A wait for a replica is not: others use it meanwhile. */
const WAIT = 'async_wait';

/** Times in which something happens: spans without children that do not wait, and lines. */
export function busyTimes(spans: readonly FlatSpanJson[], lines: readonly FlatLineJson[]): Span[] {
  return [
    ...spans
      .filter((span) => span.children === 0 && span.type !== WAIT)
      .map(({ offset_ms: fromMs, duration_ms: ms }) => ({ fromMs, toMs: fromMs + ms })),
    // A request that waits has children; its own begin and end are moments.
    ...spans.filter((span) => span.children > 0).map(({ offset_ms: fromMs }) => ({ fromMs, toMs: fromMs })),
    ...lines.map(({ offset_ms: fromMs }) => ({ fromMs, toMs: fromMs })),
  ];
}

/** How a span is drawn: its colour and icon. */
export type SpanLook = 'weir' | 'queue' | 'connect' | 'model' | 'tool' | 'score' | 'task' | 'run' | 'hook';

/** The look of a span, by its type and what other programs say of it. */
export function lookOf({ type, facts = {}, name }: FlatSpanJson): SpanLook {
  switch (type) {
    case 'request':
      return name.startsWith('async ') ? 'run' : 'weir';
    case 'queue':
    case 'async_wait':
      return 'queue';
    case 'connect':
      return 'connect';
    case 'replica':
      return 'model';
    case 'delivery':
      return 'hook';
    default: {
      const said = String(facts['type'] ?? facts['operation'] ?? '');
      if (/llm|chat|completion|generat|embed/.test(said)) return 'model';
      if (/tool/.test(said)) return 'tool';
      if (/score/.test(said)) return 'score';
      return 'task';
    }
  }
}

/** The words behind the name of a span. */
export function factsText({ type, facts = {}, status, replica, source }: FlatSpanJson): string {
  const parts: unknown[] = [];
  if (status !== undefined && type !== 'replica') parts.push(status);
  switch (type) {
    case 'request':
      parts.push(replica);
      if (Number(facts['attempts'] ?? 1) > 1) parts.push(`${facts['attempts']} attempts`);
      break;
    case 'queue':
      if (facts['is_sum'] === true) parts.push('several waits');
      break;
    case 'replica':
      if (Number(facts['resends'] ?? 0) > 0) parts.push(`attempt ${Number(facts['resends']) + 1}`);
      parts.push(replica);
      break;
    case 'delivery':
      parts.push(facts['host'], `delivery ${facts['attempt']}`);
      break;
    case 'span':
    case 'row':
      parts.push(facts['model'], source, ...scoresOf(facts));
      break;
    default:
  }
  return parts.filter((one) => one !== undefined && one !== '').join(' · ');
}

const scoresOf = (facts: NonNullable<FlatSpanJson['facts']>): string[] =>
  Object.entries(facts)
    .filter(([name]) => name.startsWith('scores.'))
    .map(([name, value]) => `${name.slice(7)} ${value}`);

/** When the first token came, for the span of the replica's time; milliseconds of the trace. */
export function firstTokenOf(
  span: FlatSpanJson,
  spans: ReadonlyMap<string, FlatSpanJson>,
): number | undefined {
  if (span.type !== 'replica') return undefined;
  const parent = spans.get(span.parent_span_id ?? '');
  const event = [...span.events, ...(parent?.events ?? [])].find(({ name }) => name === 'weir.first_token');
  return event === undefined ||
    event.offset_ms <= span.offset_ms ||
    event.offset_ms > span.offset_ms + span.duration_ms
    ? undefined
    : event.offset_ms;
}

/** Joins a further page of a trace to what is there. */
export const joined = (before: FlatTraceJson | undefined, page: FlatTraceJson): FlatTraceJson =>
  before === undefined
    ? page
    : { ...page, spans: [...before.spans, ...page.spans], lines: [...before.lines, ...page.lines] };
