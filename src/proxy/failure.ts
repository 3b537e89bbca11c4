// What an error of a replica's connection means. Must stay true: an error before there was a connection is told apart
// from one after it: only the first says that the replica is not there.
import type { Failure } from '../base/errors.ts';

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

/** The cause that an error of Node's client stands for. */
export function failureOf(error: NodeJS.ErrnoException): Failure {
  const code = error.code ?? '';
  if (NOT_CONNECTED.has(code) || error.syscall === 'connect') return 'connect_failed';
  return code.startsWith('HPE_') ? 'bad_response' : 'reset_midway';
}
