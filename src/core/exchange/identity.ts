// Request ids and trace context.
// Invariant: every exchange has an id from its start, and a traceparent that a replica gets is valid.
// Sources: docs/contracts/serving.md 3; W3C Trace Context, 3.2 (traceparent).
import { requestId, spanId } from '../request-id.ts';

/** The id of a request that began at `epochMs`. `inbound`: the client's own id, if it sent one that is trusted. */
export function identify(epochMs: number, inbound: string | undefined): string {
  return inbound !== undefined && isAcceptableId(inbound) ? inbound : requestId(epochMs);
}

/**
 * True for an id of a client that is kept: 1 to 256 characters (the limit of the log API), no `:` (gateways append with
 * it), and no character that needs quoting in a header, a log line or a query.
 */
const isAcceptableId = (id: string): boolean => /^[A-Za-z0-9._-]{1,256}$/.test(id);

const ZERO_TRACE = '0'.repeat(32);
const ZERO_SPAN = '0'.repeat(16);
/** `childSpanId` changes the last digit only. */
const ZERO_PARENT = '0'.repeat(15);

/**
 * True for a traceparent that may be passed on unchanged. Version 00 is exactly 55 characters; a higher version may
 * be longer after another dash; `ff` and ids of zeros are invalid (W3C Trace Context 3.2.2).
 */
export function isValidTraceparent(value: string): boolean {
  if (!/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/.test(value)) return false;
  if (value.startsWith('ff') || (value.startsWith('00') && value.length !== 55)) return false;
  return value.slice(3, 35) !== ZERO_TRACE && value.slice(36, 52) !== ZERO_SPAN;
}

export const newTraceId = (): string => spanId() + spanId();

const OWN_ID = /^[0-9a-f]{37}$/;
const HEX = '0123456789abcdef';

/**
 * The trace id of a request whose id weir made: its last 32 digits, of which the last 25 are random, so that samplers
 * may use them. Undefined if the id has another form, or these digits are all zero. An exchange has this trace id only
 * if it made its request id itself and the client sent no valid traceparent, so a stored trace id may be another one.
 */
export const derivedTraceId = (requestId: string): string | undefined =>
  OWN_ID.test(requestId) ? ownTraceId(requestId) : undefined;

/** The same for an id that is known to be weir's. Hot path. */
export function ownTraceId(requestId: string): string | undefined {
  const traceId = requestId.slice(5);
  return traceId === ZERO_TRACE ? undefined : traceId;
}

/**
 * The id of weir's own span of a request whose id weir made: its last 16 digits, which are random. Undefined if the id
 * has another form, or if this id or one of its children would be all zeros. An exchange has this span id only if it
 * made its request id itself: runs of a task share the id of their submit, and each has a span id of its own.
 */
export const derivedSpanId = (requestId: string): string | undefined =>
  OWN_ID.test(requestId) ? ownSpanId(requestId) : undefined;

/** The same for an id that is known to be weir's. Hot path. */
export function ownSpanId(requestId: string): string | undefined {
  const id = requestId.slice(21);
  return id.startsWith(ZERO_PARENT) ? undefined : id;
}

/** The parts of a valid traceparent. */
export const traceIdOf = (traceparent: string): string => traceparent.slice(3, 35);
export const spanIdOf = (traceparent: string): string => traceparent.slice(36, 52);
const flagsOf = (traceparent: string): number => parseInt(traceparent.slice(53, 55), 16);
export const isSampled = (traceparent: string): boolean => (flagsOf(traceparent) & 1) !== 0;
/**
 * True if the random flag is set: the first participant made the trace id at random (W3C Trace Context level 2,
 * 3.2.2.5).
 */
export const isRandom = (traceparent: string): boolean => (flagsOf(traceparent) & 2) !== 0;
/** The flags of a traceparent, as two hex digits. */
export const formatFlags = (sampled: boolean, random: boolean): string =>
  `0${(sampled ? 1 : 0) | (random ? 2 : 0)}`;

/**
 * The id of the n-th child (1 to 15) of a request's span. It only depends on the arguments, so that the child span can
 * be made from the stored request long after the replica got its id as the parent.
 */
export const childSpanId = (spanId: string, n: number): string =>
  spanId.slice(0, 15) + HEX[HEX.indexOf(spanId[15]!) ^ n]!;

/** Number of the child span for the time at the replica: the parent of the replica's own spans. */
export const REPLICA_SPAN = 1;
