// Finds the rows of a project: whole traces, the newest first, or the rows that match filters.
// Invariant: pages that follow each other by their cursors have every trace of the project once, or with filters every
// matching row, as of the first page.
import type { ServerResponse } from 'node:http';
import { EARLIEST_NS, LATEST_NS } from '../../../core/time.ts';
import {
  ROW_CUT,
  type LogRecord,
  type LogStore,
  type QueryNode,
  type TimePlace,
} from '../../../telemetry/logs/logs.ts';
import { pagedSearch, timePlaceOf } from '../logs/paged-search.ts';
import { allOf } from '../logs/search-params.ts';
import { matchesFilters, type FetchCursor, type FetchQuery, type PathFilter } from './fetch-query.ts';
import type { ShownRow } from '../../../telemetry/btql/btql.ts';
import { isEqual, recordsOfTraces, rowsNode, traceOf, type FoundTrace } from './trace-records.ts';
import { RowReader } from './row-reader.ts';
import { shownRows, type SpansOf } from './shown-rows.ts';

/** Modules of a fetch. */
export interface RowSources {
  readonly logs: LogStore;
  readonly spansOf: SpansOf;
}

/** Rows, and where the next page begins; `undefined` on the last page. */
export interface RowPage {
  readonly rows: readonly ShownRow[];
  readonly next: FetchCursor | undefined;
}

/** Maximum records that are read at once, and their number for a trace that is wanted. */
const CHUNK = 500;
const CHUNK_OF_TRACE = 10;
/** Traces whose records are read at once. */
const TRACES = 25;
/** Characters of the rows on a page, which ends after the trace that exceeds them. */
const MAX_CHARACTERS = 4 * 1024 ** 2;

/** Time after which a page ends, in milliseconds, though it has fewer traces than it may have. */
const SEARCH_MS = 10_000;

/** A record, and where the scan was before it. */
interface Scanned {
  readonly record: LogRecord;
  readonly before: TimePlace | undefined;
}

/** Reads the records of a query from the newest to the oldest. Ends with `undefined` when the client has left. */
async function* scan(
  logs: LogStore,
  node: QueryNode,
  { cursor, limit: traces }: FetchQuery,
  res: ServerResponse,
): AsyncGenerator<Scanned | undefined> {
  const limit = Math.min(CHUNK, traces * CHUNK_OF_TRACE);
  let before = cursor?.after;
  for (let after: TimePlace | undefined = before; ;) {
    const range = { fromNs: EARLIEST_NS, toNs: cursor?.newestNs ?? LATEST_NS };
    const page = await pagedSearch(logs, { node, ...range, direction: 'down', after, limit }, res);
    if (page === undefined) return yield undefined;
    for (const record of page.records) {
      yield { record, before };
      before = timePlaceOf(logs, record);
    }
    if (page.next === undefined) return;
    after = page.next;
  }
}

/** The next rows of a project. Resolves to `undefined` if the client has left. */
export function fetchRows(
  sources: RowSources,
  project: string,
  query: FetchQuery,
  res: ServerResponse,
): Promise<RowPage | undefined> {
  return query.filters.length === 0
    ? wholeTraces(sources, project, query, res)
    : matchingRows(sources, project, query, res);
}

/** Rows that match the filters, of at most `limit` traces. */
async function matchingRows(
  { logs }: RowSources,
  project: string,
  query: FetchQuery,
  res: ServerResponse,
): Promise<RowPage | undefined> {
  const { limit, cursor, filters, isWanted } = query;
  const node = allOf([rowsNode(project), ...filters.flatMap(filterNode)]);
  const rows: ShownRow[] = [];
  const traces = new Set<string>();
  const reader = new RowReader(logs);
  const untilMs = performance.now() + SEARCH_MS;
  let newestNs = cursor?.newestNs;
  for await (const scanned of scan(logs, node, query, res)) {
    if (scanned === undefined) return undefined;
    const { record, before } = scanned;
    newestNs ??= record.timeNs;
    const isNew = !traces.has(record.traceId);
    const isFull = (isNew && traces.size >= limit) || reader.characters > MAX_CHARACTERS;
    if (before && (isFull || performance.now() > untilMs)) return { rows, next: { after: before, newestNs } };
    const counted = reader.characters;
    const row = await reader.row(record);
    if (!row || !isWanted(row) || !matchesFilters(row, filters)) {
      // It is not on the page.
      reader.characters = counted;
      continue;
    }
    traces.add(record.traceId);
    rows.push(row);
  }
  return { rows, next: undefined };
}

/** Names that the query language can look up as they are. */
const NAME = /^[A-Za-z_]\w*$/;
const LOOKED_UP: ReadonlySet<string> = new Set(['metadata', 'scores', 'metrics', 'span_attributes']);

/** A condition of the store that every row with the value meets, if there is one. */
function filterNode({ path, value }: PathFilter): QueryNode[] {
  const isKnown = path.length > 1 && LOOKED_UP.has(path[0]!) && path.every((name) => NAME.test(name));
  const isPlain = typeof value === 'string' || typeof value === 'number';
  if (!isKnown || !isPlain) return [];
  return [
    {
      op: 'or',
      of: [
        { op: 'field', name: path.join('.'), compare: '=', value },
        // Only a part of the row is in the attributes.
        isEqual(ROW_CUT, 'true'),
      ],
    },
  ];
}

/** All rows of the next traces, with the requests that weir served in them. */
async function wholeTraces(
  sources: RowSources,
  project: string,
  query: FetchQuery,
  res: ServerResponse,
): Promise<RowPage | undefined> {
  const { limit, cursor, isWanted } = query;
  const { logs, spansOf } = sources;
  const rows: ShownRow[] = [];
  const found: FoundTrace[] = [];
  const seen = new Set<string>();
  const reader = new RowReader(logs);
  const untilMs = performance.now() + SEARCH_MS;
  let newestNs = cursor?.newestNs;
  let count = 0;
  /** Adds the rows of the found traces. Resolves to where the page ends; `false` if the client has left. */
  const take = async (): Promise<TimePlace | false | undefined> => {
    const records = await recordsOfTraces(logs, project, found, res);
    if (records === undefined) return false;
    for (const { trace, newest, before } of found.splice(0)) {
      if (count >= limit || (count > 0 && reader.characters > MAX_CHARACTERS)) return before;
      const ofTrace = records.get(trace) ?? [newest];
      if (cursor && ofTrace.some((record) => isEarlierOnList(logs, record, cursor))) continue;
      const shown = await shownRows(reader, spansOf, project, ofTrace);
      const wanted = shown.filter(isWanted);
      if (wanted.length === 0) continue;
      count++;
      rows.push(...wanted);
    }
    return undefined;
  };
  for await (const scanned of scan(logs, rowsNode(project), query, res)) {
    if (scanned === undefined) return undefined;
    const { record, before } = scanned;
    newestNs ??= record.timeNs;
    const trace = await traceOf(logs, record, res);
    if (trace === undefined) return undefined;
    if (!seen.has(trace)) found.push({ trace, newest: record, before });
    seen.add(trace);
    const isOver = performance.now() > untilMs;
    // One trace more than the limit tells whether there is a next page.
    if (!isOver && found.length < Math.min(TRACES, limit + 1 - count)) continue;
    const end = await take();
    if (end === false) return undefined;
    const after = end ?? (isOver ? timePlaceOf(logs, record) : undefined);
    if (after !== undefined) return { rows, next: { after, newestNs } };
  }
  const end = await take();
  if (end === false) return undefined;
  return { rows, next: end && { after: end, newestNs: newestNs! } };
}

/** True for a row that is on the list before the cursor, so that its trace was on an earlier page. */
function isEarlierOnList(logs: LogStore, record: LogRecord, { after, newestNs }: FetchCursor): boolean {
  if (record.kind !== 'span' || record.timeNs > newestNs) return false;
  if (record.timeNs !== after.timeNs) return record.timeNs > after.timeNs;
  return !logs.hasRead(after.place, record) || logs.placeOf(record) === after.place;
}
