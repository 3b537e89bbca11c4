// Further operations of the reader thread, which a module of another folder provides (LogsConfig).
// Invariant: an operation reads a limited number of records, so that searches wait for a limited time.
import type { QueryNode } from '../query/query-node.ts';
import type { FeedPage, StoreReader } from '../store/store-reader.ts';

/** Reads up to `limit` matching records with a sequence number above `afterSeq`. */
export type ReadRecords = (node: QueryNode, afterSeq: number, limit: number) => FeedPage;

/** Further ways of reading, for modules that read more than records. */
export type ReadStore = Pick<StoreReader, 'bodies' | 'scan'>;

/** All ways of reading, for modules that run queries of their own. */
export type QueriedStore = Pick<StoreReader, 'at' | 'bodies' | 'group' | 'leftOut' | 'page' | 'scan'>;

/** What the module exports. */
export interface ReaderModule {
  /** Returns the operations by name. `folder`: of the day files. One that takes long returns a promise, so that other calls run meanwhile. */
  readonly operations: (after: ReadRecords, store: QueriedStore, folder: string) => object;
}
