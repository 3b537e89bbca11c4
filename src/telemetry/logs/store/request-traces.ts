// Gives a line the trace id of its request, since programs write request ids into their lines, but seldom trace ids.
// The request is stored when it has ended, often after its lines.
// Invariant: a line, event or span with a request id and without a trace id has the trace id of the first stored request
// with that id and a trace id.
import type { LogRecord, RecordKind } from '../log-record.ts';
import type { Prefilter } from '../query/query-node.ts';

/** Is called for a request that has a trace id. Returns false to end the search. */
export type AddRequest = (requestId: string, traceId: string, seq: number) => boolean;

/** The requests of the store. */
export interface RequestSource {
  /** Sequence number up to which all records can be read. */
  headSeq(): number;
  /** Grows when records are deleted. */
  deletions(): number;
  /**
   * Calls `add` for each request above `afterSeq` that has a trace id and meets `wanted`, which has only a list of
   * request ids or of trace ids, in the order in which they were stored.
   */
  requests(wanted: Prefilter, afterSeq: number, add: AddRequest): void;
}

/** Request ids that are kept with what is known about them. */
const MAX_KNOWN = 10_000;

/** True for kinds of records that can get trace ids from their requests. The ids of an annotation are its target. */
export const canBeTraced = (kind: RecordKind): boolean => kind !== 'request' && kind !== 'annotation';

/** True if the record gets its trace id from its request. */
export const isTracedByRequest = ({ kind, requestId, traceId }: LogRecord): boolean =>
  traceId === '' && requestId !== '' && canBeTraced(kind);

export class RequestTraces {
  readonly #source: RequestSource;
  /**
   * By request id, the longest unused first: the trace id; or the sequence number up to which there is no request with
   * this id and a trace id.
   */
  readonly #known = new Map<string, string | number>();
  #deletions = 0;

  constructor(source: RequestSource) {
    this.#source = source;
  }

  /** The records, with the trace ids of their requests. */
  join(records: readonly LogRecord[]): readonly LogRecord[] {
    const ids = new Set<string>();
    for (const record of records) if (isTracedByRequest(record)) ids.add(record.requestId);
    if (ids.size === 0) return records;
    const deletions = this.#source.deletions();
    if (deletions !== this.#deletions) this.#known.clear();
    this.#deletions = deletions;
    const traces = this.#tracesOf(ids);
    if (traces.size === 0) return records;
    return records.map((record) => {
      const traceId = isTracedByRequest(record) ? traces.get(record.requestId) : undefined;
      return traceId === undefined ? record : { ...record, traceId };
    });
  }

  /** Trace ids by request id, without the requests that are not stored or have none. */
  #tracesOf(ids: ReadonlySet<string>): ReadonlyMap<string, string> {
    const traces = new Map<string, string>();
    const unknown: string[] = [];
    const missing: string[] = [];
    let missingUpTo = Infinity;
    for (const id of ids) {
      const known = this.#known.get(id);
      if (typeof known === 'string') traces.set(id, known);
      else if (known === undefined) unknown.push(id);
      else {
        missing.push(id);
        missingUpTo = Math.min(missingUpTo, known);
      }
    }
    // Read before the requests, so that none below it is overlooked.
    const headSeq = unknown.length + missing.length === 0 ? 0 : this.#source.headSeq();
    this.#find(unknown, 0, traces);
    if (missingUpTo < headSeq) this.#find(missing, missingUpTo, traces);
    for (const id of ids) {
      this.#known.delete(id);
      this.#known.set(id, traces.get(id) ?? headSeq);
    }
    const surplus = this.#known.size - MAX_KNOWN;
    if (surplus > 0) for (const id of [...this.#known.keys()].slice(0, surplus)) this.#known.delete(id);
    return traces;
  }

  #find(requestIds: readonly string[], afterSeq: number, traces: Map<string, string>): void {
    let left = requestIds.length;
    if (left === 0) return;
    this.#source.requests({ requestIds }, afterSeq, (id, trace) => {
      if (traces.has(id)) return true;
      traces.set(id, trace);
      return --left > 0;
    });
  }
}

/** Requests of a trace that are looked up at most. With more, a search examines every line. */
const MAX_REQUESTS = 1000;
/** Requests that are looked up before the time is limited. An ordinary trace has fewer, so it is found at once. */
const MIN_REQUESTS = 64;

/** The ids of the requests with one of some trace ids. */
export class TraceRequests {
  readonly #source: RequestSource;
  readonly #traceIds: readonly string[];
  #ids: readonly string[] = [];
  /** The requests up to here are known. */
  #reachedSeq = 0;
  #areTooMany = false;

  constructor(source: RequestSource, traceIds: readonly string[]) {
    this.#source = source;
    this.#traceIds = traceIds;
  }

  /**
   * All ids that are stored now, the same list if there are no new ones; `undefined` if there are too many.
   * `deadlineMs` (performance.now()): if there is no time to find all of many, this returns `undefined`, and the next
   * call continues.
   */
  ids(deadlineMs: number): readonly string[] | undefined {
    if (this.#areTooMany) return undefined;
    const headSeq = this.#source.headSeq();
    if (headSeq <= this.#reachedSeq) return this.#ids;
    const ids = new Set(this.#ids);
    let found = 0;
    let isLate = false;
    this.#source.requests({ traceIds: this.#traceIds }, this.#reachedSeq, (id, _, seq) => {
      if (id !== '') ids.add(id);
      this.#areTooMany = ids.size > MAX_REQUESTS;
      isLate = ++found > MIN_REQUESTS && performance.now() > deadlineMs;
      if (isLate) this.#reachedSeq = seq;
      return !this.#areTooMany && !isLate;
    });
    if (ids.size > this.#ids.length) this.#ids = [...ids];
    if (this.#areTooMany || isLate) return undefined;
    this.#reachedSeq = headSeq;
    return this.#ids;
  }
}
