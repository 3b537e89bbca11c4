// The lines of one stream: its bytes in, finished records out.
// Must stay true: records come in the order of their lines, each line is in exactly one of them, and nothing that a
// process prints makes this throw, hang, or hold more than a line and a record.
import { attributesText } from './attributes.ts';
import { Cutter } from './cutter.ts';
import { jsonObject, readObject } from './json-line.ts';
import { idsIn, type Line } from './line.ts';
import { isTraceback, MultiLine, type Bounds } from './multi-line.ts';
import { severityOfPlain } from './plain-line.ts';
import type { LogRecord, Origin } from './record.ts';
import type { Redactor } from './redact.ts';
import { SEVERITY } from './severity.ts';
import { readable } from './terminal.ts';

/**
 * How long a record waits for further lines that belong to it: they are printed at once. What waits is what a `kill -9`
 * of weir loses.
 */
const WAIT_NS = 25_000_000n;
const BOUNDS: Bounds = { maxLines: 500, maxBytes: 256 * 1024 };

export interface LineOptions {
  /** `logs.max_line`: a longer line is cut, and its record says so (`is_cut`, `bytes`: how long it was). */
  readonly maxLineBytes: number;
  readonly redactor: Redactor;
}

/** A plain record that may still grow. */
interface Pending {
  readonly lines: MultiLine;
  readonly severity: number;
  readonly timeNs: bigint;
  readonly start: number;
  lastNs: bigint;
}

export class LineReader {
  #origin: Origin;
  readonly #redactor: Redactor;
  readonly #cutter: Cutter;
  #pending: Pending | undefined;
  #out: LogRecord[] = [];
  #nowNs = 0n;

  constructor(origin: Origin, options: LineOptions) {
    this.#origin = origin;
    this.#redactor = options.redactor;
    this.#cutter = new Cutter(options.maxLineBytes, (text, isCut, bytes, start) =>
      this.#line(text, isCut, bytes, start),
    );
  }

  /** How many bytes of the stream are in records that were given out: from here on everything is still to come. */
  get givenBytes(): number {
    return this.#pending?.start ?? this.#cutter.unfinishedFrom;
  }

  /** Sets the origin of later lines. A record that waits for more lines ends with the earlier origin. */
  move(origin: Origin): void {
    this.#settle();
    this.#origin = origin;
  }

  /** Takes the next bytes, which stay the caller's. `nowNs`: when they came, nanoseconds since the epoch. */
  push(bytes: Uint8Array, nowNs: bigint): LogRecord[] {
    this.#nowNs = nowNs;
    this.#cutter.push(bytes);
    return this.#given();
  }

  /**
   * Gives out what waited long enough for lines that belong to it. A line without its end is never cut by time: it
   * may be a progress bar.
   */
  tick(nowNs: bigint): LogRecord[] {
    if (this.#pending !== undefined && nowNs - this.#pending.lastNs >= WAIT_NS) this.#settle();
    return this.#given();
  }

  /** Gives out every line that has its end, without waiting for what may belong to it. */
  settle(): LogRecord[] {
    this.#settle();
    return this.#given();
  }

  /** The stream has ended: gives out everything. */
  end(): LogRecord[] {
    this.#cutter.end();
    return this.settle();
  }

  #given(): LogRecord[] {
    const out = this.#out;
    if (out.length > 0) this.#out = [];
    return out;
  }

  #line(raw: string, isCut: boolean, bytes: number, start: number): void {
    const text = readable(raw);
    if (text.trim() === '') return this.#pending?.lines.takeBlank();
    const object = isCut ? undefined : jsonObject(text);
    if (object !== undefined) {
      this.#settle();
      this.#record(readObject(object, text, this.#nowNs), undefined);
      return;
    }
    if (this.#pending?.lines.takes(text, bytes, isCut, hasLevel)) {
      this.#pending.lastNs = this.#nowNs;
      return;
    }
    this.#settle();
    const severity = isTraceback(text) ? SEVERITY.error : severityOfPlain(text);
    const lines = new MultiLine(text, bytes, isCut, severity, BOUNDS);
    this.#pending = { lines, severity, timeNs: this.#nowNs, start, lastNs: this.#nowNs };
  }

  #settle(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    const { text, bytes, isCut, hasTraceback } = pending.lines;
    const severity = pending.severity === 0 && hasTraceback ? SEVERITY.error : pending.severity;
    this.#record(
      { severity, message: text, timeNs: pending.timeNs, ...idsIn(text), attributes: undefined },
      isCut ? bytes : undefined,
    );
  }

  #record(line: Line, cutFrom: number | undefined): void {
    const { deployment, environment, replica, source } = this.#origin;
    // A JSON text may hold what the line's own text could not.
    const message = line.attributes === undefined ? line.message : readable(line.message);
    this.#out.push({
      seq: 0,
      kind: 'line',
      deployment,
      environment,
      replica,
      source,
      timeNs: line.timeNs ?? this.#nowNs,
      severity: line.severity,
      message: this.#redactor.redactText(message),
      requestId: line.requestId,
      traceId: line.traceId,
      spanId: line.spanId,
      parentSpanId: '',
      status: 0,
      durationNs: 0,
      attributes:
        cutFrom === undefined
          ? line.attributes === undefined
            ? ''
            : attributesText(line.attributes, this.#redactor)
          : JSON.stringify({ is_cut: true, bytes: cutFrom }),
    });
  }
}

const hasLevel = (text: string): boolean => severityOfPlain(text) !== 0;
