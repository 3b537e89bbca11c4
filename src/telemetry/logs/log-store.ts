// The port of a log store: what the admin API needs of it. Each store compiles queries itself.
// Invariant: every implementation passes test/contract/log-store.ts.
import type { LineOrigin, LogRecord } from './log-record.ts';
import type { Place, TimePlace } from './place.ts';
import type { GroupQuery, GroupResult } from './query/group-query.ts';
import type { QueryNode } from './query/query-node.ts';
import type { Direction } from './store/page-position.ts';
import type { TimeRange } from './store/segment-query.ts';
import type { GroupLimits } from './threads/group-call.ts';
import type { PostResult, RowsResult } from './recorder/recorder-messages.ts';
import type { PostedRows } from './rows/read-rows.ts';

export interface SearchQuery extends TimeRange {
  readonly node: QueryNode;
  readonly direction: Direction;
  /** `next` of the previous page, or the place of a record, which is not on the page; `undefined`: the first page. */
  readonly after: TimePlace | undefined;
  /** Maximum number of records. */
  readonly limit: number;
}

/** Matching records, ordered by time, records of the same time by place. */
export interface SearchPage {
  readonly records: readonly LogRecord[];
  /** Where the next page begins; `undefined` on the last page. A page before the last one may be empty. */
  readonly next: TimePlace | undefined;
}

/** Matching records in the order in which they were stored. */
export interface NextRecords {
  readonly records: readonly LogRecord[];
  /** Where the next call continues. All records before it are in `records`, did not match, or are `missed`. */
  readonly cursor: Place;
  /** No record was stored behind `cursor` when the call began. */
  readonly isAtHead: boolean;
  /** Number of records, matching or not, that were deleted before they could be read. Mostly 0. */
  readonly missed: number;
}

export interface StoreHead {
  /** Place of the newest record. A reader that begins here gets only records that are stored later. */
  readonly place: Place;
  /** Number of records, matching or not, that were stored behind the given cursor; 0 without a cursor. */
  readonly behind: number;
}

/** Stored bodies of a request; `undefined`: none was stored. */
export interface StoredBodies {
  readonly request: Uint8Array | undefined;
  readonly response: Uint8Array | undefined;
}

export interface LogStore {
  /** Returns the next page of records, ordered by time. An empty page may have a `next`, since each call is limited. */
  page(query: SearchQuery): Promise<SearchPage>;
  /**
   * Returns the next matching records behind `cursor`, at most `limit`; `undefined`: from the oldest record on. A cursor
   * behind the newest record counts as the place of that record.
   */
  after(node: QueryNode, cursor: Place | undefined, limit: number): Promise<NextRecords>;
  /** Returns the place of the newest record, and how many records were stored behind `cursor`. */
  head(cursor?: Place): Promise<StoreHead>;
  /** Returns the record of a place; `undefined` if there is none, or not any more. */
  at(place: Place): Promise<LogRecord | undefined>;
  /** Returns the stored bodies of the request of a place; `undefined` if there are none. */
  bodies(place: Place): Promise<StoredBodies | undefined>;
  /**
   * Counts and measures the matching records by fields, attributes and time steps. Exact, unless the result says
   * otherwise. Rejects for an invalid query.
   */
  group(query: GroupQuery, limits?: GroupLimits): Promise<GroupResult>;

  /** Reads the text of a place that a client sent. `undefined`: this store does not issue such a place. */
  readPlace(text: string): Place | undefined;
  /** Place of a stored record, also as a cursor behind the record. */
  placeOf(record: LogRecord): Place;
  /** True if a reader at `cursor` has read this record already. */
  hasRead(cursor: Place, record: LogRecord): boolean;

  /** Calls `listener` after records were stored. Returns a function that ends this. */
  onStored(listener: () => void): () => void;
  /**
   * Stores posted records, at most 32,768 of them all or none. `bodies`: those of requests, by index. Resolves when they
   * are stored, or with the reason why they were dropped.
   */
  post(records: readonly LogRecord[], bodies?: readonly (StoredBodies | undefined)[]): Promise<PostResult>;
  /**
   * Stores rows of spans (docs/contracts/logs.md 5.1). Each row has one record, that of its newest version: kind `span`,
   * source `projectSource(project)`, its id as request id, the row as attributes (`rowOf`). A row that cannot be stored is
   * rejected alone.
   */
  postRows(rows: PostedRows): Promise<RowsResult>;
  /** Stores posted lines, each plain text or a JSON object. `count`: maximum number of lines, without blank ones. */
  postLines(bytes: Uint8Array, origin: LineOrigin, count: number): Promise<PostResult>;
}
