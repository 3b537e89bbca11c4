// Records on stdout, as text or JSON. Must stay true: a reader that has enough (`| head`) ends it quietly, and no text
// that somebody logged steers the terminal it is read in.
import type { LogObject } from './door.ts';
import type { Output } from './arguments.ts';

/** Everything that terminals take for more than a letter, save tab and line end. */
// oxlint-disable-next-line no-control-regex -- these are what is looked for
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

const two = (n: number): string => String(n).padStart(2, '0');

/** `[2026-11-20 17:52:26]: (abc12) message`, in this machine's time (contracts/baseten.md 8.2). */
export function textLine({ timestamp, message, replica }: LogObject): string {
  const at = new Date(timestamp);
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `[${date} ${time}]: ${replica === undefined ? '' : `(${replica}) `}${message}\n`;
}

export class Printer {
  readonly #output: Output;
  readonly #stream: NodeJS.WriteStream;
  #count = 0;
  #isClosed = false;

  constructor(output: Output, stream: NodeJS.WriteStream) {
    this.#output = output;
    this.#stream = stream;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      this.#isClosed = true;
    });
  }

  /** Nobody reads any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  get count(): number {
    return this.#count;
  }

  async print(logs: readonly LogObject[]): Promise<void> {
    let text = '';
    for (const log of logs) text += this.#one(log);
    await this.raw(text);
  }

  async end(): Promise<void> {
    if (this.#output === 'json') await this.raw(this.#count === 0 ? '[]\n' : '\n]\n');
  }

  async raw(text: string | Uint8Array): Promise<void> {
    if (this.#isClosed || text.length === 0 || this.#stream.write(text)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    for (const event of ['drain', 'close', 'error']) this.#stream.once(event, wake);
    await promise;
    for (const event of ['drain', 'close', 'error']) this.#stream.off(event, wake);
  }

  #one(log: LogObject): string {
    const isFirst = this.#count++ === 0;
    if (this.#output === 'none') return '';
    if (this.#output === 'jsonl') return `${JSON.stringify(log)}\n`;
    if (this.#output === 'json') return `${isFirst ? '[' : ','}\n${JSON.stringify(log)}`;
    const line = textLine(log);
    return this.#stream.isTTY ? line.replace(CONTROL, '') : line;
  }
}
