// A log store without files or indexes: it keeps all records in a list and tests each of them.
import { compile } from '../../../../src/telemetry/logs/query/match.ts';
import type { KeyValue, GroupKey } from '../../../../src/telemetry/logs/query/group-query.ts';
import { keyReader } from '../../../../src/telemetry/logs/query/record-value.ts';
import type { QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';
import type { TimeRange } from '../../../../src/telemetry/logs/store/segment-query.ts';
import type { Bodies } from '../../../../src/telemetry/logs/store/bodies.ts';
import { attributesOf, type LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import type { Given } from './arbitrary-rows.ts';

export class ReferenceStore {
  readonly #records: LogRecord[] = [];
  readonly #bodies = new Map<number, Bodies>();
  readonly #stored: (record: LogRecord) => LogRecord;

  /** `stored`: a record as a store of this kind returns it. */
  constructor(stored: (record: LogRecord) => LogRecord) {
    this.#stored = stored;
  }

  append(given: readonly Given[]): void {
    for (const { row, bodies } of given) {
      const seq = this.#records.length + 1;
      this.#records.push({ ...this.#stored(row.expected), seq });
      if (bodies) this.#bodies.set(seq, bodies);
    }
  }

  /** All records by sequence number. */
  get all(): readonly LogRecord[] {
    return this.#records;
  }

  /** The matching records by sequence number. */
  matching(node: QueryNode): LogRecord[] {
    return this.#records.filter(compile(node));
  }

  /** The matching records of a range of times, by time and then sequence number. */
  inOrderOfTime(node: QueryNode, { fromNs, toNs }: TimeRange): LogRecord[] {
    return this.matching(node)
      .filter(({ timeNs }) => timeNs >= fromNs && timeNs <= toNs)
      .sort((a, b) => (a.timeNs === b.timeNs ? a.seq - b.seq : a.timeNs < b.timeNs ? -1 : 1));
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
