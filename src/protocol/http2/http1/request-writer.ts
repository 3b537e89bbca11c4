// Writes a request that came over HTTP/2 as HTTP/1.1: the head as text, the body by length or in chunks. Hot path.
// Invariant: one stream makes exactly one HTTP/1.1 request. No name, value or path can end a line (HeaderBlock says that
// such a block is malformed), and a body has the length that its head says.
// Sources: RFC 9113 8.1.1 (malformed), 8.2 (fields), 8.3.1 (pseudo-headers), 8.5 (CONNECT), RFC 8441 (WebSockets).
import { randomBytes } from 'node:crypto';
import { FIELD_KIND } from '../hpack/field.ts';
import type { HeaderBlock } from '../hpack/header-block.ts';

const COLON = 58;
const HOST = FIELD_KIND.host;
const COOKIE = FIELD_KIND.cookie;
const CONTENT_LENGTH = FIELD_KIND['content-length'];

const CRLF = Buffer.from('\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');
const NOTHING = Buffer.alloc(0);

/** How the body is written. */
const ENDED = 0;
const BY_LENGTH = 1;
const CHUNKED = 2;
/** The request is an upgrade: its bytes are no body. */
const TUNNEL = 3;

/** The heads of a block, with and without a body, so that blocks that come again are not written again. */
interface KnownHeads {
  ended: Buffer | undefined;
  open: Buffer | undefined;
}
const knownHeads = new WeakMap<HeaderBlock, KnownHeads>();

/** Writes one request at a time. */
export class RequestWriter {
  /** Why the request is malformed; empty if it is not. */
  problem = '';
  /** It is a WebSocket (extended CONNECT). */
  isTunnel = false;
  /** Its method is CONNECT: a tunnel follows the head, not a body. */
  isConnect = false;
  #body = ENDED;
  /** Bytes until the end of a body that is framed by length. */
  #left = 0;

  /** The body has ended, or has all bytes of its length. */
  get isWhole(): boolean {
    return this.#body === ENDED || (this.#body === BY_LENGTH && this.#left === 0);
  }

  /** The head of a request. `isEnd`: no body follows. `undefined` if it is malformed; `problem` says why. */
  head(block: HeaderBlock, isEnd: boolean): Buffer | undefined {
    this.problem = '';
    this.isTunnel = block.protocol !== '';
    this.isConnect = block.method === 'CONNECT';
    const length = block.contentLength;
    this.#left = length;
    if (isEnd) this.#body = ENDED;
    else if (this.isTunnel) this.#body = TUNNEL;
    else this.#body = length >= 0 ? BY_LENGTH : CHUNKED;
    if (isEnd && length > 0) return this.#malformed(`content-length is ${length}, but there is no body`);
    let known = this.isTunnel || !block.isRemembered ? undefined : knownHeads.get(block);
    let head = isEnd ? known?.ended : known?.open;
    if (head !== undefined) return head;
    const text = this.#write(block, isEnd);
    if (text === undefined) return undefined;
    head = Buffer.from(text, 'latin1');
    if (this.isTunnel || !block.isRemembered) return head;
    if (known === undefined) knownHeads.set(block, (known = { ended: undefined, open: undefined }));
    if (isEnd) known.ended = head;
    else known.open = head;
    return head;
  }

  /**
   * bytes[from, to) of the body as a copy in its framing. `isEnd`: no more follow, not even trailers. `undefined` if the
   * body is not as long as its head says; `problem` says why.
   */
  data(bytes: Buffer, from: number, to: number, isEnd: boolean): Buffer | undefined {
    const size = to - from;
    switch (this.#body) {
      case BY_LENGTH:
        this.#left -= size;
        if (this.#left < 0) return this.#malformed('the body is longer than its content-length');
        if (isEnd && this.#left > 0) return this.#malformed('the body is shorter than its content-length');
        if (isEnd) this.#body = ENDED;
        return Buffer.from(bytes.subarray(from, to));
      case CHUNKED: {
        if (isEnd) this.#body = ENDED;
        if (size === 0) return isEnd ? LAST_CHUNK : NOTHING;
        const start = Buffer.from(`${size.toString(16)}\r\n`, 'latin1');
        const parts = [start, bytes.subarray(from, to), CRLF];
        if (isEnd) parts.push(LAST_CHUNK);
        return Buffer.concat(parts);
      }
      case TUNNEL:
        if (isEnd) this.#body = ENDED;
        return Buffer.from(bytes.subarray(from, to));
      default:
        return NOTHING;
    }
  }

  /**
   * The trailers, which end the body. HTTP/1.1 has trailers only after a chunked body, so others are dropped (RFC 9110
   * 6.5.1). `undefined` if they or the body are malformed; `problem` says why.
   */
  trailers(block: HeaderBlock): Buffer | undefined {
    const body = this.#body;
    this.#body = ENDED;
    if (body === BY_LENGTH && this.#left > 0)
      return this.#malformed('the body is shorter than its content-length');
    if (body === TUNNEL) return this.#malformed('a WebSocket has no trailers');
    const problem = block.trailersProblem();
    if (problem !== '') return this.#malformed(problem);
    let text = '0\r\n';
    for (const { name, value } of block.fields) text += `${name}: ${value}\r\n`;
    return body === CHUNKED ? Buffer.from(`${text}\r\n`, 'latin1') : NOTHING;
  }

  #malformed(problem: string): undefined {
    this.problem = problem;
    this.#body = ENDED;
    return undefined;
  }

  #write(block: HeaderBlock, isEnd: boolean): string | undefined {
    const problem = block.requestProblem();
    if (problem !== '') return this.#malformed(problem);
    const { method, path, authority, contentLength } = block;
    // A CONNECT without :protocol is refused by the server.
    const isConnect = method === 'CONNECT' && !this.isTunnel;
    const first = isConnect ? `CONNECT ${authority}` : `${this.isTunnel ? 'GET' : method} ${path}`;
    let host = authority;
    let cookie = '';
    let lines = '';
    for (const { kind, name, value } of block.fields) {
      switch (kind) {
        case HOST:
          // It says the same as :authority, if there is one.
          if (host === '') host = value;
          continue;
        case COOKIE:
          // RFC 9113 8.2.3.
          cookie += cookie === '' ? value : `; ${value}`;
          continue;
        case CONTENT_LENGTH:
          continue;
        default:
      }
      // RFC 8441 5: the key is not used over HTTP/2.
      if (name.charCodeAt(0) === COLON || (this.isTunnel && name === 'sec-websocket-key')) continue;
      lines += `${name}: ${value}\r\n`;
    }
    return (
      `${first} HTTP/1.1\r\n` +
      (host === '' ? '' : `host: ${host}\r\n`) +
      lines +
      (cookie === '' ? '' : `cookie: ${cookie}\r\n`) +
      (contentLength >= 0 ? `content-length: ${contentLength}\r\n` : '') +
      (this.isTunnel
        ? `connection: upgrade\r\nupgrade: ${block.protocol}\r\nsec-websocket-key: ${websocketKey()}\r\n`
        : isEnd || contentLength >= 0
          ? ''
          : 'transfer-encoding: chunked\r\n') +
      '\r\n'
    );
  }
}

const websocketKey = (): string => randomBytes(16).toString('base64');
