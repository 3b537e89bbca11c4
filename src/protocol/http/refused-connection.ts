// Tells the client of a connection that is not served why, in its own protocol, and closes the connection.
// No request was read then, so there is no exchange and no request id.
import type { Socket } from 'node:net';
import { catalogue, type Failure } from '../../core/errors.ts';
import { STATUS_CODES } from './node-http.ts';
import { linger, LINGER_MS } from './linger.ts';

const GOAWAY = 7;
/** INADEQUATE_SECURITY (RFC 9113 7). */
const ERROR_CODE = 0xc;
const FRAME_HEAD_BYTES = 9;
/** An empty SETTINGS frame: the preface of a server (RFC 9113 3.4). */
const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

/** An HTTP/1.1 response that closes the connection. */
function responseBytes(failure: Failure, problem: string): Buffer {
  const { http, errorCode } = catalogue[failure];
  const body = JSON.stringify({ error: problem, error_code: errorCode });
  return Buffer.from(
    `HTTP/1.1 ${http} ${STATUS_CODES[http]}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** SETTINGS and GOAWAY, with the problem as debug data (RFC 9113 6.8). */
function goawayBytes(problem: string): Buffer {
  const text = Buffer.from(problem);
  const frame = Buffer.alloc(FRAME_HEAD_BYTES + 8);
  frame.writeUIntBE(8 + text.length, 0, 3);
  frame[3] = GOAWAY;
  frame.writeUInt32BE(ERROR_CODE, FRAME_HEAD_BYTES + 4);
  return Buffer.concat([SETTINGS, frame, text]);
}

/** Sends `problem` and closes the connection. `failure`: of HTTP/1.1. */
export function refuseConnection(
  socket: Socket,
  protocol: 'http1' | 'http2',
  failure: Failure,
  problem: string,
): void {
  socket.end(protocol === 'http2' ? goawayBytes(problem) : responseBytes(failure, problem));
  linger(socket, LINGER_MS);
}
