// Copies of the request and response body of one exchange, for the log store.
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

const FIRST_BYTES = 4096;

/** A copy of one body, up to a limit. */
export class BodyCopy {
  readonly #budget: CaptureBudget;
  #limit: number;
  #type = '';
  #coding = '';
  #buffer = Buffer.alloc(0);
  #length = 0;
  #isCut = false;
  #isOver = false;

  constructor(budget: CaptureBudget, limit: number) {
    this.#budget = budget;
    this.#limit = limit;
  }

  /** Sets its Content-Type and Content-Encoding, and how many bytes are copied at most. */
  describe(type: string | undefined, coding: string | undefined, limit = this.#limit): void {
    this.#type = type ?? '';
    this.#coding = coding ?? '';
    this.#limit = limit;
  }

  /** Copies more of it. Can be used as a listener: it needs no `this`. */
  readonly push = (chunk: Uint8Array): void => {
    if (this.#isCut || this.#isOver) return;
    const copied = Math.min(chunk.length, this.#limit - this.#length);
    if (copied < chunk.length) this.#isCut = true;
    const size = this.#length + copied;
    if (size > this.#buffer.length && !this.#grow(size)) {
      this.#isCut = true;
      return;
    }
    this.#buffer.set(copied === chunk.length ? chunk : chunk.subarray(0, copied), this.#length);
    this.#length = size;
  };

  /** Ends the copy and returns it, once. Returns undefined if no body came. */
  take(): RawBody | undefined {
    if (this.#isOver) return undefined;
    this.#isOver = true;
    const buffer = this.#buffer;
    this.#buffer = Buffer.alloc(0);
    this.#budget.give(buffer.length);
    if (this.#length === 0 && !this.#isCut) return undefined;
    const bytes = this.#length === 0 ? new Uint8Array() : new Uint8Array(buffer.buffer, 0, this.#length);
    return { bytes, type: this.#type, coding: this.#coding, isCut: this.#isCut };
  }

  /** Makes space for `size` bytes, and for as many again within the limit. Returns false if the budget is used up. */
  #grow(size: number): boolean {
    const grown = Math.min(this.#limit, Math.max(FIRST_BYTES, 2 * size));
    if (!this.#budget.take(grown - this.#buffer.length)) return false;
    // Memory of its own, so that it can be transferred to another thread.
    const buffer = Buffer.allocUnsafeSlow(grown);
    buffer.set(this.#buffer.subarray(0, this.#length));
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

  /** A response begins that passes to the client. */
  responseBegins(type: string | undefined, coding: string | undefined): void {
    const { bytes, streamBytes } = this.#limits;
    this.response.describe(type, coding, EVENT_STREAM.test(type ?? '') ? streamBytes : bytes);
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
