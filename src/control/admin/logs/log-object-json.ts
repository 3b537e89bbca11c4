// A record as JSON. Types only, so that a page can import them.
// Invariant: a field that a record does not have is left out, never null.

/** Fields in the order of the output. */
export interface LogObject {
  readonly timestamp: string;
  /** Nanoseconds since the epoch, as text, since they exceed the precision of JSON numbers. */
  readonly timestamp_ns: string;
  readonly seq: number;
  readonly kind: string;
  readonly level?: string;
  readonly message: string;
  readonly request_id?: string;
  readonly trace_id?: string;
  readonly span_id?: string;
  readonly parent_span_id?: string;
  readonly deployment?: string;
  readonly environment?: string;
  readonly replica?: string;
  readonly source?: string;
  readonly pod?: string;
  readonly model_id?: string;
  readonly status?: number;
  readonly duration_ms?: number;
  readonly attributes?: Record<string, unknown>;
}
