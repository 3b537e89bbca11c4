// Searches over several pages of the log store, and group queries, for a client that waits.
// Invariant: a search ends when its client has left or its time is over.
import type { ServerResponse } from 'node:http';
import type {
  GroupQuery,
  GroupResult,
  LogRecord,
  LogStore,
  SearchQuery,
  TimePlace,
} from '../../../telemetry/logs/logs.ts';

/** Maximum time of a search. Then the route returns what it has found. */
const SEARCH_MS = 10_000;
/** Maximum records of one query, since they are copied between threads at once. */
export const PAGE = 1000;

export interface SearchResult {
  readonly records: LogRecord[];
  /** Place where the next page begins; `undefined` at the end. */
  readonly next: TimePlace | undefined;
  /** The time was over before the search was complete. */
  readonly isPartial: boolean;
}

interface SearchLimits {
  readonly searchMs?: number;
  /** Of messages and attributes together. */
  readonly maxCharacters?: number;
}

/** True if the client has left or the response has ended. */
export const isClosed = (res: ServerResponse): boolean => res.destroyed || res.closed;

/** Finds the next `query.limit` records. Returns `undefined` if the client has left. */
export async function pagedSearch(
  logs: Pick<LogStore, 'page' | 'placeOf'>,
  query: SearchQuery,
  res: ServerResponse,
  { searchMs = SEARCH_MS, maxCharacters = Infinity }: SearchLimits = {},
): Promise<SearchResult | undefined> {
  const untilMs = performance.now() + searchMs;
  const { limit } = query;
  const records: LogRecord[] = [];
  let { after } = query;
  let characters = 0;
  for (;;) {
    // One record more than the limit tells whether there is a next page.
    const page = await logs.page({ ...query, after, limit: Math.min(PAGE, limit + 1 - records.length) });
    if (isClosed(res)) return undefined;
    for (const record of page.records) {
      records.push(record);
      characters += record.message.length + record.attributes.length;
    }
    if (records.length > limit) {
      records.length = limit;
      const last = records.at(-1);
      return { records, next: last ? timePlaceOf(logs, last) : query.after, isPartial: false };
    }
    if (page.next === undefined) return { records, next: undefined, isPartial: false };
    after = page.next;
    if (characters > maxCharacters) return { records, next: after, isPartial: false };
    if (performance.now() > untilMs) return { records, next: after, isPartial: true };
  }
}

/** Place of a record in the order of time. */
export const timePlaceOf = (logs: Pick<LogStore, 'placeOf'>, record: LogRecord): TimePlace => ({
  timeNs: record.timeNs,
  place: logs.placeOf(record),
});

/** Groups matching records (telemetry/logs/logs.ts). Returns `undefined` if the client has left. */
export async function groupUnlessClosed(
  logs: Pick<LogStore, 'group'>,
  query: GroupQuery,
  res: ServerResponse,
): Promise<GroupResult | undefined> {
  const result = await logs.group(query, { timeoutMs: SEARCH_MS, isWanted: () => !isClosed(res) });
  return isClosed(res) ? undefined : result;
}
