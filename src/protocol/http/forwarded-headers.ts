// Changes header lists for the replica and for the client: removes hop-by-hop headers and adds those of a proxy.
// Invariant: a peer cannot remove framing, routing or credentials by naming them in `Connection`.
// Raw lists are name, value, name, value, … in the order and spelling of the sender.
// Sources: RFC 9110 7.6.1 (Connection), RFC 7239 (Forwarded), RFC 9112 3.2 (Host).
import { UNIX_CLIENT } from '../../core/address.ts';
import type { SubjectHeader } from '../../core/client-subject.ts';
import {
  ATTEMPTS_HEADER_LOWER,
  FORWARDED_FOR_HEADER,
  FORWARDED_FOR_HEADER_LOWER,
  FORWARDED_HOST_HEADER,
  FORWARDED_HOST_HEADER_LOWER,
  FORWARDED_PROTO_HEADER,
  FORWARDED_PROTO_HEADER_LOWER,
  ID_HEADER,
  ID_HEADER_LOWER,
  isLookalike,
  mayNameSubject,
  REQUEST_ID_HEADER,
  REQUEST_ID_HEADER_LOWER,
  SET_BY_WEIR,
  TIMING_HEADER_LOWER,
  TRACE_HEADER,
  TRACESTATE_HEADER,
} from '../../core/header-names.ts';
import { mustComeFirst } from './node-head.ts';
import type { RemovedHeaders } from './removed-headers.ts';

/** Headers for one connection only, even if `Connection` does not name them (RFC 9110 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
]);

/** Headers that are passed on even if `Connection` names them: framing, routing, credentials. */
const NOT_REMOVABLE = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'authorization',
  'cookie',
  'content-type',
]);

/** Names in a `Connection` header to remove, in lower case; `undefined` if it is absent or one usual option. */
export function namesInConnection(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || /^(keep-alive|close|upgrade)$/i.test(connection)) return undefined;
  const names = connection
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && !NOT_REMOVABLE.has(name));
  return new Set(names);
}

/** What the headers for the replica say about the client and the request. */
export interface ForwardedRequest {
  readonly id: string;
  /** Empty if the replica gets none. */
  readonly traceparent: string;
  /** The trace is the client's, so its `tracestate` is passed on (W3C Trace Context 3.3). */
  readonly isClientTrace: boolean;
  readonly remoteAddress: string;
  readonly proto: 'http' | 'https';
  readonly host: string;
  /** Header with the subject of the client's certificate; `undefined`: none is set. */
  readonly subjectHeader: SubjectHeader | undefined;
  /** The subject; empty if the client has no certificate. */
  readonly clientSubject: string;
}

/** The value of a header that occurs once; `undefined` if it is absent or repeated. `name`: in lower case. */
export function singleValueOf(raw: readonly string[], name: string): string | undefined {
  let value: string | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]!.length !== name.length || raw[i]!.toLowerCase() !== name) continue;
    if (value !== undefined) return undefined;
    value = raw[i + 1];
  }
  return value;
}

/** Headers that weir sets for the replica. The client's are dropped; forwarding headers are appended to. */
const SET_FOR_REPLICA = new Set([
  ID_HEADER_LOWER,
  TRACE_HEADER,
  FORWARDED_FOR_HEADER_LOWER,
  'forwarded',
  'host',
]);

/**
 * Headers for the replica as [name, values]. Values of a repeated header keep their order. `request.host` replaces
 * Host. `hasTrailers`: the body is chunked; without it `Trailer` is dropped, since no trailers can follow (RFC 9110
 * 6.5). `dropped`: headers that the settings remove.
 */
export function headersToReplica(
  raw: readonly string[],
  request: ForwardedRequest,
  connection: string | undefined,
  hasTrailers: boolean,
  dropped?: RemovedHeaders,
): [string, string[]][] {
  const { subjectHeader, clientSubject } = request;
  const removed = namesInConnection(connection);
  const out = new Map<string, [string, string[]]>();
  let forwardedFor = '';
  let forwarded = '';
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    const lower = name.toLowerCase();
    if (lower === FORWARDED_FOR_HEADER_LOWER) forwardedFor += `${value}, `;
    else if (lower === 'forwarded') forwarded += `${value}, `;
    else if (lower === 'te') {
      // The only value that may be passed on, since weir forwards trailers (RFC 9110 10.1.4).
      if (/(^|[,\s])trailers([,;\s]|$)/i.test(value)) out.set(lower, [name, ['trailers']]);
    } else if (
      !HOP_BY_HOP.has(lower) &&
      !SET_FOR_REPLICA.has(lower) &&
      !isLookalike(lower) &&
      subjectHeader?.isNamed(lower) !== true &&
      !removed?.has(lower) &&
      dropped?.has(lower) !== true &&
      (request.isClientTrace || lower !== TRACESTATE_HEADER) &&
      (hasTrailers || lower !== 'trailer')
    ) {
      const known = out.get(lower);
      if (known) known[1].push(value);
      else out.set(lower, [name, [value]]);
    }
  }
  const headers = [...out.values()].sort(
    ([a], [b]) => Number(mustComeFirst(b.toLowerCase())) - Number(mustComeFirst(a.toLowerCase())),
  );
  headers.unshift(['Host', [request.host]]);
  headers.push([ID_HEADER_LOWER, [request.id]]);
  // vLLM and other servers read this name. The client's value is kept, since the client identifies its request by it.
  if (!out.has(REQUEST_ID_HEADER_LOWER)) headers.push([REQUEST_ID_HEADER, [request.id]]);
  if (request.traceparent !== '') headers.push([TRACE_HEADER, [request.traceparent]]);
  if (subjectHeader !== undefined && clientSubject !== '')
    headers.push([subjectHeader.name, [subjectHeader.valueOf(clientSubject)]]);
  headers.push([FORWARDED_FOR_HEADER, [forwardedFor + request.remoteAddress]]);
  // A proxy in front of weir knows how the client connected, so its values are kept.
  if (!out.has(FORWARDED_PROTO_HEADER_LOWER)) headers.push([FORWARDED_PROTO_HEADER, [request.proto]]);
  if (!out.has(FORWARDED_HOST_HEADER_LOWER)) headers.push([FORWARDED_HOST_HEADER, [request.host]]);
  headers.push(['Forwarded', [forwarded + forwardedElement(request)]]);
  return headers;
}

/** One element of `Forwarded` (RFC 7239 4). IPv6 addresses and hosts that are no token are quoted. */
export function forwardedElement(
  request: Pick<ForwardedRequest, 'remoteAddress' | 'host' | 'proto'>,
): string {
  const node = nodeOf(request.remoteAddress);
  const host = /^[\w!#$%&'*+.^`|~-]+$/.test(request.host)
    ? request.host
    : `"${request.host.replace(/["\\]/g, '\\$&')}"`;
  return `for=${node};host=${host};proto=${request.proto}`;
}

/** A client as a node of `Forwarded` (RFC 7239 6). One without an address has a name that begins with `_`. */
function nodeOf(remoteAddress: string): string {
  if (remoteAddress.includes(':')) return `"[${remoteAddress}]"`;
  return remoteAddress === UNIX_CLIENT ? `_${UNIX_CLIENT}` : remoteAddress || 'unknown';
}

/** Headers that weir sets for the client. The replica's are dropped. */
const SET_FOR_CLIENT = new Set([ID_HEADER_LOWER, ATTEMPTS_HEADER_LOWER]);

/** Headers for the client as a raw list: the replica's end-to-end headers and the request id. */
export function headersToClient(
  raw: readonly string[],
  connection: string | undefined,
  id: string,
  hasTrailers: boolean,
): string[] {
  const removed = namesInConnection(connection);
  const first: string[] = [];
  const out: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const lower = raw[i]!.toLowerCase();
    if (HOP_BY_HOP.has(lower) || SET_FOR_CLIENT.has(lower) || isLookalike(lower) || removed?.has(lower))
      continue;
    if (lower === 'trailer' && !hasTrailers) continue;
    (mustComeFirst(lower) ? first : out).push(raw[i]!, raw[i + 1]!);
  }
  out.push(ID_HEADER, id);
  return first.length === 0 ? out : first.concat(out);
}

/**
 * Fields that are dropped from trailers, since a recipient may merge trailers into the head (RFC 9110 6.5.1): framing,
 * routing, credentials, request modifiers, response controls, content format, and headers that weir sets.
 * `Server-Timing` may be a trailer (W3C Server Timing 3).
 */
const FORBIDDEN_TRAILERS = new Set([
  ...HOP_BY_HOP,
  ...NOT_REMOVABLE,
  ...SET_FOR_REPLICA,
  ...SET_BY_WEIR.filter((name) => name !== TIMING_HEADER_LOWER),
  TRACESTATE_HEADER,
  'content-encoding',
  'content-range',
  'trailer',
  'set-cookie',
  'www-authenticate',
  'cache-control',
  'max-forwards',
  'pragma',
  'range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'age',
  'date',
  'expires',
  'location',
  'retry-after',
  'vary',
  'warning',
]);

/**
 * True for a name in any case that is dropped from trailers, for look-alikes of weir's and of framing headers, and for
 * names that the header with the client's subject may have.
 */
export const isForbiddenTrailer = (name: string): boolean => {
  const lower = name.toLowerCase();
  return (
    FORBIDDEN_TRAILERS.has(lower) ||
    isLookalike(lower) ||
    mayNameSubject(lower) ||
    FRAMING.has(lower.replaceAll('_', '-'))
  );
};

/** Headers that frame a message (RFC 9112 6). A message that has one of them as a trailer is malformed. */
const FRAMING = new Set(['content-length', 'transfer-encoding']);

/** True for a name in any case that makes a message malformed if it is a trailer. */
export const isFramingTrailer = (name: string): boolean => FRAMING.has(name.toLowerCase());

/** Trailers that may be passed on, as pairs of name and value. `dropped`: those that the settings remove. */
export function allowedTrailers(raw: readonly string[], dropped?: RemovedHeaders): [string, string][] {
  const out: [string, string][] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    if (!isForbiddenTrailer(name) && dropped?.has(name) !== true) out.push([name, raw[i + 1]!]);
  }
  return out;
}
