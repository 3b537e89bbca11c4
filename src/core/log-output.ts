// Writes lines to a file descriptor in the background, one write at a time.
// Invariant: nothing waits for a slow reader. Lines beyond the buffer are dropped and counted.
import sonicBoom from 'sonic-boom';

/** Maximum size of the lines that wait for a slow reader. */
const MAX_PENDING_BYTES = 8 * 1024 * 1024;
const MAX_WRITE_BYTES = 256 * 1024;
/** Lines that may wait are written at once when they have this size together. */
const GATHERED_BYTES = 16 * 1024;
const LF = 0x0a;

function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) count++;
  return count;
}

export class LogOutput {
  readonly #stream: InstanceType<typeof sonicBoom.SonicBoom>;
  #isBroken = false;
  #pendingBytes = 0;
  /** Number of lines that were dropped. */
  dropped = 0;

  /** `gathersMs`: how long lines may wait for further ones, so that few large writes are made; 0: no wait. */
  constructor(fd: number, gathersMs = 0) {
    this.#stream = new sonicBoom.SonicBoom({
      fd,
      sync: false,
      minLength: gathersMs === 0 ? 0 : GATHERED_BYTES,
      periodicFlush: gathersMs,
      maxWrite: MAX_WRITE_BYTES,
      maxLength: MAX_PENDING_BYTES,
      contentMode: 'buffer',
    });
    this.#stream.on('write', (bytes: number) => (this.#pendingBytes -= bytes));
    this.#stream.on('drop', (lines: Uint8Array) => {
      this.#pendingBytes -= lines.length;
      this.dropped += countLines(lines);
    });
    // An error such as EPIPE must not stop the process: from then on every line is dropped.
    this.#stream.on('error', () => (this.#isBroken = true));
  }

  /** True if all lines so far are written or dropped, so that their memory may be used again. */
  get isWritten(): boolean {
    return this.#pendingBytes === 0;
  }

  /** Writes whole lines. The bytes must not be changed until they are written. */
  write(lines: Uint8Array): void {
    if (this.#isBroken) {
      this.dropped += countLines(lines);
      return;
    }
    this.#pendingBytes += lines.length;
    // The types of the library know texts only.
    this.#stream.write(Buffer.from(lines.buffer, lines.byteOffset, lines.length) as unknown as string);
  }

  /** Resolves when all lines so far are written. */
  written(): Promise<void> {
    if (this.#isBroken) return Promise.resolve();
    return new Promise((resolve) => this.#stream.flush(() => resolve()));
  }

  /** Writes all pending lines and waits for the reader. For use before exit. */
  flush(): void {
    if (this.#isBroken) return;
    try {
      this.#stream.flushSync();
    } catch {
      this.#isBroken = true;
    }
  }
}
