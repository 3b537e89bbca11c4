// Adds the sums per minute of blocks to the groups of a query.
// Invariant: sums are added only for whole minutes in the time range; the rest of it is read from pages.
import type { LogRecord } from '../log-record.ts';
import type { GroupQuery, KeyValue } from '../query/group-query.ts';
import { keyReader } from '../query/record-value.ts';
import type { GroupAccumulator } from './group-accumulator.ts';
import { MINUTE_MS, usesMinuteFields } from './minute-query.ts';
import type { MinuteSums } from './minute-sums.ts';
import type { TimeRange } from './segment-query.ts';

const MINUTE_NS = 60_000_000_000n;

export class SumGroups {
  readonly #matches: (record: LogRecord) => boolean;
  readonly #accumulator: GroupAccumulator;
  readonly #keys: readonly ((record: LogRecord, minute: number) => KeyValue)[];
  /** The query can be answered from sums. `#isExact`: without percentiles, which are approximate. */
  readonly #isPossible: boolean;
  readonly #isExact: boolean;
  /** The whole minutes of the time range since the epoch; `#endMinute` is after them. */
  readonly #fromMinute: number;
  readonly #endMinute: number;
  /** The time range without its whole minutes. */
  readonly edges: readonly TimeRange[];

  constructor(query: GroupQuery, matches: (record: LogRecord) => boolean, accumulator: GroupAccumulator) {
    const { by, measures, fromNs, toNs } = query;
    this.#matches = matches;
    this.#accumulator = accumulator;
    this.#keys = by.map((key) => {
      if ('stepMs' in key) return (_, minute) => minute * MINUTE_MS - ((minute * MINUTE_MS) % key.stepMs);
      const read = keyReader(key.field);
      return (record) => read(record, {});
    });
    this.#isPossible =
      usesMinuteFields(query) &&
      measures.every((measure) => !('field' in measure) || measure.field === 'durationNs');
    this.#isExact = measures.every(({ op }) => op !== 'percentile');
    const from = (fromNs + MINUTE_NS - 1n) / MINUTE_NS;
    const end = (toNs + 1n) / MINUTE_NS;
    [this.#fromMinute, this.#endMinute] = [Number(from), Number(end)];
    this.edges = [
      { fromNs, toNs: from * MINUTE_NS - 1n },
      { fromNs: end * MINUTE_NS, toNs },
    ].filter((part) => part.fromNs <= part.toNs);
  }

  /** True if the sums of a block with these times are to be used. `isLate`: an approximate result is better than none. */
  areUseful(firstMs: number, lastMs: number, isLate: boolean): boolean {
    return (
      this.#isPossible &&
      (this.#isExact || isLate) &&
      this.#fromMinute < this.#endMinute &&
      lastMs >= this.#fromMinute * MINUTE_MS &&
      firstMs < this.#endMinute * MINUTE_MS
    );
  }

  /** Adds the sums of the whole minutes. Returns false if they do not suffice; then nothing is added. */
  add(sums: MinuteSums): boolean {
    if (!this.#isExact && !sums.hasHistograms) return false;
    const isMatch = sums.records.map(this.#matches);
    const hasField = this.#accumulator.fields.length > 0;
    for (let i = 0; i < sums.count; i++) {
      const minute = sums.minutes[i]!;
      const fact = sums.facts[i]!;
      if (!isMatch[fact] || minute < this.#fromMinute || minute >= this.#endMinute) continue;
      const record = sums.records[fact]!;
      const group = this.#accumulator.group(this.#keys.map((read) => read(record, minute)));
      this.#accumulator.count(group, sums.counts[i]!);
      const durations = sums.durations(i);
      if (!hasField || durations.count === 0) continue;
      this.#accumulator.addSums(group, 0, durations);
      if (!this.#isExact) this.#accumulator.addHistogram(group, 0, sums.histogram(i));
    }
    return true;
  }
}
