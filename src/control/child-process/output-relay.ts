// Passes the output of the supervised process on to weir's output, in whole lines, so that they do not mix with weir's.
// Invariant: a slow reader of weir's output does not block the process, and an incomplete line appears after WAIT_MS.
import type { LineSink } from '../../core/logger.ts';

/** Time that an incomplete line waits for its end, and its maximum size. */
const WAIT_MS = 100;
const MAX_HELD_BYTES = 64 * 1024;

export class OutputRelay {
  readonly #sink: LineSink;
  readonly #decoder = new TextDecoder();
  #held = '';
  #timer: NodeJS.Timeout | undefined;

  /** `sink`: receives the lines, such as weir's standard output. */
  constructor(sink: LineSink) {
    this.#sink = sink;
  }

  /** Takes the next bytes; `undefined` at the end. */
  write(bytes: Uint8Array | undefined): void {
    const text = this.#held + this.#decoder.decode(bytes, { stream: bytes !== undefined });
    const end = text.lastIndexOf('\n') + 1;
    if (end > 0) this.#sink.write(text.slice(0, end));
    this.#held = text.slice(end);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#held === '') return;
    if (bytes === undefined || this.#held.length > MAX_HELD_BYTES) this.#flush();
    else this.#timer = setTimeout(() => this.#flush(), WAIT_MS).unref();
  }

  #flush(): void {
    this.#sink.write(this.#held);
    this.#held = '';
  }
}
