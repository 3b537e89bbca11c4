// The response of GET /v1/traces/{id}?shape=flat: the rows of a waterfall. Types only, so that a page can import them.
// Invariant: a span is behind its parent and before the next span of the parent's depth, so the rows are the tree in order.

/**
 * `request`: weir's span of a request; `queue`, `connect`, `replica`, `async_wait`: its parts; `delivery`: one try to
 * deliver a result to a webhook; `span`: one of another program; `row`: one that a client of Braintrust logged.
 */
export type FlatSpanType =
  'request' | 'queue' | 'connect' | 'replica' | 'async_wait' | 'delivery' | 'span' | 'row';

export interface FlatEventJson {
  /** `weir.head`, `weir.first_byte`, `weir.first_token`, or the name that another program gave. */
  readonly name: string;
  /** Milliseconds after the begin of the trace. */
  readonly offset_ms: number;
}

export interface FlatSpanJson {
  readonly span_id: string;
  /** As recorded; `null`: none. The parent may not be recorded. */
  readonly parent_span_id: string | null;
  /** Number of recorded spans above it, at most 50. */
  readonly depth: number;
  /** Number of spans directly below it, on this page or a later one. */
  readonly children: number;
  readonly type: FlatSpanType;
  readonly name: string;
  readonly start_ns: string;
  /** Milliseconds after the begin of the trace. */
  readonly offset_ms: number;
  readonly duration_ms: number;
  readonly is_error: boolean;
  /** Why it is an error, if that is known. */
  readonly error?: string;
  /** Of a request: what the client received; of a delivery: the status of the receiver. */
  readonly status?: number;
  readonly deployment?: string;
  readonly replica?: string;
  /** `weir`, or where the span came from. */
  readonly source?: string;
  readonly request_id?: string;
  /** A few facts for the label: `attempts`, `retries`, `cause`, `is_sum` (several waits are shown as one), `attempt`. */
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
  /** At most 20. */
  readonly events: readonly FlatEventJson[];
  /** Place of its record, for /v1/logs/{place}. */
  readonly place: string;
  /** Only with `with=attributes` or `span={span_id}`. */
  readonly attributes?: Readonly<Record<string, unknown>>;
}

export interface FlatLineJson {
  readonly timestamp: string;
  readonly timestamp_ns: string;
  readonly offset_ms: number;
  readonly level?: string;
  readonly message: string;
  /** The message was cut to 2,000 characters. */
  readonly is_cut?: true;
  readonly replica?: string;
  readonly source?: string;
  readonly place: string;
  /** The recorded span that it belongs to; `null`: none. */
  readonly span_id: string | null;
}

export interface FlatTraceJson {
  /** `null`: the request has no trace. Its spans are then those of weir. */
  readonly trace_id: string | null;
  /** The request that was asked for by its id, whose span is to be marked. */
  readonly request_id?: string;
  /** Begin of the earliest span or line; `offset_ms` counts from here. */
  readonly start_ns: string;
  /** From there to the end of the last one. */
  readonly duration_ms: number;
  /** Of the whole trace, not only of this page. */
  readonly counts: {
    readonly spans: number;
    readonly lines: number;
    readonly errors: number;
    /** Sources of spans. */
    readonly programs: number;
  };
  readonly spans: readonly FlatSpanJson[];
  /** Lines of the spans on this page, by time; those without a span are on the first page. At most 1,000. */
  readonly lines: readonly FlatLineJson[];
  /** Number of lines that did not fit on this page. */
  readonly lines_left_out?: number;
  /** For the next page: `cursor={cursor}`. Left out on the last one. */
  readonly cursor?: string;
  /** There are more than 20,000 spans or 5,000 lines, or the time was over. */
  readonly is_partial?: true;
}
