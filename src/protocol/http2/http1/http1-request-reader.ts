// Reads an HTTP/1.1 request that weir itself has written, and gives it as the parts of an HTTP/2 request. Hot path.
// Invariant: how the input is split into pieces changes nothing, and no field that belongs to one HTTP/1.1 connection
// becomes a field of HTTP/2.
// Sources: RFC 9113 8.2.2 (connection-specific fields), 8.3.1 (requests), 8.1 (trailers), RFC 8441 5 (WebSockets).
//
//   HEAD ─► BODY ─► ENDED           HEAD of a WebSocket upgrade ─► TUNNEL
import { BROKEN, ChunkScanner, MORE } from '../../http/chunked.ts';
import { valueIn } from './header-line.ts';

/** The head of a request. */
export class RequestParts {
  method = '';
  /** `:path`: target in origin form, or `*`. */
  path = '';
  /** `:authority`: the value of Host; `NO_AUTHORITY` if it is empty or missing. */
  authority = '';
  /** It asks for a WebSocket: `method` is CONNECT, and bytes pass both ways after the response. */
  isWebSocket = false;
  /** `Sec-WebSocket-Key` of such a request. It is not in `fields`. */
  webSocketKey = '';
  /** Name, value, name, value, …; the names in lower case. */
  readonly fields: string[] = [];
}

/** Gets the parts of a request, in order. */
export interface RequestSink {
  /** `isEnd`: no body follows. `parts` is only valid during the call. */
  onRequest(parts: RequestParts, isEnd: boolean): void;
  /** A part of the body: bytes[from, to), which are only borrowed. `isEnd`: it is the last one. */
  onBody(bytes: Buffer, from: number, to: number, isEnd: boolean): void;
  /** The trailers, which end the request: name, value, …; the names in lower case. */
  onTrailers(fields: readonly string[]): void;
}

const HEAD = 0;
const BODY = 1;
const TUNNEL = 2;
const ENDED = 3;

/** A head that is longer is an error, since weir limits what clients send. */
const MAX_HEAD_CHARACTERS = 1024 * 1024;
const NOTHING = Buffer.alloc(0);
/** For requests of HTTP/1.0, since servers of HTTP/2 refuse a request without :authority. */
const NO_AUTHORITY = 'localhost';

/** Fields for one HTTP/1.1 connection (RFC 9113 8.2.2), and those that become something else. */
const DROPPED = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** Shared by all readers, since each head is used before the next one is read. */
const parts = new RequestParts();

export class Http1RequestReader {
  readonly #sink: RequestSink;
  #state = HEAD;
  /** The beginning of a head that is not whole yet. */
  #partial = '';
  /** Bytes until the end of a body with a length; -1: the body is chunked. */
  #left = 0;
  #chunks: ChunkScanner | undefined;

  constructor(sink: RequestSink) {
    this.#sink = sink;
  }

  /** True between two requests: nothing of the next one was read. */
  get isBetween(): boolean {
    return this.#state === HEAD && this.#partial === '';
  }

  /** True if the request was read to its end. */
  get hasEnded(): boolean {
    return this.#state === ENDED;
  }

  /** Prepares for another request on the same connection. */
  begin(): void {
    this.#state = HEAD;
    this.#partial = '';
  }

  /** Reads text in latin1. Throws for bytes that are not a request. */
  readText(text: string): void {
    if (this.#state === HEAD) this.#readHead(text);
    else if (text !== '') this.read(Buffer.from(text, 'latin1'));
  }

  /** Reads bytes. Throws for bytes that are not a request. */
  read(bytes: Buffer): void {
    if (this.#state === HEAD) this.#readHead(bytes.latin1Slice());
    else if (this.#state === BODY) this.#readBody(bytes);
    else if (this.#state === TUNNEL) this.#sink.onBody(bytes, 0, bytes.length, false);
    else if (bytes.length > 0) throw new Error('more bytes than those of the request');
  }

  #readHead(text: string): void {
    const head = this.#partial === '' ? text : this.#partial + text;
    const end = endOfHead(head, Math.max(0, this.#partial.length - 3));
    if (end === -1) {
      if (head.length > MAX_HEAD_CHARACTERS) throw new Error('the head of the request is too long');
      this.#partial = head;
      return;
    }
    this.#partial = '';
    this.#left = readParts(head, end - 2);
    this.#begin(head, end);
  }

  /** Passes the head on, and reads what came behind it. */
  #begin(text: string, end: number): void {
    const isWhole = this.#left === 0 && !parts.isWebSocket;
    this.#state = parts.isWebSocket ? TUNNEL : isWhole ? ENDED : BODY;
    if (this.#left === -1) (this.#chunks ??= new ChunkScanner()).reset(false, true);
    this.#sink.onRequest(parts, isWhole);
    if (text.length > end) this.read(Buffer.from(text.slice(end), 'latin1'));
  }

  #readBody(bytes: Buffer): void {
    if (this.#left === -1) return this.#readChunks(bytes);
    const size = Math.min(this.#left, bytes.length);
    this.#left -= size;
    const isEnd = this.#left === 0;
    if (isEnd) this.#state = ENDED;
    this.#sink.onBody(bytes, 0, size, isEnd);
    if (size < bytes.length) throw new Error('more bytes than Content-Length says');
  }

  #readChunks(bytes: Buffer): void {
    const chunks = this.#chunks!;
    const end = chunks.scan(bytes, 0, bytes.length);
    if (end === BROKEN) throw new Error('the chunked body is malformed');
    const isWhole = end !== MORE;
    const { data, dataLength } = chunks;
    const trailers = isWhole ? fieldsOf(chunks.trailers) : [];
    if (isWhole) this.#state = ENDED;
    for (let i = 0; i < dataLength; i += 2) {
      const isEnd = isWhole && trailers.length === 0 && i + 2 === dataLength;
      this.#sink.onBody(bytes, data[i]!, data[i + 1]!, isEnd);
    }
    if (trailers.length > 0) this.#sink.onTrailers(trailers);
    else if (isWhole && dataLength === 0) this.#sink.onBody(NOTHING, 0, 0, true);
    if (isWhole && end < bytes.length) throw new Error('more bytes than the chunked body');
  }
}

/** The index behind the empty line that ends a head; -1 if it is not there yet. */
function endOfHead(text: string, from: number): number {
  const at = text.indexOf('\r\n\r\n', from);
  return at === -1 ? -1 : at + 4;
}

/**
 * Reads the head in text[0, end), where `end` is behind the line end of the last field, into `parts`. Returns the bytes of
 * the body, or -1 if it is chunked.
 */
function readParts(text: string, end: number): number {
  const lineEnd = text.indexOf('\r');
  const methodEnd = text.indexOf(' ');
  const pathEnd = text.indexOf(' ', methodEnd + 1);
  if (methodEnd < 1 || pathEnd > lineEnd || text.slice(pathEnd, lineEnd) !== ' HTTP/1.1')
    throw new Error('the request line is malformed');
  parts.method = text.slice(0, methodEnd);
  parts.path = text.slice(methodEnd + 1, pathEnd);
  parts.authority = parts.webSocketKey = '';
  parts.isWebSocket = false;
  const { fields } = parts;
  fields.length = 0;
  let length = 0;
  for (let at = lineEnd + 2; at < end;) {
    // One character, since V8 searches for more of them far slower.
    const next = text.indexOf('\n', at) + 1;
    const colon = text.indexOf(':', at);
    if (colon === -1 || colon >= next) throw new Error('a header line of the request is malformed');
    const name = text.slice(at, colon).toLowerCase();
    const value = valueIn(text, colon + 1, next - 2);
    at = next;
    if (DROPPED.has(name)) {
      if (name === 'host') parts.authority = value;
      else if (name === 'transfer-encoding') length = -1;
      else if (name === 'upgrade') parts.isWebSocket = value.toLowerCase() === 'websocket';
      continue;
    }
    if (name === 'content-length' && length !== -1) length = Number(value);
    if (name === 'sec-websocket-key') parts.webSocketKey = value;
    else fields.push(name, value);
  }
  if (parts.authority === '') parts.authority = NO_AUTHORITY;
  // An upgrade to a WebSocket is a CONNECT in HTTP/2, without a key (RFC 8441 5).
  if (parts.isWebSocket) parts.method = 'CONNECT';
  else if (parts.webSocketKey !== '') fields.push('sec-websocket-key', parts.webSocketKey);
  if (Number.isNaN(length)) throw new Error('Content-Length is not a number');
  return length;
}

/** Header lines, each with its line end, as name, value, …; the names in lower case. */
function fieldsOf(lines: string): string[] {
  const fields: string[] = [];
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.push(line.slice(0, colon).toLowerCase(), valueIn(line, colon + 1, line.length));
  }
  return fields;
}
