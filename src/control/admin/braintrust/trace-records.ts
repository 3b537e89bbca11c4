// The records of traces of a project: its rows, the requests that weir served in them, and feedback on these requests.
// Invariant: a trace has a row of feedback that was logged with the id of one of its requests.
import type { ServerResponse } from 'node:http';
import { EARLIEST_NS, LATEST_NS } from '../../../core/time.ts';
import {
  attributesOf,
  projectSource,
  type LogRecord,
  type LogStore,
  type QueryNode,
  type TimePlace,
} from '../../../telemetry/logs/logs.ts';
import { pagedSearch } from '../logs/paged-search.ts';
import { allOf } from '../logs/search-params.ts';

/** A trace in the order of its newest row. */
export interface FoundTrace {
  /** Its id (`traceOf`). */
  readonly trace: string;
  /** Its newest row. */
  readonly newest: LogRecord;
  /** Where the scan of the rows was before it. */
  readonly before: TimePlace | undefined;
}

/** Records of one search. Further ones of a trace are left out. */
const MAX_RECORDS = 10_000;
const MAX_CHARACTERS = 32 * 1024 ** 2;
/** Begin of the id of a trace that is only one request. */
const REQUEST = 'request ';

export const isEqual = (name: string, value: string): QueryNode => ({
  op: 'field',
  name,
  compare: '=',
  value,
});
const isOneOf = (name: string, values: readonly string[]): QueryNode => ({
  op: 'or',
  of: values.map((value) => isEqual(name, value)),
});

/** Finds the rows of a project. */
export const rowsNode = (project: string): QueryNode =>
  allOf([isEqual('kind', 'span'), isEqual('source', projectSource(project))]);

/** True for a row that only feedback and other merges have made so far. */
export function isFeedback(record: LogRecord): boolean {
  // Most rows are not, and need not be parsed.
  if (!record.attributes.includes('"awaits_base":true')) return false;
  const state = attributesOf(record)['_row'] as { awaits_base?: unknown } | undefined;
  return state?.awaits_base === true;
}

async function find(
  logs: LogStore,
  node: QueryNode,
  limit: number,
  res: ServerResponse,
): Promise<{ readonly records: readonly LogRecord[]; readonly isCut: boolean } | undefined> {
  const range = { fromNs: EARLIEST_NS, toNs: LATEST_NS, direction: 'up', after: undefined } as const;
  const page = await pagedSearch(logs, { node, ...range, limit }, res, { maxCharacters: MAX_CHARACTERS });
  return page && { records: page.records, isCut: page.next !== undefined };
}

/**
 * Id of the trace that a row is shown in. Feedback on a request is in the trace of the request, or alone with it.
 * Resolves to `undefined` if the client has left.
 */
export async function traceOf(
  logs: LogStore,
  record: LogRecord,
  res: ServerResponse,
): Promise<string | undefined> {
  if (!isFeedback(record)) return record.traceId;
  const isRequest = allOf([isEqual('kind', 'request'), isEqual('requestId', record.requestId)]);
  const found = await find(logs, isRequest, 1, res);
  if (found === undefined) return undefined;
  const [request] = found.records;
  if (request === undefined) return record.traceId;
  return request.traceId === '' ? REQUEST + request.requestId : request.traceId;
}

/** Trace → its records in the order of time, feedback on its requests last. */
export async function recordsOfTraces(
  logs: LogStore,
  project: string,
  traces: readonly FoundTrace[],
  res: ServerResponse,
): Promise<ReadonlyMap<string, readonly LogRecord[]> | undefined> {
  if (traces.length === 0) return new Map();
  const ids = traces.map(({ trace }) => trace);
  const alone = ids.filter((id) => id.startsWith(REQUEST)).map((id) => id.slice(REQUEST.length));
  const isRequest = isEqual('kind', 'request');
  const node: QueryNode = {
    op: 'or',
    of: [
      allOf([isOneOf('traceId', ids), { op: 'or', of: [isRequest, rowsNode(project)] }]),
      ...(alone.length > 0 ? [allOf([isRequest, isOneOf('requestId', alone)])] : []),
    ],
  };
  const found = await find(logs, node, MAX_RECORDS, res);
  if (found === undefined) return undefined;
  if (found.isCut && traces.length > 1) {
    const half = Math.ceil(traces.length / 2);
    const first = await recordsOfTraces(logs, project, traces.slice(0, half), res);
    const second = first && (await recordsOfTraces(logs, project, traces.slice(half), res));
    return second && new Map([...first, ...second]);
  }
  const records = new Map<string, LogRecord[]>();
  /** Id of a request → its trace. */
  const requests = new Map<string, string>();
  for (const record of found.records) {
    const trace = record.traceId === '' ? REQUEST + record.requestId : record.traceId;
    if (record.kind === 'request') requests.set(record.requestId, trace);
    const list = records.get(trace);
    if (list) list.push(record);
    else records.set(trace, [record]);
  }
  if (requests.size === 0) return records;
  const isFor = allOf([rowsNode(project), isOneOf('requestId', [...requests.keys()])]);
  const rows = await find(logs, isFor, MAX_RECORDS, res);
  if (rows === undefined) return undefined;
  for (const row of rows.records) if (isFeedback(row)) records.get(requests.get(row.requestId)!)!.push(row);
  return records;
}
