// One record of what happened, found by any of its ids, and what stands around it.
// Must stay true: an id that is not found is said to be so, with what is known of it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LogRecord, QueryNode } from '../../../telemetry/logs/logs.ts';
import { fail, json, queryOf, type Endpoint } from '../endpoint.ts';
import { both, choiceParam, readSearchParams, refuseAll, wholeParam } from '../logs/search-params.ts';
import { logObject } from '../logs/record-json.ts';
import { pagedCount, pagedSearch, type LogStore } from '../logs/paged-search.ts';
import { EARLIEST_NS, LATEST_NS } from '../logs/time.ts';
import { nowNs, recordOf, refuseSearch, type WithLogs } from './logs.ts';

const ALL = { fromNs: EARLIEST_NS, toNs: LATEST_NS };
const AROUND = { min: 0, max: 500, fallback: 10 };

const equal = (name: string, value: string): QueryNode => ({ op: 'field', name, compare: '=', value });
/** Of an empty field, that it is empty. */
const same = (name: 'deployment' | 'replica' | 'source', record: LogRecord): QueryNode =>
  record[name] === '' ? { op: 'not', of: { op: 'exists', name } } : equal(name, record[name]);

export const recordEndpoints: readonly Endpoint<WithLogs>[] = [
  {
    method: 'GET',
    path: '/v1/logs/{id}',
    does: 'one record by its `seq`, or a request by its request id or trace id: with the number of its lines, and its bodies where they were kept',
    scope: 'logs:read',
    async answer(shown, req, res, [id]) {
      const logs = recordOf(shown, req, res);
      if (!logs) return;
      const problems = refuseAll(queryOf(req));
      if (problems.length > 0) return refuseSearch(req, res, problems);
      const record = await byId(logs, id!, res);
      if (record === undefined) return;
      if (record === 'none') return unknown(logs, id!, req, res);
      const lines = await linesOf(logs, record.requestId, res);
      if (lines === undefined) return;
      json(res, 200, {
        ...logObject(record),
        lines_count: lines,
        ...(record.kind === 'request' ? await bodiesOf(logs, record.seq) : {}),
      });
    },
  },
  {
    method: 'GET',
    path: '/v1/logs/{seq}/context',
    does: 'what was recorded before and after a record: of the same replica and source, or of all with `scope=all`',
    scope: 'logs:read',
    async answer(shown, req, res, [seq]) {
      const logs = recordOf(shown, req, res);
      if (!logs) return;
      const ask = readSearchParams(queryOf(req), ['before', 'after', 'scope'], nowNs());
      if ('problems' in ask) return refuseSearch(req, res, ask.problems);
      const [before, after] = [wholeParam(ask, 'before', AROUND), wholeParam(ask, 'after', AROUND)];
      const scope = choiceParam(ask, 'scope', ['same', 'all']);
      if (typeof before === 'string' || typeof after === 'string' || typeof scope === 'string')
        return refuseSearch(
          req,
          res,
          [before, after, scope].filter((one) => typeof one === 'string'),
        );
      const record = /^\d{1,15}$/.test(seq!) ? await logs.at(Number(seq)) : undefined;
      if (!record) return fail(req, res, 'unknown_record', `${seq!.slice(0, 80)} is no place in the record`);
      const own = (['deployment', 'replica', 'source'] as const).map((name) => same(name, record));
      const node = both([...(scope.word === 'all' ? [] : own), ask.node]);
      const around = { node, ...ask.span, after: { timeNs: record.timeNs, seq: record.seq } };
      const earlier = await look(logs, { ...around, direction: 'down', limit: before }, res);
      const later = earlier && (await look(logs, { ...around, direction: 'up', limit: after }, res));
      if (!earlier || !later) return;
      json(res, 200, {
        before: earlier.records.map(logObject).reverse(),
        log: logObject(record),
        after: later.records.map(logObject),
        is_partial: earlier.isPartial || later.isPartial || undefined,
      });
    },
  },
];

const look: typeof pagedSearch = async (logs, query, res) =>
  query.limit === 0 ? { records: [], next: undefined, isPartial: false } : pagedSearch(logs, query, res);

/** The record of an id; `none`, or `undefined` where the client has left. */
async function byId(
  logs: LogStore,
  id: string,
  res: ServerResponse,
): Promise<LogRecord | 'none' | undefined> {
  if (/^\d{1,15}$/.test(id)) {
    const record = await logs.at(Number(id));
    if (record) return record;
  }
  for (const name of /^[0-9a-f]{32}$/i.test(id) ? ['requestId', 'traceId'] : ['requestId']) {
    const node = both([equal('kind', 'request'), equal(name, name === 'traceId' ? id.toLowerCase() : id)]);
    // Of several tries under one id, and of several requests of one trace, the first.
    const found = await pagedSearch(logs, { node, ...ALL, direction: 'up', after: undefined, limit: 1 }, res);
    if (!found) return undefined;
    if (found.records[0]) return found.records[0];
  }
  return 'none';
}

async function linesOf(logs: LogStore, requestId: string, res: ServerResponse): Promise<number | undefined> {
  if (requestId === '') return 0;
  const node = both([equal('kind', 'line'), equal('requestId', requestId)]);
  const counted = await pagedCount(logs, { node, ...ALL }, { field: 'kind' }, res);
  return counted && (counted.counts.get('line') ?? 0);
}

async function unknown(logs: LogStore, id: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const lines = await linesOf(logs, id, res);
  if (lines === undefined) return;
  const hint =
    lines === 0
      ? 'it is recorded when it ends'
      : `it is recorded when it ends, but there are ${lines} lines of it: /v1/logs?request_id=${encodeURIComponent(id)}`;
  fail(req, res, 'unknown_record', `${id.slice(0, 256)}; ${hint}`);
}

/** Bodies as text where they are text, else as base64. */
async function bodiesOf(logs: LogStore, seq: number): Promise<Record<string, unknown>> {
  const bodies = await logs.bodies(seq);
  if (!bodies) return {};
  const body = (bytes: Uint8Array | undefined) => {
    if (!bytes) return undefined;
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const text = buffer.toString('utf8');
    return text.includes('\ufffd') ? { base64: buffer.toString('base64') } : { text };
  };
  return { request: body(bodies.request), response: body(bodies.response) };
}
