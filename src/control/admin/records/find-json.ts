// The response of GET /v1/find: what an id names. Types only, so that a page can import them.
// Invariant: each entry has all that is needed to open what it names.

/**
 * `request`: open `request_id` at /v1/logs/{id} and /v1/traces/{id}. `trace`: /v1/traces/{trace_id}. `span`: the same, with
 * `span_id`. `record`: /v1/logs/{place}. `async`: /v1/async/{id}. `export`: /v1/logs/exports/{id}.
 */
export type FoundKind = 'request' | 'trace' | 'span' | 'record' | 'async' | 'export';

/** What one id names. A field that does not apply is left out. */
export interface FoundJson {
  readonly kind: FoundKind;
  /** The whole id. */
  readonly id: string;
  /** Begin of the request or span, or when the line was written; of a task and an export when it was made. */
  readonly timestamp: string;
  readonly timestamp_ns: string;
  /** One line of text: the message of the record, or the state of a task or an export. */
  readonly text: string;
  /** Place of the record in the store, for /v1/logs/{place}. */
  readonly place?: string;
  /** Kind of the record. */
  readonly record_kind?: string;
  readonly request_id?: string;
  readonly trace_id?: string;
  readonly span_id?: string;
  readonly deployment?: string;
  /** Of a request: what the client received. */
  readonly status?: number;
  readonly duration_ms?: number;
  /** Of a task or an export. */
  readonly state?: string;
}

export interface FindJson {
  /** The id as it was read: without white space around it; ids of weir's form in lower case. */
  readonly id: string;
  /** Empty if nothing has the id. */
  readonly found: readonly FoundJson[];
  /** What the id may be by its form, and was looked up as. `request_end`: the last characters of a request id. */
  readonly tried: readonly (FoundKind | 'request_end')[];
  /** Only with `request_end`: requests before this time were not read. ISO 8601. */
  readonly searched_from?: string;
  /** Not everything was read: the time was over, or there are more matches. */
  readonly is_partial?: true;
}
