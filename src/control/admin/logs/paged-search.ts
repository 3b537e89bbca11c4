// Asks the record again and again until there is enough, or nobody waits for it any more.
// Must stay true: a search whose client has left asks for nothing more, and no search outlives its time.
import type { ServerResponse } from 'node:http';
import type {
  LogRecord,
  Logs,
  PageQuery,
  PagePosition,
  Aggregate,
  AggregateBy,
} from '../../../telemetry/logs/logs.ts';

/** What the log routes need of the record. */
export type LogStore = Pick<
  Logs,
  'page' | 'after' | 'at' | 'bodies' | 'aggregate' | 'aggregateMinutes' | 'onStored' | 'post' | 'postLines'
>;

/** How long a route looks before it answers with what it has. */
export const SEARCH_MS = 10_000;
/** Records that one question is answered with at most: they cross from one thread to another at once. */
export const PAGE = 1000;

export interface SearchResult {
  readonly records: LogRecord[];
  /** Where to go on; `undefined` when there is nothing more. */
  readonly next: PagePosition | undefined;
  /** The time was over before there was enough. */
  readonly isPartial: boolean;
}

/** When an answer is long enough, however little was found. */
interface Bounds {
  readonly searchMs?: number;
  /** Of messages and attributes. */
  readonly maxCharacters?: number;
}

/** True as soon as nobody takes the answer any more. */
export const isGone = (res: ServerResponse): boolean => res.destroyed || res.closed;

/** The next `query.limit` records; `undefined` where the client has left. */
export async function pagedSearch(
  logs: Pick<LogStore, 'page'>,
  query: PageQuery,
  res: ServerResponse,
  { searchMs = SEARCH_MS, maxCharacters = Infinity }: Bounds = {},
): Promise<SearchResult | undefined> {
  const untilMs = performance.now() + searchMs;
  const { limit } = query;
  const records: LogRecord[] = [];
  let { after } = query;
  let characters = 0;
  for (;;) {
    // One more than is wanted tells whether there is more.
    const page = await logs.page({ ...query, after, limit: Math.min(PAGE, limit + 1 - records.length) });
    if (isGone(res)) return undefined;
    for (const record of page.records) {
      records.push(record);
      characters += record.message.length + record.attributes.length;
    }
    if (records.length > limit) {
      records.length = limit;
      return { records, next: placeOf(records.at(-1), query.after), isPartial: false };
    }
    if (page.next === undefined) return { records, next: undefined, isPartial: false };
    after = page.next;
    if (characters > maxCharacters) return { records, next: after, isPartial: false };
    if (performance.now() > untilMs) return { records, next: after, isPartial: true };
  }
}

const placeOf = (
  record: LogRecord | undefined,
  before: PagePosition | undefined,
): PagePosition | undefined => (record ? { timeNs: record.timeNs, seq: record.seq } : before);

export interface CountResult {
  readonly counts: Map<string, number>;
  /** What was left out because there were too many values. */
  readonly others: number;
  readonly isPartial: boolean;
}

const MAX_VALUES = 10_000;

/** Counts all that matches; `undefined` where the client has left. */
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
    if (isGone(res)) return undefined;
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
