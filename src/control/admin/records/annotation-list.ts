// The annotations of a record one by one: who added which score, comment, tag and feedback, and when.
// Invariant: what is listed is what the record shows, as telemetry/logs merges it.
import type { ServerResponse } from 'node:http';
import { EARLIEST_NS, formatTime, LATEST_NS } from '../../../core/time.ts';
import {
  annotationOf,
  standing,
  type Annotation,
  type LogRecord,
  type LogStore,
  type QueryNode,
} from '../../../telemetry/logs/logs.ts';
import { isObject } from '../../../protocol/llm/json-values.ts';
import { allOf } from '../logs/search-params.ts';
import { pagedSearch } from '../logs/paged-search.ts';
import type { ShownComment, ShownFeedback, ShownScore, ShownTag } from './request-json.ts';

export interface ShownAnnotations {
  readonly scores: readonly ShownScore[];
  readonly feedback: readonly ShownFeedback[];
  readonly comments: readonly ShownComment[];
  readonly tags: readonly ShownTag[];
}

/** Annotations of one record that are read. */
const MAX_READ = 2000;
/** Source of the annotations of scoring rules: this, then the id of the rule. */
const RULE_SOURCE = 'scoring:';

const equal = (name: string, value: string | number): QueryNode => ({
  op: 'field',
  name,
  compare: '=',
  value,
});

/** An annotation, with its record. */
export interface StoredContent extends Annotation {
  readonly record: LogRecord;
}

/** As much of a record as its annotations are found by. */
export type AnnotatedIds = Pick<LogRecord, 'kind' | 'seq' | 'requestId' | 'traceId' | 'spanId'>;

/**
 * The annotations of a record in the order of storing: of a request those of its ids, since its `seq` is in no index.
 * `undefined` if the client has left.
 */
export async function annotationsOf(
  logs: LogStore,
  { kind, seq, requestId, traceId, spanId }: AnnotatedIds,
  res: ServerResponse,
): Promise<readonly StoredContent[] | undefined> {
  const isRequest = kind === 'request';
  const hasTrace = (isRequest || kind === 'span') && traceId !== '';
  const targets: QueryNode[] = [
    ...(isRequest && requestId !== '' ? [equal('requestId', requestId)] : []),
    ...(hasTrace ? [equal('traceId', traceId)] : []),
    ...(isRequest && requestId !== '' ? [] : [equal('target_seq', seq)]),
  ];
  const found: StoredContent[] = [];
  for (const target of targets) {
    const node = allOf([equal('kind', 'annotation'), target]);
    const range = { fromNs: EARLIEST_NS, toNs: LATEST_NS, direction: 'up', after: undefined } as const;
    const page = await pagedSearch(logs, { node, ...range, limit: MAX_READ }, res);
    if (page === undefined) return undefined;
    for (const record of page.records)
      // Those of a trace are for its requests; those of a span for that span alone.
      if (record.traceId === '' || (record.spanId === '' ? isRequest : record.spanId === spanId))
        found.push({ ...annotationOf(record), record });
  }
  return found.sort((a, b) => a.record.seq - b.record.seq);
}

/** The lists of a record's annotations. `all`: in the order of storing. */
export function shownAnnotations(all: readonly StoredContent[]): ShownAnnotations {
  const scores = new Map<string, ShownScore>();
  const tags = new Map<string, ShownTag>();
  const comments: ShownComment[] = [];
  const feedback = new Map<string, ShownFeedback>();
  for (const content of standing(all)) {
    const whom = byWhom(content);
    for (const [name, value] of Object.entries(content.scores ?? {}))
      if (value === null) scores.delete(name);
      else scores.set(name, { name, value, ...whom });
    for (const tag of content.tags ?? []) if (!tags.has(tag)) tags.set(tag, { tag, ...whom });
    if (content.comment !== undefined) comments.push({ text: content.comment, ...whom });
    addFeedback(feedback, content);
  }
  return {
    scores: [...scores.values()],
    feedback: [...feedback.values()],
    comments,
    tags: [...tags.values()],
  };
}

function byWhom({ id, author, record }: StoredContent): Omit<ShownTag, 'tag'> {
  const isRule = record.source.startsWith(RULE_SOURCE);
  return {
    ...(author === undefined ? {} : { by: author }),
    ...(isRule ? { rule: record.source.slice(RULE_SOURCE.length) } : {}),
    timestamp: formatTime(record.timeNs),
    ...(id === undefined ? {} : { annotation_id: id }),
  };
}

/** Adds the ratings in an annotation (portkey/feedback.ts), and takes away those that it removes. */
function addFeedback(
  feedback: Map<string, ShownFeedback>,
  { feedback: content, author, record }: StoredContent,
): void {
  const byId = content?.['by_id'];
  for (const [id, one] of Object.entries(isObject(byId) ? byId : {})) {
    feedback.delete(id);
    if (!isObject(one)) continue;
    const { value, weight, metadata } = one;
    if (typeof value !== 'number' || typeof weight !== 'number') continue;
    feedback.set(id, {
      id,
      value,
      weight,
      ...(isObject(metadata) ? { metadata } : {}),
      ...(author === undefined ? {} : { by: author }),
      timestamp: formatTime(record.timeNs),
    });
  }
}
