// Turns the bytes of one stream of lines into log records.
// Invariant: each line is in exactly one record, records come in the order of their first lines, and memory is limited.
import { attributesText } from './attributes.ts';
import { PartialLine, unwrapCri, unwrapDocker, type ContainerLine } from './container-line.ts';
import { MARK, marksOf } from './line-marks.ts';
import { StreamLines, UNMARKED } from './stream-lines.ts';
import { LineJoiner, type PendingRecord, type PlainLine } from './line-joiner.ts';
import { jsonObject, readObject } from './json-line.ts';
import { idsIn, NO_IDS, type ParsedLine } from './parsed-line.ts';
import { timeOfPlain } from './line-time.ts';
import { RecordOrder, type OrderTicket } from './record-order.ts';
import type { LogRecord, RecordOrigin } from '../log-record.ts';
import type { Redactor } from './redact.ts';
import { RULES_MASK } from './secret-triggers.ts';
import { SEVERITY } from '../severity.ts';
import { printable } from './terminal-escapes.ts';

/**
 * How long a record waits for further lines that belong to it. Programs print such lines at once. A `kill -9` of weir
 * loses the lines that wait.
 */
const MAX_LINE_WAIT_NS = 25_000_000n;
/** How long a piece of a line waits for the next one. The runtime writes each piece when the container prints it. */
const MAX_PIECE_WAIT_NS = 1_000_000_000n;
const YEAR_MS = 366 * 86_400_000;

export interface StreamRecordsOptions {
  /** `logs.max_line`: a longer line is cut, and its record gets `is_cut` and `bytes`, its original length. */
  readonly maxLineBytes: number;
  readonly redactor: Redactor;
  /** `logs.retention`: an older time in a plain line is ignored. Default: a year. */
  readonly retentionMs?: number;
}

/** One line, without the wrapper of a container runtime. */
interface InputLine extends PlainLine {
  /** Offset in the stream where it begins. */
  readonly start: number;
  /** The position that was reserved for it; `undefined`: none. */
  ticket: OrderTicket | undefined;
}

/** The pieces of one unfinished line. */
interface Piece {
  readonly line: PartialLine;
  readonly ticket: OrderTicket;
}

const isBlank = (text: string): boolean => {
  const first = text.charCodeAt(0);
  // Other spaces than those of ASCII are rare.
  return (first <= 0x20 || first >= 0x7f || text === '') && text.trim() === '';
};

export class StreamRecords {
  #origin: RecordOrigin;
  readonly #redactor: Redactor;
  readonly #maxLineBytes: number;
  readonly #retentionMs: number;
  readonly #lines: StreamLines;
  readonly #order = new RecordOrder();
  /** Joiner of each stream that a wrapper names. Lines without a wrapper use the empty name. */
  readonly #joiners = new Map<string, LineJoiner<InputLine>>();
  readonly #pieces = new Map<string, Piece>();
  /** True after a line that Docker ended with LF. */
  #hasLineEnds = false;
  #nowNs = 0n;

  constructor(origin: RecordOrigin, options: StreamRecordsOptions) {
    this.#origin = origin;
    this.#redactor = options.redactor;
    this.#maxLineBytes = options.maxLineBytes;
    this.#retentionMs = options.retentionMs ?? YEAR_MS;
    this.#lines = new StreamLines(options.maxLineBytes, (text, isCut, bytes, start, marks) =>
      this.#addLine(text, isCut, bytes, start, marks),
    );
  }

  /** Offset in the stream up to which all records were returned. A restart continues there. */
  get emittedBytes(): number {
    return this.#order.firstStart ?? this.#lines.unfinishedFrom;
  }

  /** Sets the origin of later lines. A record that waits for more lines ends with the earlier origin. */
  setOrigin(origin: RecordOrigin): void {
    for (const joiner of this.#joiners.values()) joiner.flush();
    this.#origin = origin;
  }

  /**
   * Adds bytes and returns the records that are finished. The bytes are copied, so the caller may reuse them.
   * `nowNs`: when they were received, nanoseconds since the epoch.
   */
  push(bytes: Uint8Array, nowNs: bigint): LogRecord[] {
    this.#nowNs = nowNs;
    this.#lines.push(bytes);
    return this.#order.take();
  }

  /**
   * Returns the records that waited long enough for further lines. A line without a line end waits without a limit,
   * since it may be a progress bar.
   */
  tick(nowNs: bigint): LogRecord[] {
    for (const [stream, { line }] of this.#pieces)
      if (nowNs - line.lastNs >= MAX_PIECE_WAIT_NS) this.#finish(stream);
    for (const joiner of this.#joiners.values()) joiner.tick(nowNs, MAX_LINE_WAIT_NS);
    return this.#order.take();
  }

  /** Returns the records of all finished lines, without waiting for further lines. */
  flush(): LogRecord[] {
    for (const joiner of this.#joiners.values()) joiner.flush();
    return this.#order.take();
  }

  /** Ends the stream and returns all remaining records. */
  end(): LogRecord[] {
    this.#lines.end();
    this.#finishAll();
    return this.flush();
  }

  #addLine(raw: string, isCut: boolean, bytes: number, start: number, found: number): void {
    const text = found === UNMARKED ? printable(raw) : raw;
    const marks = found === UNMARKED ? marksOf(text) : found;
    const nowNs = this.#nowNs;
    const line = { text, isCut, bytes, marks, nowNs, wrapped: undefined, start, ticket: undefined };
    const wrapped = unwrapCri(text, nowNs);
    if (wrapped) this.#addPiece(wrapped, line);
    else this.#addText(line);
    if (!this.#order.isOverdue) return;
    this.#finishAll();
    for (const joiner of this.#joiners.values()) joiner.flush();
  }

  #addText(line: InputLine): void {
    const { text, isCut, wrapped } = line;
    const joiner = this.#joinerOf(wrapped?.stream ?? '');
    if (isBlank(text)) return joiner.addBlank();
    const object = isCut ? undefined : jsonObject(text);
    if (object === undefined) return joiner.add(line);
    const inner = wrapped ? undefined : unwrapDocker(object, this.#nowNs);
    if (inner) return this.#addPiece(inner, line);
    joiner.flushMain();
    const parsed = readObject(object, text, this.#nowNs);
    const attributes = wrapped ? { ...wrapped.attributes, ...parsed.attributes } : parsed.attributes;
    const timeNs = parsed.timeNs ?? wrapped?.timeNs;
    this.#order.close(this.#open(line), this.#record({ ...parsed, timeNs, attributes }));
  }

  /** Adds a line, or a piece of one, that a container runtime wrote. */
  #addPiece(wrapped: ContainerLine, line: InputLine): void {
    const text = printable(wrapped.text);
    const { stream, isPartial } = wrapped;
    this.#hasLineEnds ||= isPartial === false;
    let piece = this.#pieces.get(stream);
    if (piece && !piece.line.isContinuedBy(wrapped, this.#hasLineEnds)) {
      this.#finish(stream);
      piece = undefined;
    }
    if (piece === undefined && isPartial === false)
      return this.#addText({ ...line, text, marks: marksOf(text), wrapped });
    if (piece === undefined) {
      piece = { line: new PartialLine(wrapped, this.#maxLineBytes), ticket: this.#open(line) };
      this.#pieces.set(stream, piece);
    }
    piece.line.add(text, line.isCut, this.#nowNs);
    if (isPartial === false) this.#finish(stream);
  }

  /** Adds the line that the pieces so far form: its last piece was received, or waiting for it has ended. */
  #finish(stream: string): void {
    const piece = this.#pieces.get(stream);
    if (piece === undefined) return;
    this.#pieces.delete(stream);
    const { text, isCut, bytes, first } = piece.line;
    const { ticket } = piece;
    const nowNs = this.#nowNs;
    const line = {
      text,
      isCut,
      bytes,
      marks: marksOf(text),
      nowNs,
      wrapped: first,
      start: ticket.start,
      ticket,
    };
    this.#addText(line);
    // The line was added to an earlier record, so it begins none.
    if (line.ticket !== undefined) this.#order.close(ticket, undefined);
  }

  /** Takes the position that was reserved for the line, or reserves one. */
  #open(line: InputLine): OrderTicket {
    const { ticket } = line;
    line.ticket = undefined;
    return ticket ?? this.#order.open(line.start);
  }

  #finishAll(): void {
    for (const stream of this.#pieces.keys()) this.#finish(stream);
  }

  #joinerOf(stream: string): LineJoiner<InputLine> {
    let joiner = this.#joiners.get(stream);
    if (joiner === undefined) {
      joiner = new LineJoiner({
        open: (line) => this.#open(line),
        timeOf: ({ text, wrapped }) =>
          wrapped?.timeNs ?? timeOfPlain(text, this.#nowNs, this.#retentionMs) ?? this.#nowNs,
        emit: (pending) => this.#emit(pending),
      });
      this.#joiners.set(stream, joiner);
    }
    return joiner;
  }

  #emit({ lines, severity: ofFirstLine, timeNs, attributes: own, ticket }: PendingRecord): void {
    const { text, marks, bytes, isCut, hasTraceback } = lines;
    const { requestId, traceId, spanId } = (marks & MARK.ids) === 0 ? NO_IDS : idsIn(text);
    const severity = ofFirstLine === 0 && hasTraceback ? SEVERITY.error : ofFirstLine;
    const attributes = isCut ? { is_cut: true, bytes, ...own } : own;
    const line = { severity, message: text, timeNs, requestId, traceId, spanId, attributes };
    this.#order.close(ticket, this.#record(line, marks));
  }

  /**
   * `marks`: of the message, whose control characters were removed before. Without them, the message is that of a JSON
   * line, which may contain escaped ones.
   */
  #record(line: ParsedLine, marks?: number): LogRecord {
    const { deployment, environment, replica, source, pod, modelId } = this.#origin;
    return {
      seq: 0,
      kind: 'line',
      deployment,
      environment,
      replica,
      source,
      pod,
      modelId,
      timeNs: line.timeNs ?? this.#nowNs,
      severity: line.severity,
      message:
        marks === undefined
          ? this.#redactor.redactText(printable(line.message))
          : this.#redactor.redactText(line.message, marks & RULES_MASK),
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
