// Reads the records of a group query: minute totals for the whole minutes in its time range if these can answer it, and
// records for the rest.
// Invariant: each record is counted once, since the parts of the time range do not overlap.
import { MINUTE_NS } from '../../../core/time.ts';
import { attributesOf, type LogRecord } from '../log-record.ts';
import type { GroupKey, GroupQuery, KeyValue } from '../query/group-query.ts';
import type { QueryNode } from '../query/query-node.ts';
import { isAttribute, keyReader, numberReader } from '../query/record-value.ts';
import type { GroupAccumulator } from './group-accumulator.ts';
import type { GroupReader } from './open-groups.ts';
import type { PagePosition } from './page-position.ts';
import type { TimeRange } from './segment-query.ts';
import type { PageQuery, RecordPage } from './store-reader.ts';

/** What a group query reads from. */
interface GroupSource {
  page(query: PageQuery): RecordPage;
  /** Calls `add` for the matching totals of a range of minutes since the epoch, both inclusive. */
  minuteTotals(
    node: QueryNode,
    fromMinute: number,
    toMinute: number,
    add: (record: LogRecord, count: number) => void,
  ): void;
}

const MINUTE_MS = 60_000;

/** Names whose values the minute totals have. */
const TOTALED: ReadonlySet<string> = new Set([
  'deployment',
  'environment',
  'replica',
  'source',
  'kind',
  'severity',
  'status',
]);

/** The reading of one group query, in steps. */
export class RecordGroups implements GroupReader {
  readonly #query: GroupQuery;
  readonly #source: GroupSource;
  readonly #add: (record: LogRecord, count: number) => void;
  /** Parts of the time range whose records are still to be read; the last one is next. */
  readonly #parts: TimeRange[];
  /** A key or a measure needs the trace ids of records. */
  readonly #usesTraces: boolean;
  #after: PagePosition | undefined;

  constructor(query: GroupQuery, accumulator: GroupAccumulator, source: GroupSource) {
    this.#query = query;
    this.#source = source;
    this.#add = recordAdder(query, accumulator);
    this.#usesTraces = [...query.by, ...query.measures].some(
      (one) => 'field' in one && one.field === 'traceId',
    );
    const { fromNs, toNs } = query;
    const from = (fromNs + MINUTE_NS - 1n) / MINUTE_NS;
    const end = (toNs + 1n) / MINUTE_NS;
    if (from < end && canUseTotals(query)) {
      source.minuteTotals(query.node, Number(from), Number(end - 1n), this.#add);
      this.#parts = [
        { fromNs, toNs: from * MINUTE_NS - 1n },
        { fromNs: end * MINUTE_NS, toNs },
      ].filter((part) => part.fromNs <= part.toNs);
    } else this.#parts = [{ fromNs, toNs }];
  }

  get isDone(): boolean {
    return this.#parts.length === 0;
  }

  step(): void {
    while (this.#parts.length > 0 && this.#readPage() === undefined) this.#parts.pop();
  }

  /** Reads the next page of the last part. Returns where it ends; `undefined` at the end of the part. */
  #readPage(): PagePosition | undefined {
    const { records, next } = this.#source.page({
      node: this.#query.node,
      ...this.#parts.at(-1)!,
      direction: 'down',
      after: this.#after,
      limit: Infinity,
      withoutTraces: !this.#usesTraces,
    });
    for (const record of records) this.#add(record, 1);
    return (this.#after = next);
  }
}

/** True if minute totals give the same result as records. */
function canUseTotals({ node, by, measures }: GroupQuery): boolean {
  const hasKey = (key: GroupKey) =>
    'stepMs' in key ? key.stepMs % MINUTE_MS === 0 : key.field === 'level' || TOTALED.has(key.field);
  return hasTotals(node) && by.every(hasKey) && measures.every(({ op }) => op === 'count' || op === 'rate');
}

/** True if a query uses only names whose values the minute totals have. */
function hasTotals(node: QueryNode): boolean {
  switch (node.op) {
    case 'all':
      return true;
    case 'and':
    case 'or':
      return node.of.every(hasTotals);
    case 'not':
      return hasTotals(node.of);
    case 'field':
    case 'exists':
      return TOTALED.has(node.name);
    default:
      return false;
  }
}

/** Returns a function that adds `count` records that are alike. With measures of fields, `count` is 1. */
function recordAdder(
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
