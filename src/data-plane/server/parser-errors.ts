// Translates errors of Node's HTTP/1 parser into failures of exchanges.
import type { Failure } from '../../core/errors.ts';
import { methodProblem } from '../../protocol/http/strict-request.ts';

/** Codes of Node's parser with a failure of their own; all others are bad_request. */
const FAILURES: Readonly<Record<string, Failure>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  // The client closed its side in the middle of a message.
  HPE_INVALID_EOF_STATE: 'client_gone',
};

/** Fields that Node's parser adds to its errors. */
interface ParserError extends NodeJS.ErrnoException {
  readonly reason?: string;
  readonly rawPacket?: Buffer;
  readonly bytesParsed?: number;
}

/** Returns the failure that a parser error stands for, and the detail for the client, which may be empty. */
export function parserProblem({ code = '', reason, rawPacket, bytesParsed = 0 }: ParserError): {
  failure: Failure;
  detail: string;
} {
  if (code === 'HPE_INVALID_METHOD' && rawPacket !== undefined) return methodProblem(rawPacket, bytesParsed);
  if (reason?.startsWith('Invalid method for HTTP'))
    return { failure: 'not_implemented', detail: 'methods of RTSP are not supported' };
  return { failure: FAILURES[code] ?? 'bad_request', detail: '' };
}
