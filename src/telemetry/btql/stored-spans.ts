// Reads the rows of projects from the log store: single rows in some order, and whole traces.
// Invariant: each call of the store takes a limited time, and after it the reader yields, so that other queries can go on.
import { LATEST_NS } from '../../core/time.ts';
import {
  attributesOf,
  CREATED_SLACK_NS,
  projectSource,
  rowOf,
  ROW_CUT,
  type KeyValue,
  type LogRecord,
  type PagePosition,
  type QueryNode,
  type QueriedStore,
  type ScanQuery,
  type TimeRange,
} from '../logs/logs.ts';
import { spansOf, type TraceSubject } from '../tracing/tracing.ts';
import { requestRow, type ShownRow } from './request-row.ts';
import { StepClock } from './step-clock.ts';
import { allOf, equals, type StoreFilter } from './store-filter.ts';

/** A project that a query reads. */
export interface QueriedProject {
  readonly id: string;
  readonly orgId: string;
  /** What `project_functions()` has of it. */
  readonly functions?: readonly ShownRow[];
}

/** Order of rows: by the begin of the spans, or by when they were stored. */
export interface RowOrder {
  readonly by: 'time' | 'seq';
  readonly direction: 'up' | 'down';
}

/** A row and where it is. */
export interface StoredSpan {
  readonly record: LogRecord;
  readonly row: ShownRow;
}

/** Records that are read at once. */
const CHUNK = 500;
/** Records of one trace. Further ones are left out. */
const MAX_TRACE = 10_000;
/** Sequence numbers that a step backwards spans at first. */
const FIRST_WINDOW = 4096;
const MAX_WINDOW = 1_048_576;

const NS_PER_MS = 1_000_000n;

/** The times of records whose `created` is in the bounds. */
export function timeRange({ fromMs, toMs }: Pick<StoreFilter, 'fromMs' | 'toMs'>): TimeRange {
  const from =
    fromMs > 0 && fromMs !== Infinity ? BigInt(Math.floor(fromMs)) * NS_PER_MS - CREATED_SLACK_NS : 0n;
  const to =
    toMs < Number(LATEST_NS / NS_PER_MS)
      ? BigInt(Math.ceil(Math.max(toMs, -1))) * NS_PER_MS + CREATED_SLACK_NS + NS_PER_MS
      : LATEST_NS;
  return { fromNs: from > 0n ? from : 0n, toNs: to < LATEST_NS ? to : LATEST_NS };
}

export class StoredSpans {
  readonly #store: QueriedStore;
  readonly #projects: ReadonlyMap<string, QueriedProject>;
  readonly #trace: TraceSubject;
  /** Trace → its id as rows of the projects have it. */
  readonly #roots = new Map<string, string | undefined>();

  constructor(store: QueriedStore, projects: readonly QueriedProject[], trace: TraceSubject) {
    this.#store = store;
    this.#projects = new Map(projects.map((project) => [projectSource(project.id), project]));
    this.#trace = trace;
  }

  /** The functions of the projects, for a query that reads them instead of rows. */
  get functions(): readonly ShownRow[] | undefined {
    const lists = Array.from(this.#projects.values(), ({ functions }) => functions);
    return lists.every((list) => list !== undefined) ? lists.flat() : undefined;
  }

  /** The records of the rows of the projects that meet a condition. */
  rowsNode(node: QueryNode | undefined): QueryNode {
    const sources = Array.from(this.#projects.keys(), (source) => equals('source', source));
    const source: QueryNode = sources.length === 1 ? sources[0]! : { op: 'or', of: sources };
    return allOf([equals('kind', 'span'), source, ...(node ? [node] : [])]);
  }

  /** Those records, and those of requests that meet the condition. */
  rowsAndRequestsNode(rows: QueryNode | undefined, requests: QueryNode): QueryNode {
    return { op: 'or', of: [this.rowsNode(rows), allOf([equals('kind', 'request'), requests])] };
  }

  /** The row of a record; `undefined` for a request that is in no trace of the projects. */
  rowFor(record: LogRecord): ShownRow | undefined {
    if (record.kind === 'request') {
      const root = this.#rootOf(record.traceId);
      return root === undefined ? undefined : { ...this.#requestRow(record), root_span_id: root };
    }
    const row = this.#wholeRow(record);
    const project = this.#projects.get(record.source);
    if (row && project) row['org_id'] = project.orgId;
    return row;
  }

  /** The row with a sequence number. */
  at(seq: number): ShownRow | undefined {
    const record = this.#store.at(seq);
    return record && this.rowFor(record);
  }

  #wholeRow(record: LogRecord): ShownRow | undefined {
    const attributes = attributesOf(record);
    if (attributes[ROW_CUT] !== true) return rowOf(record, attributes);
    const bytes = this.#store.bodies(record.seq)?.request;
    const whole = bytes && attributesOf({ attributes: bytes.toString() });
    return rowOf(record, whole ?? attributes);
  }

  #requestRow(record: LogRecord): ShownRow {
    const [span] = spansOf(record, this.#trace);
    const [project] = this.#projects.values();
    const row = requestRow(record, project!.id, span?.name, this.#store.bodies(record.seq));
    return { ...row, org_id: project!.orgId };
  }

  /** `root_span_id` of the rows that the application logged in a trace; `undefined`: there are none. */
  #rootOf(traceId: string): string | undefined {
    if (traceId === '') return undefined;
    if (!this.#roots.has(traceId)) {
      const query = {
        node: this.rowsNode(equals('traceId', traceId)),
        fromNs: 0n,
        toNs: LATEST_NS,
        limit: 1,
      };
      let page = this.#store.page({ ...query, direction: 'down', after: undefined });
      while (page.records.length === 0 && page.next !== undefined)
        page = this.#store.page({ ...query, direction: 'down', after: page.next });
      const [record] = page.records;
      this.#roots.set(traceId, record && rootIdOf(rowOf(record)));
    }
    return this.#roots.get(traceId);
  }

  /**
   * Reads the matching records in an order, behind a position. Yields lists, which may be empty. `ended`: is told where
   * a list ended, before the next one is yielded.
   */
  *records(
    node: QueryNode,
    range: TimeRange,
    { by, direction }: RowOrder,
    after: PagePosition | undefined,
    wanted: number,
    ended: (at: PagePosition) => void,
  ): Generator<readonly LogRecord[]> {
    if (by === 'time') yield* this.#byTime(node, range, direction, after, wanted, ended);
    else if (direction === 'up') yield* this.#upwards(node, range, after?.seq ?? 0);
    else yield* this.#downwards(node, range, after?.seq);
  }

  *#byTime(
    node: QueryNode,
    range: TimeRange,
    direction: 'up' | 'down',
    from: PagePosition | undefined,
    wanted: number,
    ended: (at: PagePosition) => void = () => undefined,
  ): Generator<readonly LogRecord[]> {
    let after = from;
    do {
      const page = this.#store.page({ node, ...range, direction, after, limit: Math.min(CHUNK, wanted) });
      yield page.records;
      after = page.next;
      if (after !== undefined) ended(after);
    } while (after !== undefined);
  }

  /** The sequence numbers above `from`, up to `to`, of matching records. */
  *#seqs(node: QueryNode, range: TimeRange, from: number, to: number): Generator<number[]> {
    for (let at = from; at < to;) {
      const seqs: number[] = [];
      const { lastSeq } = this.#store.scan({ node, ...range, names: [] }, at, (seq) => {
        if (seq > to) return false;
        seqs.push(seq);
        return seqs.length < CHUNK;
      });
      yield seqs;
      if (lastSeq <= at) return;
      at = lastSeq;
    }
  }

  /** Gives the columns of all matching records, the oldest first. Yields between calls of the store. */
  *scan(
    query: ScanQuery,
    add: (seq: number, timeMs: number, values: readonly KeyValue[]) => void,
  ): Generator<undefined> {
    const end = this.headSeq;
    for (let at = 0; at < end;) {
      const clock = new StepClock();
      const { lastSeq } = this.#store.scan(query, at, (seq, timeMs, values) => {
        if (seq > end) return false;
        add(seq, timeMs, values);
        return !clock.isOver;
      });
      if (lastSeq <= at || lastSeq >= end) return;
      at = lastSeq;
      yield undefined;
    }
  }

  /** Highest sequence number in the store; 0: it is empty. */
  get headSeq(): number {
    return this.#head().headSeq;
  }

  #head(): { readonly headSeq: number; readonly oldestSeq: number } {
    return this.#store.scan(
      { node: { op: 'or', of: [] }, fromNs: 0n, toNs: 0n, names: [] },
      Number.MAX_SAFE_INTEGER,
      () => false,
    );
  }

  #recordsAt(seqs: readonly number[]): LogRecord[] {
    return seqs.map((seq) => this.#store.at(seq)).filter((record) => record !== undefined);
  }

  *#upwards(node: QueryNode, range: TimeRange, after: number): Generator<readonly LogRecord[]> {
    for (const seqs of this.#seqs(node, range, after, this.#head().headSeq)) yield this.#recordsAt(seqs);
  }

  /** The store is read upwards only, so windows of growing size are read one before the other. */
  *#downwards(
    node: QueryNode,
    range: TimeRange,
    before: number | undefined,
  ): Generator<readonly LogRecord[]> {
    const { headSeq, oldestSeq } = this.#head();
    let end = Math.min(before === undefined ? headSeq : before - 1, headSeq);
    for (let window = FIRST_WINDOW; end >= oldestSeq; window = Math.min(4 * window, MAX_WINDOW)) {
      const start = Math.max(end - window, oldestSeq - 1, 0);
      const found: number[] = [];
      for (const seqs of this.#seqs(node, range, start, end)) {
        for (const seq of seqs) found.push(seq);
        yield [];
      }
      for (let at = found.length; at > 0; at -= CHUNK)
        yield this.#recordsAt(found.slice(Math.max(0, at - CHUNK), at).reverse());
      end = start;
    }
  }

  /** The records of traces, by the trace, in the order of time. With the requests that weir served in them. */
  *traces(ids: readonly string[], hasRequests: boolean): Generator<undefined, Map<string, LogRecord[]>> {
    const records = new Map<string, LogRecord[]>(ids.map((id) => [id, []]));
    if (ids.length === 0) return records;
    const inTraces: QueryNode = { op: 'or', of: ids.map((id) => equals('traceId', id)) };
    const node = hasRequests ? this.rowsAndRequestsNode(inTraces, inTraces) : this.rowsNode(inTraces);
    const range = { fromNs: 0n, toNs: LATEST_NS };
    for (const chunk of this.#byTime(node, range, 'up', undefined, CHUNK)) {
      for (const record of chunk) {
        const list = records.get(record.traceId);
        if (list && list.length < MAX_TRACE) list.push(record);
      }
      yield undefined;
    }
    return records;
  }

  /** The rows of the records of a trace. A request that the application logged as a row, too, is left out. */
  traceRows(records: readonly LogRecord[]): StoredSpan[] {
    const logged = records.filter(({ kind }) => kind === 'span');
    const spanIds = new Set(logged.map(({ spanId }) => spanId));
    const shown = records.filter(({ kind, spanId }) => kind === 'span' || !spanIds.has(spanId));
    return shown.flatMap((record) => {
      const row = this.rowFor(record);
      return row ? [{ record, row }] : [];
    });
  }
}

const rootIdOf = (row: ShownRow | undefined): string | undefined => {
  const id = row?.['root_span_id'];
  return typeof id === 'string' ? id : undefined;
};
