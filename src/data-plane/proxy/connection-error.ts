// What an error of a replica's connection means. Must stay true: an error before there was a connection is told apart
// from one after it: only the first says that the replica is not there.
import type { IncomingHttpHeaders } from 'node:http';
import { describe, type Failure } from '../../core/errors.ts';
import { tlsProblem } from '../../protocol/http/tls-errors.ts';
import type { Lease } from '../replicas/pool.ts';

/** Errors of a socket that had not connected yet. */
const NOT_CONNECTED = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EADDRNOTAVAIL',
  'ETIMEDOUT',
  'ECONNECT_TIMEOUT',
]);

/** Errors of a connection that say nothing of the other side: we have no more files, ports or memory. */
const OURS = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM', 'EACCES', 'EPERM']);

/** Tells the pool of a connection that failed. One that was not accepted in time may only have found a busy replica. */
export function reportConnectFailure(lease: Lease, error: NodeJS.ErrnoException | undefined): void {
  const code = error?.code;
  if (code !== undefined && OURS.has(code)) return;
  if (code === undefined || code === 'ETIMEDOUT' || code === 'ECONNECT_TIMEOUT') lease.broke();
  else lease.unreachable();
}

/** An error of a replica's connection in words. */
export const connectionProblem = (error: NodeJS.ErrnoException): string =>
  tlsProblem(error) ?? describe(error);

/** The cause that an error of Node's client stands for. */
export function failureOf(error: NodeJS.ErrnoException): Failure {
  const code = error.code ?? '';
  if (NOT_CONNECTED.has(code) || error.syscall === 'connect') return 'connect_failed';
  if (tlsProblem(error) !== undefined) return 'connect_failed';
  return code.startsWith('HPE_') ? 'bad_response' : 'reset_midway';
}

/**
 * True for an answer whose broken end is not counted against the replica: an error that ends with its connection. A server that refuses
 * a request without reading it closes, and its operating system sends a reset for what was not read (RFC 9112 9.6).
 * `endsWithConnection`: the body has neither a length nor chunks.
 */
export const isRefusal = (status: number, endsWithConnection: boolean): boolean =>
  endsWithConnection && status >= 400;

/** True where the body of an answer has neither a length nor chunks (RFC 9112 6.3). `headers`: of the answer. */
export const endsWithConnection = (headers: IncomingHttpHeaders): boolean =>
  headers['content-length'] === undefined && headers['transfer-encoding'] === undefined;
