// Where the rows of a query come from: single spans, whole traces, or summaries of traces.
// Invariant: a source that is read on behind the position of its last row gives every row once.
import type { LogRecord, PagePosition } from '../logs/logs.ts';
import type { FoundRow } from './received-rows.ts';
import { preview } from './preview.ts';
import type { QueryPlan } from './query-plan.ts';
import type { ShownRow } from './request-row.ts';
import { timeRange, type RowOrder, type StoredSpan, type StoredSpans } from './stored-spans.ts';
import { nodeOf, storeFilter, namesIds } from './store-filter.ts';
import { StepClock } from './step-clock.ts';
import { traceSummary } from './trace-summary.ts';

/** What a source has done so far. */
export interface ReadProgress {
  /** Records that were read. */
  read: number;
  /** Position of the last record that was examined. */
  reached: PagePosition | undefined;
}

/** Gives rows that match. `undefined`: a pause. */
export type RowSource = Generator<FoundRow | undefined>;

const USUAL_ORDER: RowOrder = { by: 'time', direction: 'down' };
/** Traces whose records are read at once. */
const TRACES = 25;
/** Least number of records that are read at once. */
const LEAST = 64;

const positionOf = ({ timeNs, seq }: LogRecord): PagePosition => ({ timeNs, seq });

/** Rows that are not in the store. */
export function* givenSource(plan: QueryPlan, rows: readonly ShownRow[]): RowSource {
  for (const row of rows) if (plan.test(row) && plan.matchesSample(row)) yield { row, position: undefined };
}

/** Single spans. Requests of weir are among them if the filter names their trace or id. */
export function* spanSource(plan: QueryPlan, spans: StoredSpans, progress: ReadProgress): RowSource {
  const { filter, order = USUAL_ORDER, after, limit } = plan;
  const store = storeFilter(filter, plan.clock);
  const hasRequests = filter !== undefined && plan.grouping === undefined && namesIds(filter);
  const ids = filter && idConditions(filter);
  const node = hasRequests && ids ? spans.rowsAndRequestsNode(store.node, ids) : spans.rowsNode(store.node);
  const wanted = plan.order && plan.grouping === undefined ? Math.max(limit + 1, LEAST) : Infinity;
  let isFirst = true;
  const clock = new StepClock();
  const ended = (at: PagePosition): void => {
    progress.reached = at;
  };
  for (const records of spans.records(node, timeRange(store), order, after, wanted, ended)) {
    if (!isFirst) yield undefined;
    isFirst = false;
    for (const record of records) {
      progress.read++;
      progress.reached = positionOf(record);
      const row = spans.rowFor(record);
      if (row && plan.test(row) && plan.matchesSample(row)) yield { row, position: progress.reached };
      if (clock.isOver) yield undefined;
    }
  }
}

/** The conditions on ids of a filter. */
function idConditions(filter: NonNullable<QueryPlan['filter']>): ReturnType<typeof nodeOf> {
  if (filter.op === 'and') return nodeOf({ op: 'and', children: filter.children.filter(namesIds) });
  return nodeOf(filter);
}

interface FoundTrace {
  readonly id: string;
  readonly position: PagePosition;
}

/** A trace that matches: its position is that of its first span that meets the filter. */
interface MatchingTrace {
  readonly position: PagePosition;
  readonly rows: readonly StoredSpan[];
}

/** Traces that match, in the order of their first matching span. */
function* matchingTraces(
  plan: QueryPlan,
  spans: StoredSpans,
  progress: ReadProgress,
): Generator<MatchingTrace | undefined> {
  const { order = USUAL_ORDER, after } = plan;
  const filter = plan.traceFilter!;
  const store = storeFilter(filter.plain, plan.clock);
  const hasRequests = plan.shape === 'traces' && plan.grouping === undefined;
  const wanted = plan.order && plan.grouping === undefined ? Math.min(TRACES, plan.limit + 1) : TRACES;
  const seen = new Set<string>();
  const clock = new StepClock();
  let found: FoundTrace[] = [];
  for (const records of spans.records(
    spans.rowsNode(filter.node),
    timeRange(store),
    order,
    after,
    Infinity,
    (at) => {
      if (found.length === 0) progress.reached = at;
    },
  )) {
    for (const record of records) {
      if (clock.isOver) yield undefined;
      progress.read++;
      const { traceId } = record;
      const position = positionOf(record);
      const before = progress.reached;
      if (found.length === 0) progress.reached = position;
      if (seen.has(traceId)) continue;
      if (filter.isOfSpans) {
        const row = spans.rowFor(record);
        if (!row || !filter.isMetBy(row)) continue;
      }
      seen.add(traceId);
      if (found.length === 0) progress.reached = before;
      found.push({ id: traceId, position });
      if (found.length < wanted) continue;
      yield* tracesOf(found);
      found = [];
    }
    yield undefined;
  }
  yield* tracesOf(found);

  function* tracesOf(batch: readonly FoundTrace[]): Generator<MatchingTrace | undefined> {
    const records = yield* spans.traces(
      batch.map(({ id }) => id),
      hasRequests,
    );
    for (const { id, position } of batch) {
      progress.reached = position;
      const rows = spans.traceRows(records.get(id) ?? []);
      const matching = filter.matching(rows.filter(({ record }) => record.kind === 'span'));
      // It was on an earlier page if another span of it comes before the cursor.
      const wasShown = after && matching.some(({ record }) => isBeforeOrAt(record, after, order));
      const [first] = matching;
      if (first && !wasShown && plan.matchesSample({ id })) yield { position, rows };
      if (clock.isOver) yield undefined;
    }
  }
}

function isBeforeOrAt({ timeNs, seq }: LogRecord, at: PagePosition, { by, direction }: RowOrder): boolean {
  const order = by === 'seq' || timeNs === at.timeNs ? seq - at.seq : timeNs < at.timeNs ? -1 : 1;
  return direction === 'up' ? order <= 0 : order >= 0;
}

/** All spans of the traces that match, with the requests that weir served in them. A trace ends before the next begins. */
export function* traceSource(
  plan: QueryPlan,
  spans: StoredSpans,
  progress: ReadProgress,
): Generator<FoundRow[] | undefined> {
  const isDown = (plan.order ?? USUAL_ORDER).direction === 'down';
  for (const trace of matchingTraces(plan, spans, progress)) {
    if (trace === undefined) yield undefined;
    else {
      const rows = trace.rows.map(({ row, record }) => ({ row, position: positionOf(record) }));
      yield isDown ? rows.reverse() : rows;
    }
  }
}

/** One row for each trace that matches. */
export function* summarySource(plan: QueryPlan, spans: StoredSpans, progress: ReadProgress): RowSource {
  for (const trace of matchingTraces(plan, spans, progress))
    yield (
      trace && {
        row: preview(traceSummary(trace.rows.map(({ row }) => row)), plan.columns.previewLength),
        position: undefined,
      }
    );
}
