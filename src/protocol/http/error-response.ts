// Makes HTTP responses from the rows of the error catalogue.
// Invariant: the body is {"error", "error_code", "request_id"} without internal details, and the id header is set.
// Source: docs/contracts/serving.md 1.4.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { catalogue, type Failure } from '../../core/errors.ts';
import { CAUSE_HEADER, ID_HEADER, TIMING_HEADER } from '../../core/header-names.ts';
import { ClientStream } from './client-stream.ts';
import { DISCARD_MS } from './linger.ts';
import { STATUS_CODES } from './node-http.ts';

/** Statuses that are sent with Retry-After. */
const RETRYABLE = new Set([429, 503, 529]);

/** The reason phrase of a status. 529 is not a registered status. */
const reasonOf = (status: number): string =>
  STATUS_CODES[status] ?? (status === 529 ? 'Overloaded' : 'Error');

/** An error as an HTTP response. `headers`: raw list (name, value, …). */
export interface ErrorResponse {
  readonly status: number;
  readonly headers: string[];
  readonly body: string;
}

interface ErrorResponseOptions {
  /** What is wrong with this request, for its client. */
  readonly detail?: string | undefined;
  /** The value of Server-Timing. */
  readonly timing?: string | undefined;
  /** Replaces the message of the catalogue. */
  readonly text?: string | undefined;
  /** Supported methods, for 405 (RFC 9110 10.2.1). */
  readonly allow?: string | undefined;
  /** Seconds of Retry-After. Default 1. */
  readonly retryAfter?: number | undefined;
}

/** The exchange that the response belongs to. */
interface AnsweredExchange {
  readonly id: string;
  readonly method: string;
  /** Called when the response is written, with the bytes of its body. */
  wrote(bodyBytes: number): void;
}

/** Builds the response for a failure. */
export function errorResponse(
  failure: Failure,
  id: string,
  {
    detail = '',
    timing = '',
    text = catalogue[failure].message,
    allow = '',
    retryAfter = 1,
  }: ErrorResponseOptions = {},
): ErrorResponse {
  const row = catalogue[failure];
  const body = JSON.stringify({
    error: detail === '' ? text : `${text}: ${detail}`,
    error_code: row.errorCode,
    request_id: id,
  });
  const headers = ['Content-Type', 'application/json', 'Content-Length', String(Buffer.byteLength(body))];
  headers.push(ID_HEADER, id, CAUSE_HEADER, failure);
  if (timing !== '') headers.push(TIMING_HEADER, timing);
  if (allow !== '') headers.push('Allow', allow);
  // RFC 9110 11.6.1.
  if (row.http === 401) headers.push('WWW-Authenticate', 'Bearer');
  if (RETRYABLE.has(row.http)) headers.push('Retry-After', String(retryAfter));
  return { status: row.http, headers, body };
}

/** A body up to this size is read and dropped after its request was refused, so that the connection stays open. */
export const SHORT_BODY_BYTES = 64 * 1024;

/** Sends the response for a failure. Closes the connection if most of the request body is unread. */
export function sendRefusal(
  req: IncomingMessage,
  res: ServerResponse,
  failure: Failure,
  exchange: AnsweredExchange,
  options?: ErrorResponseOptions,
): void {
  exchange.wrote(sendError(req, res, errorResponse(failure, exchange.id, options)));
}

/**
 * Sends a whole response and returns the bytes of its body. Closes the connection if most of the request body is unread.
 */
export function sendError(
  req: IncomingMessage,
  res: ServerResponse,
  { status, headers, body }: Omit<ErrorResponse, 'body'> & { readonly body: string | Buffer },
): number {
  // The response to a HEAD request has no body (RFC 9110 9.3.2).
  const bodyBytes = req.method === 'HEAD' ? 0 : Buffer.byteLength(body);
  if (req.complete || hasShortBody(req)) {
    res.writeHead(status, reasonOf(status), headers);
    res.end(body);
    return bodyBytes;
  }
  headers.push('Connection', 'close');
  res.writeHead(status, reasonOf(status), headers);
  // Closing this stream reads the connection for a while longer.
  if ((req.socket as Duplex) instanceof ClientStream) {
    res.end(body);
    return bodyBytes;
  }
  // Closing a connection with unread input resets it, and the client could lose the response. So input is read first.
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

/** True for a short body. The server reads and drops it, and the connection stays open. */
const hasShortBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) <= SHORT_BODY_BYTES;

/**
 * The response for a failure as text, for a connection without a response object. Has `Connection: close` unless
 * `keepAlive`. Tells the exchange that the response is written.
 */
export function refusalBytes(
  failure: Failure,
  exchange: AnsweredExchange,
  options?: ErrorResponseOptions,
  keepAlive = false,
): string {
  const { status, headers, body } = errorResponse(failure, exchange.id, options);
  let head = `HTTP/1.1 ${status} ${reasonOf(status)}\r\n`;
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
  head += keepAlive ? '\r\n' : 'Connection: close\r\n\r\n';
  // The response to a HEAD request has no body (RFC 9110 9.3.2).
  const sent = exchange.method === 'HEAD' ? '' : body;
  exchange.wrote(Buffer.byteLength(sent));
  return head + sent;
}

/** The detail that a client may see: empty unless the client caused the failure. Internal addresses are only logged. */
export const publicDetail = (failure: Failure, detail: string): string =>
  catalogue[failure].origin === 'client' ? detail : '';
