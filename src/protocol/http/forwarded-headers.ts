// Header lists as they pass through: what is for this hop only goes, what the next hop must know comes.
// Must stay true: framing headers are decided by us, never by what a peer nominates in `Connection`.
// Lists are raw: name, value, name, value, … in the order and spelling of the sender.
// Sources: RFC 9110 7.6.1 (Connection), RFC 7239 (Forwarded), RFC 9112 3.2 (target and Host).
import { isLookalike, SET_BY_WEIR } from '../../core/own-headers.ts';
import { mustComeFirst } from './node-head.ts';

/** For this hop only, whatever `Connection` says (RFC 9110 7.6.1). `te` and `upgrade` are handled apart. */
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

/** What a peer may not have removed by naming it in `Connection`: framing, routing, credentials. */
const KEPT = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'authorization',
  'cookie',
  'content-type',
]);

/** Names, in lower case, that `Connection` lists as being for this hop only; `undefined` for the usual few. */
export function namesInConnection(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || /^(keep-alive|close|upgrade)$/i.test(connection)) return undefined;
  const names = connection
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && !KEPT.has(name));
  return new Set(names);
}

/** What the replica is told about the client and the id of the request. */
export interface ForwardedRequest {
  readonly id: string;
  /** Empty: the replica gets none. */
  readonly traceparent: string;
  /** The trace is the client's, so its `tracestate` passes on (W3C Trace Context 3.3). */
  readonly isClientTrace: boolean;
  readonly remoteAddress: string;
  readonly proto: 'http' | 'https';
  readonly host: string;
}

/** The value of a header that came exactly once; `undefined` where it came never, or more often. `name`: in lower case. */
export function singleValueOf(raw: readonly string[], name: string): string | undefined {
  let value: string | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]!.length !== name.length || raw[i]!.toLowerCase() !== name) continue;
    if (value !== undefined) return undefined;
    value = raw[i + 1];
  }
  return value;
}

/** Names that we set ourselves on the way to the replica; the client's are dropped, or merged where it says so. */
const OURS_TO_REPLICA = new Set([
  'x-baseten-request-id',
  'traceparent',
  'x-forwarded-for',
  'forwarded',
  'host',
]);

/**
 * Headers for the replica as [name, values], duplicates of a name kept in order. `hop.host` stands for the client's.
 * `hasTrailers`: trailers can follow, since the body is chunked; without that `Trailer` would promise what cannot come.
 */
export function headersToReplica(
  raw: readonly string[],
  hop: ForwardedRequest,
  connection: string | undefined,
  hasTrailers: boolean,
): [string, string[]][] {
  const drop = namesInConnection(connection);
  const out = new Map<string, [string, string[]]>();
  let forwardedFor = '';
  let forwarded = '';
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    const lower = name.toLowerCase();
    if (lower === 'x-forwarded-for') forwardedFor += `${value}, `;
    else if (lower === 'forwarded') forwarded += `${value}, `;
    else if (lower === 'te') {
      // The one value of TE that may pass on: we do carry trailers (RFC 9110 10.1.4).
      if (/(^|[,\s])trailers([,;\s]|$)/i.test(value)) out.set(lower, [name, ['trailers']]);
    } else if (
      !HOP_BY_HOP.has(lower) &&
      !OURS_TO_REPLICA.has(lower) &&
      !isLookalike(lower) &&
      !drop?.has(lower) &&
      (hop.isClientTrace || lower !== 'tracestate') &&
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
  headers.unshift(['Host', [hop.host]]);
  headers.push(['x-baseten-request-id', [hop.id]]);
  // vLLM and other servers read this name. A client's own value is kept, since the client identifies its request by it.
  if (!out.has('x-request-id')) headers.push(['X-Request-Id', [hop.id]]);
  if (hop.traceparent !== '') headers.push(['traceparent', [hop.traceparent]]);
  headers.push(['X-Forwarded-For', [forwardedFor + hop.remoteAddress]]);
  // Who stands before us may know better how the client came in: theirs stay.
  if (!out.has('x-forwarded-proto')) headers.push(['X-Forwarded-Proto', [hop.proto]]);
  if (!out.has('x-forwarded-host')) headers.push(['X-Forwarded-Host', [hop.host]]);
  headers.push(['Forwarded', [forwarded + forwardedElement(hop)]]);
  return headers;
}

/** One element of `Forwarded` (RFC 7239 4): IPv6 addresses and anything but a token stand in quotes. */
export function forwardedElement(hop: Pick<ForwardedRequest, 'remoteAddress' | 'host' | 'proto'>): string {
  const node = hop.remoteAddress.includes(':') ? `"[${hop.remoteAddress}]"` : hop.remoteAddress || 'unknown';
  const host = /^[\w!#$%&'*+.^`|~-]+$/.test(hop.host) ? hop.host : `"${hop.host.replace(/["\\]/g, '\\$&')}"`;
  return `for=${node};host=${host};proto=${hop.proto}`;
}

/** Names that we set ourselves on the way to the client. */
const OURS_TO_CLIENT = new Set(['x-baseten-request-id', 'x-baseten-model-prediction-attempts']);

/** Headers for the client as a raw list: the replica's without what was for its hop, and with our own id. */
export function headersToClient(
  raw: readonly string[],
  connection: string | undefined,
  id: string,
  hasTrailers: boolean,
): string[] {
  const drop = namesInConnection(connection);
  const first: string[] = [];
  const out: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const lower = raw[i]!.toLowerCase();
    if (HOP_BY_HOP.has(lower) || OURS_TO_CLIENT.has(lower) || isLookalike(lower) || drop?.has(lower))
      continue;
    if (lower === 'trailer' && !hasTrailers) continue;
    (mustComeFirst(lower) ? first : out).push(raw[i]!, raw[i + 1]!);
  }
  out.push('X-Baseten-Request-Id', id);
  return first.length === 0 ? out : first.concat(out);
}

/**
 * Fields that must not be trailers, since a recipient may merge trailers into the head: framing, routing, credentials, request
 * modifiers, response controls, content format (RFC 9110 6.5.1), and headers that weir sets. As trailers they are dropped.
 * `Server-Timing` may come as a trailer (W3C Server Timing 3).
 */
const NOT_IN_TRAILERS = new Set([
  ...HOP_BY_HOP,
  ...KEPT,
  ...OURS_TO_REPLICA,
  ...SET_BY_WEIR.filter((name) => name !== 'server-timing'),
  'tracestate',
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

/** True for a name that must not come as a trailer, and for a look-alike of one that weir sets or that frames a message. */
export const isForbiddenTrailer = (name: string): boolean => {
  const lower = name.toLowerCase();
  return NOT_IN_TRAILERS.has(lower) || isLookalike(lower) || FRAMING.has(lower.replaceAll('_', '-'));
};

/** Names that would change where a message ends or starts (RFC 9112 6): a message with one of them as a trailer is refused. */
const FRAMING = new Set(['content-length', 'transfer-encoding']);

/** True for a name that makes a message malformed if it is a trailer. `name` in any case. */
export const isFramingTrailer = (name: string): boolean => FRAMING.has(name.toLowerCase());

/** Trailers that may be passed on, as a raw list of pairs. */
export function allowedTrailers(raw: readonly string[]): [string, string][] {
  const out: [string, string][] = [];
  for (let i = 0; i < raw.length; i += 2) if (!isForbiddenTrailer(raw[i]!)) out.push([raw[i]!, raw[i + 1]!]);
  return out;
}
