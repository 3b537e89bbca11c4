// The header lines of one head that are passed on. Hot path.
// Invariant: they become text when that is first asked for, before the buffer that has them is read into again.

const MAX_DROPPED = 64;
const NOTHING = Buffer.alloc(0);

/** Each head has one object and uses it for every message. */
export class KeptLines {
  #bytes: Buffer = NOTHING;
  #from = 0;
  #to = 0;
  /** Start and end of each line that is not passed on, in pairs, in order. */
  readonly #dropped = new Int32Array(MAX_DROPPED * 2);
  #count = 0;
  #text: string | undefined;

  /** The first line begins at `from`. */
  begin(bytes: Buffer, from: number): void {
    this.#bytes = bytes;
    this.#from = from;
    this.#count = 0;
    this.#text = undefined;
  }

  /** The line from `start` to `end` is not passed on. Returns false if there are too many. */
  drop(start: number, end: number): boolean {
    if (this.#count === MAX_DROPPED) return false;
    this.#dropped[this.#count * 2] = start;
    this.#dropped[this.#count * 2 + 1] = end;
    this.#count++;
    return true;
  }

  /** The last line ends before `to`. */
  end(to: number): void {
    this.#to = to;
  }

  /** The lines as text, each with its line end. */
  get text(): string {
    return (this.#text ??= this.#read());
  }

  /** Passes on other lines. */
  set text(lines: string) {
    this.#text = lines;
  }

  #read(): string {
    let text = '';
    let from = this.#from;
    for (let i = 0; i < this.#count; i++) {
      const start = this.#dropped[i * 2]!;
      if (start > from) text += this.#bytes.latin1Slice(from, start);
      from = this.#dropped[i * 2 + 1]!;
    }
    return from < this.#to ? text + this.#bytes.latin1Slice(from, this.#to) : text;
  }
}
