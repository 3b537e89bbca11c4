// Prints records as text, JSON or CSV.
// Invariant: a closed pipe (`| head`) ends the command without an error, and no logged text can control the terminal.
import { escapedJson } from '../../core/escaped-json.ts';
import { CSV_HEAD, csvRow } from '../../core/record-csv.ts';
import type { LogEntry } from './admin-client.ts';
import type { ColorMode, OutputFormat } from './flags.ts';

/** Control characters that terminals interpret, except tab and line feed. */
// oxlint-disable-next-line no-control-regex -- control characters are what it matches
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** Codes of ECMA-48 (SGR). */
const RED = 31;
const YELLOW = 33;
const CYAN = 36;
const GRAY = 90;
const LEVEL_COLORS: Readonly<Record<string, number>> = {
  TRACE: GRAY,
  DEBUG: GRAY,
  INFO: CYAN,
  WARN: YELLOW,
  ERROR: RED,
  FATAL: RED,
};
/** Length of the longest common level, so that messages are aligned. */
const LEVEL_WIDTH = 5;

const paint = (text: string, color: number | undefined): string =>
  color === undefined ? text : `\u001b[${color}m${text}\u001b[0m`;

/** `12.3ms`, `4.56s`. */
const durationText = (ms: number): string =>
  ms < 1000 ? `${ms.toFixed(1)}ms` : `${(ms / 1000).toFixed(2)}s`;

/**
 * `[2026-11-20 17:52:26]: ERROR (abc12 31255019…) message 12.3ms`, in UTC, as `--start` reads it (docs/contracts/serving.md 8.2). Level,
 * replica and request id (in parentheses) and duration appear if the record has them. The status of a request is part
 * of its message. After a request to a language model: `ttft 305.1ms, 7 + 20 tokens`.
 */
export function formatTextLine(log: LogEntry, isColored = false): string {
  const { timestamp, message, level, replica, request_id: id, duration_ms: duration } = log;
  const color = (text: string, code: number | undefined) => (isColored ? paint(text, code) : text);
  const time = new Date(timestamp).toISOString().slice(0, 19).replace('T', ' ');
  const parts = [`[${time}]:`];
  if (level !== undefined) parts.push(color(level.padEnd(LEVEL_WIDTH), LEVEL_COLORS[level]));
  const from = [replica, id].filter((name) => name !== undefined);
  if (from.length > 0) parts.push(color(`(${from.join(' ')})`, GRAY));
  parts.push(message);
  if (duration !== undefined) parts.push(color(durationText(duration), GRAY));
  const ofModel = log.kind === 'request' ? modelText(log.attributes ?? {}) : '';
  if (ofModel !== '') parts.push(color(ofModel, GRAY));
  return `${parts.join(' ')}\n`;
}

/** Time to the first token, and tokens of input and output, as far as they are known. */
function modelText(attributes: Readonly<Record<string, unknown>>): string {
  const { first_token_ms: first, input_tokens: input, output_tokens: output } = attributes;
  const hasTokens = typeof input === 'number' || typeof output === 'number';
  return [
    ...(typeof first === 'number' ? [`ttft ${durationText(first)}`] : []),
    ...(hasTokens ? [`${tokensText(input)} + ${tokensText(output)} tokens`] : []),
  ].join(', ');
}

const tokensText = (count: unknown): string => (typeof count === 'number' ? String(count) : '?');

/** Whether text is coloured: on a terminal, unless NO_COLOR is set (https://no-color.org) or TERM is dumb. */
export function isColored(color: ColorMode, isTerminal: boolean, env: NodeJS.ProcessEnv): boolean {
  if (color !== 'auto') return color === 'always';
  return isTerminal && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
}

export class Printer {
  readonly #output: OutputFormat;
  readonly #stream: NodeJS.WriteStream;
  readonly #isColored: boolean;
  #count = 0;
  #isClosed = false;

  constructor(output: OutputFormat, stream: NodeJS.WriteStream, isColored = false) {
    this.#output = output;
    this.#stream = stream;
    this.#isColored = isColored;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      this.#isClosed = true;
    });
  }

  /** True once the reader has closed stdout. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  get count(): number {
    return this.#count;
  }

  async print(logs: readonly LogEntry[]): Promise<void> {
    let text = '';
    for (const log of logs) text += this.#one(log);
    await this.#write(text);
  }

  async end(): Promise<void> {
    if (this.#output === 'json') await this.#write(this.#count === 0 ? '[]\n' : '\n]\n');
    if (this.#output === 'csv' && this.#count === 0) await this.#write(CSV_HEAD);
  }

  /** Resolves when all output has left this process, since buffered output would be lost at the exit. */
  async flush(): Promise<void> {
    if (this.#isClosed || this.#stream.writableLength === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    // The callback is called after all earlier writes, also when the reader has closed the pipe.
    this.#stream.write('', () => resolve());
    await promise;
  }

  async #write(text: string): Promise<void> {
    if (this.#isClosed || text.length === 0 || this.#stream.write(text)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    for (const event of ['drain', 'close', 'error']) this.#stream.once(event, wake);
    await promise;
    for (const event of ['drain', 'close', 'error']) this.#stream.off(event, wake);
  }

  #one(log: LogEntry): string {
    const isFirst = this.#count++ === 0;
    if (this.#output === 'none') return '';
    if (this.#output === 'jsonl') return `${escapedJson(log)}\n`;
    if (this.#output === 'json') return `${isFirst ? '[' : ','}\n${escapedJson(log)}`;
    if (this.#output === 'csv') return `${isFirst ? CSV_HEAD : ''}${csvRow(log)}`;
    if (!this.#isColored && !this.#stream.isTTY) return formatTextLine(log);
    return formatTextLine(withoutControl(log), this.#isColored);
  }
}

const clean = (text: string | undefined): string | undefined => text?.replace(CONTROL, '');

/** The texts of a record that text output shows, without control characters. */
const withoutControl = (log: LogEntry): LogEntry =>
  ({
    ...log,
    message: clean(log.message),
    replica: clean(log.replica),
    request_id: clean(log.request_id),
  }) as LogEntry;
