// Feedback of clients of Portkey, as annotations of all requests of a trace (telemetry/logs/annotation.ts).
// Invariant: the id of a feedback has the trace in it, so that it is found again with nothing stored beside the log store.
// Each annotation has the mean of all feedback of its trace, also of changes that are being stored.
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

/** A rating of a trace that is not stored yet. */
export interface NewFeedback extends Feedback {
  readonly traceId: string;
}

/** Name of the score with the mean of value × weight. */
export const WEIGHTED = 'weighted_feedback';
/** Annotations of one trace that are read. */
const MAX_READ = 10_000;
const PAGE = 1000;
const ORIGIN = { deployment: '', environment: '', replica: '', source: 'api' };

/** Digits of a trace id, then those of the feedback itself. */
const ID = /^([0-9a-f]{32})([0-9a-f]{16})$/;
const newId = (traceId: string): string => traceId + randomBytes(8).toString('hex');

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

/** Reads a feedback with its trace. */
export function readNewFeedback(fields: unknown): NewFeedback | InsertProblem {
  const feedback = readFeedback(fields);
  if (!isObject(fields)) return { key: '', problem: 'must be an object with trace_id and value' };
  const text = idText(fields, TRACE_NAMES);
  if (text === '') return { key: 'trace_id', problem: 'is missing' };
  if (text === undefined) return { key: 'trace_id', problem: 'must be a text of at most 256 characters' };
  return 'problem' in feedback ? feedback : { ...feedback, traceId: traceIdOfText(text).id };
}

/** Ids of stored feedback in the order of the input, or why nothing was stored. */
export type FeedbackResult =
  | { readonly ids: readonly string[] }
  | { readonly invalid: string }
  | { readonly problem: Extract<PostResult, { problem: unknown }>['problem'] };

/** The feedback of a trace by its ids. */
type OfTrace = Map<string, Feedback>;

/** Feedback of a trace while it is being changed. */
interface OpenTrace {
  readonly known: Promise<OfTrace>;
  users: number;
}

export class FeedbackStore {
  readonly #logs: LogStore;
  /** Traces with changes that are not stored yet. */
  readonly #open = new Map<string, OpenTrace>();

  constructor(logs: LogStore) {
    this.#logs = logs;
  }

  /** Stores feedback, all or none. The traces need not be known yet. */
  add(all: readonly NewFeedback[]): Promise<FeedbackResult> {
    return this.#change(all.map((one) => ({ ...one, id: newId(one.traceId) })));
  }

  /** Replaces a feedback. `undefined`: none has this id. */
  async update(id: string, feedback: Feedback): Promise<FeedbackResult | undefined> {
    const traceId = ID.exec(id)?.[1];
    if (traceId === undefined) return undefined;
    const known = await this.#take(traceId);
    try {
      return known.has(id) ? await this.#change([{ ...feedback, traceId, id }]) : undefined;
    } finally {
      this.#give(traceId);
    }
  }

  async #change(changes: readonly (NewFeedback & { readonly id: string })[]): Promise<FeedbackResult> {
    const taken: string[] = [];
    const undo: (() => void)[] = [];
    try {
      const traces = new Map<string, OfTrace>();
      for (const { traceId } of changes) {
        if (traces.has(traceId)) continue;
        taken.push(traceId);
        traces.set(traceId, await this.#take(traceId));
      }
      // From here to the post nothing waits, so that the order of the annotations is that of their means.
      const records: LogRecord[] = [];
      for (const { traceId, id, ...feedback } of changes) {
        const known = traces.get(traceId)!;
        const before = known.get(id);
        known.set(id, feedback);
        undo.push(() => (before === undefined ? known.delete(id) : known.set(id, before)));
        const record = recordOf(traceId, id, known);
        if ('invalid' in record) return record;
        records.push(record);
      }
      const result = await this.#logs.post(records);
      if ('problem' in result) return result;
      undo.length = 0;
      return { ids: changes.map(({ id }) => id) };
    } finally {
      for (const one of undo.reverse()) one();
      for (const traceId of taken) this.#give(traceId);
    }
  }

  /** The feedback of a trace, with that of changes that are not stored yet. `#give` must follow. */
  #take(traceId: string): Promise<OfTrace> {
    let open = this.#open.get(traceId);
    if (open === undefined)
      this.#open.set(traceId, (open = { known: feedbackOf(this.#logs, traceId), users: 0 }));
    open.users++;
    return open.known;
  }

  #give(traceId: string): void {
    const open = this.#open.get(traceId)!;
    if (--open.users === 0) this.#open.delete(traceId);
  }
}

/** The annotation that stores one feedback of a trace, with the mean of all. */
function recordOf(traceId: string, id: string, known: OfTrace): LogRecord | { readonly invalid: string } {
  const { value, weight, metadata = null } = known.get(id)!;
  const all = Array.from(known.values(), (one) => one.value * one.weight);
  const mean = all.reduce((sum, one) => sum + one, 0) / all.length;
  const content: Annotation = {
    scores: { [WEIGHTED]: mean },
    feedback: { value, weight, metadata, count: all.length, by_id: { [id]: { value, weight, metadata } } },
  };
  return annotationRecord({ traceId }, content, ORIGIN);
}

const equal = (name: string, value: string): QueryNode => ({ op: 'field', name, compare: '=', value });

/** Reads the feedback of a trace from its annotations, the newest first, since a later one replaces those before it. */
async function feedbackOf(logs: LogStore, traceId: string): Promise<OfTrace> {
  const node: QueryNode = { op: 'and', of: [equal('kind', 'annotation'), equal('traceId', traceId)] };
  const query = { node, fromNs: EARLIEST_NS, toNs: LATEST_NS, direction: 'down', limit: PAGE } as const;
  const found: OfTrace = new Map();
  let read = 0;
  let page = await logs.page({ ...query, after: undefined });
  for (;;) {
    for (const record of page.records) addFeedback(found, annotationOf(record)?.feedback);
    read += page.records.length;
    if (page.next === undefined || read >= MAX_READ) return found;
    page = await logs.page({ ...query, after: page.next });
  }
}

function addFeedback(found: OfTrace, feedback: JsonObject | undefined): void {
  for (const [id, fields] of Object.entries(objectAt(feedback, 'by_id') ?? {})) {
    const one = readFeedback(fields);
    if (!('problem' in one) && !found.has(id)) found.set(id, one);
  }
}
