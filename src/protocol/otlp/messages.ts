// Tables of the OTLP 1.x messages for logs and traces: each field's JSON name, protobuf number and kind.
// Invariant: names, numbers and kinds are those of the OTLP .proto files. Unknown fields are skipped when decoding.
// Both codecs use these tables. The TypeScript types are derived from them.
// Source: docs/contracts/logs.md 3.
import type { Attributes, AnyValue } from './any-value.ts';

/** Kind of a field → its type in memory. */
interface KindTypes {
  /** Unsigned 64-bit integer of eight bytes: nanoseconds since the epoch. */
  fixed64: bigint;
  /** Signed 64-bit integer, as a varint. */
  int64: bigint;
  uint32: number;
  fixed32: number;
  /** Enumeration or signed 32-bit integer. JSON allows numbers only, not names. */
  int32: number;
  string: string;
  /** 16 bytes as 32 lowercase hex characters; empty if there is none. */
  traceId: string;
  /** 8 bytes as 16 lowercase hex characters; empty if there is none. */
  spanId: string;
  value: AnyValue;
  attributes: Attributes;
}

type Kind = keyof KindTypes;

/** A nested message, or a list of them. */
interface Nested<F extends MessageFields> {
  readonly isList: boolean;
  readonly fields: F;
}

/** JSON name → protobuf number and kind. */
export interface MessageFields {
  readonly [name: string]: readonly [number: number, kind: Kind | Nested<MessageFields>];
}

/** A message in memory. Every field is present, with its zero value if the encoded message does not have it. */
export type OtlpMessage<F extends MessageFields> = {
  readonly [N in keyof F]: F[N][1] extends Nested<infer Inner>
    ? F[N][1]['isList'] extends true
      ? readonly OtlpMessage<Inner>[]
      : OtlpMessage<Inner>
    : F[N][1] extends Kind
      ? KindTypes[F[N][1]]
      : never;
};

const list = <F extends MessageFields>(fields: F) => ({ isList: true, fields }) as const;
const one = <F extends MessageFields>(fields: F) => ({ isList: false, fields }) as const;

/** The sender, as attributes such as `service.name`. */
const resource = { attributes: [1, 'attributes'], droppedAttributesCount: [2, 'uint32'] } as const;

/** The instrumentation library of the sender. */
const scope = {
  name: [1, 'string'],
  version: [2, 'string'],
  attributes: [3, 'attributes'],
  droppedAttributesCount: [4, 'uint32'],
} as const;

const log = {
  timeUnixNano: [1, 'fixed64'],
  /** When a collector received the record. Used if `timeUnixNano` is 0. */
  observedTimeUnixNano: [11, 'fixed64'],
  severityNumber: [2, 'int32'],
  severityText: [3, 'string'],
  body: [5, 'value'],
  attributes: [6, 'attributes'],
  droppedAttributesCount: [7, 'uint32'],
  flags: [8, 'fixed32'],
  traceId: [9, 'traceId'],
  spanId: [10, 'spanId'],
  eventName: [12, 'string'],
} as const;

const event = {
  timeUnixNano: [1, 'fixed64'],
  name: [2, 'string'],
  attributes: [3, 'attributes'],
  droppedAttributesCount: [4, 'uint32'],
} as const;

const link = {
  traceId: [1, 'traceId'],
  spanId: [2, 'spanId'],
  traceState: [3, 'string'],
  attributes: [4, 'attributes'],
  droppedAttributesCount: [5, 'uint32'],
  flags: [6, 'fixed32'],
} as const;

const span = {
  traceId: [1, 'traceId'],
  spanId: [2, 'spanId'],
  traceState: [3, 'string'],
  parentSpanId: [4, 'spanId'],
  flags: [16, 'fixed32'],
  name: [5, 'string'],
  /** 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: [6, 'int32'],
  startTimeUnixNano: [7, 'fixed64'],
  endTimeUnixNano: [8, 'fixed64'],
  attributes: [9, 'attributes'],
  droppedAttributesCount: [10, 'uint32'],
  events: [11, list(event)],
  droppedEventsCount: [12, 'uint32'],
  links: [13, list(link)],
  droppedLinksCount: [14, 'uint32'],
  /** `code`: 0 unset, 1 ok, 2 error. */
  status: [15, one({ message: [2, 'string'], code: [3, 'int32'] } as const)],
} as const;

/** ExportLogsServiceRequest. */
export const logsRequest = {
  resourceLogs: [
    1,
    list({
      resource: [1, one(resource)],
      scopeLogs: [
        2,
        list({ scope: [1, one(scope)], logRecords: [2, list(log)], schemaUrl: [3, 'string'] } as const),
      ],
      schemaUrl: [3, 'string'],
    } as const),
  ],
} as const;

/** ExportTraceServiceRequest. */
export const tracesRequest = {
  resourceSpans: [
    1,
    list({
      resource: [1, one(resource)],
      scopeSpans: [
        2,
        list({ scope: [1, one(scope)], spans: [2, list(span)], schemaUrl: [3, 'string'] } as const),
      ],
      schemaUrl: [3, 'string'],
    } as const),
  ],
} as const;

/** ExportLogsServiceResponse. 0 rejected records and a message: all are accepted, with a warning. */
export const logsResponse = {
  partialSuccess: [1, one({ rejectedLogRecords: [1, 'int64'], errorMessage: [2, 'string'] } as const)],
} as const;

/** ExportTraceServiceResponse. */
export const tracesResponse = {
  partialSuccess: [1, one({ rejectedSpans: [1, 'int64'], errorMessage: [2, 'string'] } as const)],
} as const;

/** google.rpc.Status, the body of an error response, without its `details`. */
export const rpcStatus = { code: [1, 'int32'], message: [2, 'string'] } as const;

export type OtlpResource = OtlpMessage<typeof resource>;
export type OtlpScope = OtlpMessage<typeof scope>;
export type OtlpLog = OtlpMessage<typeof log>;
export type OtlpSpan = OtlpMessage<typeof span>;
export type LogsRequest = OtlpMessage<typeof logsRequest>;
export type TracesRequest = OtlpMessage<typeof tracesRequest>;

const ZERO_VALUES: { readonly [K in Kind]: KindTypes[K] } = {
  fixed64: 0n,
  int64: 0n,
  uint32: 0,
  fixed32: 0,
  int32: 0,
  string: '',
  traceId: '',
  spanId: '',
  value: null,
  attributes: new Map(),
};

const zeroFields = new Map<MessageFields, Record<string, unknown>>();

/** The zero values of a message's fields; `undefined` for nested messages. Computed once per table. */
function zeroFieldsOf(fields: MessageFields): Record<string, unknown> {
  let zero = zeroFields.get(fields);
  if (zero === undefined) {
    zero = {};
    for (const name in fields) {
      const kind = fields[name]![1];
      zero[name] = typeof kind === 'string' ? ZERO_VALUES[kind] : undefined;
    }
    zeroFields.set(fields, zero);
  }
  return zero;
}

/** A new message with zero values, to be filled. */
export function emptyMessage<F extends MessageFields>(fields: F): Draft<OtlpMessage<F>> {
  const message = { ...zeroFieldsOf(fields) };
  for (const name in message)
    if (message[name] === undefined) {
      const { isList, fields: inner } = (fields as MessageFields)[name]![1] as Nested<MessageFields>;
      message[name] = isList ? [] : emptyMessage(inner);
    }
  return message as Draft<OtlpMessage<F>>;
}

/** A message whose fields can be set. */
type Draft<M> = { -readonly [N in keyof M]: M[N] };

export const emptyLog = (): Draft<OtlpLog> => emptyMessage(log);
export const emptySpan = (): Draft<OtlpSpan> => emptyMessage(span);
