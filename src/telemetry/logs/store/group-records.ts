// Reads the records of one file for a group query: minute totals for the whole minutes in its time range if these can
// answer it, and records for the rest.
// Invariant: each record is counted once, since the parts of the time range do not overlap.
import { MINUTE_NS } from '../../../core/time.ts';
import { attributesOf, type LogRecord } from '../log-record.ts';
import type { GroupQuery, KeyValue } from '../query/group-query.ts';
import { isAttribute, keyReader, numberReader } from '../query/record-value.ts';
import type { GroupAccumulator } from './group-accumulator.ts';
import type { FileGroups, FileReader } from './file-reader.ts';
import { usesMinuteFields } from './minute-query.ts';
import { startPosition } from './page-position.ts';
import type { SegmentQuery, TimeRange } from './segment-query.ts';

/** Records of one minute that are equal in the fields that minute totals have. */
export interface MinuteTotal {
  /** A record with these fields, at the begin of the minute. */
  readonly record: LogRecord;
  readonly count: number;
}

/** What a group query reads from. */
interface GroupSource extends Pick<FileReader, 'slice'> {
  /** Returns the totals of a range of minutes since the epoch, both inclusive. Not every file has them. */
  minuteTotals?(fromMinute: number, toMinute: number): MinuteTotal[];
}

export class RecordGroups implements FileGroups {
  readonly #query: SegmentQuery;
  readonly #source: GroupSource;
  readonly #add: (record: LogRecord, count: number) => void;
  /** Parts of the time range whose records are still to be read; the last one is next. */
  readonly #parts: TimeRange[];
  #after = startPosition('down');

  constructor(query: GroupQuery, compiled: SegmentQuery, accumulator: GroupAccumulator, source: GroupSource) {
    this.#query = compiled;
    this.#source = source;
    this.#add = recordAdder(query, accumulator);
    const { fromNs, toNs } = query;
    const from = (fromNs + MINUTE_NS - 1n) / MINUTE_NS;
    const end = (toNs + 1n) / MINUTE_NS;
    if (source.minuteTotals && from < end && canUseTotals(query)) {
      for (const { record, count } of source.minuteTotals(Number(from), Number(end - 1n)))
        if (compiled.matches(record)) this.#add(record, count);
      this.#parts = [
        { fromNs, toNs: from * MINUTE_NS - 1n },
        { fromNs: end * MINUTE_NS, toNs },
      ].filter((part) => part.fromNs <= part.toNs);
    } else this.#parts = [{ fromNs, toNs }];
  }

  get isDone(): boolean {
    return this.#parts.length === 0;
  }

  step(deadlineMs: number): void {
    do {
      const range = this.#parts.at(-1)!;
      const { records, reached } = this.#source.slice(this.#query, range, 'down', this.#after, deadlineMs);
      for (const record of records) this.#add(record, 1);
      this.#after = reached ?? startPosition('down');
      if (reached === undefined) this.#parts.pop();
    } while (this.#parts.length > 0 && performance.now() < deadlineMs);
  }
}

/** True if minute totals give the same result as records. */
const canUseTotals = (query: GroupQuery): boolean =>
  usesMinuteFields(query) && query.measures.every(({ op }) => op === 'count' || op === 'rate');

/** Returns a function that adds `count` records that are alike. With measures of fields, `count` is 1. */
export function recordAdder(
  { by, measures }: GroupQuery,
  accumulator: GroupAccumulator,
): (record: LogRecord, count: number) => void {
  const keys = by.map((key) => ('stepMs' in key ? stepReader(key.stepMs) : keyReader(key.field)));
  const numbers = accumulator.fields.map(numberReader);
  const needsAttributes = [...by, ...measures].some((one) => 'field' in one && isAttribute(one.field));
  return (record, count) => {
    const attributes = needsAttributes ? attributesOf(record) : {};
    const group = accumulator.group(keys.map((read) => read(record, attributes)));
    accumulator.count(group, count);
    for (const [i, read] of numbers.entries()) {
      const value = read(record, attributes);
      if (value !== null) accumulator.add(group, i, value);
    }
  };
}

const stepReader =
  (stepMs: number) =>
  ({ timeNs }: LogRecord): KeyValue => {
    const ms = Number(timeNs / 1_000_000n);
    return ms - (ms % stepMs);
  };
