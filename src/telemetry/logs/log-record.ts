// One row of the log store: a request, a log line, a span of a trace, or a lifecycle event of weir.
// Must stay true: a record is plain data that may cross threads, and every projection (search, tail, CSV, the contract's
// API, OTLP) is made of these fields alone. Source: contracts/logplane.md E4 and F2.

/**
 * `request`: an exchange that ended. `line`: logged by a replica or another program. `span`: posted by another program.
 * `event`: a lifecycle event of weir (core/events.ts). Stored as the index in this list, so new kinds are added at the end.
 */
export const KINDS = ['request', 'line', 'span', 'event'] as const;
export type RecordKind = (typeof KINDS)[number];

/** Who said it. Empty texts: unknown, or there is none. */
export interface RecordOrigin {
  /** Id of the deployment. */
  readonly deployment: string;
  readonly environment: string;
  readonly replica: string;
  /** `weir` (its own exchanges and events), `stdout`, `stderr`, a followed file's path, or `api`. */
  readonly source: string;
}

export interface LogRecord extends RecordOrigin {
  /** Place in the store: counts up without gaps over everything that is stored. 0: not stored yet. */
  readonly seq: number;
  readonly kind: RecordKind;
  /** Nanoseconds since the epoch: when a request began, when a line was written, when a span began. */
  readonly timeNs: bigint;
  /** OTLP severity number, 1 to 24 (contracts/logplane.md C4); 0 where nobody said. */
  readonly severity: number;
  /** The line's text; of a request, what it was in a few words. */
  readonly message: string;
  readonly requestId: string;
  /** 32 lowercase hex, or empty. */
  readonly traceId: string;
  /** 16 lowercase hex, or empty: of a line, the span that it was written in. */
  readonly spanId: string;
  readonly parentSpanId: string;
  /** What the client was told (HTTP status, gRPC status, WebSocket close code); 0: no request. */
  readonly status: number;
  /** How long a request or span took; 0 for a line or an event. */
  readonly durationNs: number;
  /** Everything else that it says, as the text of a JSON object; empty when there is nothing. */
  readonly attributes: string;
}

/** What a record says besides, read. Never throws: text that is no JSON object says nothing. */
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

/**
 * Names of attributes that a request's record has (kind `request`), beside the record's own fields:
 * method, path, protocol, cause, detail, remote, queue_ms, async_wait_ms, leased_ms, connected_ms, head_ms, first_byte_ms,
 * request_bytes, response_bytes, attempts, retries, async, is_sampled, has_bodies; with bodies (bodies/body-reader.ts):
 * model, response_model, response_id, input_tokens, output_tokens, total_tokens, cached_tokens, reasoning_tokens,
 * finish_reason, is_stream, is_assembled, request_body, response_body, response_error, response_error_type.
 * Of a line: whatever its JSON said; `exc_info` is a traceback, `is_cut` a line that was too long, `logger` who wrote it.
 * Of an event: `event`, its name in core/events.ts, and its facts; `suppressed`: earlier ones that were left out.
 * Of a span: its own attributes, and name, kind (OTLP's number), status_code, status_message, trace_state, events, links.
 * Of lines and spans that others posted: `resource` and `scope`, which say who sent them (otlp-records.ts).
 */
export type AttributeName = string;
