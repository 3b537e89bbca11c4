// Finds what an id names: a request, also by its last characters, a trace, a span, a record, a task, or an export.
// Invariant: each search is limited in time, and says so if that was over before everything was read.
import type { ServerResponse } from 'node:http';
import { childSpanId } from '../../../core/exchange/identity.ts';
import { traceIdOfText } from '../../../core/exchange/foreign-ids.ts';
import { EARLIEST_NS, formatTime, LATEST_NS } from '../../../core/time.ts';
import type { Queue } from '../../../async/queue/queue.ts';
import type { ExportJob } from '../../../telemetry/exports/exports.ts';
import type { LogRecord, LogStore, QueryNode } from '../../../telemetry/logs/logs.ts';
import { pagedSearch } from '../logs/paged-search.ts';
import { allOf } from '../logs/search-params.ts';
import type { FindJson, FoundJson, FoundKind } from './find-json.ts';

/** Where ids are looked up. */
export interface FindSources {
  /** `undefined`: nothing is recorded. */
  readonly logs: LogStore | undefined;
  readonly tasks: Pick<Queue, 'facts'>;
  /** The export with an id that the caller may see. */
  readonly exportOf: (id: string) => ExportJob | undefined;
  readonly nowNs: bigint;
}

/** Longest text that can be an id. */
export const MAX_ID = 256;
const MAX_FOUND = 10;
/** Time of one search that reads more than an index. */
const SEARCH_MS = 3000;
/** How far back requests are looked for by the end of their ids. */
const END_NS = 86_400_000_000_000n;
/** Numbers of the children that the span of a request may have (core/exchange/identity.ts). */
const CHILDREN = [1, 2, 3, 4];

type Form = FoundKind | 'request_end';

/** What a text may be an id of, by its form, in the order in which it is looked up. */
function formsOf(id: string, isPlace: boolean): Form[] {
  const isHex = (digits: number): boolean => id.length === digits && /^[0-9a-f]+$/.test(id);
  const isUuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);
  const forms: Form[] = ['request', 'async'];
  // Clients may give traces ids of any form.
  if (isHex(32) || isUuid || !/^[0-9a-f]+$/.test(id)) forms.push('trace');
  if (isHex(16)) forms.push('span');
  if (isPlace) forms.push('record');
  if (isUuid) forms.push('export');
  if (/^[0-9a-f]{6,36}$/i.test(id)) forms.push('request_end');
  return forms;
}

/** Finds everything that has an id. `undefined` if the client has left. */
export async function findId(
  text: string,
  sources: FindSources,
  res: ServerResponse,
): Promise<FindJson | undefined> {
  // A request id of a client may have capital letters.
  const isHex = /^[0-9a-f]{37}$|^[0-9a-f]{32}$|^[0-9a-f]{16}$|^[0-9a-f-]{36}$/i.test(text);
  const id = isHex ? text.toLowerCase() : text;
  const { logs, nowNs } = sources;
  const tried: Form[] = [];
  const found: FoundJson[] = [];
  let isPartial = false;
  for (const form of formsOf(id, logs?.readPlace(id) !== undefined)) {
    // Only if no id is exactly this.
    if (form === 'request_end' && found.length > 0) continue;
    tried.push(form);
    const more = await FINDERS[form](id, sources, res);
    if (more === undefined) return undefined;
    found.push(...more.found);
    isPartial ||= more.isPartial;
  }
  return {
    id,
    found,
    tried,
    ...(tried.includes('request_end') ? { searched_from: formatTime(nowNs - END_NS) } : {}),
    ...(isPartial ? { is_partial: true } : {}),
  };
}

interface Found {
  readonly found: readonly FoundJson[];
  readonly isPartial: boolean;
}
type Finder = (id: string, sources: FindSources, res: ServerResponse) => Promise<Found | undefined>;

const NOTHING: Found = { found: [], isPartial: false };
const one = (found: FoundJson | undefined): Found => ({ found: found ? [found] : [], isPartial: false });

const equal = (name: string, value: string): QueryNode => ({ op: 'field', name, compare: '=', value });
const anyOf = (of: readonly QueryNode[]): QueryNode => ({ op: 'or', of });
const IS_REQUEST = equal('kind', 'request');

/** The first records that a query finds, as what they are found as. */
async function search(
  logs: LogStore | undefined,
  node: QueryNode,
  { direction = 'up', limit = 1, fromNs = EARLIEST_NS }: Partial<SearchBounds>,
  shown: (record: LogRecord, logs: LogStore) => FoundJson,
  res: ServerResponse,
): Promise<Found | undefined> {
  if (logs === undefined) return NOTHING;
  const query = { node, fromNs, toNs: LATEST_NS, direction, after: undefined, limit };
  const page = await pagedSearch(logs, query, res, { searchMs: SEARCH_MS });
  return (
    page && {
      found: page.records.map((record) => shown(record, logs)),
      isPartial: page.isPartial || (limit > 1 && page.next !== undefined),
    }
  );
}

interface SearchBounds {
  readonly direction: 'up' | 'down';
  readonly limit: number;
  readonly fromNs: bigint;
}

const FINDERS: Readonly<Record<Form, Finder>> = {
  // Of several requests with one id the first one is the submit of a task.
  request: (id, { logs }, res) =>
    search(logs, allOf([IS_REQUEST, equal('requestId', id)]), {}, requestJson, res),
  request_end: (id, { logs, nowNs }, res) =>
    search(
      logs,
      allOf([IS_REQUEST, { op: 'field', name: 'requestId', compare: 'like', value: `*${id.toLowerCase()}` }]),
      { direction: 'down', limit: MAX_FOUND, fromNs: nowNs - END_NS },
      requestJson,
      res,
    ),
  trace(id, { logs }, res) {
    const trace = traceIdOfText(id).id;
    return search(
      logs,
      allOf([equal('traceId', trace), { op: 'not', of: equal('kind', 'annotation') }]),
      {},
      (record, store) => ({ ...recordJson(record, store), kind: 'trace', id: trace }),
      res,
    );
  },
  span: (id, { logs }, res) =>
    search(
      logs,
      anyOf([
        allOf([anyOf([IS_REQUEST, equal('kind', 'span')]), equal('spanId', id)]),
        allOf([IS_REQUEST, anyOf(CHILDREN.map((n) => equal('spanId', childSpanId(id, n))))]),
      ]),
      { direction: 'down' },
      (record, store) => ({ ...recordJson(record, store), kind: 'span', id, span_id: id }),
      res,
    ),
  async record(id, { logs }) {
    const place = logs?.readPlace(id);
    const record = place && (await logs!.at(place));
    return one(record && { ...recordJson(record, logs!), kind: 'record', id });
  },
  async async(id, { tasks }) {
    // Without the store of the queue other kinds of ids are found all the same.
    const task = await tasks.facts(id).catch(() => 'unreadable' as const);
    if (task === 'unreadable') return { found: [], isPartial: true };
    return one(
      task && {
        kind: 'async',
        id,
        ...timeOf(task.createdMs),
        text: `asynchronous request ${task.status}`,
        deployment: task.deployment,
        state: task.status,
      },
    );
  },
  async export(id, { exportOf }) {
    const job = exportOf(id);
    return one(
      job && {
        kind: 'export',
        id,
        ...timeOf(job.createdAtMs),
        text: `export ${job.state}`,
        state: job.state,
      },
    );
  },
};

const timeOf = (ms: number): Pick<FoundJson, 'timestamp' | 'timestamp_ns'> => {
  const ns = BigInt(Math.round(ms)) * 1_000_000n;
  return { timestamp: formatTime(ns), timestamp_ns: String(ns) };
};

const requestJson = (record: LogRecord, logs: LogStore): FoundJson => ({
  ...recordJson(record, logs),
  kind: 'request',
  id: record.requestId,
});

/** What is said of a record, whatever it is found as. */
function recordJson(record: LogRecord, logs: LogStore): Omit<FoundJson, 'kind' | 'id'> {
  const isRequest = record.kind === 'request';
  const text = (name: string, value: string) => (value === '' ? {} : { [name]: value });
  return {
    timestamp: formatTime(record.timeNs),
    timestamp_ns: String(record.timeNs),
    text: record.message.slice(0, MAX_TEXT).toWellFormed(),
    place: logs.placeOf(record),
    record_kind: record.kind,
    ...text('request_id', record.requestId),
    ...text('trace_id', record.traceId),
    ...text('span_id', record.spanId),
    ...text('deployment', record.deployment),
    ...(isRequest ? { status: record.status } : {}),
    ...(isRequest || record.kind === 'span' ? { duration_ms: record.durationNs / 1e6 } : {}),
  };
}

const MAX_TEXT = 300;
