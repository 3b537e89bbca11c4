// What the store is given to store: a record, and the bodies of a request.
// Invariant: an entry is plain data, so that its makers need not know the store.
import type { LogRecord } from '../log-record.ts';

/** Stored bodies of a request; `undefined`: none was stored. */
export interface Bodies {
  readonly request: Uint8Array | undefined;
  readonly response: Uint8Array | undefined;
}

export interface StoreEntry {
  readonly record: LogRecord;
  readonly bodies?: Bodies | undefined;
}
