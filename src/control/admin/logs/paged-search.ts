// Searches over several pages of the log store, and group queries, for a client that waits.
// Invariant: a search ends when its client has left or its time is over.
import type { ServerResponse } from 'node:http';
import type {
  LogRecord,
  Logs,
  PageQuery,
  PagePosition,
  GroupQuery,
  GroupResult,
} from '../../../telemetry/logs/logs.ts';

/** Operations of the log store that the routes use. */
export type LogStore = Pick<
  Logs,
  'page' | 'after' | 'at' | 'bodies' | 'group' | 'onStored' | 'post' | 'postLines'
>;

/** Maximum time of a search. Then the route returns what it has found. */
const SEARCH_MS = 10_000;
/** Maximum records of one query, since they are copied between threads at once. */
export const PAGE = 1000;

export interface SearchResult {
  readonly records: LogRecord[];
  /** Position of the next page; `undefined` at the end. */
  readonly next: PagePosition | undefined;
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
  logs: Pick<LogStore, 'page'>,
  query: PageQuery,
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
      return { records, next: positionOf(records.at(-1), query.after), isPartial: false };
    }
    if (page.next === undefined) return { records, next: undefined, isPartial: false };
    after = page.next;
    if (characters > maxCharacters) return { records, next: after, isPartial: false };
    if (performance.now() > untilMs) return { records, next: after, isPartial: true };
  }
}

const positionOf = (
  record: LogRecord | undefined,
  before: PagePosition | undefined,
): PagePosition | undefined => (record ? { timeNs: record.timeNs, seq: record.seq } : before);

/** Groups matching records (telemetry/logs/logs.ts). Returns `undefined` if the client has left. */
export async function groupUnlessClosed(
  logs: Pick<LogStore, 'group'>,
  query: GroupQuery,
  res: ServerResponse,
): Promise<GroupResult | undefined> {
  const result = await logs.group(query, { timeoutMs: SEARCH_MS, isWanted: () => !isClosed(res) });
  return isClosed(res) ? undefined : result;
}
