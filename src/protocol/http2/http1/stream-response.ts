// A response on a stream of HTTP/2: reads HTTP/1.1 and sends header blocks, DATA and trailers. Hot path.
// Invariant: how the bytes are split changes nothing, and END_STREAM is sent exactly when the response is complete.
// Sources: RFC 9112 6.3 (length of the body), RFC 9113 8.1 (messages), 8.2.2 (fields of a connection), RFC 8441.
//
//   HEAD ─► (1xx ─► HEAD) ─► LENGTH, CHUNKS, CLOSE ─► WHOLE
//     └► 101 to an extended CONNECT ─► TUNNEL ─► WHOLE
import { ATTEMPTS_HEADER_LOWER, ID_HEADER_LOWER, TIMING_HEADER_LOWER } from '../../../core/header-names.ts';
import type { ResponseHead } from '../../http/response-head-parser.ts';
import { BROKEN, ChunkScanner, MORE } from '../../http/chunked.ts';
import { BY_CHUNKS, BY_CLOSE, BY_LENGTH, NO_BODY, type Framing } from '../../http/body-framing.ts';
import { FieldLine, readDecimal, readField } from '../../http/field-line.ts';
import type { FieldFilter } from '../hpack/encoder.ts';
import type { Field } from '../hpack/field.ts';
import type { HeaderBlock } from '../hpack/header-block.ts';
import { intern } from '../hpack/interned-fields.ts';
import { valueIn } from './header-line.ts';
import { blockOf, FIELD_ACTION, FORWARD_ALL, isUnique, nameOf, type SpelledName } from './response-block.ts';

const CR = 13;
const LF = 10;
const VERSION = 'HTTP/1.1 ';
/** "HTTP/1.1 200". */
const STATUS_END = 12;

const BAD_GATEWAY = 502;

const HEAD = 0;
const LENGTH = 1;
const CHUNKS = 2;
const CLOSE = 3;
const TUNNEL = 4;
const WHOLE = 5;

const { DROP, CONNECTION, CODING, CONTENT_LENGTH, HANDSHAKE } = FIELD_ACTION;

/** The fields of the head that is being read: name and value in turn. Used again for each. */
const fields: { readonly name: SpelledName; readonly value: string }[] = [];
const line = new FieldLine();
const NOTHING = Buffer.alloc(0);

/** What the reader sends to: an Http2Stream. */
export interface ResponseStream {
  head(): {
    forward(block: HeaderBlock, filter: FieldFilter): unknown;
    add(name: string, value: string): unknown;
    field(field: Field): unknown;
    send(isEnd: boolean): void;
  };
  write(bytes: Buffer, from: number, to: number, isEnd: boolean): boolean;
}

/** Reads one response at a time. */
export class StreamResponse {
  /** After the response the connection can serve another request. */
  isReusable = true;
  #stream: ResponseStream | undefined;
  #state = WHOLE;
  #isToHead = false;
  #mayTunnel = false;
  /** Bytes until the end of a body that is framed by length. */
  #left = 0;
  #partialHead: Buffer | undefined;
  #chunks: ChunkScanner | undefined;

  /** A request begins. `isToHead`: its method is HEAD. `mayTunnel`: it is an extended CONNECT. */
  begin(stream: ResponseStream, isToHead: boolean, mayTunnel: boolean): void {
    this.#stream = stream;
    this.#isToHead = isToHead;
    this.#mayTunnel = mayTunnel;
    this.#state = HEAD;
    this.#partialHead = undefined;
    this.isReusable = !mayTunnel;
  }

  /** All of the response was sent. */
  get isWhole(): boolean {
    return this.#state === WHOLE;
  }

  /** The replica has accepted the extended CONNECT. */
  get isTunnel(): boolean {
    return this.#state === TUNNEL;
  }

  /**
   * Sends a head that is parsed already. `lines`: its header lines; `isLast`: the connection serves no other request. The
   * other values are weir's own headers.
   */
  respond(
    { status, framing, length }: ResponseHead,
    lines: string,
    isLast: boolean,
    id: string,
    attempts: number,
    timing: string,
  ): void {
    if (isLast) this.isReusable = false;
    this.#frame(framing, length);
    const head = this.#stream!.head();
    head.forward(blockOf(status, lines), FORWARD_ALL);
    head.add(ID_HEADER_LOWER, id);
    head.field(intern(ATTEMPTS_HEADER_LOWER, String(attempts)));
    head.add(TIMING_HEADER_LOWER, timing);
    head.send(this.isWhole);
  }

  /** Sends bytes[from, to), which are only borrowed. Returns false if they cannot be a part of the response. */
  read(bytes: Buffer, from: number, to: number): boolean {
    let at = from;
    while (at < to) {
      switch (this.#state) {
        case HEAD: {
          if (this.#partialHead !== undefined) {
            const joined = Buffer.concat([this.#partialHead, bytes.subarray(at, to)]);
            this.#partialHead = undefined;
            return this.read(joined, 0, joined.length);
          }
          const end = this.#readHead(bytes, at, to);
          if (end === BROKEN) return false;
          if (end === MORE) {
            this.#partialHead = Buffer.from(bytes.subarray(at, to));
            return true;
          }
          at = end;
          break;
        }
        case LENGTH: {
          const end = Math.min(to, at + this.#left);
          this.#left -= end - at;
          if (this.#left === 0) this.#state = WHOLE;
          this.#stream!.write(bytes, at, end, this.#left === 0);
          at = end;
          break;
        }
        case CHUNKS:
          at = this.#readChunks(bytes, at, to);
          if (at === BROKEN) return false;
          break;
        case WHOLE:
          return false;
        default:
          this.#stream!.write(bytes, at, to, false);
          return true;
      }
    }
    return true;
  }

  /** No more bytes come. Returns false if the response is not complete. */
  end(): boolean {
    if (this.#state === CLOSE || this.#state === TUNNEL) {
      this.#state = WHOLE;
      this.#stream!.write(NOTHING, 0, 0, true);
    }
    return this.isWhole;
  }

  /** Reads one head. Returns the index after it, MORE or BROKEN. */
  #readHead(bytes: Buffer, start: number, end: number): number {
    if (end - start < STATUS_END) return MORE;
    for (let i = 0; i < VERSION.length; i++) if (bytes[start + i] !== VERSION.charCodeAt(i)) return BROKEN;
    const status = readDecimal(bytes, start + VERSION.length, start + STATUS_END);
    if (status < 100) return BROKEN;
    let at = bytes.indexOf(LF, start) + 1;
    if (at === 0 || at > end) return MORE;
    let length = -1;
    let isChunked = false;
    let closes = false;
    fields.length = 0;
    for (;;) {
      if (at + 1 >= end) return MORE;
      if (bytes[at] === CR) {
        if (bytes[at + 1] !== LF) return BROKEN;
        at += 2;
        break;
      }
      const next = readField(bytes, at, end, line);
      if (next <= 0) return next === 0 ? MORE : BROKEN;
      const name = nameOf(bytes.latin1Slice(at, line.nameEnd));
      const value = bytes.latin1Slice(line.valueStart, line.valueEnd);
      at = next;
      switch (name.action) {
        case CONNECTION:
          closes ||= /close/i.test(value);
          continue;
        case CODING:
          isChunked = true;
          continue;
        case CONTENT_LENGTH:
          length = readDecimal(bytes, line.valueStart, line.valueEnd);
          if (length === -1) return BROKEN;
          // A tunnel has no length.
          if (status === 101) continue;
          break;
        case HANDSHAKE:
          if (status === 101) continue;
          break;
        case DROP:
          continue;
        default:
      }
      fields.push({ name, value });
    }
    return this.#begin(status, length, isChunked, closes) ? at : BROKEN;
  }

  /** Sends the head. Returns false if it cannot be the head of this response. */
  #begin(status: number, length: number, isChunked: boolean, closes: boolean): boolean {
    if (status === 101) {
      if (!this.#mayTunnel) return false;
      this.#state = TUNNEL;
      this.#send(200, false);
      return true;
    }
    if (status < 200) {
      this.#send(status, false);
      return true;
    }
    if (closes) this.isReusable = false;
    // To an extended CONNECT any 2xx says that the tunnel is open (RFC 8441 5).
    const told = this.#mayTunnel && status < 300 ? BAD_GATEWAY : status;
    const hasNoBody = this.#isToHead || status === 204 || status === 304;
    if (hasNoBody) this.#frame(NO_BODY, 0);
    else if (isChunked) this.#frame(BY_CHUNKS, 0);
    else if (length >= 0) this.#frame(BY_LENGTH, length);
    else this.#frame(BY_CLOSE, 0);
    this.#send(told, this.isWhole);
    return true;
  }

  /** A body begins. `length`: its bytes, if it is framed by length. */
  #frame(framing: Framing, length: number): void {
    this.#left = length;
    if (framing === NO_BODY || (framing === BY_LENGTH && length === 0)) this.#state = WHOLE;
    else if (framing === BY_LENGTH) this.#state = LENGTH;
    else if (framing === BY_CHUNKS) {
      this.#state = CHUNKS;
      (this.#chunks ??= new ChunkScanner()).reset(true, true);
    } else {
      this.#state = CLOSE;
      this.isReusable = false;
    }
  }

  #send(status: number, isEnd: boolean): void {
    const head = this.#stream!.head();
    head.field(intern(':status', String(status)));
    for (const { name, value } of fields) {
      if (isUnique(name, value)) head.add(name.lower, value);
      else head.field(intern(name.lower, value));
    }
    head.send(isEnd);
  }

  /** Reads a part of a chunked body. Returns the index after it, or BROKEN. */
  #readChunks(bytes: Buffer, from: number, to: number): number {
    const chunks = this.#chunks!;
    const end = chunks.scan(bytes, from, to);
    if (end === BROKEN) return BROKEN;
    const { data, dataLength, trailers } = chunks;
    const isWhole = end !== MORE;
    const endsWithData = isWhole && trailers === '';
    for (let i = 0; i < dataLength; i += 2)
      this.#stream!.write(bytes, data[i]!, data[i + 1]!, endsWithData && i + 2 === dataLength);
    if (!isWhole) return to;
    this.#state = WHOLE;
    if (trailers !== '') this.#sendTrailers(trailers);
    else if (dataLength === 0) this.#stream!.write(NOTHING, 0, 0, true);
    return end;
  }

  /** `trailers`: lines of the form `name: value`, each with its line end. */
  #sendTrailers(trailers: string): void {
    const head = this.#stream!.head();
    for (const trailer of trailers.split('\r\n')) {
      if (trailer === '') continue;
      const colon = trailer.indexOf(':');
      head.add(trailer.slice(0, colon).toLowerCase(), valueIn(trailer, colon + 1, trailer.length));
    }
    head.send(true);
  }
}
