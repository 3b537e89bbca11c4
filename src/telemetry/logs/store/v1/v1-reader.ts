// Reads one segment of schema version 1 in limited slices, ordered by time or by sequence number.
// Invariant: a call reads a limited number of rows and leaves no transaction open, which would block WAL checkpoints.
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { zstdDecompressSync } from 'node:zlib';
import { sqlConditions, type SqlConditions } from './sql-conditions.ts';
import { KINDS, type LogRecord, type RecordOrigin } from '../../log-record.ts';
import type { GroupQuery } from '../../query/group-query.ts';
import type { FileGroups, FileReader } from '../file-reader.ts';
import type { GroupAccumulator } from '../group-accumulator.ts';
import { RecordGroups, type MinuteTotal } from '../group-records.ts';
import { startPosition, type Direction, type PagePosition } from '../page-position.ts';
import type { AddRequest } from '../request-traces.ts';
import type { SegmentQuery, SegmentSlice, TimeRange } from '../segment-query.ts';
import type { Prefilter } from '../../query/query-node.ts';

/** Maximum number of rows that SQL examines for a slice. */
const MAX_EXAMINED = 20_000;
/** Maximum number of rows that a slice reads. */
const MAX_ROWS = 1000;
/** Maximum number of hits of the full-text index that are read one by one. With more, a range of times is read. */
const MAX_INDEX_HITS = 5000;
/** Minimum time for matching rows after they were read, so that a slow read is not in vain. */
const MIN_MATCH_MS = 10;

const COLUMNS = `r.seq, r.ts / 1000000, r.ts % 1000000, r.kind, r.severity, r.origin, q.id, coalesce(r.trace, q.trace, ''),
  r.span, r.parent, r.status, r.duration, r.message, r.attributes`;
/** Values of COLUMNS. */
type Row = [
  seq: number,
  ms: number,
  restNs: number,
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

const nanoseconds = (ms: number, restNs: number): bigint => BigInt(ms) * 1_000_000n + BigInt(restNs);

export class V1FileReader implements FileReader {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #origins = new Map<number, RecordOrigin>();

  constructor(path: string) {
    this.#db = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
  }

  close(): void {
    this.#db.close();
  }

  /** Files of this version have no rows of spans, which are what is looked up. */
  idsInBlocks(): string[] {
    return [];
  }

  /** Times of the earliest and the latest record; `undefined` without records. */
  timeRange(): TimeRange | undefined {
    const row = (order: string) =>
      this.#rows(`SELECT ts / 1000000, ts % 1000000 FROM records ORDER BY ts ${order} LIMIT 1`)[0] as
        [number, number] | undefined;
    const [first, last] = [row('ASC'), row('DESC')];
    return first && last ? { fromNs: nanoseconds(...first), toNs: nanoseconds(...last) } : undefined;
  }

  /** Sequence number of the last record; 0 without records. */
  lastSeq(): number {
    return (this.#rows('SELECT max(seq) FROM records')[0]?.[0] as number | null) ?? 0;
  }

  /** Returns matching records after a position, ordered by time. `deadlineMs` (performance.now()) ends the matching. */
  slice(
    { prefilter, matches }: SegmentQuery,
    { fromNs, toNs }: TimeRange,
    direction: Direction,
    after: PagePosition,
    deadlineMs: number,
  ): SegmentSlice {
    const [isAfter, isUpTo, order] = direction === 'down' ? ['<', '>=', 'DESC'] : ['>', '<=', 'ASC'];
    const sql = this.#conditions(prefilter);
    if (sql === undefined) return { records: [], reached: undefined };
    // The plus sign keeps SQLite from using the index on time, since a list of sequence numbers is faster.
    const plus = sql.hasSeqList ? '+' : '';
    const where = [
      `(${plus}r.ts, ${plus}r.seq) ${isAfter} (?, ?)`,
      `${plus}r.ts BETWEEN ? AND ?`,
      ...sql.conditions,
    ];
    const values: SQLInputValue[] = [after.timeNs, after.seq, fromNs, toNs, ...sql.values];
    // Without conditions MAX_ROWS is the only limit that is needed.
    const isLimited = sql.hasSeqList || sql.conditions.length === 0;
    const end = isLimited ? undefined : this.#sliceEnd({ fromNs, toNs }, direction, after);
    if (end) {
      where.push(`(r.ts, r.seq) ${isUpTo} (?, ?)`);
      values.push(end.timeNs, end.seq);
    }
    const rows = this.#rows(
      `SELECT ${COLUMNS} ${FROM} WHERE ${where.join(' AND ')}
       ORDER BY ${plus}r.ts ${order}, ${plus}r.seq ${order} LIMIT ${MAX_ROWS}`,
      ...values,
    );
    const { records, last } = this.#matching(rows, matches, deadlineMs);
    return { records, reached: last ?? end };
  }

  /** Returns matching records above a sequence number, in order of it. The time of `reached` has no meaning. */
  after({ prefilter, matches }: SegmentQuery, seq: number, deadlineMs: number): SegmentSlice {
    const sql = this.#conditions(prefilter);
    if (sql === undefined) return { records: [], reached: undefined };
    const endSeq = seq + MAX_EXAMINED;
    const rows = this.#rows(
      `SELECT ${COLUMNS} ${FROM} WHERE ${['r.seq > ?', 'r.seq <= ?', ...sql.conditions].join(' AND ')}
       ORDER BY r.seq LIMIT ${MAX_ROWS}`,
      seq,
      endSeq,
      ...sql.values,
    );
    const { records, last } = this.#matching(rows, matches, deadlineMs);
    const reached = last?.seq ?? (endSeq < this.lastSeq() ? endSeq : undefined);
    return { records, reached: reached === undefined ? undefined : { ...startPosition('up'), seq: reached } };
  }

  /** As in RequestSource (request-traces.ts). Returns false if `add` ended the search. */
  requests(wanted: Prefilter, afterSeq: number, add: AddRequest): boolean {
    const { conditions, values } = this.#conditions({ ...wanted, kinds: ['request'] })!;
    const found = this.#rows(
      `SELECT q.id, coalesce(r.trace, q.trace), r.seq ${FROM}
       WHERE ${['r.seq > ?', "coalesce(r.trace, q.trace, '') <> ''", ...conditions].join(' AND ')} ORDER BY r.seq`,
      afterSeq,
      ...values,
    );
    return found.every(([id, trace, seq]) =>
      add((id as string | null) ?? '', trace as string, seq as number),
    );
  }

  /** Returns the record with a sequence number. */
  at(seq: number): LogRecord | undefined {
    const [row] = this.#rows(`SELECT ${COLUMNS} ${FROM} WHERE r.seq = ?`, seq);
    return row && this.#toRecord(row);
  }

  /** Returns the bodies of a request, `undefined` if none were stored. */
  bodies(seq: number): { request: Buffer | undefined; response: Buffer | undefined } | undefined {
    const [row] = this.#rows('SELECT request, response FROM bodies WHERE seq = ?', seq);
    const decompress = (compressed: unknown) =>
      compressed === null ? undefined : zstdDecompressSync(compressed as Uint8Array);
    return row && { request: decompress(row[0]), response: decompress(row[1]) };
  }

  groups(query: GroupQuery, compiled: SegmentQuery, accumulator: GroupAccumulator): FileGroups {
    return new RecordGroups(query, compiled, accumulator, this);
  }

  /** Returns the totals of a range of minutes since the epoch, both inclusive. */
  minuteTotals(fromMinute: number, toMinute: number): MinuteTotal[] {
    return this.#rows(
      'SELECT minute, origin, kind, severity, status, n FROM minutes WHERE minute BETWEEN ? AND ?',
      fromMinute,
      toMinute,
    ).map((row) => {
      const [minute, originId, kind, severity, status, count] = row as number[];
      const record: LogRecord = {
        ...this.#origin(originId!),
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
      return { record, count: count! };
    });
  }

  /** Returns the matching records. `last`: the last examined one, if rows remain or the limit of rows was reached. */
  #matching(
    rows: readonly unknown[][],
    matches: SegmentQuery['matches'],
    deadlineMs: number,
  ): { records: LogRecord[]; last: LogRecord | undefined } {
    const records: LogRecord[] = [];
    let last: LogRecord | undefined;
    const endMs = Math.max(deadlineMs, performance.now() + MIN_MATCH_MS);
    for (const [i, row] of rows.entries()) {
      last = this.#toRecord(row);
      if (matches(last)) records.push(last);
      // Checked after every row, since a regular expression can be slow on a long message.
      if (performance.now() > endMs && i < rows.length - 1) return { records, last };
    }
    return { records, last: rows.length === MAX_ROWS ? last : undefined };
  }

  /** Position MAX_EXAMINED records after `after`, where a slice ends; `undefined` if fewer records remain. */
  #sliceEnd(range: TimeRange, direction: Direction, after: PagePosition): PagePosition | undefined {
    const [isAfter, order] = direction === 'down' ? ['<', 'DESC'] : ['>', 'ASC'];
    const [row] = this.#rows(
      `SELECT ts / 1000000, ts % 1000000, seq FROM records
       WHERE (ts, seq) ${isAfter} (?, ?) AND ts BETWEEN ? AND ?
       ORDER BY ts ${order}, seq ${order} LIMIT 1 OFFSET ${MAX_EXAMINED}`,
      after.timeNs,
      after.seq,
      range.fromNs,
      range.toNs,
    );
    const [ms, restNs, seq] = (row ?? []) as number[];
    return ms === undefined ? undefined : { timeNs: nanoseconds(ms, restNs!), seq: seq! };
  }

  /** The prefilter as SQL for this segment; `undefined` if no record can match. */
  #conditions(prefilter: Prefilter): SqlConditions | undefined {
    return sqlConditions(prefilter, this.#originsOf(prefilter), (fts) => this.#isRare(fts));
  }

  #isRare(fts: string): boolean {
    const [row] = this.#rows(
      `SELECT count(*) FROM (SELECT rowid FROM words WHERE words MATCH ? LIMIT ${MAX_INDEX_HITS + 1})`,
      fts,
    );
    return (row![0] as number) <= MAX_INDEX_HITS;
  }

  /** Ids of the origins that the prefilter allows; `undefined` if it does not limit them. */
  #originsOf({ deployments, environments, replicas }: Prefilter): number[] | undefined {
    if (!deployments && !environments && !replicas) return undefined;
    const allows = (values: readonly string[] | undefined, value: string) =>
      values?.includes(value) !== false;
    return this.#rows('SELECT origin FROM origins')
      .map(([origin]) => origin as number)
      .filter((origin) => {
        const { deployment, environment, replica } = this.#origin(origin);
        return (
          allows(deployments, deployment) && allows(environments, environment) && allows(replicas, replica)
        );
      });
  }

  #origin(origin: number): RecordOrigin {
    let cached = this.#origins.get(origin);
    if (cached === undefined) {
      const [row] = this.#rows(
        'SELECT deployment, environment, replica, source FROM origins WHERE origin = ?',
        origin,
      );
      const [deployment, environment, replica, source] = row as string[];
      // Segments of this version have no columns for the pod and the model.
      cached = { deployment: deployment!, environment: environment!, replica: replica!, source: source!, pod: '', modelId: '' }; // prettier-ignore
      this.#origins.set(origin, cached);
    }
    return cached;
  }

  #toRecord(row: unknown[]): LogRecord {
    const [
      seq, ms, restNs, kind, severity, origin, id, traceId, spanId, parentSpanId, status, durationNs, message, attributes,
    ] = row as Row; // prettier-ignore
    return {
      seq,
      kind: KINDS[kind]!,
      timeNs: nanoseconds(ms, restNs),
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
