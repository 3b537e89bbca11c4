// Copies of the request and response body of one exchange, for the log store. Hot path.
// Invariant: a capture never delays a byte and never keeps a reference to another owner's buffer; all captures together
// hold at most the bytes of their shared budget; a copy that did not fit is cut and marked as cut.

/** The bytes that all captures may hold together. */
export interface CaptureBudget {
  /** Reserves bytes. Returns false if there are not as many left. */
  take(bytes: number): boolean;
  /** Returns reserved bytes. */
  give(bytes: number): void;
}

/** A copied body: plain data that may be passed to another thread. */
export interface RawBody {
  /** They may be a part of a larger ArrayBuffer that others use too, so they are copied and not transferred. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Content-Type and Content-Encoding; empty without the header. */
  readonly type: string;
  readonly coding: string;
  /** More came than was copied. */
  readonly isCut: boolean;
}

/** Both bodies of an exchange; undefined if there was none. */
export interface RawBodies {
  readonly request: RawBody | undefined;
  readonly response: RawBody | undefined;
}

/** True if a value of `DEBUG_HEADER` is `false`: the bodies must not be kept. */
export const isPrivate = (value: string | string[] | undefined): boolean =>
  value !== undefined && /(?:^|,)\s*false\s*(?:,|$)/i.test(String(value));

/** What is reserved for the first piece of a body whose length is not known. */
const FIRST_BYTES = 4096;
const NOTHING = Buffer.alloc(0);

/** A copy of one body, up to a limit. */
export class BodyCopy {
  readonly #budget: CaptureBudget;
  #limit: number;
  #type = '';
  #coding = '';
  /** How many bytes the whole body has. */
  #announced = Infinity;
  #buffer = NOTHING;
  #length = 0;
  #isCut = false;
  #isOver = false;

  constructor(budget: CaptureBudget, limit: number) {
    this.#budget = budget;
    this.#limit = limit;
  }

  /**
   * Sets its Content-Type and Content-Encoding, its length if that is known, so that no more memory is used, and how
   * many bytes are copied at most.
   */
  describe(
    type: string | undefined,
    coding: string | undefined,
    length = Infinity,
    limit = this.#limit,
  ): void {
    this.#type = type ?? '';
    this.#coding = coding ?? '';
    this.#announced = length;
    this.#limit = limit;
  }

  /** Copies bytes[from, to), more of the body. They are only borrowed: the caller may overwrite them afterwards. */
  push(bytes: Buffer, from = 0, to = bytes.length): void {
    if (this.#isCut || this.#isOver) return;
    const copied = Math.min(to - from, this.#limit - this.#length);
    if (copied < to - from) this.#isCut = true;
    const size = this.#length + copied;
    if (size > this.#buffer.length && !this.#grow(size)) {
      this.#isCut = true;
      return;
    }
    bytes.copy(this.#buffer, this.#length, from, from + copied);
    this.#length = size;
  }

  /** What was copied so far; undefined if more came. It is only valid until more comes. */
  get whole(): Buffer<ArrayBuffer> | undefined {
    return this.#isCut || this.#isOver ? undefined : this.#buffer.subarray(0, this.#length);
  }

  /** Ends the copy and returns it, once. Returns undefined if no body came. */
  take(): RawBody | undefined {
    if (this.#isOver) return undefined;
    this.#isOver = true;
    const buffer = this.#buffer;
    this.#buffer = NOTHING;
    this.#budget.give(buffer.length);
    if (this.#length === 0 && !this.#isCut) return undefined;
    const bytes = this.#length === buffer.length ? buffer : buffer.subarray(0, this.#length);
    return { bytes, type: this.#type, coding: this.#coding, isCut: this.#isCut };
  }

  /**
   * Makes space for `size` bytes, and for as many again within the limit and the length of the body. A length alone
   * reserves nothing. Returns false if the budget is used up.
   */
  #grow(size: number): boolean {
    const expected = Math.min(this.#limit, this.#announced, Math.max(FIRST_BYTES, 2 * size));
    const grown = Math.max(size, expected);
    if (!this.#budget.take(grown - this.#buffer.length)) return false;
    // Small ones are parts of Node's pool, which costs a fraction of memory of their own.
    const buffer = Buffer.allocUnsafe(grown);
    this.#buffer.copy(buffer, 0, 0, this.#length);
    this.#buffer = buffer;
    return true;
  }
}

/** How many bytes a capture may copy of each body. */
export interface CaptureLimits {
  readonly bytes: number;
  /** The same for a response that is a stream of events. It is stored as one merged object, which is much shorter. */
  readonly streamBytes: number;
}

const EVENT_STREAM = /^(?:text\/event-stream|application\/(?:x-ndjson|ndjson|jsonl|x-jsonlines))\b/i;

export class BodyCapture {
  readonly request: BodyCopy;
  readonly response: BodyCopy;
  readonly #limits: CaptureLimits;

  constructor(budget: CaptureBudget, limits: CaptureLimits) {
    this.#limits = limits;
    this.request = new BodyCopy(budget, limits.bytes);
    this.response = new BodyCopy(budget, limits.bytes);
  }

  /** A response begins that passes to the client. `length`: of its body, if that is known. */
  responseBegins(type: string | undefined, coding: string | undefined, length?: number): void {
    const { bytes, streamBytes } = this.#limits;
    this.response.describe(type, coding, length, EVENT_STREAM.test(type ?? '') ? streamBytes : bytes);
  }

  /** Ends both copies and returns them, once. */
  take(): RawBodies {
    return { request: this.request.take(), response: this.response.take() };
  }
}

/** Decides which bodies are copied. */
export interface BodyCaptures {
  /** True if bodies of requests to this target are to be kept. */
  wants(target: string): boolean;
  /** A capture for such a request, or undefined if its bodies are not to be kept or the budget is used up. */
  open(target: string): BodyCapture | undefined;
}
