// One row of the log store: a request, a log line, a span, a lifecycle event of weir, or an annotation (docs/contracts/logs.md 1, F2).
// Invariant: a record is plain data that can be sent to another thread, and holds all data that any output needs.

/**
 * `request`: an exchange that has ended. `line`: a log line of a replica or another program. `span`: a posted span.
 * `event`: a lifecycle event of weir (core/events.ts). `annotation`: what is attached to another record (annotation.ts).
 * Stored as the index in this list, so new kinds go to the end.
 */
export const KINDS = ['request', 'line', 'span', 'event', 'annotation'] as const;
export type RecordKind = (typeof KINDS)[number];

/** Where a log line comes from. A text is empty if it is unknown or does not apply. */
export interface LineOrigin {
  /** Id of the deployment. */
  readonly deployment: string;
  readonly environment: string;
  readonly replica: string;
  /** `weir` (requests and events), `stdout`, `stderr`, the path of a followed file, or `api`. */
  readonly source: string;
}

/**
 * Which of several instances a record comes from. Texts are empty in a record that is not stored yet, which means the
 * weir that stores it, and in records that were stored before weir kept these fields.
 */
export interface RecordWriter {
  /** `<name>-<id of the data folder>` of a weir, since `seq` begins anew in a new folder; or the pod of an OTLP sender. */
  readonly pod: string;
  /** Id of the model (`model.id`). */
  readonly modelId: string;
}

/** Fields that most records of a weir share. */
export interface RecordOrigin extends LineOrigin, RecordWriter {}

export interface LogRecord extends RecordOrigin {
  /** Sequence number: counts all stored records, without gaps. 0: not stored yet. */
  readonly seq: number;
  readonly kind: RecordKind;
  /** Nanoseconds since the epoch: begin of the request or span, or when the line was written. */
  readonly timeNs: bigint;
  /** OTLP severity number, 1 to 24 (docs/contracts/logs.md 4); 0: unknown. */
  readonly severity: number;
  /** Text of the line; of a request a summary, for example `POST /predict 200`. */
  readonly message: string;
  readonly requestId: string;
  /** 32 lowercase hex, or empty. */
  readonly traceId: string;
  /** 16 lowercase hex, or empty. Of a line: the span in which it was written. */
  readonly spanId: string;
  readonly parentSpanId: string;
  /** HTTP status, gRPC status or WebSocket close code that the client received; 0 for other kinds. */
  readonly status: number;
  /** Duration of the request or span; 0 for a line or an event. */
  readonly durationNs: number;
  /** Further data as JSON text of an object; empty if there is none. Names: see `attributesOf`. */
  readonly attributes: string;
}

/**
 * Parses the attributes of a record. Returns an empty object for text that is not a JSON object.
 *
 * Names of a request's attributes: method, path, protocol, cause, detail, remote, queue_ms, async_wait_ms, leased_ms,
 * connected_ms, head_ms, first_byte_ms, request_bytes, response_bytes, attempts, retries, async, is_sampled,
 * has_bodies. Of a request to a language model those of store/llm-numbers.ts, such as model, input_tokens,
 * first_token_ms and cost, and of a stream that reported an error response_error and response_error_type. With bodies
 * (ingest/bodies/body-reader.ts): is_stream, is_assembled, request_body, response_body, response_error,
 * response_error_type.
 * Of a line: the fields of its JSON; `exc_info` (traceback), `is_cut` (it was longer than allowed), `logger`.
 * Of an event: `event` (its name in core/events.ts) and its fields; `suppressed` (earlier ones that were not recorded).
 * Of a span: its own attributes, and name, kind (OTLP number), status_code, status_message, trace_state, events, links.
 * Of an annotation: `annotation` (its content), `target_seq`. Of a record with annotations: `annotations`
 * (merge-annotations.ts).
 * Of posted lines and spans: `resource` and `scope` of the sender (ingest/otlp-records.ts).
 */
export function attributesOf({ attributes }: { readonly attributes: string }): Record<string, unknown> {
  if (attributes === '') return {};
  try {
    const value: unknown = JSON.parse(attributes);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
