// One file of the record, as those see it who look for something: bounded slices of it, in the order of time or of place.
// Must stay true: no call looks at more than a window of records, however little matches, and none leaves a transaction
// open: a reader that stood still would keep the writer's log of changes from being cut.
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { zstdDecompressSync } from 'node:zlib';
import { conditionsOf, type Conditions } from './sql-conditions.ts';
import { KINDS } from '../log-record.ts';
import { startOf, type Direction, type PagePosition } from './page-position.ts';
import type { Prefilter } from '../query/query-node.ts';
import type { LogRecord, RecordOrigin } from '../log-record.ts';

/** What is looked for: bounds for SQL, and the truth. */
export interface SegmentQuery {
  readonly narrowing: Prefilter;
  readonly matches: (record: LogRecord) => boolean;
}

/** Times in nanoseconds, both inclusive. */
export interface TimeRange {
  readonly fromNs: bigint;
  readonly toNs: bigint;
}

export interface SegmentSlice {
  readonly records: LogRecord[];
  /** Everything up to here has been looked at; `undefined`: everything there is. */
  readonly reached: PagePosition | undefined;
}

/** One minute's sum of one kind of records. */
export interface Minute extends RecordOrigin {
  readonly minute: number;
  readonly record: LogRecord;
  readonly count: number;
  readonly durationNs: number;
}

/** Records that one slice looks at, and that it gives at most. */
const WINDOW = 20_000;
const MAX_ROWS = 1000;
/** With so few hits in the index of words, they are fetched one by one; with more, the record is read through. */
const FEW = 5000;

/** How long rows are looked at, at least, once they were read. */
const MATCH_MS = 10;

const COLUMNS = `r.seq, r.ts / 1000000, r.ts % 1000000, r.kind, r.severity, r.origin, q.id, coalesce(r.trace, q.trace, ''),
  r.span, r.parent, r.status, r.duration, r.message, r.attributes`;
/** A row of them. */
type Row = [
  seq: number,
  ms: number,
  rest: number,
  kind: number,
  severity: number,
  origin: number,
  id: string | null,
  traceId: string,
  spanId: string,
  parentSpanId: string,
  status: number,
  durationNs: number,
  message: string,
  attributes: string,
];
const FROM = 'FROM records r LEFT JOIN requests q ON q.rid = r.rid';

const timeOf = (ms: number, rest: number): bigint => BigInt(ms) * 1_000_000n + BigInt(rest);

export class SegmentReader {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #origins = new Map<number, RecordOrigin>();

  constructor(path: string) {
    this.#db = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
  }

  /** False for a file that is only just being made: there is nothing in it yet. */
  get isMade(): boolean {
    return this.#rows('PRAGMA user_version')[0]![0] !== 0;
  }

  close(): void {
    this.#db.close();
  }

  /** Times of its first and last record; `undefined` for none. */
  bounds(): TimeRange | undefined {
    const row = (order: string) =>
      this.#rows(`SELECT ts / 1000000, ts % 1000000 FROM records ORDER BY ts ${order} LIMIT 1`)[0] as
        [number, number] | undefined;
    const [first, last] = [row('ASC'), row('DESC')];
    return first && last ? { fromNs: timeOf(...first), toNs: timeOf(...last) } : undefined;
  }

  lastSeq(): number {
    return (this.#rows('SELECT max(seq) FROM records')[0]?.[0] as number | null) ?? 0;
  }

  /** Records behind a position in the order of time. */
  slice(
    { narrowing, matches }: SegmentQuery,
    { fromNs, toNs }: TimeRange,
    direction: Direction,
    after: PagePosition,
    untilMs: number,
  ): SegmentSlice {
    const [beyond, within, order] = direction === 'down' ? ['<', '>=', 'DESC'] : ['>', '<=', 'ASC'];
    const bounds = this.#bounds(narrowing);
    if (bounds === undefined) return { records: [], reached: undefined };
    // The plus sign keeps SQLite from walking through the times where it has a short list of places.
    const plus = bounds.isShort ? '+' : '';
    const where = [
      `(${plus}r.ts, ${plus}r.seq) ${beyond} (?, ?)`,
      `${plus}r.ts BETWEEN ? AND ?`,
      ...bounds.conditions,
    ];
    const given: SQLInputValue[] = [after.timeNs, after.seq, fromNs, toNs, ...bounds.values];
    // Where every row is wanted, their number alone is bound enough.
    const isBounded = bounds.isShort || bounds.conditions.length === 0;
    const edge = isBounded ? undefined : this.#edge({ fromNs, toNs }, direction, after);
    if (edge) {
      where.push(`(r.ts, r.seq) ${within} (?, ?)`);
      given.push(edge.timeNs, edge.seq);
    }
    const rows = this.#rows(
      `SELECT ${COLUMNS} ${FROM} WHERE ${where.join(' AND ')}
       ORDER BY ${plus}r.ts ${order}, ${plus}r.seq ${order} LIMIT ${MAX_ROWS}`,
      ...given,
    );
    const { records, last } = this.#matching(rows, matches, untilMs);
    return { records, reached: last ?? edge };
  }

  /** Records behind a place, in the order of places. `reached`: as for slice, its time of no meaning. */
  after({ narrowing, matches }: SegmentQuery, seq: number, untilMs: number): SegmentSlice {
    const bounds = this.#bounds(narrowing);
    if (bounds === undefined) return { records: [], reached: undefined };
    const edge = seq + WINDOW;
    const rows = this.#rows(
      `SELECT ${COLUMNS} ${FROM} WHERE ${['r.seq > ?', 'r.seq <= ?', ...bounds.conditions].join(' AND ')}
       ORDER BY r.seq LIMIT ${MAX_ROWS}`,
      seq,
      edge,
      ...bounds.values,
    );
    const { records, last } = this.#matching(rows, matches, untilMs);
    const reached = last?.seq ?? (edge < this.lastSeq() ? edge : undefined);
    return { records, reached: reached === undefined ? undefined : { ...startOf('up'), seq: reached } };
  }

  /** The record at a place. */
  at(seq: number): LogRecord | undefined {
    const [row] = this.#rows(`SELECT ${COLUMNS} ${FROM} WHERE r.seq = ?`, seq);
    return row && this.#record(row);
  }

  /** Bodies of a request, where they were kept. */
  bodies(seq: number): { request: Buffer | undefined; response: Buffer | undefined } | undefined {
    const [row] = this.#rows('SELECT request, response FROM bodies WHERE seq = ?', seq);
    const unpack = (packed: unknown) =>
      packed === null ? undefined : zstdDecompressSync(packed as Uint8Array);
    return row && { request: unpack(row[0]), response: unpack(row[1]) };
  }

  /** The sums of whole minutes; `record` is one that all of the sum are like. */
  minutes(fromMinute: number, toMinute: number): Minute[] {
    return this.#rows(
      'SELECT minute, origin, kind, severity, status, n, duration FROM minutes WHERE minute BETWEEN ? AND ?',
      fromMinute,
      toMinute,
    ).map((row) => {
      const [minute, origin, kind, severity, status, count, durationNs] = row as number[];
      const who = this.#origin(origin!);
      const record: LogRecord = {
        ...who,
        seq: 0,
        kind: KINDS[kind!]!,
        timeNs: BigInt(minute!) * 60_000_000_000n,
        severity: severity!,
        message: '',
        requestId: '',
        traceId: '',
        spanId: '',
        parentSpanId: '',
        status: status!,
        durationNs: 0,
        attributes: '',
      };
      return { ...who, minute: minute!, record, count: count!, durationNs: durationNs! };
    });
  }

  /** Those that match. `last`: the last one that was looked at, where there are, or may be, more. */
  #matching(
    rows: readonly unknown[][],
    matches: SegmentQuery['matches'],
    untilMs: number,
  ): { records: LogRecord[]; last: LogRecord | undefined } {
    const records: LogRecord[] = [];
    let last: LogRecord | undefined;
    // What was read at some cost is looked at, too.
    const endMs = Math.max(untilMs, performance.now() + MATCH_MS);
    for (const [i, row] of rows.entries()) {
      last = this.#record(row);
      if (matches(last)) records.push(last);
      // An expression may take its time with each of them.
      if (performance.now() > endMs && i < rows.length - 1) return { records, last };
    }
    return { records, last: rows.length === MAX_ROWS ? last : undefined };
  }

  /** Where a slice that walks through the times ends; `undefined` where it reaches the end. */
  #edge({ fromNs, toNs }: TimeRange, direction: Direction, after: PagePosition): PagePosition | undefined {
    const [beyond, order] = direction === 'down' ? ['<', 'DESC'] : ['>', 'ASC'];
    const [row] = this.#rows(
      `SELECT ts / 1000000, ts % 1000000, seq FROM records
       WHERE (ts, seq) ${beyond} (?, ?) AND ts BETWEEN ? AND ?
       ORDER BY ts ${order}, seq ${order} LIMIT 1 OFFSET ${WINDOW}`,
      after.timeNs,
      after.seq,
      fromNs,
      toNs,
    );
    const [ms, rest, seq] = (row ?? []) as number[];
    return ms === undefined ? undefined : { timeNs: timeOf(ms, rest!), seq: seq! };
  }

  /** Where in this file a question's records can be; `undefined`: nowhere. */
  #bounds(narrowing: Prefilter): Conditions | undefined {
    return conditionsOf(narrowing, this.#originsOf(narrowing), (fts) => this.#isRare(fts));
  }

  #isRare(fts: string): boolean {
    const [row] = this.#rows(
      `SELECT count(*) FROM (SELECT rowid FROM words WHERE words MATCH ? LIMIT ${FEW + 1})`,
      fts,
    );
    return (row![0] as number) <= FEW;
  }

  #originsOf({ deployments, environments, replicas }: Prefilter): number[] | undefined {
    if (!deployments && !environments && !replicas) return undefined;
    const isIn = (values: readonly string[] | undefined, value: string) => values?.includes(value) !== false;
    return this.#rows('SELECT origin FROM origins')
      .map(([origin]) => origin as number)
      .filter((origin) => {
        const { deployment, environment, replica } = this.#origin(origin);
        return isIn(deployments, deployment) && isIn(environments, environment) && isIn(replicas, replica);
      });
  }

  #origin(origin: number): RecordOrigin {
    let known = this.#origins.get(origin);
    if (known === undefined) {
      const [row] = this.#rows(
        'SELECT deployment, environment, replica, source FROM origins WHERE origin = ?',
        origin,
      );
      const [deployment, environment, replica, source] = row as string[];
      known = { deployment: deployment!, environment: environment!, replica: replica!, source: source! };
      this.#origins.set(origin, known);
    }
    return known;
  }

  #record(row: unknown[]): LogRecord {
    const [
      seq, ms, rest, kind, severity, origin, id, traceId, spanId, parentSpanId, status, durationNs, message, attributes,
    ] = row as Row; // prettier-ignore
    return {
      seq,
      kind: KINDS[kind]!,
      timeNs: timeOf(ms, rest),
      severity,
      ...this.#origin(origin),
      requestId: id ?? '',
      traceId,
      spanId,
      parentSpanId,
      status,
      durationNs,
      message,
      attributes,
    };
  }

  #rows(sql: string, ...values: SQLInputValue[]): unknown[][] {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      this.#statements.set(sql, (statement = this.#db.prepare(sql)));
      statement.setReturnArrays(true);
    }
    return statement.all(...values) as unknown as unknown[][];
  }
}
