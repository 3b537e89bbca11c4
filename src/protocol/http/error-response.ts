// A row of the error catalogue becomes an HTTP response.
// Must stay true: the body is {"error", "error_code", "request_id"}, never a stack trace, and the id header is there.
// Source of the shape: contracts/baseten.md 1.4.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { catalogue, type Failure } from '../../core/errors.ts';
import { ClientStream } from './client-stream.ts';
import { DISCARD_MS } from './linger.ts';
import { STATUS_CODES } from './node-http.ts';

/** Statuses that say: not now. */
const ASK_AGAIN = new Set([429, 503, 529]);

/** The reason phrase of a status; 529 is in no registry. */
const reasonOf = (status: number): string =>
  STATUS_CODES[status] ?? (status === 529 ? 'Overloaded' : 'Error');

/** A refusal as an HTTP message: its status, headers (raw list) and body. */
export interface ErrorResponse {
  readonly status: number;
  readonly headers: string[];
  readonly body: string;
}

/** What there may be to say beyond the failure itself. */
export interface ErrorResponseOptions {
  /** What is wrong this time, for whoever made the request. */
  readonly detail?: string | undefined;
  /** The value of Server-Timing. */
  readonly timing?: string | undefined;
  /** Stands for the catalogue’s message. */
  readonly text?: string | undefined;
  /** Methods that are served, with a 405 (RFC 9110 10.2.1). */
  readonly allow?: string | undefined;
}

/** The exchange that weir answers itself. */
export interface AnsweredExchange {
  readonly id: string;
  readonly method: string;
  /** Called when the answer is written, with the size of the body that is sent. */
  wrote(bodyBytes: number): void;
}

/** Builds the answer to a failure. */
export function errorResponse(
  failure: Failure,
  id: string,
  { detail = '', timing = '', text = catalogue[failure].message, allow = '' }: ErrorResponseOptions = {},
): ErrorResponse {
  const row = catalogue[failure];
  const body = JSON.stringify({
    error: detail === '' ? text : `${text}: ${detail}`,
    error_code: row.errorCode,
    request_id: id,
  });
  const headers = ['Content-Type', 'application/json', 'Content-Length', String(Buffer.byteLength(body))];
  headers.push('X-Baseten-Request-Id', id, 'X-Weir-Cause', failure);
  if (timing !== '') headers.push('Server-Timing', timing);
  if (allow !== '') headers.push('Allow', allow);
  if (ASK_AGAIN.has(row.http)) headers.push('Retry-After', '1');
  return { status: row.http, headers, body };
}

const SHORT_BODY_BYTES = 64 * 1024;

/** Sends the answer to a failure; closes the connection where the request was not read to its end. */
export function sendRefusal(
  req: IncomingMessage,
  res: ServerResponse,
  failure: Failure,
  exchange: AnsweredExchange,
  saying?: ErrorResponseOptions,
): void {
  exchange.wrote(sendError(req, res, errorResponse(failure, exchange.id, saying)));
}

/** Sends an error, and returns the bytes of its body; closes the connection where the request was not read to its end. */
export function sendError(
  req: IncomingMessage,
  res: ServerResponse,
  { status, headers, body }: ErrorResponse,
): number {
  // The answer to a HEAD ends with its head (RFC 9110 9.3.2).
  const bodyBytes = req.method === 'HEAD' ? 0 : Buffer.byteLength(body);
  if (req.complete || hasShortBody(req)) {
    res.writeHead(status, reasonOf(status), headers);
    res.end(body);
    return bodyBytes;
  }
  headers.push('Connection', 'close');
  res.writeHead(status, reasonOf(status), headers);
  // When the server closes it, it is read for a while longer.
  if ((req.socket as Duplex) instanceof ClientStream) {
    res.end(body);
    return bodyBytes;
  }
  // Closing with unread input would send a reset, and the client could lose the answer, so read for a while longer.
  res.write(body);
  req.removeAllListeners('data');
  req.resume();
  const end = () => {
    clearTimeout(timer);
    res.end();
  };
  const timer = setTimeout(end, DISCARD_MS).unref();
  req.once('end', end);
  req.once('close', end);
  return bodyBytes;
}

/** A body that ends soon is read and thrown away by the server, and the connection lives on. */
const hasShortBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) <= SHORT_BODY_BYTES;

/**
 * The same as bytes, for a connection that has no response object. Adds `Connection: close` unless `keepAlive`. The answer
 * counts as written from here on.
 */
export function refusalBytes(
  failure: Failure,
  exchange: AnsweredExchange,
  saying?: ErrorResponseOptions,
  keepAlive = false,
): string {
  const { status, headers, body } = errorResponse(failure, exchange.id, saying);
  let head = `HTTP/1.1 ${status} ${reasonOf(status)}\r\n`;
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
  head += keepAlive ? '\r\n' : 'Connection: close\r\n\r\n';
  // The answer to a HEAD ends with its head (RFC 9110 9.3.2).
  const sent = exchange.method === 'HEAD' ? '' : body;
  exchange.wrote(Buffer.byteLength(sent));
  return head + sent;
}

/** Addresses and system errors of the inside are for the log; a client is told what it can act on. */
export const publicDetail = (failure: Failure, detail: string): string =>
  catalogue[failure].origin === 'client' ? detail : '';
