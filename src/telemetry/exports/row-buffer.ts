// Gathers the bytes of rows and writes them to the file of a job in large pieces.
// Invariant: there is room for the bytes that were asked for, and nothing is lost between two pieces.
import type { OutputFile } from './output-file.ts';

const BUFFER_BYTES = 512 * 1024;
/** Largest number of bytes of a character of JavaScript. */
const CHARACTER_BYTES = 3;

export class RowBuffer {
  readonly bytes = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  /** Number of bytes that are used. */
  end = 0;
  readonly #file: OutputFile;

  constructor(file: OutputFile) {
    this.#file = file;
  }

  /** Makes room for this number of bytes, far less than the size of the buffer. */
  ensure(count: number): void {
    if (this.end + count > BUFFER_BYTES) this.flush();
  }

  /** Adds a text of any length. */
  text(text: string): void {
    const most = text.length * CHARACTER_BYTES;
    this.ensure(most);
    if (most <= BUFFER_BYTES) this.end += this.bytes.write(text, this.end);
    else this.#file.write(Buffer.from(text));
  }

  flush(): void {
    if (this.end === 0) return;
    this.#file.write(this.bytes.subarray(0, this.end));
    this.end = 0;
  }
}
