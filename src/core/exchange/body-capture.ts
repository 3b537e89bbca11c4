// Copies of what passes by in one exchange, taken for the record of what happened: bounded, and only where it was asked for.
// Must stay true: a tap never holds up a byte and never keeps a piece of somebody else's buffer; what all taps hold
// together is bounded by the room that they share; what did not fit is cut, and the copy says so.

/** The room that all taps share. */
export interface CaptureBudget {
  /** False: there is no room for that many bytes more. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/** One body as it passed: plain data that may cross threads. */
export interface RawBody {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Content-Type and Content-Encoding; empty where nothing was said. */
  readonly type: string;
  readonly coding: string;
  /** More came than was kept. */
  readonly isCut: boolean;
}

/** Both bodies of an exchange; `undefined` where none came. */
export interface RawBodies {
  readonly request: RawBody | undefined;
  readonly response: RawBody | undefined;
}

/** The client's word that its bodies are not to be kept (contracts/logplane.md A5). */
export const DEBUG_HEADER = 'x-portkey-debug';

/** What `DEBUG_HEADER` says: true where bodies are not to be kept. Of several, one that says so is enough. */
export const isPrivate = (value: string | string[] | undefined): boolean =>
  value !== undefined && /(?:^|,)\s*false\s*(?:,|$)/i.test(String(value));

const FIRST_BYTES = 4096;

/** A copy of one body, as far as it goes. */
export class BodyCopy {
  readonly #room: CaptureBudget;
  #limit: number;
  #type = '';
  #coding = '';
  #buffer = Buffer.alloc(0);
  #length = 0;
  #isCut = false;
  #isOver = false;

  constructor(room: CaptureBudget, limit: number) {
    this.#room = room;
    this.#limit = limit;
  }

  /** What its headers say; with that, how many bytes are wanted of it at most. */
  describe(type: string | undefined, coding: string | undefined, limit = this.#limit): void {
    this.#type = type ?? '';
    this.#coding = coding ?? '';
    this.#limit = limit;
  }

  /** More of it has passed. A listener: it needs no `this`. */
  readonly push = (chunk: Uint8Array): void => {
    if (this.#isCut || this.#isOver) return;
    const wanted = Math.min(chunk.length, this.#limit - this.#length);
    if (wanted < chunk.length) this.#isCut = true;
    const size = this.#length + wanted;
    if (size > this.#buffer.length && !this.#grow(size)) {
      this.#isCut = true;
      return;
    }
    this.#buffer.set(wanted === chunk.length ? chunk : chunk.subarray(0, wanted), this.#length);
    this.#length = size;
  };

  /** The copy, given away, once; nothing comes in any more. `undefined`: no body came. */
  take(): RawBody | undefined {
    if (this.#isOver) return undefined;
    this.#isOver = true;
    const buffer = this.#buffer;
    this.#buffer = Buffer.alloc(0);
    this.#room.give(buffer.length);
    if (this.#length === 0 && !this.#isCut) return undefined;
    const bytes = this.#length === 0 ? new Uint8Array() : new Uint8Array(buffer.buffer, 0, this.#length);
    return { bytes, type: this.#type, coding: this.#coding, isCut: this.#isCut };
  }

  /** Room for `size` bytes, and for as many again, within the limit. */
  #grow(size: number): boolean {
    const grown = Math.min(this.#limit, Math.max(FIRST_BYTES, 2 * size));
    if (!this.#room.take(grown - this.#buffer.length)) return false;
    // Memory of its own, so that it can be handed to another thread as it is.
    const buffer = Buffer.allocUnsafeSlow(grown);
    buffer.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = buffer;
    return true;
  }
}

/** How much a tap may copy of each body. */
export interface CaptureLimits {
  readonly bytes: number;
  /** The same of an answer that is a stream of events: it is kept put together, which is far shorter. */
  readonly streamBytes: number;
}

const EVENT_STREAM = /^(?:text\/event-stream|application\/(?:x-ndjson|ndjson|jsonl|x-jsonlines))\b/i;

export class BodyCapture {
  readonly request: BodyCopy;
  readonly response: BodyCopy;
  readonly #limits: CaptureLimits;

  constructor(room: CaptureBudget, limits: CaptureLimits) {
    this.#limits = limits;
    this.request = new BodyCopy(room, limits.bytes);
    this.response = new BodyCopy(room, limits.bytes);
  }

  /** An answer begins that goes to the client. */
  responseBegins(type: string | undefined, coding: string | undefined): void {
    const { bytes, streamBytes } = this.#limits;
    this.response.describe(type, coding, EVENT_STREAM.test(type ?? '') ? streamBytes : bytes);
  }

  /** Both bodies, given away: once, at the end. */
  take(): RawBodies {
    return { request: this.request.take(), response: this.response.take() };
  }
}

/** Who decides whose bodies are copied. */
export interface BodyCaptures {
  /** True where bodies of requests to this target are wanted. */
  wants(target: string): boolean;
  /** A tap for such a request, where one is wanted and there is room. */
  open(target: string): BodyCapture | undefined;
}
