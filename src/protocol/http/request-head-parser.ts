// Parses the head of an HTTP/1.1 request for the fast lane, strictly and in one pass. Hot path.
// Invariant: a head is READY only if Node's strict parser reads the same method, target, headers and framing from it.
// Every other head is DECLINED, never repaired; the full lane then parses it with Node.
// Sources: RFC 9112 2 to 6 (messages), RFC 9110 5 (fields), 7.6.1 (Connection).
import { isAuthority } from './authority.ts';
import { BY_CHUNKS, BY_LENGTH, NO_BODY, type Framing } from './body-framing.ts';
import { charTable, tokenTable } from './character-tables.ts';
import {
  FIELD_KINDS,
  fieldKind,
  FieldLine,
  isChunked,
  isLookalikeAt,
  isText,
  readDecimal,
  readField,
} from './field-line.ts';
import { DECLINED, INCOMPLETE, READY, type HeadResult } from './head-result.ts';
import { KeptLines } from './kept-lines.ts';

const {
  ATTEMPTS,
  X_REQUEST_ID,
  CONNECTION,
  CONTENT_LENGTH,
  FORWARDED,
  FORWARDED_FOR,
  FORWARDED_HOST,
  FORWARDED_PROTO,
  HOP_BY_HOP,
  HOST,
  OTHER,
  TRACEPARENT,
  TRACESTATE,
  TRAILER,
  TRANSFER_ENCODING,
  BASETEN_REQUEST_ID,
  CONTENT_TYPE,
  CONTENT_ENCODING,
  NOTE,
  AUTHORIZATION,
  TE,
} = FIELD_KINDS;

const CR = 13;
const LF = 10;
const SP = 32;

const TOKEN = tokenTable();
/** Characters of a path and query (RFC 3986 3.3 and 3.4) that no server wants escaped. */
const TARGET = charTable(/[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]/);

/** Methods of the fast lane. Requests with another method are rare, and Node knows which methods exist. */
const METHODS = ['POST', 'GET', 'PUT', 'HEAD', 'PATCH', 'DELETE', 'OPTIONS'];
const LONGEST_METHOD = 7;

/** Position of a value that occurs more than once. */
const REPEATED = -2;

/** `TE` is passed on in any case, since weir forwards trailers. */
const isSimpleConnection = /^(keep-alive|close|te)$/i;

const NOTHING = Buffer.alloc(0);

/** The method in bytes[from, to), or undefined. */
function methodOf(bytes: Uint8Array, from: number, to: number): string | undefined {
  for (const method of METHODS) if (isText(bytes, from, to, method)) return method;
  return undefined;
}

/**
 * A request head. One object is reused for every head. What is rarely asked for is read from the bytes when it is, so it
 * must be asked for before their buffer is read into again.
 */
export class RequestHead {
  method = '';
  target = '';
  host = '';
  /** Index of the first byte after the head. */
  end = 0;
  framing: Framing = NO_BODY;
  /** Bytes of the body, if it is framed by length. */
  length = 0;
  keepAlive = true;
  /** `X-Baseten-Request-Id` of the client; empty if there was none. It is not in `kept`. */
  inboundId = '';
  /** `traceparent` of the client; empty if there was none. It is not in `kept`. */
  traceparent = '';
  /** `kept` has a `tracestate` line. */
  hasTracestate = false;
  /** Values of `X-Forwarded-For`, each followed by ", ". They are not in `kept`. */
  forwardedFor = '';
  /** Values of `Forwarded`, each followed by ", ". They are not in `kept`. */
  forwarded = '';
  hasForwardedProto = false;
  hasForwardedHost = false;
  /** `kept` has an `X-Request-Id` line, which the client sent. */
  hasRequestId = false;
  /** `kept` has a header of core/exchange/request-notes.ts. */
  hasNotes = false;
  /** The values of Content-Encoding, joined with ", "; empty without one. `kept` has them too. */
  coding = '';
  /** Header lines to pass on unchanged. */
  readonly lines = new KeptLines();
  bytes: Buffer = NOTHING;
  /** Positions of values, -1 without one. */
  keyStart = -1;
  keyEnd = -1;
  typeStart = -1;
  typeEnd = -1;

  /** The value of `Authorization`; `undefined` without one, empty if there are several. */
  get authorization(): string | undefined {
    if (this.keyStart === REPEATED) return '';
    return this.keyStart === -1 ? undefined : this.bytes.latin1Slice(this.keyStart, this.keyEnd);
  }

  /** The first Content-Type; empty without one. `kept` has it too. */
  get type(): string {
    return this.typeStart === -1 ? '' : this.bytes.latin1Slice(this.typeStart, this.typeEnd);
  }

  /** Header lines to pass on unchanged, each with its line end. */
  get kept(): string {
    return this.lines.text;
  }
}

const line = new FieldLine();
/** The last valid Host and the last target: most requests have the same ones, which then need no new text. */
let validHost = '';
let lastTarget = '';

/**
 * Parses the request head that begins at `start` in bytes[0, size). READY sets all fields of `head`. `dropsKey`:
 * `Authorization` is not in `kept`.
 */
export function readRequestHead(
  bytes: Buffer,
  start: number,
  size: number,
  head: RequestHead,
  dropsKey = false,
): HeadResult {
  let i = start;
  // Stops after the longest method, so that bytes without a space are declined at once.
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
  const { lines } = head;
  lines.begin(bytes, linesStart);
  let hostStart = -1;
  let hostEnd = -1;
  let connectionStart = -1;
  let connectionEnd = -1;
  let idStart = -1;
  let idEnd = -1;
  let traceStart = -1;
  let traceEnd = -1;
  let keyStart = -1;
  let keyEnd = -1;
  let hasTrailer = false;
  let hasTe = false;
  let hasTracestate = false;
  let hasForwardedProto = false;
  let hasForwardedHost = false;
  let hasRequestId = false;
  let hasNotes = false;
  let typeStart = -1;
  let typeEnd = -1;
  let coding = '';
  let forwardedFor = '';
  let forwarded = '';

  for (;;) {
    if (i + 1 >= size) return INCOMPLETE;
    if (bytes[i] === CR) {
      if (bytes[i + 1] !== LF) return DECLINED;
      break;
    }
    const next = readField(bytes, i, size, line);
    if (next <= 0) return next === 0 ? INCOMPLETE : DECLINED;
    let isDropped = false;
    switch (fieldKind(bytes, i, line.nameEnd - i)) {
      case OTHER:
        isDropped = isLookalikeAt(bytes, i, line.nameEnd - i);
        break;
      case TRACESTATE:
        hasTracestate = true;
        break;
      case HOST:
        if (hostStart !== -1 || line.valueEnd === line.valueStart) return DECLINED;
        hostStart = line.valueStart;
        hostEnd = line.valueEnd;
        break;
      case CONTENT_LENGTH:
        if (framing !== NO_BODY) return DECLINED;
        length = readDecimal(bytes, line.valueStart, line.valueEnd);
        if (length === -1) return DECLINED;
        framing = BY_LENGTH;
        break;
      case TRANSFER_ENCODING:
        if (framing !== NO_BODY || !isChunked(bytes, line.valueStart, line.valueEnd)) return DECLINED;
        framing = BY_CHUNKS;
        break;
      case CONNECTION:
        if (connectionStart !== -1) return DECLINED;
        connectionStart = line.valueStart;
        connectionEnd = line.valueEnd;
        isDropped = true;
        break;
      case BASETEN_REQUEST_ID:
        if (idStart !== -1) return DECLINED;
        idStart = line.valueStart;
        idEnd = line.valueEnd;
        isDropped = true;
        break;
      case TRACEPARENT:
        if (traceStart !== -1) return DECLINED;
        traceStart = line.valueStart;
        traceEnd = line.valueEnd;
        isDropped = true;
        break;
      case FORWARDED_FOR:
        forwardedFor += `${bytes.latin1Slice(line.valueStart, line.valueEnd)}, `;
        isDropped = true;
        break;
      case FORWARDED:
        forwarded += `${bytes.latin1Slice(line.valueStart, line.valueEnd)}, `;
        isDropped = true;
        break;
      case TRAILER:
        hasTrailer = true;
        break;
      case TE:
        // The only value that may be passed on (RFC 9110 10.1.4). The full lane removes others.
        if (hasTe || bytes.latin1Slice(line.valueStart, line.valueEnd) !== 'trailers') return DECLINED;
        hasTe = true;
        break;
      case FORWARDED_PROTO:
        hasForwardedProto = true;
        break;
      case FORWARDED_HOST:
        hasForwardedHost = true;
        break;
      case X_REQUEST_ID:
        hasRequestId = true;
        break;
      case NOTE:
        hasNotes = true;
        break;
      case AUTHORIZATION:
        keyStart = keyStart === -1 ? line.valueStart : REPEATED;
        keyEnd = line.valueEnd;
        isDropped = dropsKey;
        break;
      case CONTENT_TYPE:
        if (typeStart !== -1) break;
        typeStart = line.valueStart;
        typeEnd = line.valueEnd;
        break;
      case CONTENT_ENCODING:
        coding += `${coding === '' ? '' : ', '}${bytes.latin1Slice(line.valueStart, line.valueEnd)}`;
        break;
      case HOP_BY_HOP:
        isDropped = true;
        break;
      case ATTEMPTS:
        break;
      default:
        return DECLINED;
    }
    if (isDropped && !lines.drop(i, next)) return DECLINED;
    i = next;
  }
  // Only a chunked body can have trailers (RFC 9110 6.5).
  if (hostStart === -1 || (hasTrailer && framing !== BY_CHUNKS)) return DECLINED;

  const method = methodOf(bytes, start, methodEnd);
  if (method === undefined) return DECLINED;
  head.keepAlive = true;
  if (connectionStart !== -1) {
    const connection = bytes.latin1Slice(connectionStart, connectionEnd);
    // Headers that Connection names must be removed. That is rare, so the full lane does it.
    if (!isSimpleConnection.test(connection)) return DECLINED;
    head.keepAlive = connection.length !== 5;
  }
  if (!isText(bytes, hostStart, hostEnd, validHost)) {
    const host = bytes.latin1Slice(hostStart, hostEnd);
    // The full lane refuses an invalid Host with an error text.
    if (!isAuthority(host)) return DECLINED;
    validHost = host;
  }
  if (!isText(bytes, targetStart, targetEnd, lastTarget))
    lastTarget = bytes.latin1Slice(targetStart, targetEnd);
  lines.end(i);
  head.method = method;
  head.target = lastTarget;
  head.host = validHost;
  head.bytes = bytes;
  head.end = i + 2;
  head.framing = framing;
  head.length = length;
  head.inboundId = idStart === -1 ? '' : bytes.latin1Slice(idStart, idEnd);
  head.traceparent = traceStart === -1 ? '' : bytes.latin1Slice(traceStart, traceEnd);
  head.hasTracestate = hasTracestate;
  head.forwardedFor = forwardedFor;
  head.forwarded = forwarded;
  head.hasForwardedProto = hasForwardedProto;
  head.hasForwardedHost = hasForwardedHost;
  head.hasRequestId = hasRequestId;
  head.hasNotes = hasNotes;
  head.keyStart = keyStart;
  head.keyEnd = keyEnd;
  head.typeStart = typeStart;
  head.typeEnd = typeEnd;
  head.coding = coding;
  return READY;
}
