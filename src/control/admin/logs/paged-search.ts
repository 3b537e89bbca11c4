// Searches and counts over several pages of the log store.
// Invariant: a search ends when its client has left or its time is over.
import type { ServerResponse } from 'node:http';
import type {
  LogRecord,
  Logs,
  PageQuery,
  PagePosition,
  Aggregate,
  AggregateBy,
} from '../../../telemetry/logs/logs.ts';

/** Operations of the log store that the routes use. */
export type LogStore = Pick<
  Logs,
  'page' | 'after' | 'at' | 'bodies' | 'aggregate' | 'aggregateMinutes' | 'onStored' | 'post' | 'postLines'
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

export interface CountResult {
  readonly counts: Map<string, number>;
  /** Records with values beyond MAX_VALUES. */
  readonly others: number;
  readonly isPartial: boolean;
}

const MAX_VALUES = 10_000;

/** Counts matching records by value. Returns `undefined` if the client has left. */
export async function pagedCount(
  logs: Pick<LogStore, 'aggregate'>,
  query: Omit<PageQuery, 'limit' | 'direction' | 'after'>,
  by: AggregateBy,
  res: ServerResponse,
  searchMs = SEARCH_MS,
): Promise<CountResult | undefined> {
  const untilMs = performance.now() + searchMs;
  const counts = new Map<string, number>();
  let others = 0;
  let after: PagePosition | undefined;
  for (;;) {
    const tally: Aggregate = await logs.aggregate({ ...query, after }, by);
    if (isClosed(res)) return undefined;
    for (const [value, n] of tally.counts) {
      const known = counts.get(value);
      if (known === undefined && counts.size >= MAX_VALUES) others += n;
      else counts.set(value, (known ?? 0) + n);
    }
    after = tally.next;
    if (after === undefined || performance.now() > untilMs)
      return { counts, others, isPartial: after !== undefined };
  }
}
