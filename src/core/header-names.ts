// Names of the headers that weir adds to HTTP's own: those that it sets, and those that more than one file reads.
// HTTP/1.1 messages have the spelling of `…_HEADER`; look-ups, HTTP/2 and gRPC need the lower case of `…_HEADER_LOWER`.
// Invariant: every header that weir sets is in SET_BY_WEIR, so that a client cannot pass a look-alike of it to a replica.

/** Id of the request, set by weir in requests to replicas and in responses. */
export const ID_HEADER = 'X-Baseten-Request-Id';
export const ID_HEADER_LOWER = 'x-baseten-request-id';
/** The same id under the name that model servers read. A replica gets it unless the client sent its own. */
export const REQUEST_ID_HEADER = 'X-Request-Id';
export const REQUEST_ID_HEADER_LOWER = 'x-request-id';
/** Number of attempts that the request took, set in responses (docs/contracts/serving.md 1.5). */
export const ATTEMPTS_HEADER = 'X-Baseten-Model-Prediction-Attempts';
export const ATTEMPTS_HEADER_LOWER = 'x-baseten-model-prediction-attempts';
/** Machine name of the failure, set in responses that weir makes itself. */
export const CAUSE_HEADER = 'X-Weir-Cause';
export const CAUSE_HEADER_LOWER = 'x-weir-cause';
/** W3C Server Timing. */
export const TIMING_HEADER = 'Server-Timing';
export const TIMING_HEADER_LOWER = 'server-timing';

/** Set in requests to replicas; a value that the client sent is kept or extended. */
export const FORWARDED_FOR_HEADER = 'X-Forwarded-For';
export const FORWARDED_FOR_HEADER_LOWER = 'x-forwarded-for';
export const FORWARDED_PROTO_HEADER = 'X-Forwarded-Proto';
export const FORWARDED_PROTO_HEADER_LOWER = 'x-forwarded-proto';
export const FORWARDED_HOST_HEADER = 'X-Forwarded-Host';
export const FORWARDED_HOST_HEADER_LOWER = 'x-forwarded-host';

/** W3C Trace Context. */
export const TRACE_HEADER = 'traceparent';
export const TRACESTATE_HEADER = 'tracestate';

/** A client that sends `false` in it does not want its bodies stored (docs/contracts/logs.md 1). */
export const DEBUG_HEADER = 'x-portkey-debug';

/** Tells a submission that is repeated from another one (docs/guides/async.md). */
export const IDEMPOTENCY_HEADER = 'idempotency-key';

/** Names, or none, that a setting can give to the header with the subject of a client's certificate. */
export const SUBJECT_HEADER_NAME = /^(?:x-(?:(?:ssl|forwarded)-)?client-[a-z0-9-]{1,48})?$/i;

/** True for a name, in lower case, that SUBJECT_HEADER_NAME allows, also with `_` in place of `-`. */
export const mayNameSubject = (lower: string): boolean =>
  lower.startsWith('x') && SUBJECT_HEADER_NAME.test(lower.replaceAll('_', '-'));

/** Headers of webhook requests. */
export const WEBHOOK_ID_HEADER = 'X-BASETEN-REQUEST-ID';
export const WEBHOOK_SIGNATURE_HEADER = 'X-BASETEN-SIGNATURE';

/** Every header with a `-` in its name that weir sets in a request to a replica or in a response, in lower case. */
export const SET_BY_WEIR: readonly string[] = [
  ID_HEADER_LOWER,
  REQUEST_ID_HEADER_LOWER,
  ATTEMPTS_HEADER_LOWER,
  FORWARDED_FOR_HEADER_LOWER,
  FORWARDED_PROTO_HEADER_LOWER,
  FORWARDED_HOST_HEADER_LOWER,
  TIMING_HEADER_LOWER,
  CAUSE_HEADER_LOWER,
];
const setByWeir = new Set(SET_BY_WEIR);

/**
 * True for a name, in lower case, that differs from one of SET_BY_WEIR only by `_` in place of `-`. CGI and WSGI servers
 * give both the same name (RFC 3875 4.1.18), so the application would take a client's value for weir's.
 */
export const isLookalike = (lower: string): boolean =>
  lower.includes('_') && setByWeir.has(lower.replaceAll('_', '-'));
