// The header lines of one head that are not passed on. Hot path.

const MAX_LINES = 64;

/** One object is reused for every head. */
export class DroppedLines {
  #count = 0;
  /** Start and end of each line, in pairs, in order. */
  readonly #positions = new Int32Array(MAX_LINES * 2);

  reset(): void {
    this.#count = 0;
  }

  /** Adds the line from `start` to `end`. Returns false if there are too many. */
  add(start: number, end: number): boolean {
    if (this.#count === MAX_LINES) return false;
    this.#positions[this.#count * 2] = start;
    this.#positions[this.#count * 2 + 1] = end;
    this.#count++;
    return true;
  }

  /** The text from `from` to `to` without the lines. Positions count from the same byte; `text` begins at `base`. */
  remove(text: string, base: number, from: number, to: number): string {
    let kept = '';
    let at = from;
    for (let i = 0; i < this.#count; i++) {
      const start = this.#positions[i * 2]!;
      if (start > at) kept += text.slice(at - base, start - base);
      at = this.#positions[i * 2 + 1]!;
    }
    return at < to ? kept + text.slice(at - base, to - base) : kept;
  }
}
