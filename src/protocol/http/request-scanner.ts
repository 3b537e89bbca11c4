// Finds the end of a request in the bytes of a client, so that Node's parser gets one request at a time.
// Invariant: for input that Node's strict parser accepts, both find the same end of the request.
// Input that Node refuses ends the connection, so any end is right if the parser gets enough to refuse it. Only chunks
// and the empty lines before a request are validated here.
// Sources: RFC 9112 2.2 (empty lines before a request), 6.3 (length of a body).
import { BodyScanner, BROKEN, BY_CHUNKS, BY_LENGTH, NO_BODY } from './body-framing.ts';

const CR = 13;
const LF = 10;
const HEAD_END = '\r\n\r\n';
/**
 * A request line of HTTP/1.x. Node's parser accepts several spaces between its parts. After any other line the parser
 * gets all bytes, since it reads the HTTP/2 preface as a whole.
 */
const REQUEST_LINE = /^[^\r\n ]+ +[^\r\n ]+ +HTTP\/1\.[01]\r\n/;

/** Maximum bytes of empty lines before a request. RFC 9112 2.2 requires that at least one empty line is accepted. */
const MAX_EMPTY_BYTES = 64;

export class RequestScanner {
  readonly #maxHeadBytes: number;
  readonly #body = new BodyScanner();
  #head = '';
  #emptyBytes = 0;
  #isInHead = true;
  /** The end of the request is no longer searched: all bytes go to the parser. */
  #isPassingAll = false;

  /** `maxHeadBytes`: the parser's limit. The end of a longer head is not searched. */
  constructor(maxHeadBytes: number) {
    this.#maxHeadBytes = maxHeadBytes;
  }

  /** Prepares for the next request. */
  begin(): void {
    this.#head = '';
    this.#emptyBytes = 0;
    this.#isInHead = true;
    this.#isPassingAll = false;
  }

  /** The head has ended and the body has not. */
  get isInBody(): boolean {
    return !this.#isInHead && !this.#body.isWhole;
  }

  /** The request has ended. */
  get isWhole(): boolean {
    return !this.#isInHead && this.#body.isWhole;
  }

  /** Why `scan` returned BROKEN. */
  get problem(): string {
    return this.#isInHead
      ? `more than ${MAX_EMPTY_BYTES} bytes of empty lines before a request`
      : 'the chunked body is malformed';
  }

  /** Scans the next bytes. Returns the index after the last byte of this request, or BROKEN. */
  scan(bytes: Buffer): number {
    if (this.#isPassingAll) return bytes.length;
    const bodyStart = this.#isInHead ? this.#scanHead(bytes) : 0;
    if (this.#isInHead) return bodyStart === BROKEN ? BROKEN : bytes.length;
    return this.#body.scan(bytes, bodyStart, bytes.length);
  }

  /** Returns what the parser must get of bytes[0, end). Call it directly after `scan`. */
  bytesToPass(bytes: Buffer, end: number): Buffer {
    if (!this.#isInHead && this.#body.isEdited) return this.#body.edited(bytes, 0, end);
    return end === bytes.length ? bytes : bytes.subarray(0, end);
  }

  /** Returns the index where the body begins, if the head ends in these bytes; BROKEN; or 0. */
  #scanHead(bytes: Buffer): number {
    let from = 0;
    if (this.#head === '') {
      while (bytes[from] === CR || bytes[from] === LF) from++;
      this.#emptyBytes += from;
      if (this.#emptyBytes > MAX_EMPTY_BYTES) return BROKEN;
    }
    const before = this.#head.length;
    this.#head += bytes.latin1Slice(from);
    const end = this.#head.indexOf(HEAD_END, Math.max(0, before - HEAD_END.length + 1));
    const isRequestLine = end === -1 || REQUEST_LINE.test(this.#head);
    if (!isRequestLine || this.#head.length > this.#maxHeadBytes + bytes.length) {
      this.#isPassingAll = true;
      this.#head = '';
      return 0;
    }
    if (end === -1) return 0;
    this.#isInHead = false;
    const head = this.#head.slice(0, end);
    this.#head = '';
    const length = /\r\ncontent-length[ \t]*:[ \t]*(\d+)/i.exec(head)?.[1];
    if (/\r\ntransfer-encoding[ \t]*:/i.test(head)) this.#body.begin(BY_CHUNKS, 0);
    else if (length !== undefined) this.#body.begin(BY_LENGTH, Number(length));
    else this.#body.begin(NO_BODY, 0);
    return from + end + HEAD_END.length - before;
  }
}

export { BROKEN };
