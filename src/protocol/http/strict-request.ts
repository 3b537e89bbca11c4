// What Node's parser takes and we do not, because some server behind us might read it another way.
// Must stay true: a request refused here never reaches a replica. The list is from peers.md 3.2.
import type { IncomingMessage } from 'node:http';
import { isAuthority } from './authority.ts';

/** Names that a gateway in front of a Python app would fold into framing headers (`_` and `-` are one in WSGI). */
const LOOKALIKE = /^(transfer_encoding|content_length)$/i;
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/** Why a request is refused: the cause, and an error text for the client. */
export interface RequestProblem {
  readonly failure: 'bad_request' | 'not_implemented';
  readonly detail: string;
}

const malformed = (detail: string): RequestProblem => ({ failure: 'bad_request', detail });

/** A value of a head for an error text: read as UTF-8, quoted, at most 100 characters. */
const quoted = (value: string): string => {
  const text = Buffer.from(value.slice(0, 100), 'latin1').toString();
  return JSON.stringify(value.length > 100 ? `${text}…` : text);
};

/** What is wrong with this request; `undefined` if nothing is. */
export function requestProblem(req: IncomingMessage): RequestProblem | undefined {
  if (req.httpVersionMajor !== 1) return malformed(`HTTP/${req.httpVersion} is not a version of HTTP/1`);
  const coding = req.headers['transfer-encoding'];
  if (coding !== undefined && req.httpVersionMinor === 0)
    return malformed('HTTP/1.0 has no Transfer-Encoding');
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
      // Empty where the target has no authority (RFC 9112 3.2).
      if (value !== '' && !isAuthority(value))
        return malformed(`the Host header must be a host, or host:port; it is ${quoted(value)}`);
    }
    if (LOOKALIKE.test(name))
      return malformed(`the header ${name} is refused, it looks like one that frames the message`);
    if (CONTROL.test(value)) return malformed(`the header ${name} has a control character in it`);
  }
  if (hosts > 1) return malformed('there is more than one Host header');
  if (hosts === 0 && req.httpVersionMinor === 1) return malformed('there is no Host header');
  return undefined;
}

/** A transfer coding without its parameters (RFC 9112 7). */
const CODING = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*;|$)/;

/**
 * A coding beneath chunked would be lost on the way, since it is between the two ends of a connection: 501. Where chunked
 * is not the last one, or comes twice, the end of the body is not known: 400. Source: RFC 9112 6.1, 6.3 and 7.
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

/** Further checks of a WebSocket handshake. RFC 6455 4.1 and RFC 9110 7.8. */
export function upgradeProblem({ headers }: IncomingMessage): RequestProblem | undefined {
  const length = headers['content-length'] ?? '0';
  if (headers['transfer-encoding'] === undefined && Number(length) === 0) return undefined;
  return malformed(
    'a WebSocket handshake must have no body; send it without Content-Length and Transfer-Encoding',
  );
}

/** A request line, and the beginning of an incomplete one. The method is a token (RFC 9110 5.6.2). */
const REQUEST_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ ]+ HTTP\/\d\.\d\r?$/;
const BEGINNING = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: |$)/;

/**
 * What is wrong if Node's parser does not know the method: 501 for a valid method (RFC 9110 9.1), else 400. `bytes`: the
 * latest input of the parser; it stopped at `at`, within the method or right behind it. The method is not named, since
 * `bytes` has only its end if it came in several pieces.
 */
export function methodProblem(bytes: Buffer, at: number): RequestProblem {
  const start = bytes.lastIndexOf(10, Math.max(0, at - 1)) + 1;
  const end = bytes.indexOf(10, start);
  const line = bytes.toString('latin1', start, end === -1 ? bytes.length : end);
  if (!(end === -1 ? BEGINNING : REQUEST_LINE).test(line))
    return malformed(`${quoted(line)} is not a request line of HTTP/1.1`);
  return { failure: 'not_implemented', detail: 'the method is unknown' };
}

/**
 * `http://host/path` as a request target, which servers must accept (RFC 9112 3.2.2): its path and its authority,
 * which then stands for Host. `undefined` where the target is not of that form, or its authority is not valid.
 */
export function absoluteForm(target: string): { path: string; authority: string } | undefined {
  const match = /^https?:\/\/([^/?#@\s]+)([/?][^#\s]*)?$/i.exec(target);
  if (!match || !isAuthority(match[1]!)) return undefined;
  const path = match[2] ?? '/';
  return { authority: match[1]!, path: path.startsWith('?') ? `/${path}` : path };
}
