// The catalogue of all failures of an exchange, with the status and message that the client gets.
// Invariant: every cause has exactly one row, and no other file decides a status.

/** Where the cause is: at the client, in weir or its configuration, or at the replica. */
export type Origin = 'client' | 'weir' | 'replica';

/** `error_code` in the JSON body of an error (docs/contracts/serving.md 1.4). */
export type ErrorCode =
  | 'timeout'
  | 'client_error'
  | 'model_unavailable'
  | 'model_does_not_exist'
  | 'payload_too_large'
  | 'rate_limited'
  | 'unauthorized'
  | 'internal_baseten_error';

/** What an HTTP client, a gRPC client and an operator get for a cause. */
export interface ErrorRow {
  readonly origin: Origin;
  /** HTTP status. 499 is never sent, since the client has disconnected; it appears in logs and metrics. */
  readonly http: number;
  /** gRPC status name (https://grpc.io/docs/guides/status-codes/). */
  readonly grpc: string;
  readonly retryable: boolean;
  readonly errorCode: ErrorCode;
  /** One sentence without a full stop, since `: ` and a detail may follow. */
  readonly message: string;
}

const row = (
  origin: Origin,
  http: number,
  errorCode: ErrorCode,
  grpc: string,
  retryable: boolean,
  message: string,
): ErrorRow => Object.freeze({ origin, http, grpc, retryable, errorCode, message });

/** Cause → row. */
export const catalogue = Object.freeze({
  bad_request: row('client', 400, 'client_error', 'INVALID_ARGUMENT', false, 'The request is malformed'),
  unauthorized: row('client', 401, 'unauthorized', 'UNAUTHENTICATED', false, 'A valid key is required'),
  forbidden: row('client', 403, 'unauthorized', 'PERMISSION_DENIED', false, 'Access denied'),
  unknown_target: row(
    'client',
    404,
    'model_does_not_exist',
    'NOT_FOUND',
    false,
    'No such deployment or environment',
  ),
  unknown_route: row('client', 404, 'client_error', 'UNIMPLEMENTED', false, 'No such route'),
  method_not_allowed: row('client', 405, 'client_error', 'UNIMPLEMENTED', false, 'Method not allowed'),
  request_timeout: row(
    'client',
    408,
    'client_error',
    'CANCELLED',
    true,
    'The request did not arrive in time',
  ),
  too_large: row(
    'client',
    413,
    'payload_too_large',
    'RESOURCE_EXHAUSTED',
    false,
    'The payload exceeds the maximum size',
  ),
  wrong_protocol: row('client', 415, 'client_error', 'UNIMPLEMENTED', false, 'Protocol not supported'),
  expectation_failed: row(
    'client',
    417,
    'client_error',
    'INVALID_ARGUMENT',
    false,
    'Unsupported Expect header: only 100-continue is supported',
  ),
  headers_too_large: row(
    'client',
    431,
    'client_error',
    'RESOURCE_EXHAUSTED',
    false,
    'The request headers are too large',
  ),
  not_implemented: row('client', 501, 'client_error', 'UNIMPLEMENTED', false, 'Not implemented'),
  unknown_request: row('client', 404, 'client_error', 'NOT_FOUND', false, 'No such async request'),
  unknown_record: row('client', 404, 'client_error', 'NOT_FOUND', false, 'No such record'),
  id_in_use: row(
    'client',
    409,
    'client_error',
    'ALREADY_EXISTS',
    false,
    'A request with this id already exists',
  ),
  wrong_state: row(
    'client',
    409,
    'client_error',
    'FAILED_PRECONDITION',
    false,
    'Not possible in the present state',
  ),
  idempotency_conflict: row(
    'client',
    422,
    'client_error',
    'INVALID_ARGUMENT',
    false,
    'This Idempotency-Key was already used with a different body',
  ),
  rate_limited: row(
    'client',
    429,
    'rate_limited',
    'RESOURCE_EXHAUSTED',
    true,
    'Too many requests in a short time',
  ),
  key_limited: row(
    'client',
    429,
    'rate_limited',
    'RESOURCE_EXHAUSTED',
    true,
    'A limit of this key is reached',
  ),
  deadline_exceeded: row(
    'client',
    504,
    'timeout',
    'DEADLINE_EXCEEDED',
    false,
    'The deadline that the client set has passed',
  ),
  client_gone: row(
    'client',
    499,
    'client_error',
    'CANCELLED',
    false,
    'The client disconnected before the response was complete',
  ),
  client_stalled: row(
    'client',
    499,
    'client_error',
    'CANCELLED',
    false,
    'The client stopped reading the response',
  ),
  queue_full: row('weir', 429, 'rate_limited', 'RESOURCE_EXHAUSTED', true, 'Too many requests are waiting'),
  at_capacity: row(
    'weir',
    529,
    'rate_limited',
    'RESOURCE_EXHAUSTED',
    true,
    'All replicas are at their concurrency limit',
  ),
  queue_timeout: row('weir', 500, 'timeout', 'DEADLINE_EXCEEDED', true, 'No replica was free in time'),
  overloaded: row('weir', 503, 'model_unavailable', 'UNAVAILABLE', true, 'This sidecar is overloaded'),
  no_replica: row('weir', 503, 'model_unavailable', 'UNAVAILABLE', true, 'No replica is ready'),
  draining: row('weir', 503, 'model_unavailable', 'UNAVAILABLE', true, 'This sidecar is shutting down'),
  storage_full: row(
    'weir',
    507,
    'internal_baseten_error',
    'RESOURCE_EXHAUSTED',
    true,
    'The task store is full',
  ),
  storage_failed: row('weir', 503, 'model_unavailable', 'UNAVAILABLE', true, 'The task store is unavailable'),
  search_timeout: row('weir', 504, 'timeout', 'DEADLINE_EXCEEDED', true, 'The search took too long'),
  internal: row('weir', 500, 'internal_baseten_error', 'INTERNAL', false, 'Internal error'),
  connect_failed: row(
    'replica',
    502,
    'model_unavailable',
    'UNAVAILABLE',
    true,
    'The replica could not be reached',
  ),
  reset_midway: row(
    'replica',
    502,
    'model_unavailable',
    'UNAVAILABLE',
    false,
    'The replica closed the connection before the response was complete',
  ),
  bad_response: row(
    'replica',
    502,
    'model_unavailable',
    'INTERNAL',
    false,
    'The replica sent a malformed response',
  ),
  first_byte_timeout: row(
    'replica',
    504,
    'timeout',
    'DEADLINE_EXCEEDED',
    false,
    'The replica did not begin its response in time',
  ),
  upgrade_timeout: row(
    'replica',
    408,
    'timeout',
    'DEADLINE_EXCEEDED',
    true,
    'The replica did not accept the WebSocket upgrade in time',
  ),
  idle_timeout: row(
    'replica',
    504,
    'timeout',
    'DEADLINE_EXCEEDED',
    false,
    'No data was sent or received for too long',
  ),
  total_timeout: row(
    'replica',
    504,
    'timeout',
    'DEADLINE_EXCEEDED',
    false,
    'The request exceeded its time limit',
  ),
});

/** A cause that is not `ok`. */
export type Failure = keyof typeof catalogue;

/** How an exchange ended. */
export type Cause = 'ok' | Failure;

/** All causes, `ok` first. The position is the index into per-cause counters. */
export const causes: readonly Cause[] = ['ok', ...(Object.keys(catalogue) as Failure[])];

/**
 * An error with a code and a message for the operator, such as one that ends the process. Expected failures of requests
 * are returned as values of the catalogue instead, since exceptions are expensive under load.
 */
export class WeirError extends Error {
  readonly code: string;
  constructor(code: string, detail: string, options?: { cause?: unknown }) {
    super(detail, options);
    this.name = 'WeirError';
    this.code = code;
  }
}

/** The message of any thrown value and of its causes, on one line. */
export function describe(error: unknown): string {
  const parts: string[] = [];
  for (
    let e: unknown = error;
    e !== undefined && parts.length < 5;
    e = e instanceof Error ? e.cause : undefined
  )
    parts.push(
      e instanceof Error ? e.message || (e as { readonly code?: string }).code || e.name : JSON.stringify(e),
    );
  return parts.join(': ');
}
