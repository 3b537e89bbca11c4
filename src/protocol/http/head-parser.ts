// Reads the head of an HTTP/1.1 message from bytes, strictly and in one pass. Hot path.
// Must stay true: a request head is read only when it is beyond doubt; everything else is declined, never repaired,
// and Node's parser decides. What is read here, Node's strict parser reads alike: same method, target, headers, framing.
// A response cannot be declined, since its request is sent: it is read, or it is malformed.
// Sources: RFC 9112 2 to 6 (messages), RFC 9110 5 (fields), 7.6.1 (Connection).
import { SET_BY_WEIR } from '../../core/own-headers.ts';
import { isAuthority } from './authority.ts';
import { nominated } from './forwarded-headers.ts';

declare global {
  interface Buffer {
    /** Bytes as text, one character each: what toString('latin1', …) calls, without its look at the encoding. */
    latin1Slice(start?: number, end?: number): string;
  }
}

/** What came of reading. DECLINED: not ours to judge (requests). MALFORMED: no HTTP (responses). */
export const INCOMPLETE = 0;
export const READY = 1;
export const DECLINED = 2;
export const MALFORMED = 3;
export type HeadResult = 0 | 1 | 2 | 3;

/** How the end of a body is found. */
export const NO_BODY = 0;
export const BY_LENGTH = 1;
export const BY_CHUNKS = 2;
export const BY_CLOSE = 3;
export type Framing = 0 | 1 | 2 | 3;

const CR = 13;
const LF = 10;
const SP = 32;
const TAB = 9;
const COLON = 58;
const DASH = 45;
const UNDERSCORE = 95;

const table = (allows: (byte: number) => boolean): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => (allows(byte) ? 1 : 0));
const charTable = (pattern: RegExp): Uint8Array =>
  table((byte) => byte < 128 && pattern.test(String.fromCharCode(byte)));

/** tchar of RFC 9110 5.6.2. */
const TOKEN = charTable(/[!#$%&'*+.^_`|~0-9A-Za-z-]/);
/** What a path and query may hold (RFC 3986 3.3 and 3.4), and nothing that some server would want escaped. */
const TARGET = charTable(/[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]/);
/** field-content of RFC 9110 5.5: visible, space, tab, obs-text. */
const VALUE = table((byte) => byte === TAB || (byte >= SP && byte !== 127));

/** Methods of the fast lane; others are rare, and Node knows which of them exist. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const LONGEST_METHOD = 7;

/** More digits than any body that could be sent; keeps the number exact. */
const MAX_LENGTH_DIGITS = 15;

/** Where the lines that are not passed on begin and end, in pairs. */
const MAX_CUTS = 64;
const cuts = new Int32Array(MAX_CUTS * 2);

/** A request head. One object is used over and over: its fields are the last head's. */
export class RequestHead {
  method = '';
  target = '';
  host = '';
  /** Index of the first byte behind the head. */
  end = 0;
  framing: Framing = NO_BODY;
  /** Bytes of the body where it is framed by length. */
  length = 0;
  keepAlive = true;
  /** Values that we pass on in a line of our own; empty where the client sent none. */
  inboundId = '';
  traceparent = '';
  /** There is a `tracestate` among the lines that are kept. */
  hasTracestate = false;
  forwardedFor = '';
  forwarded = '';
  hasForwardedProto = false;
  hasForwardedHost = false;
  /** The client sent an `X-Request-Id` of its own. */
  hasOwnId = false;
  /** Header lines to pass on as they are, each with its line end. */
  kept = '';
}

/** A response head, used over and over as well. */
export class ResponseHead {
  /** Minor version of HTTP: 0 or 1. */
  minor = 1;
  status = 0;
  reason = '';
  end = 0;
  framing: Framing = NO_BODY;
  length = 0;
  keepAlive = true;
  kept = '';
}

/** Compares without regard to case; `word` is in lower case and of the length that was measured. */
function isWord(bytes: Uint8Array, at: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) {
    const byte = bytes[at + i]!;
    if (byte !== word.charCodeAt(i) && (byte | 0x20) !== word.charCodeAt(i)) return false;
  }
  return true;
}

/** Names of SET_BY_WEIR by their length. */
const lookalikes: (readonly string[] | undefined)[] = [];
for (const name of SET_BY_WEIR) lookalikes[name.length] = [...(lookalikes[name.length] ?? []), name];

/** The rule of isLookalike for the `length` bytes at `at`. Hot path: most names are of a length that none of weir's has. */
function isLookalikeAt(bytes: Uint8Array, at: number, length: number): boolean {
  const words = lookalikes[length];
  if (words === undefined) return false;
  for (const word of words) {
    let underscores = 0;
    let i = 0;
    for (; i < length; i++) {
      const byte = bytes[at + i]!;
      const letter = word.charCodeAt(i);
      if (letter === DASH && byte === UNDERSCORE) underscores++;
      else if (byte !== letter && (byte | 0x20) !== letter) break;
    }
    if (i === length && underscores > 0) return true;
  }
  return false;
}

/** What a header name means to us. */
const OTHER = 0;
const HOST = 1;
const CONTENT_LENGTH = 2;
const TRANSFER_ENCODING = 3;
const CONNECTION = 4;
const REQUEST_ID = 5;
const TRACEPARENT = 6;
const FORWARDED_FOR = 7;
const FORWARDED = 8;
const FORWARDED_PROTO = 9;
const FORWARDED_HOST = 10;
/** For this hop only: not passed on. */
const HOP = 11;
/** Changes how the message is to be treated in ways that the full lane knows. */
const SPECIAL = 12;
const TRAILER = 13;
/** How often the request was sent: ours to say. */
const ATTEMPTS = 14;
const TRACESTATE = 15;
/** `X-Request-Id`: the client's takes precedence over weir's. */
const OWN_ID = 16;

/** Tells a name by its length first: most names are of a length that none of ours has. */
function meaningOf(bytes: Uint8Array, at: number, length: number): number {
  switch (length) {
    case 2:
      return isWord(bytes, at, 'te') ? SPECIAL : OTHER;
    case 4:
      return isWord(bytes, at, 'host') ? HOST : OTHER;
    case 6:
      return isWord(bytes, at, 'expect') ? SPECIAL : OTHER;
    case 7:
      if (isWord(bytes, at, 'trailer')) return TRAILER;
      return isWord(bytes, at, 'upgrade') ? SPECIAL : OTHER;
    case 9:
      return isWord(bytes, at, 'forwarded') ? FORWARDED : OTHER;
    case 10:
      if (isWord(bytes, at, 'connection')) return CONNECTION;
      if (isWord(bytes, at, 'tracestate')) return TRACESTATE;
      return isWord(bytes, at, 'keep-alive') ? HOP : OTHER;
    case 11:
      return isWord(bytes, at, 'traceparent') ? TRACEPARENT : OTHER;
    case 12:
      return isWord(bytes, at, 'x-request-id') ? OWN_ID : OTHER;
    case 14:
      if (isWord(bytes, at, 'content-length')) return CONTENT_LENGTH;
      return isWord(bytes, at, 'http2-settings') || isWord(bytes, at, 'content_length') ? SPECIAL : OTHER;
    case 15:
      return isWord(bytes, at, 'x-forwarded-for') ? FORWARDED_FOR : OTHER;
    case 16:
      if (isWord(bytes, at, 'x-forwarded-host')) return FORWARDED_HOST;
      return isWord(bytes, at, 'proxy-connection') ? HOP : OTHER;
    case 17:
      if (isWord(bytes, at, 'transfer-encoding')) return TRANSFER_ENCODING;
      if (isWord(bytes, at, 'x-forwarded-proto')) return FORWARDED_PROTO;
      return isWord(bytes, at, 'transfer_encoding') ? SPECIAL : OTHER;
    case 18:
      return isWord(bytes, at, 'proxy-authenticate') ? HOP : OTHER;
    case 19:
      return isWord(bytes, at, 'proxy-authorization') ? HOP : OTHER;
    case 20:
      return isWord(bytes, at, 'x-baseten-request-id') ? REQUEST_ID : OTHER;
    case 28:
      // Asks for a header in the answer: the full lane's to make.
      return isWord(bytes, at, 'endpoint-load-metrics-format') ? SPECIAL : OTHER;
    case 35:
      return isWord(bytes, at, 'x-baseten-model-prediction-attempts') ? ATTEMPTS : OTHER;
    default:
      return OTHER;
  }
}

/** Digits of a Content-Length as a number, or -1 where it is anything else (RFC 9110 8.6). */
function readLength(bytes: Uint8Array, from: number, to: number): number {
  if (to === from || to - from > MAX_LENGTH_DIGITS) return -1;
  let length = 0;
  for (let i = from; i < to; i++) {
    const digit = bytes[i]! - 48;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

/** The same where one value may be repeated, as in `5, 5` (RFC 9110 8.6). Rare. */
function readLengths(bytes: Buffer, from: number, to: number): number {
  const values = bytes.latin1Slice(from, to).split(',');
  const lengths = values.map((value) => {
    const digits = value.trim();
    return /^\d+$/.test(digits) && digits.length <= MAX_LENGTH_DIGITS ? Number(digits) : -1;
  });
  return lengths.every((length) => length === lengths[0]) ? lengths[0]! : -1;
}

/** Where the last field line that was read stood. */
let nameEnd = 0;
let valueStart = 0;
let valueEnd = 0;
let next = 0;

/** Reads one field line at `at`; INCOMPLETE, READY (and the positions above), or DECLINED where it is no clean one. */
function readField(bytes: Uint8Array, at: number, end: number): HeadResult {
  let i = at;
  while (i < end && TOKEN[bytes[i]!] === 1) i++;
  if (i >= end) return INCOMPLETE;
  if (i === at || bytes[i] !== COLON) return DECLINED;
  nameEnd = i++;
  while (i < end && (bytes[i] === SP || bytes[i] === TAB)) i++;
  valueStart = i;
  while (i < end && VALUE[bytes[i]!] === 1) i++;
  if (i + 1 >= end) return i < end && bytes[i] !== CR ? DECLINED : INCOMPLETE;
  if (bytes[i] !== CR || bytes[i + 1] !== LF) return DECLINED;
  next = i + 2;
  while (i > valueStart && (bytes[i - 1] === SP || bytes[i - 1] === TAB)) i--;
  valueEnd = i;
  return READY;
}

/** The lines from `from` to `to` without the cuts. Positions are absolute; `text` begins at `base`. */
function joinKept(text: string, base: number, from: number, to: number, count: number): string {
  let kept = '';
  let at = from;
  for (let i = 0; i < count; i++) {
    if (cuts[i * 2]! > at) kept += text.slice(at - base, cuts[i * 2]! - base);
    at = cuts[i * 2 + 1]!;
  }
  return at < to ? kept + text.slice(at - base, to - base) : kept;
}

/** The latest valid Host, so that the same one is not checked again. */
let validHost = '';

const isSimpleConnection = /^(keep-alive|close)$/i;

/**
 * Reads a request head that begins at `start`. READY fills `head`; INCOMPLETE asks for more bytes; DECLINED leaves the
 * message to the full lane, from its first byte on.
 */
export function readRequestHead(bytes: Buffer, start: number, head: RequestHead): HeadResult {
  const size = bytes.length;
  let i = start;
  // The method is looked up before its end: what is none must not be waited for.
  while (i < size && i - start <= LONGEST_METHOD && TOKEN[bytes[i]!] === 1) i++;
  if (i >= size) return i - start > LONGEST_METHOD ? DECLINED : INCOMPLETE;
  if (bytes[i] !== SP || i === start) return DECLINED;
  const methodEnd = i;
  const targetStart = ++i;
  while (i < size && TARGET[bytes[i]!] === 1) i++;
  const targetEnd = i;
  if (targetEnd > targetStart && bytes[targetStart] !== 47) return DECLINED;
  if (i + 11 > size) return i < size && bytes[i] !== SP ? DECLINED : INCOMPLETE;
  // " HTTP/1.1\r\n"
  if (
    targetEnd === targetStart ||
    bytes[i] !== SP ||
    bytes[i + 1] !== 72 ||
    bytes[i + 2] !== 84 ||
    bytes[i + 3] !== 84 ||
    bytes[i + 4] !== 80 ||
    bytes[i + 5] !== 47 ||
    bytes[i + 6] !== 49 ||
    bytes[i + 7] !== 46 ||
    bytes[i + 8] !== 49 ||
    bytes[i + 9] !== CR ||
    bytes[i + 10] !== LF
  )
    return DECLINED;
  i += 11;
  const linesStart = i;

  let framing: Framing = NO_BODY;
  let length = 0;
  let cutCount = 0;
  let hostStart = -1;
  let hostEnd = -1;
  let connectionStart = -1;
  let connectionEnd = -1;
  let idStart = -1;
  let idEnd = -1;
  let traceStart = -1;
  let traceEnd = -1;
  let hasTrailer = false;
  let hasTracestate = false;
  let hasForwardedProto = false;
  let hasForwardedHost = false;
  let hasOwnId = false;
  let forwardedFor = '';
  let forwarded = '';

  for (;;) {
    if (i + 1 >= size) return INCOMPLETE;
    if (bytes[i] === CR) {
      if (bytes[i + 1] !== LF) return DECLINED;
      break;
    }
    const verdict = readField(bytes, i, size);
    if (verdict !== READY) return verdict;
    let isCut = false;
    switch (meaningOf(bytes, i, nameEnd - i)) {
      case OTHER:
        isCut = isLookalikeAt(bytes, i, nameEnd - i);
        break;
      case TRACESTATE:
        hasTracestate = true;
        break;
      case HOST:
        if (hostStart !== -1 || valueEnd === valueStart) return DECLINED;
        hostStart = valueStart;
        hostEnd = valueEnd;
        break;
      case CONTENT_LENGTH:
        if (framing !== NO_BODY) return DECLINED;
        length = readLength(bytes, valueStart, valueEnd);
        if (length === -1) return DECLINED;
        framing = BY_LENGTH;
        break;
      case TRANSFER_ENCODING:
        if (framing !== NO_BODY || valueEnd - valueStart !== 7 || !isWord(bytes, valueStart, 'chunked'))
          return DECLINED;
        framing = BY_CHUNKS;
        break;
      case CONNECTION:
        if (connectionStart !== -1) return DECLINED;
        connectionStart = valueStart;
        connectionEnd = valueEnd;
        isCut = true;
        break;
      case REQUEST_ID:
        if (idStart !== -1) return DECLINED;
        idStart = valueStart;
        idEnd = valueEnd;
        isCut = true;
        break;
      case TRACEPARENT:
        if (traceStart !== -1) return DECLINED;
        traceStart = valueStart;
        traceEnd = valueEnd;
        isCut = true;
        break;
      case FORWARDED_FOR:
        forwardedFor += `${bytes.latin1Slice(valueStart, valueEnd)}, `;
        isCut = true;
        break;
      case FORWARDED:
        forwarded += `${bytes.latin1Slice(valueStart, valueEnd)}, `;
        isCut = true;
        break;
      case TRAILER:
        hasTrailer = true;
        break;
      case FORWARDED_PROTO:
        hasForwardedProto = true;
        break;
      case FORWARDED_HOST:
        hasForwardedHost = true;
        break;
      case OWN_ID:
        hasOwnId = true;
        break;
      case HOP:
        isCut = true;
        break;
      case ATTEMPTS:
        break;
      default:
        return DECLINED;
    }
    if (isCut) {
      if (cutCount === MAX_CUTS) return DECLINED;
      cuts[cutCount * 2] = i;
      cuts[cutCount * 2 + 1] = next;
      cutCount++;
    }
    i = next;
  }
  // Trailers without chunks would promise what cannot come.
  if (hostStart === -1 || (hasTrailer && framing !== BY_CHUNKS)) return DECLINED;

  const text = bytes.latin1Slice(start, i);
  const method = text.slice(0, methodEnd - start);
  if (!METHODS.has(method)) return DECLINED;
  head.keepAlive = true;
  if (connectionStart !== -1) {
    const connection = text.slice(connectionStart - start, connectionEnd - start);
    // Names in it would have to be taken out: rare enough for the full lane.
    if (!isSimpleConnection.test(connection)) return DECLINED;
    head.keepAlive = connection.length !== 5;
  }
  const host = text.slice(hostStart - start, hostEnd - start);
  if (host !== validHost) {
    // The full lane refuses what is not an authority, with an error text.
    if (!isAuthority(host)) return DECLINED;
    validHost = host;
  }
  head.method = method;
  head.target = text.slice(targetStart - start, targetEnd - start);
  head.host = host;
  head.end = i + 2;
  head.framing = framing;
  head.length = length;
  head.inboundId = idStart === -1 ? '' : text.slice(idStart - start, idEnd - start);
  head.traceparent = traceStart === -1 ? '' : text.slice(traceStart - start, traceEnd - start);
  head.hasTracestate = hasTracestate;
  head.forwardedFor = forwardedFor;
  head.forwarded = forwarded;
  head.hasForwardedProto = hasForwardedProto;
  head.hasForwardedHost = hasForwardedHost;
  head.hasOwnId = hasOwnId;
  head.kept = joinKept(text, start, linesStart, i, cutCount);
  return READY;
}

/**
 * Reads a response head that begins at `start` and ends before `size`. `isToHead`: it answers a HEAD request.
 * MALFORMED where Node's strict parser would refuse it as well.
 */
export function readResponseHead(
  bytes: Buffer,
  start: number,
  size: number,
  isToHead: boolean,
  head: ResponseHead,
): HeadResult {
  // "HTTP/1.x NNN", then a space and a reason, or the line's end.
  if (size - start < 12) return isPrefix(bytes, start, size) ? INCOMPLETE : MALFORMED;
  const minor = bytes[start + 7]! - 48;
  if (!isPrefix(bytes, start, start + 7) || (minor !== 0 && minor !== 1) || bytes[start + 8] !== SP)
    return MALFORMED;
  const status = readLength(bytes, start + 9, start + 12);
  if (status < 100) return MALFORMED;
  let i = start + 12;
  if (i < size && bytes[i] === SP) i++;
  const reasonStart = i;
  while (i < size && VALUE[bytes[i]!] === 1) i++;
  if (i + 1 >= size) return i < size && bytes[i] !== CR ? MALFORMED : INCOMPLETE;
  if (bytes[i] !== CR || bytes[i + 1] !== LF || (reasonStart === start + 12 && i > reasonStart))
    return MALFORMED;
  const reasonEnd = i;
  i += 2;
  const linesStart = i;

  // RFC 9110 8.6 and RFC 9112 6.1: these have no body, and no header that frames one.
  const isFramed = status >= 200 && status !== 204;
  let length = -1;
  let hasLengthLine = false;
  let coding = '';
  let hasTrailer = false;
  let connection = '';
  let cutCount = 0;
  for (;;) {
    if (i + 1 >= size) return INCOMPLETE;
    if (bytes[i] === CR) {
      if (bytes[i + 1] !== LF) return MALFORMED;
      break;
    }
    const verdict = readField(bytes, i, size);
    if (verdict !== READY) return verdict === DECLINED ? MALFORMED : verdict;
    let isCut = true;
    switch (meaningOf(bytes, i, nameEnd - i)) {
      case CONTENT_LENGTH: {
        let value = readLength(bytes, valueStart, valueEnd);
        const isPlain = value !== -1;
        if (!isPlain) value = readLengths(bytes, valueStart, valueEnd);
        if (value === -1 || (length !== -1 && value !== length)) return MALFORMED;
        length = value;
        isCut = !isFramed || !isPlain || hasLengthLine;
        hasLengthLine ||= isPlain;
        break;
      }
      case TRANSFER_ENCODING:
        coding += `${coding === '' ? '' : ', '}${bytes.latin1Slice(valueStart, valueEnd)}`;
        isCut = !isFramed;
        break;
      case CONNECTION:
        connection += `${connection === '' ? '' : ', '}${bytes.latin1Slice(valueStart, valueEnd)}`;
        break;
      case SPECIAL:
      case HOP:
      case REQUEST_ID:
      case ATTEMPTS:
        break;
      case TRAILER:
        hasTrailer = true;
        isCut = false;
        break;
      case OTHER:
        isCut = isLookalikeAt(bytes, i, nameEnd - i);
        break;
      default:
        isCut = false;
    }
    if (isCut) {
      if (cutCount === MAX_CUTS) return MALFORMED;
      cuts[cutCount * 2] = i;
      cuts[cutCount * 2 + 1] = next;
      cutCount++;
    }
    i = next;
  }
  if (!isFramed) coding = '';
  // Another coding than chunked is between the two ends of a connection: it could not be passed on.
  if (coding !== '' && coding.toLowerCase() !== 'chunked') return MALFORMED;
  const hasNoBody = isToHead || !isFramed || status === 304;
  if (coding !== '' && length !== -1 && !hasNoBody) return MALFORMED;

  const text = bytes.latin1Slice(start, i);
  head.minor = minor;
  head.status = status;
  head.reason = text.slice(reasonStart - start, reasonEnd - start);
  head.end = i + 2;
  head.kept = joinKept(text, start, linesStart, i, cutCount);
  head.keepAlive = minor === 1 || connection === 'keep-alive';
  if (connection !== '' && connection !== 'keep-alive') {
    if (/(^|[\s,])close([\s,]|$)/i.test(connection)) head.keepAlive = false;
    else if (minor === 0) head.keepAlive = /(^|[\s,])keep-alive([\s,]|$)/i.test(connection);
    const names = nominated(connection);
    if (names !== undefined) head.kept = withoutLines(head.kept, names);
  }
  // RFC 9112 6.3: Transfer-Encoding overrides Content-Length, which is not to be sent on with it.
  if (coding !== '' && length !== -1) head.kept = withoutLines(head.kept, LENGTH_NAME);
  else if (isFramed && length !== -1 && !hasLengthLine) head.kept += `Content-Length: ${length}\r\n`;
  head.length = 0;
  // RFC 9112 6.3, in its order.
  if (hasNoBody) head.framing = NO_BODY;
  else if (coding !== '') head.framing = BY_CHUNKS;
  else if (length !== -1) {
    head.framing = length === 0 ? NO_BODY : BY_LENGTH;
    head.length = length;
  } else head.framing = BY_CLOSE;
  // Without chunks there are no trailers, so the Trailer header is dropped.
  if (hasTrailer && head.framing !== BY_CHUNKS) head.kept = withoutLines(head.kept, TRAILER_NAME);
  return READY;
}

const LENGTH_NAME = new Set(['content-length']);
const TRAILER_NAME = new Set(['trailer']);

const VERSION = 'HTTP/1.';

/** True when the bytes from `start` to `end` could be the beginning of a status line. */
function isPrefix(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end && i - start < VERSION.length; i++)
    if (bytes[i] !== VERSION.charCodeAt(i - start)) return false;
  return true;
}

/** Header lines, each with its line end, without those with these names. The names are in lower case. Rare. */
export const withoutLines = (kept: string, names: ReadonlySet<string>): string =>
  kept
    .split('\r\n')
    .filter((line) => line !== '' && !names.has(line.slice(0, line.indexOf(':')).toLowerCase()))
    .map((line) => `${line}\r\n`)
    .join('');
