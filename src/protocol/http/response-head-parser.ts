// Parses the head of an HTTP/1.1 response of a replica, strictly and in one pass. Hot path.
// Invariant: the lines of a READY head that are passed on frame the body in one way only.
// A response is never declined, since its request is already sent: a complete head is READY or MALFORMED.
// Sources: RFC 9112 4 (status line), 6.3 (length of the body), RFC 9110 7.6.1 (Connection), 8.6 (Content-Length).
import { BY_CHUNKS, BY_CLOSE, BY_LENGTH, NO_BODY, type Framing } from './body-framing.ts';
import { textTable } from './character-tables.ts';
import {
  FIELD_KINDS,
  fieldKind,
  FieldLine,
  isLookalikeAt,
  isText,
  readDecimal,
  readField,
  readRepeatedDecimal,
  withoutLines,
} from './field-line.ts';
import { namesInConnection } from './forwarded-headers.ts';
import { INCOMPLETE, MALFORMED, READY, type HeadResult } from './head-result.ts';
import { KeptLines } from './kept-lines.ts';

const {
  ATTEMPTS,
  CONNECTION,
  CONTENT_LENGTH,
  TE,
  UNSUPPORTED,
  HOP_BY_HOP,
  OTHER,
  TRAILER,
  TRANSFER_ENCODING,
  BASETEN_REQUEST_ID,
  CONTENT_TYPE,
  CONTENT_ENCODING,
} = FIELD_KINDS;

const CR = 13;
const LF = 10;
const SP = 32;

const VALUE = textTable();

const NOTHING = Buffer.alloc(0);

/**
 * A response head. One object is reused for every head. What is rarely asked for is read from the bytes when it is, so it
 * must be asked for before their buffer is read into again.
 */
export class ResponseHead {
  /** Minor version of HTTP: 0 or 1. */
  minor = 1;
  status = 0;
  reason = '';
  /** Index of the first byte after the head. */
  end = 0;
  framing: Framing = NO_BODY;
  /** Bytes of the body, if it is framed by length. */
  length = 0;
  keepAlive = true;
  /** The values of Content-Encoding, joined with ", "; empty without one. `kept` has them too. */
  coding = '';
  /** Header lines to pass on unchanged. */
  readonly lines = new KeptLines();
  bytes: Buffer = NOTHING;
  /** Position of the first Content-Type, -1 without one. */
  typeStart = -1;
  typeEnd = -1;

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
/** The last reason, such as `OK`. */
let lastReason = '';

const LENGTH_NAME = new Set(['content-length']);
const TRAILER_NAME = new Set(['trailer']);

const VERSION = 'HTTP/1.';

/** True if the bytes from `start` to `end` can be the beginning of a status line. */
function isStatusLineStart(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end && i - start < VERSION.length; i++)
    if (bytes[i] !== VERSION.charCodeAt(i - start)) return false;
  return true;
}

/**
 * Parses the response head that begins at `start` in bytes[0, size). `isToHead`: the request's method is HEAD. READY
 * sets all fields of `head`.
 */
export function readResponseHead(
  bytes: Buffer,
  start: number,
  size: number,
  isToHead: boolean,
  head: ResponseHead,
): HeadResult {
  // "HTTP/1.x NNN", then either a space and a reason, or the line end.
  if (size - start < 12) return isStatusLineStart(bytes, start, size) ? INCOMPLETE : MALFORMED;
  const minor = bytes[start + 7]! - 48;
  if (!isStatusLineStart(bytes, start, start + 7) || (minor !== 0 && minor !== 1) || bytes[start + 8] !== SP)
    return MALFORMED;
  const status = readDecimal(bytes, start + 9, start + 12);
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

  // Statuses 1xx and 204 have no body and no header that frames one (RFC 9110 8.6, RFC 9112 6.1).
  const isFramed = status >= 200 && status !== 204;
  let length = -1;
  let hasLengthLine = false;
  let coding = '';
  let hasTrailer = false;
  let connection = '';
  let typeStart = -1;
  let typeEnd = -1;
  let contentCoding = '';
  const { lines } = head;
  lines.begin(bytes, linesStart);
  for (;;) {
    if (i + 1 >= size) return INCOMPLETE;
    if (bytes[i] === CR) {
      if (bytes[i + 1] !== LF) return MALFORMED;
      break;
    }
    const next = readField(bytes, i, size, line);
    if (next <= 0) return next === 0 ? INCOMPLETE : MALFORMED;
    let isDropped = true;
    switch (fieldKind(bytes, i, line.nameEnd - i)) {
      case OTHER:
        isDropped = isLookalikeAt(bytes, i, line.nameEnd - i);
        break;
      case CONTENT_LENGTH: {
        let value = readDecimal(bytes, line.valueStart, line.valueEnd);
        const isPlain = value !== -1;
        if (!isPlain) value = readRepeatedDecimal(bytes, line.valueStart, line.valueEnd);
        if (value === -1 || (length !== -1 && value !== length)) return MALFORMED;
        length = value;
        isDropped = !isFramed || !isPlain || hasLengthLine;
        hasLengthLine ||= isPlain;
        break;
      }
      case TRANSFER_ENCODING:
        coding += `${coding === '' ? '' : ', '}${bytes.latin1Slice(line.valueStart, line.valueEnd)}`;
        isDropped = !isFramed;
        break;
      case CONNECTION:
        connection += `${connection === '' ? '' : ', '}${bytes.latin1Slice(line.valueStart, line.valueEnd)}`;
        break;
      case UNSUPPORTED:
      case TE:
      case HOP_BY_HOP:
      case BASETEN_REQUEST_ID:
      case ATTEMPTS:
        break;
      case TRAILER:
        hasTrailer = true;
        isDropped = false;
        break;
      case CONTENT_TYPE:
        isDropped = false;
        if (typeStart !== -1) break;
        typeStart = line.valueStart;
        typeEnd = line.valueEnd;
        break;
      case CONTENT_ENCODING:
        isDropped = false;
        contentCoding += `${contentCoding === '' ? '' : ', '}${bytes.latin1Slice(line.valueStart, line.valueEnd)}`;
        break;
      default:
        isDropped = false;
    }
    if (isDropped && !lines.drop(i, next)) return MALFORMED;
    i = next;
  }
  if (!isFramed) coding = '';
  // A transfer coding belongs to one connection, and weir decodes none but chunked.
  if (coding !== '' && coding.toLowerCase() !== 'chunked') return MALFORMED;
  const hasNoBody = isToHead || !isFramed || status === 304;
  if (coding !== '' && length !== -1 && !hasNoBody) return MALFORMED;

  if (!isText(bytes, reasonStart, reasonEnd, lastReason))
    lastReason = bytes.latin1Slice(reasonStart, reasonEnd);
  lines.end(i);
  head.minor = minor;
  head.status = status;
  head.reason = lastReason;
  head.bytes = bytes;
  head.end = i + 2;
  head.typeStart = typeStart;
  head.typeEnd = typeEnd;
  head.coding = contentCoding;
  head.keepAlive = minor === 1 || connection === 'keep-alive';
  if (connection !== '' && connection !== 'keep-alive') {
    if (/(^|[\s,])close([\s,]|$)/i.test(connection)) head.keepAlive = false;
    else if (minor === 0) head.keepAlive = /(^|[\s,])keep-alive([\s,]|$)/i.test(connection);
    const names = namesInConnection(connection);
    if (names !== undefined) lines.text = withoutLines(lines.text, names);
  }
  // Transfer-Encoding overrides Content-Length, which must then be removed (RFC 9112 6.3).
  if (coding !== '' && length !== -1) lines.text = withoutLines(lines.text, LENGTH_NAME);
  else if (isFramed && length !== -1 && !hasLengthLine) lines.text += `Content-Length: ${length}\r\n`;
  head.length = 0;
  // In the order of RFC 9112 6.3.
  if (hasNoBody) head.framing = NO_BODY;
  else if (coding !== '') head.framing = BY_CHUNKS;
  else if (length !== -1) {
    head.framing = length === 0 ? NO_BODY : BY_LENGTH;
    head.length = length;
  } else head.framing = BY_CLOSE;
  // Only a chunked body can have trailers (RFC 9110 6.5).
  if (hasTrailer && head.framing !== BY_CHUNKS) lines.text = withoutLines(lines.text, TRAILER_NAME);
  return READY;
}
