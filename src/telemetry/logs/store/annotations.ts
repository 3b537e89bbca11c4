// The annotations of all files of the log store, and the records that a query matches only because of them.
// Invariant: a merged record has all annotations of its target, whichever files they are in, in the order of storing.
import { keysOf, readKey, traceKey } from '../annotation.ts';
import type { LogRecord } from '../log-record.ts';
import { withAnnotations } from '../merge-annotations.ts';
import { annotationFilter, type AnnotationFilter } from '../query/annotation-filter.ts';
import type { GroupQuery } from '../query/group-query.ts';
import { possible } from '../query/possible.ts';
import { prefilter } from '../query/prefilter.ts';
import type { QueryNode } from '../query/query-node.ts';
import { namesOf, type AnnotationTable } from './annotation-table.ts';
import { ChangedRecords } from './changed-records.ts';
import type { SegmentQuery } from './segment-query.ts';

/** A query on records with their annotations. */
export interface AnnotatedQuery extends SegmentQuery {
  readonly annotations: AnnotationFilter;
}

/** The records that may match a query only because of their annotations. */
export interface QueryTargets {
  /** Sequence numbers, sorted. */
  readonly seqs: readonly number[];
  /** Find those that are not given by sequence number. */
  readonly searches: readonly SegmentQuery[];
}

const NO_TARGETS: QueryTargets = { seqs: [], searches: [] };
/** Ids that are looked up. With more, reading all requests and spans is faster. */
const MAX_IDS = 16;

const kindIs = (kind: string): QueryNode => ({ op: 'field', name: 'kind', compare: '=', value: kind });
const IS_REQUEST = kindIs('request');
const IS_SPAN: QueryNode = { op: 'or', of: [IS_REQUEST, kindIs('span')] };

/** The targets of one query, as far as they have been read. */
class TargetSearch {
  readonly #query: AnnotatedQuery;
  /** Sequence number of the last annotation that was read of each table. */
  readonly #read = new Map<AnnotationTable, number>();
  readonly #seqs = new Set<number>();
  readonly #requestIds = new Set<string>();
  readonly #traceIds = new Set<string>();
  #targets = NO_TARGETS;

  constructor(query: AnnotatedQuery) {
    this.#query = query;
  }

  /** Adds the targets of new annotations, and returns all. */
  update(annotations: Annotations): QueryTargets {
    const before = this.#count;
    for (const table of annotations.tables) {
      const seq = this.#read.get(table) ?? 0;
      if (table.lastSeq > seq) this.#addAfter(table, seq);
      this.#read.set(table, table.lastSeq);
    }
    if (this.#count !== before) this.#targets = this.#built(annotations);
    return this.#targets;
  }

  get #count(): number {
    return this.#seqs.size + this.#requestIds.size + this.#traceIds.size;
  }

  #addAfter(table: AnnotationTable, after: number): void {
    const { annotations: test } = this.#query;
    const names = [...table.names].filter((list) => test.mayPass(namesOf(list)));
    if (names.length === 0) return;
    for (const { target: key, content } of table.after(after, names)) {
      if (!test.passes(content)) continue;
      const target = readKey(key);
      if ('seq' in target) this.#seqs.add(target.seq);
      else if ('requestId' in target) this.#requestIds.add(target.requestId);
      else this.#traceIds.add(target.traceId);
    }
  }

  #built(annotations: Annotations): QueryTargets {
    const searches: SegmentQuery[] = [];
    const add = (kinds: QueryNode, name: 'requestId' | 'traceId', ids: ReadonlySet<string>): void => {
      if (ids.size === 0) return;
      const isOneOf = [...ids].map((value): QueryNode => ({ op: 'field', name, compare: '=', value }));
      const of: QueryNode[] = ids.size > MAX_IDS ? [kinds] : [kinds, { op: 'or', of: isOneOf }];
      searches.push(this.#searchFor({ op: 'and', of }, (record) => ids.has(record[name]), annotations));
    };
    add(IS_REQUEST, 'requestId', this.#requestIds);
    add(IS_SPAN, 'traceId', this.#traceIds);
    return { seqs: [...this.#seqs].sort((a, b) => a - b), searches };
  }

  /** Finds records that the query matches with, but not without, their annotations. */
  #searchFor(
    node: QueryNode,
    isTarget: (record: LogRecord) => boolean,
    annotations: Annotations,
  ): SegmentQuery {
    const mayBe = possible(node);
    return {
      prefilter: prefilter(node),
      // Never `all`, since `matches` has more conditions.
      possible: (known) => (mayBe(known) === 'none' ? 'none' : 'some'),
      matches: (record) => isTarget(record) && annotations.matchesOnlyMerged(record, this.#query),
    };
  }
}

export class Annotations {
  readonly #all = new Set<AnnotationTable>();
  readonly #searches = new WeakMap<AnnotatedQuery, TargetSearch>();
  /** The tables with annotations. */
  tables: readonly AnnotationTable[] = [];

  /** True if no file has annotations. */
  get isEmpty(): boolean {
    return this.tables.length === 0;
  }

  add(table: AnnotationTable): void {
    this.#all.add(table);
  }

  remove(table: AnnotationTable): void {
    this.#all.delete(table);
    this.refreshed();
  }

  /** To be called after tables were refreshed. */
  refreshed(): void {
    this.tables = [...this.#all].filter(({ isEmpty }) => !isEmpty);
  }

  /** The record with its annotations; the same object if it has none. */
  merged(record: LogRecord): LogRecord {
    if (this.isEmpty) return record;
    const keys = keysOf(record);
    const found = this.tables.flatMap((table) =>
      keys.flatMap((key) => (table.mayHave(key) ? table.of(key) : [])),
    );
    if (found.length === 0) return record;
    const contents = found.sort((a, b) => a.seq - b.seq).map(({ content }) => content);
    return withAnnotations(record, contents);
  }

  /** Sequence numbers of the annotations of this record alone, also of those that were deleted. */
  seqsOf(record: LogRecord): number[] {
    if (this.isEmpty) return [];
    const ofTrace = record.traceId === '' ? undefined : traceKey(record.traceId);
    const keys = keysOf(record).filter((key) => key !== ofTrace);
    return this.tables.flatMap((table) =>
      keys.flatMap((key) => (table.mayHave(key) ? table.of(key).map(({ seq }) => seq) : [])),
    );
  }

  /** True if the query matches the record with its annotations, but not without them. */
  matchesOnlyMerged(record: LogRecord, { matches }: SegmentQuery): boolean {
    const merged = this.merged(record);
    return merged !== record && !matches(record) && matches(merged);
  }

  /** The records whose annotations can change the result of a group query. `undefined`: there are none. */
  changesOf({ node, by, measures }: GroupQuery): ChangedRecords | undefined {
    const names = [...by, ...measures].flatMap((one) => ('field' in one ? [one.field] : []));
    const uses = names.map((name): QueryNode => ({ op: 'exists', name }));
    const filter = annotationFilter({ op: 'or', of: [node, ...uses] });
    const targets = this.tables.flatMap((table) =>
      table.targets(Array.from(table.names).filter((list) => filter.mayPass(namesOf(list)))),
    );
    return targets.length === 0 ? undefined : new ChangedRecords(targets, (record) => this.merged(record));
  }

  /** The records that may match the query only because of their annotations. */
  targetsOf(query: AnnotatedQuery): QueryTargets {
    let search = this.#searches.get(query);
    if (search === undefined) this.#searches.set(query, (search = new TargetSearch(query)));
    return search.update(this);
  }
}
