// Error status of spans.
// Invariant: errors of the client are not errors of a server span.
// Sources: OpenTelemetry semantic conventions for HTTP spans (4xx is unset on SERVER, an error on CLIENT) and for gRPC
// (which status codes are errors on SERVER).
import { catalogue, type Failure } from '../../core/errors.ts';

/** gRPC status: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS. */
const SERVER_CODES = new Set([2, 4, 12, 13, 14, 15]);
/** WebSocket close codes for server errors (RFC 6455 section 7.4, IANA registry). */
const SERVER_CLOSES = new Set([1011, 1012, 1013, 1014]);

export interface SpanOutcome {
  readonly protocol: string;
  readonly status: number;
  readonly cause: string;
  /** The response is a stream that reported an error after a status that means success. */
  readonly isFailedStream?: boolean;
}

const originOf = (cause: string): string =>
  Object.hasOwn(catalogue, cause) ? catalogue[cause as Failure].origin : '';

/** True if weir or the replica failed: the status of a server span. */
export function hasFailed({ protocol, status, cause, isFailedStream }: SpanOutcome): boolean {
  if (protocol === 'grpc') return SERVER_CODES.has(status);
  if (protocol === 'websocket') return SERVER_CLOSES.has(status) || isServerFailure(cause);
  return status >= 500 || isFailedStream === true;
}

const isServerFailure = (cause: string): boolean => ['weir', 'replica'].includes(originOf(cause));

/** True if the replica failed: the status of the client span for weir's request to the replica. */
export function hasReplicaFailed({ protocol, status, cause, isFailedStream }: SpanOutcome): boolean {
  if (isFailedStream === true) return true;
  if (cause !== 'ok') return originOf(cause) === 'replica';
  if (protocol === 'grpc') return status !== 0;
  return protocol === 'websocket' ? SERVER_CLOSES.has(status) : status >= 400;
}

/** Attribute `error.type`: the cause; `stream_error`, or the status, if the exchange itself succeeded. */
export const errorType = ({ status, cause, isFailedStream }: SpanOutcome): string =>
  cause !== 'ok' ? cause : isFailedStream === true ? 'stream_error' : String(status);
