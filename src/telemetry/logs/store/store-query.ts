// A query on the whole store: what is asked of each file, and what is left to do with the records that files return.
// Files do not know the requests in other files, so a record that gets its trace id from its request is left undecided.
// Invariant: records are matched with the trace ids that they are returned with.
import { attributesOf, type LogRecord } from '../log-record.ts';
import { annotationFilter } from '../query/annotation-filter.ts';
import { compile } from '../query/match.ts';
import { possible, type Known, type Knowledge } from '../query/possible.ts';
import { prefilter } from '../query/prefilter.ts';
import type { QueryNode } from '../query/query-node.ts';
import { searchableText } from '../query/searchable-text.ts';
import {
  isTracedByRequest,
  TraceRequests,
  type RequestSource,
  type RequestTraces,
} from './request-traces.ts';
import { ColumnTest } from './column-test.ts';
import type { SegmentQuery } from './segment-query.ts';
import type { AnnotatedQuery } from './annotations.ts';

export class StoreQuery {
  readonly matches: (record: LogRecord) => boolean;
  readonly #traces: RequestTraces;
  /** The outcome may depend on the trace id of a record. */
  readonly usesTrace: boolean;
  /** Requests whose lines have a wanted trace id; `undefined`: the query looks up no trace id. */
  readonly #requests: TraceRequests | undefined;
  #ofFiles: AnnotatedQuery;
  /** The same without what is known about trace ids, once it was needed. */
  #ofEveryLine: AnnotatedQuery | undefined;

  constructor(node: QueryNode, traces: RequestTraces, source: RequestSource) {
    this.#traces = traces;
    this.usesTrace = usesTrace(node);
    this.matches = compile(node);
    const ofFiles = {
      prefilter: prefilter(node),
      possible: possible(node),
      matches: this.matches,
      rows: new ColumnTest(node),
      annotations: annotationFilter(node),
    };
    this.#ofFiles = this.usesTrace ? { ...ofFiles, matches: undecided(ofFiles) } : ofFiles;
    const { traceIds } = ofFiles.prefilter;
    this.#requests = traceIds && traceIds.length > 0 ? new TraceRequests(source, traceIds) : undefined;
  }

  /** What is asked of files now. `deadlineMs` (performance.now()) limits the search for requests. */
  ofFiles(deadlineMs: number): AnnotatedQuery {
    const requests = this.#requests;
    if (requests === undefined) return this.#ofFiles;
    const tracedIds = requests.ids(deadlineMs);
    const { prefilter } = this.#ofFiles;
    // Without the ids of all requests, every line may have the trace id.
    if (tracedIds === undefined)
      return (this.#ofEveryLine ??= { ...this.#ofFiles, prefilter: { ...prefilter, traceIds: undefined } });
    if (tracedIds !== prefilter.tracedIds)
      this.#ofFiles = { ...this.#ofFiles, prefilter: { ...prefilter, tracedIds } };
    return this.#ofFiles;
  }

  /** The records of a file that match. */
  matching(records: LogRecord[]): LogRecord[] {
    return this.usesTrace ? this.#traces.join(records).filter(this.matches) : records;
  }

  /** Matching records as they are returned. */
  joined(records: readonly LogRecord[]): readonly LogRecord[] {
    return this.usesTrace ? records : this.#traces.join(records);
  }
}

/** True if the outcome may depend on the trace id of a record. */
function usesTrace(node: QueryNode): boolean {
  switch (node.op) {
    case 'and':
    case 'or':
      return node.of.some(usesTrace);
    case 'not':
      return usesTrace(node.of);
    case 'field':
    case 'exists':
      return node.name === 'traceId';
    default:
      return false;
  }
}

/** Matches also the records that the query matches with one trace id and not with another. */
const undecided =
  ({ possible, matches }: SegmentQuery) =>
  (record: LogRecord): boolean =>
    isTracedByRequest(record) ? possible(new UntracedRecord(record)) !== 'none' : matches(record);

/** All of a record but its trace id. */
class UntracedRecord implements Knowledge {
  readonly #record: LogRecord;
  #attributes: Record<string, unknown> | undefined;

  constructor(record: LogRecord) {
    this.#record = record;
  }

  get message(): string {
    return this.#record.message;
  }

  get text(): string {
    return searchableText(this.#record);
  }

  column(name: string): Known | undefined {
    return name === 'traceId' ? undefined : { values: [this.#record[name as keyof LogRecord]] };
  }

  attribute(name: string): Known {
    const attributes = (this.#attributes ??= attributesOf(this.#record));
    return { values: [Object.hasOwn(attributes, name) ? attributes[name] : undefined] };
  }
}
