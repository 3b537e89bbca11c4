// What an exporter reads: the one store of what happened, from some place on.
// Must stay true: this is a port; the store stands behind it, and sidecar.ts puts it there.
import type { RecordKind, LogRecord } from '../logs/logs.ts';

export interface FeedPage {
  /** Wanted records behind the place that was asked for, in the order of their seq. */
  readonly records: readonly LogRecord[];
  /** How far was read: the seq of the last record that was looked at, wanted or not. */
  readonly lastSeq: number;
  /** Newest seq in the store; 0: nothing was ever stored. */
  readonly headSeq: number;
  /** Oldest seq that is still stored. */
  readonly oldestSeq: number;
}

export interface ExportFeed {
  /** Up to `limit` wanted records with a seq above `afterSeq`. */
  read(afterSeq: number, limit: number): Promise<FeedPage>;
  /** Calls `listener` whenever something new is stored; returns how to end that. */
  onStored(listener: () => void): () => void;
}

/** Which records are wanted. */
export interface FeedFilter {
  readonly kinds: readonly RecordKind[];
  /** Least severity, as records have it; 0: all, those without one too. */
  readonly minSeverity: number;
  /** In the language of the search; empty: all. */
  readonly query: string;
}

/** `problem`: what is wrong with the query, as the end of a sentence. */
export type OpenExportFeed = (wanted: FeedFilter) => ExportFeed | { readonly problem: string };
