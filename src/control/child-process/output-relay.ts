// What a supervised process writes, passed on to where it would have written itself: whole lines, so that they do not
// mix with weir's own.
// Must stay true: whoever reads weir's output never holds it up, and a line that does not end is shown soon all the same.
import type { LineSink } from '../../core/logger.ts';

/** How long the beginning of a line waits for its end, and how much of it. */
const WAIT_MS = 100;
const MAX_HELD_BYTES = 64 * 1024;

export class OutputRelay {
  readonly #sink: LineSink;
  readonly #decoder = new TextDecoder();
  #held = '';
  #timer: NodeJS.Timeout | undefined;

  /** `sink`: where lines go, such as weir's own standard output. */
  constructor(sink: LineSink) {
    this.#sink = sink;
  }

  /** Takes the next bytes; `undefined`: there are no more. */
  write(bytes: Uint8Array | undefined): void {
    const text = this.#held + this.#decoder.decode(bytes, { stream: bytes !== undefined });
    const end = text.lastIndexOf('\n') + 1;
    if (end > 0) this.#sink.write(text.slice(0, end));
    this.#held = text.slice(end);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#held === '') return;
    if (bytes === undefined || this.#held.length > MAX_HELD_BYTES) this.#show();
    else this.#timer = setTimeout(() => this.#show(), WAIT_MS).unref();
  }

  #show(): void {
    this.#sink.write(this.#held);
    this.#held = '';
  }
}
