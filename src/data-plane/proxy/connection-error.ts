// Maps errors of connections to replicas to causes.
// Invariant: an error before the connection was made is told apart from a later one, since only the first means that
// the replica is unreachable.
import type { IncomingHttpHeaders } from 'node:http';
import { describe, type Failure } from '../../core/errors.ts';
import { tlsProblem } from '../../protocol/http/tls-errors.ts';
import { REPLICA_ERROR } from '../../protocol/http2/http1/shared-connection.ts';
import { NO_HTTP2_CODE, type Lease } from '../replicas/pool.ts';

/** Codes of errors before the connection was made. */
const NOT_CONNECTED = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  // The file of a Unix socket is missing.
  'ENOENT',
  'EAI_AGAIN',
  'EADDRNOTAVAIL',
  'ETIMEDOUT',
  'ECONNECT_TIMEOUT',
  // The connection was made, but the replica does not speak HTTP/2.
  NO_HTTP2_CODE,
]);

/** Codes of errors on weir's side: it has no more files, ports or memory. They mean nothing about the replica. */
const LOCAL = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM', 'EACCES', 'EPERM']);

/**
 * Reports to the pool that a connection could not be made. `error`: undefined after a timeout. A timeout may only mean
 * that the replica is busy.
 */
export function reportConnectFailure(lease: Lease, error: NodeJS.ErrnoException | undefined): void {
  const code = error?.code;
  if (code !== undefined && LOCAL.has(code)) return;
  if (code === undefined || code === 'ETIMEDOUT' || code === 'ECONNECT_TIMEOUT') lease.reportBroken();
  else lease.reportUnreachable();
}

/** The text of an error of a replica's connection, for the log. */
export const connectionProblem = (error: NodeJS.ErrnoException): string =>
  tlsProblem(error) ?? describe(error);

/** True for an error of a request over HTTP/2 that was sent, or could not be sent, on a connection that was made. */
export const isOfStream = ({ code }: NodeJS.ErrnoException): boolean =>
  code === REPLICA_ERROR.unread ||
  code === REPLICA_ERROR.malformed ||
  code === REPLICA_ERROR.noWebSocket ||
  code === REPLICA_ERROR.reset;

/** The cause for an error of Node's HTTP client, or of an Http2ReplicaSocket. */
export function failureOf(error: NodeJS.ErrnoException): Failure {
  const code = error.code ?? '';
  if (NOT_CONNECTED.has(code) || error.syscall === 'connect') return 'connect_failed';
  if (tlsProblem(error) !== undefined) return 'connect_failed';
  if (code === REPLICA_ERROR.noWebSocket) return 'wrong_protocol';
  return code.startsWith('HPE_') ? 'bad_response' : 'reset_midway';
}

/**
 * True for an error response that ends with its connection: a reset at its end is not counted against the replica. A
 * server that refuses a request without reading it closes the connection, and its operating system sends a reset for
 * what was not read (RFC 9112 9.6). `endsWithConnection`: the body has neither a length nor chunks.
 */
export const isRefusal = (status: number, endsWithConnection: boolean): boolean =>
  endsWithConnection && status >= 400;

/** Bytes of the body by its Content-Length; Infinity without one. */
export const announcedLength = (headers: IncomingHttpHeaders): number =>
  Number(headers['content-length'] ?? Infinity);

/** True if the body of a response with these headers has neither a length nor chunks (RFC 9112 6.3). */
export const endsWithConnection = (headers: IncomingHttpHeaders): boolean =>
  headers['content-length'] === undefined && headers['transfer-encoding'] === undefined;
