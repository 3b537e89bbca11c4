// Refuses requests that Node's parser accepts but a server behind weir could read differently (request smuggling).
// Invariant: a request that is refused here never reaches a replica.
// Sources: RFC 9112 3.2 (target, Host), 6.1 and 6.3 (framing), 11.2 (request smuggling), RFC 9110 5.5 (values).
import type { IncomingMessage } from 'node:http';
import { isAuthority } from './authority.ts';

/** Names that CGI and WSGI servers read as framing headers, since both treat `_` as `-` (RFC 3875 4.1.18). */
const FRAMING_LOOKALIKE = /^(transfer_encoding|content_length)$/i;
// oxlint-disable-next-line no-control-regex -- the pattern must match control characters
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/** Why a request is refused. `detail`: error text for the client. */
interface RequestProblem {
  readonly failure: 'bad_request' | 'not_implemented';
  readonly detail: string;
}

const malformed = (detail: string): RequestProblem => ({ failure: 'bad_request', detail });

/** Part of a head for an error text: decoded as UTF-8, quoted, at most 100 characters. */
const quoted = (value: string): string => {
  const text = Buffer.from(value.slice(0, 100), 'latin1').toString();
  return JSON.stringify(value.length > 100 ? `${text}…` : text);
};

/** Why the request is refused; `undefined` if it is accepted. */
export function requestProblem(req: IncomingMessage): RequestProblem | undefined {
  if (req.httpVersionMajor !== 1)
    return malformed(`HTTP/${req.httpVersion} is not supported here; use HTTP/1.1`);
  const coding = req.headers['transfer-encoding'];
  if (coding !== undefined && req.httpVersionMinor === 0)
    return malformed('an HTTP/1.0 request must not have Transfer-Encoding; use Content-Length or HTTP/1.1');
  const problem = coding === undefined ? undefined : codingProblem(coding);
  if (problem !== undefined) return problem;
  const target = req.url ?? '';
  if (target === '*' ? req.method !== 'OPTIONS' : !target.startsWith('/'))
    return malformed(
      `the request target must be a path, or an http URI with a valid host; it is ${quoted(target)}`,
    );
  let hosts = 0;
  const raw = req.rawHeaders;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    if (name.length === 4 && name.toLowerCase() === 'host') {
      hosts++;
      // Host is empty if the target has no authority (RFC 9112 3.2).
      if (value !== '' && !isAuthority(value))
        return malformed(`the Host header must be a host, or host:port; it is ${quoted(value)}`);
    }
    if (FRAMING_LOOKALIKE.test(name))
      return malformed(
        `the header ${name} is not allowed, since some servers read it as ${name.replace('_', '-')}`,
      );
    if (CONTROL.test(value)) return malformed(`the value of the header ${name} contains a control character`);
  }
  if (hosts > 1) return malformed(`the request has ${hosts} Host headers; it must have one`);
  if (hosts === 0 && req.httpVersionMinor === 1)
    return malformed('the request has no Host header; HTTP/1.1 requires one');
  return undefined;
}

/** A transfer coding, with or without parameters (RFC 9112 7). */
const CODING = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*;|$)/;

/**
 * Why a Transfer-Encoding is refused. 400 if `chunked` is not last or is repeated, since the end of the body is then
 * unknown. 501 if there is another coding before it, which weir cannot decode (RFC 9112 6.1, 6.3 and 7).
 */
function codingProblem(value: string): RequestProblem | undefined {
  const codings = value.split(',').map((coding) => coding.trim().toLowerCase());
  if (codings.length === 1 && codings[0] === 'chunked') return undefined;
  const others = codings.slice(0, -1);
  const isFramed =
    codings.at(-1) === 'chunked' &&
    others.every((coding) => CODING.test(coding) && !/^chunked\b/.test(coding));
  if (!isFramed)
    return malformed(`Transfer-Encoding ${quoted(value)} does not mark the end of the body; use chunked`);
  return {
    failure: 'not_implemented',
    detail: `Transfer-Encoding ${quoted(value)}; the only coding supported is chunked`,
  };
}

/** Why a WebSocket handshake is refused, besides `requestProblem` (RFC 6455 4.1, RFC 9110 7.8). */
export function upgradeProblem({ headers }: IncomingMessage): RequestProblem | undefined {
  const length = headers['content-length'] ?? '0';
  if (headers['transfer-encoding'] === undefined && Number(length) === 0) return undefined;
  return malformed(
    'a WebSocket handshake must have no body; send it without Content-Length and Transfer-Encoding',
  );
}

/** A whole request line. The method is a token (RFC 9110 5.6.2). */
const REQUEST_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ ]+ HTTP\/\d\.\d\r?$/;
/** The beginning of an incomplete request line. */
const REQUEST_LINE_START = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: |$)/;

/**
 * Why a request is refused whose method Node's parser does not know: 501 for a valid method (RFC 9110 9.1), else 400.
 * `bytes`: the last input of the parser, which stopped at `at`, in the method or after it. The text does not name the
 * method, since `bytes` may have only the end of it.
 */
export function methodProblem(bytes: Buffer, at: number): RequestProblem {
  const start = bytes.lastIndexOf(10, Math.max(0, at - 1)) + 1;
  const end = bytes.indexOf(10, start);
  const line = bytes.toString('latin1', start, end === -1 ? bytes.length : end);
  if (!(end === -1 ? REQUEST_LINE_START : REQUEST_LINE).test(line))
    return malformed(`${quoted(line)} is not an HTTP/1.1 request line`);
  return { failure: 'not_implemented', detail: 'unknown request method' };
}

/**
 * Splits a request target in absolute form, `http://host/path`, which servers must accept (RFC 9112 3.2.2). The
 * authority replaces the Host header. `undefined` if the target has another form or the authority is invalid.
 */
export function parseAbsoluteForm(target: string): { path: string; authority: string } | undefined {
  const match = /^https?:\/\/([^/?#@\s]+)([/?][^#\s]*)?$/i.exec(target);
  if (!match || !isAuthority(match[1]!)) return undefined;
  const path = match[2] ?? '/';
  return { authority: match[1]!, path: path.startsWith('?') ? `/${path}` : path };
}
