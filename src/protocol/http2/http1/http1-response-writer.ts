// Writes an HTTP/2 response as HTTP/1.1: the head as text, and the framing of the body. Hot path.
// Invariant: the text frames the body in one way only, and a field or a length that would break that framing is a problem
// of the response, never text.
// Sources: RFC 9113 8.1.1 (malformed messages), 8.2.2 (connection-specific fields), 8.3.2 (responses), RFC 9112 6 (body),
// RFC 8441 5 (WebSockets), RFC 6455 4.2.2 (Sec-WebSocket-Accept).
import { createHash } from 'node:crypto';
import { STATUS_CODES } from '../../http/node-http.ts';
import { BY_CHUNKS, BY_LENGTH, NO_BODY, type Framing } from '../../http/body-framing.ts';
import type { HeaderBlock } from '../hpack/header-block.ts';

/** Ends the body: nothing but trailers may follow. */
const LAST_CHUNK = '0\r\n';
const WEB_SOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const COLON = 58;

/** Serves one response at a time. */
export class Http1ResponseWriter {
  /** Why the response cannot be written as HTTP/1.1; empty if it can. */
  problem = '';
  /** The response's bytes pass as they are: it is an open WebSocket. */
  isTunnel = false;
  /** The final head was written. */
  hasHead = false;
  /** By its framing in HTTP/1.1 the response has ended. The end of the stream may still come. */
  get isComplete(): boolean {
    return this.hasHead && !this.isTunnel && this.#framing !== BY_CHUNKS && this.#left === 0;
  }
  #framing: Framing = NO_BODY;
  /** Bytes until the end of a body with a length. */
  #left = 0;
  #isToHead = false;
  /** `Sec-WebSocket-Key` of the request; undefined if it asks for no WebSocket. */
  #webSocketKey: string | undefined;

  /** A request was sent. `webSocketKey`: undefined if it asks for no WebSocket. */
  begin(isToHead: boolean, webSocketKey: string | undefined): void {
    this.problem = '';
    this.isTunnel = this.hasHead = false;
    this.#framing = NO_BODY;
    this.#left = 0;
    this.#isToHead = isToHead;
    this.#webSocketKey = webSocketKey;
  }

  /** A head, final or interim, in latin1. Empty if there is a `problem`. `isEnd`: no body follows. */
  head(block: HeaderBlock, isEnd: boolean): string {
    const status = Number(block.status);
    if (!/^[1-9]\d\d$/.test(block.status) || status === 101)
      return this.#refuse(`the response has the status ${JSON.stringify(block.status.slice(0, 20))}`);
    if (status < 200)
      return isEnd ? this.#refuse(ENDS_EARLY) : `${statusLine(status)}${this.#fields(block, true)}\r\n`;
    this.hasHead = true;
    if (this.#webSocketKey !== undefined && status < 300) return this.#switch(block, isEnd);
    const framing = this.#frame(block, status, isEnd);
    const fields = this.#fields(block, true);
    return this.problem === '' ? `${statusLine(status)}${fields}${framing}\r\n` : '';
  }

  /** What comes before a part of the body of `size` bytes. */
  before(size: number): string {
    if (this.#framing === BY_CHUNKS) return `${size.toString(16)}\r\n`;
    if (this.isTunnel) return '';
    if (this.#framing === NO_BODY) return this.#refuse('the response has a body, which it must not have');
    this.#left -= size;
    return this.#left < 0 ? this.#refuse('the body is longer than content-length says') : '';
  }

  /** What comes after it. */
  get after(): string {
    return this.#framing === BY_CHUNKS ? '\r\n' : '';
  }

  /** What ends the response. `trailers`: undefined if there are none. They pass only if the body is chunked. */
  end(trailers: HeaderBlock | undefined): string {
    if (!this.hasHead) return this.#refuse(ENDS_EARLY);
    if (this.#framing === BY_LENGTH && this.#left > 0)
      return this.#refuse('the body is shorter than content-length says');
    if (this.#framing !== BY_CHUNKS) return '';
    if (trailers === undefined) return `${LAST_CHUNK}\r\n`;
    const fields = this.#fields(trailers, false);
    return this.problem === '' ? `${LAST_CHUNK}${fields}\r\n` : '';
  }

  /** Chooses how the body is framed. Returns the header line for it. */
  #frame(block: HeaderBlock, status: number, isEnd: boolean): string {
    const { contentLength } = block;
    if (contentLength === -2) return this.#refuse('content-length is not a number, or is repeated');
    const length = contentLength === -1 ? '' : `content-length: ${contentLength}\r\n`;
    if (status === 204) return '';
    if (this.#isToHead || status === 304) return length;
    if (isEnd) {
      if (contentLength > 0) return this.#refuse('the body is shorter than content-length says');
      return 'content-length: 0\r\n';
    }
    // Only a chunked body can have trailers in HTTP/1.1.
    if (contentLength === -1 || block.value('trailer') !== undefined) {
      this.#framing = BY_CHUNKS;
      return 'transfer-encoding: chunked\r\n';
    }
    this.#framing = BY_LENGTH;
    this.#left = contentLength;
    return length;
  }

  /** The head of a replica that switches to a WebSocket. */
  #switch(block: HeaderBlock, isEnd: boolean): string {
    if (isEnd) return this.#refuse('the WebSocket ended with its head');
    this.isTunnel = true;
    const accept = createHash('sha1')
      .update(this.#webSocketKey + WEB_SOCKET_GUID)
      .digest('base64');
    const fields = this.#fields(block, true);
    if (this.problem !== '') return '';
    return `${statusLine(101)}connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\n${fields}\r\n`;
  }

  /** The fields as header lines, without content-length if they are those of a head. */
  #fields({ fields, problem, isTooLarge, size }: HeaderBlock, isHead: boolean): string {
    // No field that is invalid, or belongs to one connection, is in a block without a problem.
    if (problem !== '') return this.#refuse(problem);
    if (isTooLarge) return this.#refuse(`the headers have more than ${size} bytes`);
    let lines = '';
    for (const { name, value } of fields) {
      if (name.charCodeAt(0) === COLON) continue;
      if (isHead && name === 'content-length') continue;
      lines += `${name}: ${value}\r\n`;
    }
    return lines;
  }

  #refuse(problem: string): '' {
    this.problem = problem;
    return '';
  }
}

const ENDS_EARLY = 'the response ended before its final head';

const statusLine = (status: number): string => `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
