// Who a request is: its id and its place in a distributed trace.
// Must stay true: every exchange has an id before anything else happens to it, and a traceparent that is passed
// on is always valid. Sources: contracts/baseten.md 3; W3C Trace Context, 3.2 (traceparent).
import { requestId, spanId } from '../base/ids.ts';

/** The response header; clients read it in any case of letters. */
export const ID_HEADER = 'X-Baseten-Request-Id';
/** The same towards the replica. */
export const ID_HEADER_LOWER = 'x-baseten-request-id';
export const TRACE_HEADER = 'traceparent';

/** The id for a request that began at `epochMs`. `inbound` is what the client sent, where that is trusted. */
export function identify(epochMs: number, inbound: string | undefined): string {
  return inbound !== undefined && isAcceptableId(inbound) ? inbound : requestId(epochMs);
}

/**
 * Ids that may be taken over: 1 to 256 characters (the limit of the log API), no `:` (gateways append with it),
 * and nothing that would need quoting in a header, a log line or a query.
 */
const isAcceptableId = (id: string): boolean => /^[A-Za-z0-9._-]{1,256}$/.test(id);

const ZERO_TRACE = '0'.repeat(32);
const ZERO_SPAN = '0'.repeat(16);

/**
 * True for a traceparent that may be passed on as it is. Version 00 is exactly 55 characters; a higher version may
 * be longer after another dash; `ff` and ids of zeros are invalid (W3C Trace Context 3.2.2).
 */
export function isValidTraceparent(value: string): boolean {
  if (!/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/.test(value)) return false;
  if (value.startsWith('ff') || (value.startsWith('00') && value.length !== 55)) return false;
  return value.slice(3, 35) !== ZERO_TRACE && value.slice(36, 52) !== ZERO_SPAN;
}

/** A new, unsampled-by-us traceparent: version 00, flags 00 leave the decision to sample to those behind us. */
export const mintTraceparent = (): string => `00-${spanId()}${spanId()}-${spanId()}-00`;

/** The parts of a valid traceparent. */
export const traceIdOf = (traceparent: string): string => traceparent.slice(3, 35);
export const spanIdOf = (traceparent: string): string => traceparent.slice(36, 52);
export const isSampled = (traceparent: string): boolean =>
  (parseInt(traceparent.slice(53, 55), 16) & 1) === 1;

/**
 * The id of the n-th span (1 to 15) below a request's own: the same whenever it is asked for, so that the span can be
 * made from the record of the request long after the replica was given it as its parent.
 */
export const childSpanId = (spanId: string, n: number): string =>
  spanId.slice(0, 15) + (parseInt(spanId[15]!, 16) ^ n).toString(16);

/** Which child of a request's span stands for the time at the replica: it is what the replica's own spans hang from. */
export const REPLICA_SPAN = 1;
