// A log store without files or indexes: it keeps all records in a list and tests each of them.
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import type { KeyValue, GroupKey } from '../../../../src/telemetry/logs/query/group-query.ts';
import { keyReader } from '../../../../src/telemetry/logs/query/record-value.ts';
import type { QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';
import type { TimeRange } from '../../../../src/telemetry/logs/store/segment-query.ts';
import type { Bodies } from '../../../../src/telemetry/logs/store/bodies.ts';
import { attributesOf, type LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import type { Given } from './arbitrary-rows.ts';
import { withRequestTraces } from './joined-traces.ts';

/** What differs between kinds of stores. */
export interface StoreRules {
  /** A record as a store of this kind returns it. */
  readonly stored: (record: LogRecord) => LogRecord;
  /** A record without a trace id has that of the first record with its request id in its file that has one. */
  readonly joinsInFile: boolean;
}

export class ReferenceStore {
  readonly #records: LogRecord[] = [];
  /** The records with the trace ids of their requests; `undefined`: to be made again. */
  #joined: readonly LogRecord[] | undefined;
  /** Of each record, when it was stored. */
  readonly #days: string[] = [];
  readonly #deleted = new Set<number>();
  readonly #bodies = new Map<number, Bodies>();
  readonly #rules: StoreRules;
  /** Trace ids by day and request id, if files have them. */
  readonly #tracesOfFiles = new Map<string, string>();

  constructor(rules: StoreRules) {
    this.#rules = rules;
  }

  /** `day`: on which they are stored, so in which file. */
  append(given: readonly Given[], day: string): void {
    this.#joined = undefined;
    for (const { row, bodies } of given) {
      const seq = this.#records.length + 1;
      const record = { ...this.#rules.stored(row.expected), seq };
      this.#records.push(record);
      this.#days.push(day);
      if (bodies) this.#bodies.set(seq, bodies);
      const key = `${day} ${record.requestId}`;
      if (this.#rules.joinsInFile && record.traceId !== '' && !this.#tracesOfFiles.has(key))
        this.#tracesOfFiles.set(key, record.traceId);
    }
  }

  /** All records by sequence number, without those that were deleted. */
  get all(): readonly LogRecord[] {
    return (this.#joined ??= this.#join());
  }

  /** Sequence number of the last record, deleted or not. */
  get headSeq(): number {
    return this.#records.length;
  }

  at(seq: number): LogRecord | undefined {
    return this.all.find((record) => record.seq === seq);
  }

  delete(seqs: readonly number[]): void {
    this.#joined = undefined;
    for (const seq of seqs) {
      this.#deleted.add(seq);
      this.#bodies.delete(seq);
    }
  }

  /** The matching records by sequence number. */
  matching(node: QueryNode): LogRecord[] {
    return this.all.filter(compile(node));
  }

  /** The matching records of a range of times, by time and then sequence number. */
  inOrderOfTime(node: QueryNode, { fromNs, toNs }: TimeRange): LogRecord[] {
    return this.matching(node)
      .filter(({ timeNs }) => timeNs >= fromNs && timeNs <= toNs)
      .sort((a, b) => (a.timeNs === b.timeNs ? a.seq - b.seq : a.timeNs < b.timeNs ? -1 : 1));
  }

  #join(): LogRecord[] {
    const inFiles = this.#records.map((record, i): LogRecord => {
      const traceId = this.#tracesOfFiles.get(`${this.#days[i]!} ${record.requestId}`);
      return record.requestId === '' || record.traceId !== '' || traceId === undefined
        ? record
        : { ...record, traceId };
    });
    return withRequestTraces(inFiles.filter(({ seq }) => !this.#deleted.has(seq)));
  }

  bodies(seq: number): Bodies | undefined {
    return this.#bodies.get(seq);
  }

  /** Number of matching records by the JSON of their keys. */
  counts(node: QueryNode, range: TimeRange, by: readonly GroupKey[]): Map<string, number> {
    const keys = by.map((key) => ('stepMs' in key ? stepOf(key.stepMs) : keyReader(key.field)));
    const counts = new Map<string, number>();
    for (const record of this.inOrderOfTime(node, range)) {
      const group = JSON.stringify(keys.map((read) => read(record, attributesOf(record))));
      counts.set(group, (counts.get(group) ?? 0) + 1);
    }
    return counts;
  }
}

const stepOf =
  (stepMs: number) =>
  ({ timeNs }: LogRecord): KeyValue => {
    const ms = Number(timeNs / 1_000_000n);
    return Math.floor(ms / stepMs) * stepMs;
  };
