// Reads the header field lines of HTTP/1.1 heads from bytes, for the parsers of requests and responses. Hot path.
// Sources: RFC 9112 5 (field lines), RFC 9110 5.5 and 5.6.2 (values and tokens), 8.6 (Content-Length).
import { SET_BY_WEIR } from '../../core/header-names.ts';
import { textTable, tokenTable } from './character-tables.ts';

declare global {
  interface Buffer {
    /** Bytes as text, one character per byte. `toString('latin1', …)` calls it after it has looked up the encoding. */
    latin1Slice(start?: number, end?: number): string;
  }
}

const CR = 13;
const LF = 10;
const SP = 32;
const TAB = 9;
const COLON = 58;
const DASH = 45;
const UNDERSCORE = 95;

const TOKEN = tokenTable();
const VALUE = textTable();

/** Digits of the largest accepted Content-Length. Numbers of this length are exact. */
const MAX_LENGTH_DIGITS = 15;

/** Positions in the field line that was read last. Each parser has one object and uses it for every line. */
export class FieldLine {
  nameEnd = 0;
  valueStart = 0;
  /** Index after the value, without the spaces and tabs that follow it. */
  valueEnd = 0;
}

/**
 * Reads the field line at `at` and sets `line`. Returns the index after its line end, 0 if the bytes end before it,
 * or -1 if the line is malformed.
 */
export function readField(bytes: Uint8Array, at: number, end: number, line: FieldLine): number {
  let i = at;
  while (i < end && TOKEN[bytes[i]!] === 1) i++;
  if (i >= end) return 0;
  if (i === at || bytes[i] !== COLON) return -1;
  line.nameEnd = i++;
  while (i < end && (bytes[i] === SP || bytes[i] === TAB)) i++;
  const valueStart = i;
  while (i < end && VALUE[bytes[i]!] === 1) i++;
  if (i + 1 >= end) return i < end && bytes[i] !== CR ? -1 : 0;
  if (bytes[i] !== CR || bytes[i + 1] !== LF) return -1;
  const next = i + 2;
  while (i > valueStart && (bytes[i - 1] === SP || bytes[i - 1] === TAB)) i--;
  line.valueStart = valueStart;
  line.valueEnd = i;
  return next;
}

/** Compares without regard to case. `word`: in lower case, as long as the bytes to compare. */
function isWord(bytes: Uint8Array, at: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) {
    const byte = bytes[at + i]!;
    if (byte !== word.charCodeAt(i) && (byte | 0x20) !== word.charCodeAt(i)) return false;
  }
  return true;
}

/** True if bytes[from, to) are this text of Latin-1 characters. */
export function isText(bytes: Uint8Array, from: number, to: number, text: string): boolean {
  if (text.length !== to - from) return false;
  for (let i = 0; i < text.length; i++) if (bytes[from + i] !== text.charCodeAt(i)) return false;
  return true;
}

// Kinds of header names.
/** Any name that is not listed below. */
const OTHER = 0;
const HOST = 1;
const CONTENT_LENGTH = 2;
const TRANSFER_ENCODING = 3;
const CONNECTION = 4;
const BASETEN_REQUEST_ID = 5;
const TRACEPARENT = 6;
const FORWARDED_FOR = 7;
const FORWARDED = 8;
const FORWARDED_PROTO = 9;
const FORWARDED_HOST = 10;
/** A header for one connection only (RFC 9110 7.6.1). */
const HOP_BY_HOP = 11;
/** The fast lane does not support the header: a request with it is declined, in a response the header is dropped. */
const UNSUPPORTED = 12;
const TRAILER = 13;
/** `X-Baseten-Model-Prediction-Attempts`. */
const ATTEMPTS = 14;
const TRACESTATE = 15;
const X_REQUEST_ID = 16;
const CONTENT_TYPE = 17;
const CONTENT_ENCODING = 18;
/** What a client says about its request for the log store (core/exchange/request-notes.ts). */
const NOTE = 19;
const AUTHORIZATION = 20;
const TE = 21;

/**
 * The kinds, which a parser copies to constants of its own, since V8 reads imported and exported bindings more slowly.
 */
export const FIELD_KINDS = {
  OTHER,
  HOST,
  CONTENT_LENGTH,
  TRANSFER_ENCODING,
  CONNECTION,
  BASETEN_REQUEST_ID,
  TRACEPARENT,
  FORWARDED_FOR,
  FORWARDED,
  FORWARDED_PROTO,
  FORWARDED_HOST,
  HOP_BY_HOP,
  UNSUPPORTED,
  TRAILER,
  ATTEMPTS,
  TRACESTATE,
  X_REQUEST_ID,
  CONTENT_TYPE,
  CONTENT_ENCODING,
  NOTE,
  AUTHORIZATION,
  TE,
} as const;

/** The kind of the name at `at`. Compares lengths first, since most names have a length that no known name has. */
export function fieldKind(bytes: Uint8Array, at: number, length: number): number {
  switch (length) {
    case 2:
      return isWord(bytes, at, 'te') ? TE : OTHER;
    case 4:
      return isWord(bytes, at, 'host') ? HOST : OTHER;
    case 6:
      return isWord(bytes, at, 'expect') ? UNSUPPORTED : OTHER;
    case 7:
      if (isWord(bytes, at, 'trailer')) return TRAILER;
      return isWord(bytes, at, 'upgrade') ? UNSUPPORTED : OTHER;
    case 9:
      return isWord(bytes, at, 'forwarded') ? FORWARDED : OTHER;
    case 10:
      if (isWord(bytes, at, 'connection')) return CONNECTION;
      if (isWord(bytes, at, 'tracestate')) return TRACESTATE;
      return isWord(bytes, at, 'keep-alive') ? HOP_BY_HOP : OTHER;
    case 11:
      return isWord(bytes, at, 'traceparent') ? TRACEPARENT : OTHER;
    case 12:
      if (isWord(bytes, at, 'content-type')) return CONTENT_TYPE;
      return isWord(bytes, at, 'x-request-id') ? X_REQUEST_ID : OTHER;
    case 13:
      return isWord(bytes, at, 'authorization') ? AUTHORIZATION : OTHER;
    case 14:
      if (isWord(bytes, at, 'content-length')) return CONTENT_LENGTH;
      return isWord(bytes, at, 'http2-settings') || isWord(bytes, at, 'content_length') ? UNSUPPORTED : OTHER;
    case 15:
      return isWord(bytes, at, 'x-forwarded-for') ? FORWARDED_FOR : OTHER;
    case 16:
      if (isWord(bytes, at, 'content-encoding')) return CONTENT_ENCODING;
      if (isWord(bytes, at, 'x-forwarded-host')) return FORWARDED_HOST;
      return isWord(bytes, at, 'proxy-connection') ? HOP_BY_HOP : OTHER;
    case 17:
      if (isWord(bytes, at, 'transfer-encoding')) return TRANSFER_ENCODING;
      if (isWord(bytes, at, 'x-forwarded-proto')) return FORWARDED_PROTO;
      if (isWord(bytes, at, 'transfer_encoding')) return UNSUPPORTED;
      return isWord(bytes, at, 'x-portkey-span-id') ? NOTE : OTHER;
    case 18:
      if (isWord(bytes, at, 'proxy-authenticate')) return HOP_BY_HOP;
      return isWord(bytes, at, 'x-portkey-trace-id') || isWord(bytes, at, 'x-portkey-metadata')
        ? NOTE
        : OTHER;
    case 19:
      return isWord(bytes, at, 'proxy-authorization') ? HOP_BY_HOP : OTHER;
    case 20:
      return isWord(bytes, at, 'x-baseten-request-id') ? BASETEN_REQUEST_ID : OTHER;
    case 24:
      return isWord(bytes, at, 'x-portkey-parent-span-id') ? NOTE : OTHER;
    case 28:
      // Asks for a header in the response, which the full lane adds.
      return isWord(bytes, at, 'endpoint-load-metrics-format') ? UNSUPPORTED : OTHER;
    case 35:
      return isWord(bytes, at, 'x-baseten-model-prediction-attempts') ? ATTEMPTS : OTHER;
    default:
      return OTHER;
  }
}

/** Names of SET_BY_WEIR by their length. */
const namesByLength: readonly (readonly string[] | undefined)[] = Array.from(
  { length: Math.max(...Array.from(SET_BY_WEIR, (name) => name.length)) + 1 },
  (_, length) => {
    const names = Array.from(SET_BY_WEIR).filter((name) => name.length === length);
    return names.length === 0 ? undefined : names;
  },
);

/** `isLookalike` for the `length` bytes at `at`. Most names have a length that none of weir's has. */
export function isLookalikeAt(bytes: Uint8Array, at: number, length: number): boolean {
  const words = namesByLength[length];
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

/** A number in decimal digits; -1 if it is anything else or too long (RFC 9110 8.6). */
export function readDecimal(bytes: Uint8Array, from: number, to: number): number {
  if (to === from || to - from > MAX_LENGTH_DIGITS) return -1;
  let number = 0;
  for (let i = from; i < to; i++) {
    const digit = bytes[i]! - 48;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

/** A comma-separated list of equal numbers, such as `5, 5` (RFC 9110 8.6); -1 if it is anything else. */
export function readRepeatedDecimal(bytes: Buffer, from: number, to: number): number {
  const values = bytes.latin1Slice(from, to).split(',');
  const numbers = values.map((value) => {
    const digits = value.trim();
    return /^\d+$/.test(digits) && digits.length <= MAX_LENGTH_DIGITS ? Number(digits) : -1;
  });
  return numbers.every((number) => number === numbers[0]) ? numbers[0]! : -1;
}

/** True if the bytes are `chunked`, in any case. */
export const isChunked = (bytes: Uint8Array, from: number, to: number): boolean =>
  to - from === 7 && isWord(bytes, from, 'chunked');

/** Removes the header lines with these names. `lines`: each with its line end; `names`: in lower case. */
export const withoutLines = (lines: string, names: ReadonlySet<string>): string =>
  lines
    .split('\r\n')
    .filter((line) => line !== '' && !names.has(line.slice(0, line.indexOf(':')).toLowerCase()))
    .map((line) => `${line}\r\n`)
    .join('');
