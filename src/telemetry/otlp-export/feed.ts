// What an exporter reads: the one store of what happened, from some place on.
// Must stay true: this is a port; the store stands behind it, and sidecar.ts puts it there.
import type { Kind, LogRecord } from '../logs/logs.ts';

export interface Page {
  /** Wanted records behind the place that was asked for, in the order of their seq. */
  readonly records: readonly LogRecord[];
  /** How far was read: the seq of the last record that was looked at, wanted or not. */
  readonly lastSeq: number;
  /** Newest seq in the store; 0: nothing was ever stored. */
  readonly headSeq: number;
  /** Oldest seq that is still stored. */
  readonly oldestSeq: number;
}

export interface Feed {
  /** Up to `limit` wanted records with a seq above `afterSeq`. */
  read(afterSeq: number, limit: number): Promise<Page>;
  /** Calls `listener` whenever something new is stored; returns how to end that. */
  onStored(listener: () => void): () => void;
}

/** Which records are wanted. */
export interface Wanted {
  readonly kinds: readonly Kind[];
  /** Least severity, as records have it; 0: all, those without one too. */
  readonly minSeverity: number;
  /** In the language of the search; empty: all. */
  readonly query: string;
}

/** `problem`: what is wrong with the query, as the end of a sentence. */
export type OpenFeed = (wanted: Wanted) => Feed | { readonly problem: string };
