// The messages of OTLP 1.x for logs and traces, as one table each: a field's name in JSON, its number and kind in
// protobuf, and with that its type here. Both codecs walk these tables; nobody else knows a field number.
// Must stay true: names, numbers and kinds are the standard's (contracts/logplane.md C3). What a message has and a
// table has not is left out on the way in, as the standard asks of fields that are not known.
import type { Attributes, AnyValue } from './any-value.ts';

/** How a field is written, and what it is here. */
interface KindTypes {
  /** 64 bits, unsigned, eight bytes: nanoseconds since the epoch. */
  fixed64: bigint;
  /** 64 bits with a sign, as a varint. */
  int64: bigint;
  uint32: number;
  fixed32: number;
  /** An enumeration or other 32-bit number with a sign: in JSON as a number only. */
  int32: number;
  string: string;
  /** 16 bytes, or none: 32 lowercase hex characters, or the empty text. */
  traceId: string;
  /** 8 bytes, or none: 16 lowercase hex characters, or the empty text. */
  spanId: string;
  value: AnyValue;
  attributes: Attributes;
}

type Kind = keyof KindTypes;

/** One message inside another, or a list of them. */
interface Nested<F extends MessageFields> {
  readonly isList: boolean;
  readonly fields: F;
}

/** Name in JSON → number in protobuf and kind. */
export interface MessageFields {
  readonly [name: string]: readonly [number: number, kind: Kind | Nested<MessageFields>];
}

/** What a message of these fields is in memory: every field is there, with its zero value where it was not said. */
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

/** Who sent it: `service.name` and the like. */
const resource = { attributes: [1, 'attributes'], droppedAttributesCount: [2, 'uint32'] } as const;

/** Which library of the sender. */
const scope = {
  name: [1, 'string'],
  version: [2, 'string'],
  attributes: [3, 'attributes'],
  droppedAttributesCount: [4, 'uint32'],
} as const;

const log = {
  timeUnixNano: [1, 'fixed64'],
  /** When a collector saw it: stands in where the time itself is 0. */
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

/** ExportLogsServiceResponse. Zero and a message: all was taken, and there is something to say. */
export const logsResponse = {
  partialSuccess: [1, one({ rejectedLogRecords: [1, 'int64'], errorMessage: [2, 'string'] } as const)],
} as const;

/** ExportTraceServiceResponse. */
export const tracesResponse = {
  partialSuccess: [1, one({ rejectedSpans: [1, 'int64'], errorMessage: [2, 'string'] } as const)],
} as const;

/** google.rpc.Status, the body of an error. Its `details` are not read. */
export const rpcStatus = { code: [1, 'int32'], message: [2, 'string'] } as const;

export type OtlpResource = OtlpMessage<typeof resource>;
export type OtlpScope = OtlpMessage<typeof scope>;
export type OtlpLog = OtlpMessage<typeof log>;
export type OtlpSpan = OtlpMessage<typeof span>;
export type OtlpEvent = OtlpMessage<typeof event>;
export type OtlpLink = OtlpMessage<typeof link>;
export type LogsRequest = OtlpMessage<typeof logsRequest>;
export type TracesRequest = OtlpMessage<typeof tracesRequest>;
export type LogsResponse = OtlpMessage<typeof logsResponse>;
export type TracesResponse = OtlpMessage<typeof tracesResponse>;
export type RpcStatus = OtlpMessage<typeof rpcStatus>;

const ZERO: { readonly [K in Kind]: KindTypes[K] } = {
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

const blanks = new Map<MessageFields, Record<string, unknown>>();

/** What a message begins with, but for what is nested in it. */
function blankOf(fields: MessageFields): Record<string, unknown> {
  let blank = blanks.get(fields);
  if (blank === undefined) {
    blank = {};
    for (const name in fields) {
      const kind = fields[name]![1];
      blank[name] = typeof kind === 'string' ? ZERO[kind] : undefined;
    }
    blanks.set(fields, blank);
  }
  return blank;
}

/** A message that says nothing, to be filled. */
export function emptyOf<F extends MessageFields>(fields: F): Draft<OtlpMessage<F>> {
  const message = { ...blankOf(fields) };
  for (const name in message)
    if (message[name] === undefined) {
      const { isList, fields: inner } = (fields as MessageFields)[name]![1] as Nested<MessageFields>;
      message[name] = isList ? [] : emptyOf(inner);
    }
  return message as Draft<OtlpMessage<F>>;
}

/** A message that is being made. */
export type Draft<M> = { -readonly [N in keyof M]: M[N] };

export const emptyLog = (): Draft<OtlpLog> => emptyOf(log);
export const emptySpan = (): Draft<OtlpSpan> => emptyOf(span);
export const emptyEvent = (): Draft<OtlpEvent> => emptyOf(event);
export const emptyLink = (): Draft<OtlpLink> => emptyOf(link);
