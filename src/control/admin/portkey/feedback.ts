// Feedback of clients of Portkey, as annotations of all requests of a trace, or of the one request with an id of weir
// (telemetry/logs/annotation.ts).
// Invariant: the id of a feedback has its target in it, so that it is found again with nothing stored beside the log store.
// Each annotation has the mean of all feedback of its target, also of changes that are being stored.
// Source: docs/contracts/portkey.md 4.
import { randomBytes } from 'node:crypto';
import { traceIdOfText } from '../../../core/exchange/foreign-ids.ts';
import { EARLIEST_NS, LATEST_NS } from '../../../core/time.ts';
import { isObject, objectAt, type JsonObject } from '../../../protocol/llm/json-values.ts';
import {
  annotationOf,
  annotationRecord,
  type Annotation,
  type LogRecord,
  type LogStore,
  type PostResult,
  type QueryNode,
} from '../../../telemetry/logs/logs.ts';
import { idText, TRACE_NAMES, type InsertProblem } from './inserted-fields.ts';

/** One rating, as it is stored. */
interface Feedback {
  readonly value: number;
  readonly weight: number;
  readonly metadata?: JsonObject;
}

/** A rating that is not stored yet. `target`: a trace id, or a request id that weir has made. */
export interface NewFeedback extends Feedback {
  readonly target: string;
}

/** Name of the score with the mean of value × weight. */
export const WEIGHTED = 'weighted_feedback';
/** Annotations of one target that are read. */
const MAX_READ = 10_000;
const PAGE = 1000;
const ORIGIN = { deployment: '', environment: '', replica: '', source: 'api' };

/** A request id of weir. */
const REQUEST_ID = /^[0-9a-f]{37}$/;
/** Digits of the target, then those of the feedback itself. */
const ID = /^([0-9a-f]{32}|[0-9a-f]{37})([0-9a-f]{16})$/;
const newId = (target: string): string => target + randomBytes(8).toString('hex');

/** Reads value, weight and metadata of a feedback. */
export function readFeedback(fields: unknown): Feedback | InsertProblem {
  if (!isObject(fields)) return { key: '', problem: 'must be an object with trace_id and value' };
  const { value, weight, metadata } = fields;
  if (value === undefined || value === null) return { key: 'value', problem: 'is missing' };
  if (typeof value !== 'number' || !Number.isInteger(value) || value < -10 || value > 10)
    return { key: 'value', problem: 'must be a whole number from -10 to 10' };
  const share = weight ?? 1;
  if (typeof share !== 'number' || !(share >= 0 && share <= 1))
    return { key: 'weight', problem: 'must be a number from 0 to 1' };
  if (metadata === undefined || metadata === null) return { value, weight: share };
  if (!isObject(metadata)) return { key: 'metadata', problem: 'must be an object' };
  return { value, weight: share, metadata };
}

/** Reads a feedback with its target. */
export function readNewFeedback(fields: unknown): NewFeedback | InsertProblem {
  const feedback = readFeedback(fields);
  if (!isObject(fields)) return { key: '', problem: 'must be an object with trace_id and value' };
  const text = idText(fields, TRACE_NAMES);
  if (text === '') return { key: 'trace_id', problem: 'is missing' };
  if (text === undefined) return { key: 'trace_id', problem: 'must be a text of at most 256 characters' };
  return 'problem' in feedback
    ? feedback
    : { ...feedback, target: REQUEST_ID.test(text) ? text : traceIdOfText(text).id };
}

/** Ids of stored feedback in the order of the input, or why nothing was stored. */
export type FeedbackResult =
  | { readonly ids: readonly string[] }
  | { readonly invalid: string }
  | { readonly problem: Extract<PostResult, { problem: unknown }>['problem'] };

/** The feedback of a target by its ids, the oldest first. */
type KnownFeedback = Map<string, Feedback>;

/** A feedback that is stored, or removed (`undefined`). */
interface FeedbackChange {
  readonly target: string;
  readonly id: string;
  readonly feedback: Feedback | undefined;
}

/** Feedback of a target while it is being changed. */
interface OpenTarget {
  readonly known: Promise<KnownFeedback>;
  users: number;
}

export class FeedbackStore {
  readonly #logs: LogStore;
  /** Targets with changes that are not stored yet. */
  readonly #open = new Map<string, OpenTarget>();

  constructor(logs: LogStore) {
    this.#logs = logs;
  }

  /** Stores feedback, all or none. The traces need not be known yet. `author`: name of the key; '' for none. */
  add(all: readonly NewFeedback[], author = ''): Promise<FeedbackResult> {
    return this.#change(
      all.map(({ target, ...feedback }) => ({ target, id: newId(target), feedback })),
      author,
    );
  }

  /** Replaces a feedback; removes it if there is none instead. `undefined`: none has this id. */
  async update(id: string, feedback: Feedback | undefined, author = ''): Promise<FeedbackResult | undefined> {
    const target = ID.exec(id)?.[1];
    if (target === undefined) return undefined;
    const taken = this.#take(target);
    try {
      const known = await taken;
      return known.has(id) ? await this.#change([{ target, id, feedback }], author) : undefined;
    } finally {
      this.#give(target);
    }
  }

  async #change(changes: readonly FeedbackChange[], author: string): Promise<FeedbackResult> {
    const taken: string[] = [];
    const undo: (() => void)[] = [];
    try {
      const targets = new Map<string, KnownFeedback>();
      for (const { target } of changes) {
        if (targets.has(target)) continue;
        taken.push(target);
        targets.set(target, await this.#take(target));
      }
      // From here to the post nothing waits, so that the order of the annotations is that of their means.
      const records: LogRecord[] = [];
      for (const { target, id, feedback } of changes) {
        const known = targets.get(target)!;
        const before = known.get(id);
        if (feedback === undefined) known.delete(id);
        else known.set(id, feedback);
        undo.push(() => (before === undefined ? known.delete(id) : known.set(id, before)));
        const record = recordOf(target, id, known, author);
        if ('invalid' in record) return record;
        records.push(record);
      }
      const result = await this.#logs.post(records);
      if ('problem' in result) return result;
      undo.length = 0;
      return { ids: changes.map(({ id }) => id) };
    } finally {
      for (const one of undo.reverse()) one();
      for (const target of taken) this.#give(target);
    }
  }

  /** The feedback of a target, with that of changes that are not stored yet. `#give` must follow. */
  #take(target: string): Promise<KnownFeedback> {
    let open = this.#open.get(target);
    if (open === undefined)
      this.#open.set(target, (open = { known: feedbackOf(this.#logs, target), users: 0 }));
    open.users++;
    return open.known;
  }

  #give(target: string): void {
    const open = this.#open.get(target)!;
    if (--open.users === 0) this.#open.delete(target);
  }
}

/** The annotation that stores one feedback of a target, or removes it if it is not known, with the mean of all. */
function recordOf(
  target: string,
  id: string,
  known: KnownFeedback,
  author: string,
): LogRecord | { readonly invalid: string } {
  const own = known.get(id);
  const all = Array.from(known.values(), (one) => one.value * one.weight);
  const mean = all.reduce((sum, one) => sum + one, 0) / all.length;
  const fields = (one: Feedback) => ({
    value: one.value,
    weight: one.weight,
    metadata: one.metadata ?? null,
  });
  // After a removal the record shows the newest one that is left.
  const shown = own ?? [...known.values()].at(-1);
  const content: Annotation = {
    ...(author === '' ? {} : { author }),
    scores: { [WEIGHTED]: shown === undefined ? null : mean },
    feedback: {
      ...(shown === undefined
        ? { value: null, weight: null, metadata: null, count: null }
        : { ...fields(shown), count: all.length }),
      by_id: { [id]: own === undefined ? null : fields(own) },
    },
  };
  return annotationRecord(
    REQUEST_ID.test(target) ? { requestId: target } : { traceId: target },
    content,
    ORIGIN,
  );
}

const equal = (name: string, value: string): QueryNode => ({ op: 'field', name, compare: '=', value });

/** Reads the feedback of a target from its annotations, the newest first, since a later one replaces those before it. */
async function feedbackOf(logs: LogStore, target: string): Promise<KnownFeedback> {
  const column = REQUEST_ID.test(target) ? 'requestId' : 'traceId';
  const node: QueryNode = { op: 'and', of: [equal('kind', 'annotation'), equal(column, target)] };
  const query = { node, fromNs: EARLIEST_NS, toNs: LATEST_NS, direction: 'down', limit: PAGE } as const;
  const found = new Map<string, Feedback | undefined>();
  let read = 0;
  let page = await logs.page({ ...query, after: undefined });
  for (;;) {
    for (const record of page.records) addFeedback(found, annotationOf(record)?.feedback);
    read += page.records.length;
    if (page.next === undefined || read >= MAX_READ) return oldestFirst(found);
    page = await logs.page({ ...query, after: page.next });
  }
}

/** What is left of feedback that was read from the newest on. */
const oldestFirst = (found: ReadonlyMap<string, Feedback | undefined>): KnownFeedback =>
  new Map([...found].reverse().filter((entry): entry is [string, Feedback] => entry[1] !== undefined));

/** Adds the feedback of an annotation, and that it was removed, if nothing later is known of it. */
function addFeedback(found: Map<string, Feedback | undefined>, feedback: JsonObject | undefined): void {
  for (const [id, fields] of Object.entries(objectAt(feedback, 'by_id') ?? {})) {
    if (found.has(id)) continue;
    const one = fields === null ? undefined : readFeedback(fields);
    if (one === undefined || !('problem' in one)) found.set(id, one);
  }
}
