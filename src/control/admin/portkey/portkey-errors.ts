// Responses to clients of Portkey: errors in their form, and JSON objects with the id of the request.
// Invariant: every response has `x-portkey-trace-id`, since without it these clients send a request that failed again.
// Source: docs/contracts/portkey.md 2.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { requestId } from '../../../core/request-id.ts';
import { json, type ErrorForm } from '../endpoint.ts';

const TRACE_HEADER_OF_PORTKEY = 'x-portkey-trace-id';

const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  409: 'conflict',
  413: 'too_large',
  415: 'unsupported_media_type',
  429: 'rate_limited',
};

/** The form of the errors of routes that only clients of Portkey use. */
export const portkeyErrors: ErrorForm = ({ status, message, requestId: id, param }) => ({
  body: {
    message,
    status: 'failure',
    success: false,
    error: {
      message,
      type: TYPES[status] ?? 'server_error',
      param: param === '' ? null : param,
      code: String(status),
    },
  },
  headers: [TRACE_HEADER_OF_PORTKEY, id],
});

/** The form of the errors of routes that clients of Portkey share with others. */
export const errorsOfClient: ErrorForm = (error, req) =>
  isPortkeyClient(req) ? portkeyErrors(error, req) : undefined;

/** True for a request of Portkey's SDKs, and for one with Portkey's key header. */
export const isPortkeyClient = ({ headers }: IncomingMessage): boolean =>
  Object.keys(headers).some((name) => name.startsWith('x-portkey-'));

/** Sends a JSON object. */
export function sendObject(res: ServerResponse, status: number, body: object): void {
  res.setHeader(TRACE_HEADER_OF_PORTKEY, requestId(Date.now()));
  json(res, status, body);
}
