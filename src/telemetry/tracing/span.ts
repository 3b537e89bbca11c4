// One span of a trace, with the fields of OTLP (opentelemetry-proto, trace.proto).
// Invariant: plain data; times are nanoseconds since the epoch; ids are lowercase hex of 32 and 16 characters.

export const KIND = { internal: 1, server: 2, client: 3, consumer: 5 } as const;
export const STATUS = { unset: 0, error: 2 } as const;

export type SpanValue = string | number | boolean | readonly string[];
export type SpanAttributes = Readonly<Record<string, SpanValue>>;

export interface SpanEvent {
  readonly timeUnixNano: bigint;
  readonly name: string;
  readonly attributes: SpanAttributes;
}

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the root span of a trace. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: (typeof KIND)[keyof typeof KIND];
  readonly startTimeUnixNano: bigint;
  readonly endTimeUnixNano: bigint;
  readonly attributes: SpanAttributes;
  readonly events: readonly SpanEvent[];
  readonly status: { readonly code: (typeof STATUS)[keyof typeof STATUS]; readonly message: string };
}

/** Removes attributes that are undefined or empty. */
export function withoutEmpty(attributes: Readonly<Record<string, SpanValue | undefined>>): SpanAttributes {
  const out: Record<string, SpanValue> = {};
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined && value !== '') out[name] = value;
  return out;
}
