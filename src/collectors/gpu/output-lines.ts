// Bytes to lines. Must stay true: a line without an end takes no more memory than the longest one allowed.

const MAX_LINE_BYTES = 4096;

export class OutputLines {
  readonly #onLine: (line: string) => void;
  #pending = '';
  #isOverlong = false;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    const pieces = chunk.toString('latin1').split('\n');
    for (const [i, piece] of pieces.entries()) {
      if (i > 0) this.#end();
      if (this.#pending.length + piece.length <= MAX_LINE_BYTES) this.#pending += piece;
      else this.#isOverlong = true;
    }
  }

  /** What stands after the last line end: a line whose end may be missing. */
  get rest(): string {
    return this.#pending;
  }

  /** An overlong line is told by its beginning. */
  #end(): void {
    const line = this.#isOverlong ? `${this.#pending.slice(0, 200)}…` : this.#pending;
    this.#pending = '';
    this.#isOverlong = false;
    if (line !== '') this.#onLine(line);
  }
}
