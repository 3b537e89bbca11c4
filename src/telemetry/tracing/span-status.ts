// Whether a request failed, as a span says it. Must stay true: what the client did wrong is no failure of ours.
// Sources: OpenTelemetry semantic conventions, HTTP spans (status: 4xx stays unset on SERVER, is an error on CLIENT) and
// gRPC (which codes are errors of a server).
import { catalogue, type Failure } from '../../core/errors.ts';

/** UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS. */
const SERVER_CODES = new Set([2, 4, 12, 13, 14, 15]);
/** 1011, 1012, 1013 and 1014: the server's side could not go on (RFC 6455 7.4, IANA). */
const SERVER_CLOSES = new Set([1011, 1012, 1013, 1014]);

export interface SpanOutcome {
  readonly protocol: string;
  readonly status: number;
  readonly cause: string;
}

const originOf = (cause: string): string =>
  Object.hasOwn(catalogue, cause) ? catalogue[cause as Failure].origin : '';

/** True where weir, or what stands behind it, failed. */
export function hasFailed({ protocol, status, cause }: SpanOutcome): boolean {
  if (protocol === 'grpc') return SERVER_CODES.has(status);
  if (protocol === 'websocket') return SERVER_CLOSES.has(status) || isOurs(cause);
  return status >= 500;
}

const isOurs = (cause: string): boolean => ['weir', 'replica'].includes(originOf(cause));

/** True where the replica failed, as the one who called it sees that. */
export function hasReplicaFailed({ protocol, status, cause }: SpanOutcome): boolean {
  if (cause !== 'ok') return originOf(cause) === 'replica';
  if (protocol === 'grpc') return status !== 0;
  return protocol === 'websocket' ? SERVER_CLOSES.has(status) : status >= 400;
}

/** `error.type`: the cause, or the status where that is all there is. */
export const errorType = ({ status, cause }: SpanOutcome): string =>
  cause === 'ok' ? String(status) : cause;
