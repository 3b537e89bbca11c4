// Joins plain lines that belong together into one record (multi-line.ts), also if the output of several processes, each
// with its own prefix, is mixed (line-prefix.ts).
// Invariant: each line is in exactly one record, and at most MAX_GROUPS + 1 records wait for lines.
import type { ContainerLine } from './container-line.ts';
import { MARK } from './line-marks.ts';
import { isTraceback, MultiLine, type MultiLineLimits, type OneLine } from './multi-line.ts';
import { prefixOf, type LinePrefix } from './line-prefix.ts';
import { severityOfPlain } from './plain-line.ts';
import type { OrderTicket } from './record-order.ts';
import { SEVERITY } from '../severity.ts';

const LIMITS: MultiLineLimits = { maxLines: 500, maxBytes: 256 * 1024 };
/** Lines that were printed with a longer gap do not belong together. */
const MAX_GAP_NS = 500_000_000n;
/** The same within a traceback or stack. Longer, since its lines are recognized by form and may be printed slowly. */
const MAX_GAP_IN_TRACEBACK_NS = 10_000_000_000n;
/** Maximum number of prefixes with an open record. */
const MAX_GROUPS = 16;

/** One line that is not JSON. */
export interface PlainLine extends OneLine {
  /** When it was received, nanoseconds since the epoch. */
  readonly nowNs: bigint;
  /** The wrapper of a container runtime, if the line had one. */
  readonly wrapped: ContainerLine | undefined;
}

/** What a joiner needs for its records. */
export interface JoinedRecords<Line extends PlainLine> {
  /** Reserves the position of the record that this line begins. */
  open(line: Line): OrderTicket;
  /** The time in the line or in its wrapper. Called only for the first line of a record. */
  timeOf(line: Line): bigint;
  /** Receives each record that is finished. */
  emit(pending: PendingRecord): void;
}

/** A record that waits for further lines. */
export interface PendingRecord {
  readonly lines: MultiLine;
  readonly severity: number;
  readonly timeNs: bigint;
  readonly attributes: Readonly<Record<string, unknown>> | undefined;
  readonly ticket: OrderTicket;
  /** When its last line was received, and when it was printed, if that is known. */
  lastNs: bigint;
  printedNs: bigint | undefined;
}

/** A record of lines with the same prefix. */
interface Group {
  readonly prefix: LinePrefix;
  readonly pending: PendingRecord;
  /** True if a second line had the prefix. The header of a logger is only on the first line. */
  isRepeated: boolean;
}

const hasLevel = (text: string): boolean => severityOfPlain(text) !== 0;

export class LineJoiner<Line extends PlainLine> {
  readonly #records: JoinedRecords<Line>;
  #main: PendingRecord | undefined;
  readonly #groups: Group[] = [];
  /** The group of the previous line. */
  #last: Group | undefined;

  constructor(records: JoinedRecords<Line>) {
    this.#records = records;
  }

  /** Adds a blank line to the record of the previous line. */
  addBlank(): void {
    (this.#last?.pending ?? this.#main)?.lines.addBlank();
  }

  /** Adds a line to the record that it continues, or begins a record with it. */
  add(line: Line): void {
    const last = this.#last;
    this.#last = undefined;
    if (line.wrapped !== undefined) this.#flushOlder(line.wrapped.timeNs);
    if (this.#groups.length > 0 && (this.#addToGroup(line) || this.#continueWithoutHead(line, last))) return;
    if (this.#beginGroup(line)) return;
    if (this.#main && this.#append(this.#main, line, line.text)) return;
    this.flushMain();
    this.#main = this.#begin(line);
  }

  /** Emits the records that got no further line for `waitNs`. */
  tick(nowNs: bigint, waitNs: bigint): void {
    if (this.#main && nowNs - this.#main.lastNs >= waitNs) this.flushMain();
    this.#flushGroups(({ lastNs }) => nowNs - lastNs >= waitNs);
  }

  /** Emits the record without a prefix, since another record follows it in the stream. */
  flushMain(): void {
    const main = this.#main;
    this.#main = undefined;
    if (main) this.#records.emit(main);
  }

  /** Emits all records. */
  flush(): void {
    this.flushMain();
    this.#flushGroups(() => true);
  }

  /** Emits the records whose last line was printed too long before this one. */
  #flushOlder(printedNs: bigint): void {
    const isOlder = ({ printedNs: last = printedNs, lines }: PendingRecord): boolean =>
      printedNs - last > (lines.isTrace ? MAX_GAP_IN_TRACEBACK_NS : MAX_GAP_NS);
    if (this.#main && isOlder(this.#main)) this.flushMain();
    this.#flushGroups(isOlder);
  }

  /** Adds the line to the group with the longest prefix that it has. Returns false if there is none. */
  #addToGroup(line: Line): boolean {
    let group: Group | undefined;
    let rest: string | undefined;
    for (const one of this.#groups) {
      const text = one.prefix.restOf(line.text);
      if (text !== undefined && (rest === undefined || text.length < rest.length)) {
        group = one;
        rest = text;
      }
    }
    if (group === undefined || rest === undefined) return false;
    if (rest.trim() === '') group.pending.lines.addBlank();
    else if (!this.#append(group.pending, line, rest)) {
      this.#flushGroup(group);
      return false;
    }
    group.isRepeated = true;
    this.#last = group;
    return true;
  }

  /** Continues a traceback whose first line had a logger's header, not a prefix, since this line does not have it. */
  #continueWithoutHead(line: Line, last: Group | undefined): boolean {
    const index = last ? this.#groups.indexOf(last) : -1;
    if (last === undefined || index === -1 || last.isRepeated || !/^[ \t]/.test(line.text)) return false;
    this.#groups.splice(index, 1);
    this.flushMain();
    this.#main = last.pending;
    return this.#append(last.pending, line, line.text);
  }

  /** Begins a group if the line has a prefix and begins a traceback, or continues one of the previous line. */
  #beginGroup(line: Line): boolean {
    const before = this.#main?.lines.onlyLine;
    const prefix = prefixOf(line.text, before, (line.marks & MARK.traceback) !== 0);
    if (prefix === undefined) return false;
    const main = this.#main;
    const rest = prefix.restOf(line.text) ?? '';
    const isOfMain =
      main !== undefined &&
      before !== undefined &&
      prefix.restOf(before) !== undefined &&
      this.#append(main, line, rest);
    const pending = isOfMain ? main : this.#begin(line);
    if (isOfMain) this.#main = undefined;
    if (!isTraceback(rest)) pending.lines.startInsideTraceback();
    if (this.#groups.length >= MAX_GROUPS) this.#flushGroup(this.#groups[0]!);
    const group = { prefix, pending, isRepeated: isOfMain };
    this.#groups.push(group);
    this.#last = group;
    return true;
  }

  #begin(line: Line): PendingRecord {
    const { text, marks, nowNs, wrapped } = line;
    const isError = (marks & MARK.traceback) !== 0 && isTraceback(text);
    const severity = isError ? SEVERITY.error : severityOfPlain(text);
    return {
      lines: new MultiLine(line, severity, LIMITS),
      severity,
      timeNs: this.#records.timeOf(line),
      attributes: wrapped?.attributes,
      ticket: this.#records.open(line),
      lastNs: nowNs,
      printedNs: wrapped?.timeNs,
    };
  }

  #append(pending: PendingRecord, line: Line, text: string): boolean {
    if (!pending.lines.append(line, text, hasLevel)) return false;
    pending.lastNs = line.nowNs;
    pending.printedNs = line.wrapped?.timeNs;
    return true;
  }

  #flushGroups(isWanted: (pending: PendingRecord) => boolean): void {
    for (const group of this.#groups.filter(({ pending }) => isWanted(pending))) this.#flushGroup(group);
  }

  #flushGroup(group: Group): void {
    this.#groups.splice(this.#groups.indexOf(group), 1);
    if (this.#last === group) this.#last = undefined;
    this.#records.emit(group.pending);
  }
}
