// Failures of a replica's side of a gRPC call, with the status and message for the client.
// Invariant: a message says what was received; the status is the one that gRPC maps it to.
import { describe, type Failure } from '../../../core/errors.ts';
import { grpcStatusOf, missingStatusText } from '../../../protocol/grpc/refusal.ts';
import { errorCodeName, type Http2ConnectionError } from '../../../protocol/http2/error-code.ts';
import { statusOfHttp, statusOfReset } from '../../../protocol/grpc/status.ts';

/** Node's error code if a peer violates HTTP/2 or exceeds the limits of nghttp2. */
const BROKEN_HTTP2 = 'ERR_HTTP2_ERROR';
const BROKEN_TEXT =
  'The connection to the replica was closed: the replica sent invalid HTTP/2, or a header or trailer larger than 64 KiB';
/** Longest content type that a message repeats, in characters. */
const MAX_TYPE = 100;

/** Largest initial metadata and largest trailers of a response, in bytes as RFC 9113 6.5.2 counts them. */
export const MAX_RESPONSE_METADATA = 64 * 1024;

/** Why a call fails. */
export interface CallFailure {
  readonly failure: Failure;
  /** For the log. */
  readonly detail: string;
  /** Number of the gRPC status. */
  readonly status: number;
  /** Message for the client; empty: the catalogue's message. */
  readonly text: string;
}

const bad = (what: string, raw: readonly string[], http = 200): CallFailure => {
  const text = missingStatusText(what, raw);
  return { failure: 'bad_response', detail: text, status: statusOfHttp(http), text };
};

/** An HTTP response that is not gRPC. `raw`: its headers. */
export const noGrpc = (http: number, type: string | undefined, raw: readonly string[]): CallFailure =>
  bad(
    `The replica responded with HTTP ${http}` +
      (http === 200 ? ` (content-type ${type === undefined ? 'missing' : type.slice(0, MAX_TYPE)})` : ''),
    raw,
    http,
  );

/** A response without a body whose head has no grpc-status. */
export const noStatus = (raw: readonly string[]): CallFailure => bad('The replica responded', raw);

/** The end of a response without grpc-status in its trailers, or without trailers. */
export const endedWithoutStatus = (trailers: readonly string[] | undefined): CallFailure =>
  bad('The replica ended the call', trailers ?? []);

/** RST_STREAM by the replica, with an error code of HTTP/2. */
export function resetBy(code: number): CallFailure {
  const text = `The replica reset the stream (${errorCodeName(code)})`;
  return { failure: 'reset_midway', detail: text, status: statusOfReset(code), text };
}

/** The head, or the trailers, of a response are larger than weir accepts. */
export function tooLargeHead(what: string): CallFailure {
  const text = `The replica sent ${what} of more than ${MAX_RESPONSE_METADATA / 1024} KiB`;
  return { failure: 'bad_response', detail: text, status: grpcStatusOf('bad_response'), text };
}

/** The response breaks a rule of HTTP/2. `problem`: which. */
export function malformed(problem: string): CallFailure {
  const text = `The replica sent a malformed response: ${problem}`;
  return { failure: 'bad_response', detail: text, status: grpcStatusOf('bad_response'), text };
}

/** The connection is lost. `error`: why, if it is known. */
export function lostWith(error: Http2ConnectionError | undefined): CallFailure {
  const isOfPeer = error !== undefined && error.problem !== 'socket';
  return {
    failure: 'reset_midway',
    detail: error === undefined ? '' : describe(error),
    status: grpcStatusOf('reset_midway'),
    text: isOfPeer ? `The connection to the replica was closed: ${error.message}` : '',
  };
}

/** The same on node:http2. `error`: the error of the stream. */
export const lostBy = (error: NodeJS.ErrnoException | undefined, detail: string): CallFailure => ({
  failure: 'reset_midway',
  detail,
  status: grpcStatusOf('reset_midway'),
  text: error?.code === BROKEN_HTTP2 ? BROKEN_TEXT : '',
});
