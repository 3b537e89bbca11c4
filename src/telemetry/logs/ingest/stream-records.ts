// The lines of one stream: its bytes in, finished records out.
// Invariants: records come in the order of their first lines; each line is in exactly one of them; no input makes this
// throw, hang, or hold more than a bounded number of lines and records.
import { attributesText } from './attributes.ts';
import { PartialLine, unwrapCri, unwrapDocker, type ContainerLine } from './container-line.ts';
import { StreamLines } from './stream-lines.ts';
import { LineJoiner, type PendingRecord } from './line-joiner.ts';
import { jsonObject, readObject } from './json-line.ts';
import { idsIn, type ParsedLine } from './parsed-line.ts';
import { timeOfPlain } from './line-time.ts';
import { RecordOrder, type OrderTicket } from './record-order.ts';
import type { LogRecord, RecordOrigin } from '../log-record.ts';
import type { Redactor } from './redact.ts';
import { SEVERITY } from '../severity.ts';
import { readable } from './terminal-escapes.ts';

/**
 * How long a record waits for further lines that belong to it: they are printed at once. What waits is what a `kill -9`
 * of weir loses.
 */
const WAIT_NS = 25_000_000n;
/** How long a piece of a line waits for the next one. A container runtime writes the pieces when its container prints them. */
const PIECE_WAIT_NS = 1_000_000_000n;
const YEAR_MS = 366 * 86_400_000;

export interface StreamRecordsOptions {
  /** `logs.max_line`: a longer line is cut, and its record says so (`is_cut`, `bytes`: how long it was). */
  readonly maxLineBytes: number;
  readonly redactor: Redactor;
  /** `logs.retention`: the time in a plain line counts if it is not older. Default: a year. */
  readonly retentionMs?: number;
}

/** One line, without its wrapper if it had one. */
interface Came {
  readonly text: string;
  readonly isCut: boolean;
  readonly bytes: number;
  /** Its wrapper. */
  readonly wrapped: ContainerLine | undefined;
  /** Where its record begins. */
  readonly open: () => OrderTicket;
}

interface Piece {
  readonly line: PartialLine;
  readonly place: OrderTicket;
}

export class StreamRecords {
  #origin: RecordOrigin;
  readonly #redactor: Redactor;
  readonly #maxLineBytes: number;
  readonly #retentionMs: number;
  readonly #cutter: StreamLines;
  readonly #order = new RecordOrder();
  /** Stream that the wrapper names → its joiner. Lines without a wrapper have the empty name. */
  readonly #joiners = new Map<string, LineJoiner>();
  readonly #pieces = new Map<string, Piece>();
  /** True after a line that Docker ended with LF. */
  #hasLineEnds = false;
  #nowNs = 0n;

  constructor(origin: RecordOrigin, options: StreamRecordsOptions) {
    this.#origin = origin;
    this.#redactor = options.redactor;
    this.#maxLineBytes = options.maxLineBytes;
    this.#retentionMs = options.retentionMs ?? YEAR_MS;
    this.#cutter = new StreamLines(options.maxLineBytes, (text, isCut, bytes, start) =>
      this.#line(text, isCut, bytes, start),
    );
  }

  /** How many bytes of the stream are in records that were given out: from here on everything is still to come. */
  get givenBytes(): number {
    return this.#order.firstStart ?? this.#cutter.unfinishedFrom;
  }

  /** Sets the origin of later lines. A record that waits for more lines ends with the earlier origin. */
  move(origin: RecordOrigin): void {
    for (const joiner of this.#joiners.values()) joiner.settle();
    this.#origin = origin;
  }

  /** Takes the next bytes, which stay the caller's. `nowNs`: when they came, nanoseconds since the epoch. */
  push(bytes: Uint8Array, nowNs: bigint): LogRecord[] {
    this.#nowNs = nowNs;
    this.#cutter.push(bytes);
    return this.#order.take();
  }

  /**
   * Gives out what waited long enough for lines that belong to it. A line without its end is never cut by time: it
   * may be a progress bar.
   */
  tick(nowNs: bigint): LogRecord[] {
    for (const [stream, { line }] of this.#pieces)
      if (nowNs - line.lastNs >= PIECE_WAIT_NS) this.#finish(stream);
    for (const joiner of this.#joiners.values()) joiner.tick(nowNs, WAIT_NS);
    return this.#order.take();
  }

  /** Gives out every line that has its end, without waiting for what may belong to it. */
  settle(): LogRecord[] {
    for (const joiner of this.#joiners.values()) joiner.settle();
    return this.#order.take();
  }

  /** The stream has ended: gives out everything. */
  end(): LogRecord[] {
    this.#cutter.end();
    this.#finishAll();
    return this.settle();
  }

  #line(raw: string, isCut: boolean, bytes: number, start: number): void {
    const came = {
      text: readable(raw),
      isCut,
      bytes,
      wrapped: undefined,
      open: () => this.#order.open(start),
    };
    const wrapped = unwrapCri(came.text, this.#nowNs);
    if (wrapped) this.#unwrapped(wrapped, came);
    else this.#text(came);
    if (!this.#order.isOverdue) return;
    this.#finishAll();
    for (const joiner of this.#joiners.values()) joiner.settle();
  }

  #text(came: Came): void {
    const { text, isCut, bytes, wrapped, open } = came;
    const joiner = this.#joinerOf(wrapped?.stream ?? '');
    if (text.trim() === '') return joiner.blank();
    const object = isCut ? undefined : jsonObject(text);
    if (object === undefined) {
      const timeNs = (): bigint =>
        wrapped?.timeNs ?? timeOfPlain(text, this.#nowNs, this.#retentionMs) ?? this.#nowNs;
      const [printedNs, said] = [wrapped?.timeNs, wrapped?.said];
      return joiner.take({ text, isCut, bytes, nowNs: this.#nowNs, timeNs, open, printedNs, said });
    }
    const inner = wrapped ? undefined : unwrapDocker(object, this.#nowNs);
    if (inner) return this.#unwrapped(inner, came);
    joiner.settleMain();
    const line = readObject(object, text, this.#nowNs);
    const attributes = wrapped ? { ...wrapped.said, ...line.attributes } : line.attributes;
    const timeNs = line.timeNs ?? wrapped?.timeNs;
    this.#order.close(open(), this.#record({ ...line, timeNs, attributes }));
  }

  /** A line, or a piece of one, that a container runtime wrote. */
  #unwrapped(wrapped: ContainerLine, { isCut, bytes, open }: Came): void {
    const text = readable(wrapped.text);
    const { stream, isPartial } = wrapped;
    this.#hasLineEnds ||= isPartial === false;
    let piece = this.#pieces.get(stream);
    if (piece && !piece.line.isContinuedBy(wrapped, this.#hasLineEnds)) {
      this.#finish(stream);
      piece = undefined;
    }
    if (piece === undefined && isPartial === false) return this.#text({ text, isCut, bytes, wrapped, open });
    if (piece === undefined) {
      piece = { line: new PartialLine(wrapped, this.#maxLineBytes), place: open() };
      this.#pieces.set(stream, piece);
    }
    piece.line.add(text, isCut, this.#nowNs);
    if (isPartial === false) this.#finish(stream);
  }

  /** Finishes the line of the pieces so far: it is whole, or its next piece did not come. */
  #finish(stream: string): void {
    const piece = this.#pieces.get(stream);
    if (piece === undefined) return;
    this.#pieces.delete(stream);
    const { text, isCut, bytes, first } = piece.line;
    let isUsed = false;
    const open = (): OrderTicket => {
      isUsed = true;
      return piece.place;
    };
    this.#text({ text, isCut, bytes, wrapped: first, open });
    // The line was added to a record that had begun before.
    if (!isUsed) this.#order.close(piece.place, undefined);
  }

  #finishAll(): void {
    for (const stream of this.#pieces.keys()) this.#finish(stream);
  }

  #joinerOf(stream: string): LineJoiner {
    let joiner = this.#joiners.get(stream);
    if (joiner === undefined) {
      joiner = new LineJoiner((pending) => this.#give(pending));
      this.#joiners.set(stream, joiner);
    }
    return joiner;
  }

  #give({ lines, severity: ofHead, timeNs, said, place }: PendingRecord): void {
    const { text, bytes, isCut, hasTraceback } = lines;
    const severity = ofHead === 0 && hasTraceback ? SEVERITY.error : ofHead;
    const attributes = isCut ? { is_cut: true, bytes, ...said } : said;
    this.#order.close(
      place,
      this.#record({ severity, message: text, timeNs, ...idsIn(text), attributes }, true),
    );
  }

  /** `isPlain`: control characters were removed already. A text from JSON may still have some, by escapes. */
  #record(line: ParsedLine, isPlain = false): LogRecord {
    const { deployment, environment, replica, source } = this.#origin;
    const message = isPlain ? line.message : readable(line.message);
    return {
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
      attributes: line.attributes === undefined ? '' : attributesText(line.attributes, this.#redactor),
    };
  }
}
