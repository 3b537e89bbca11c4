// Routes of one record: found by its place, request id or trace id, and its context.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { traceIdOfText } from '../../../core/exchange/foreign-ids.ts';
import { EARLIEST_NS, LATEST_NS, nowNs } from '../../../core/time.ts';
import {
  attributesOf,
  type LogRecord,
  type LogStore,
  type Place,
  type QueryNode,
} from '../../../telemetry/logs/logs.ts';
import { fail, json, queryOf, type Endpoint } from '../endpoint.ts';
import {
  allOf,
  choiceParam,
  readSearchParams,
  unexpectedParams,
  wholeNumberParam,
} from '../logs/search-params.ts';
import { logObject } from '../logs/record-json.ts';
import { groupUnlessClosed, pagedSearch, timePlaceOf } from '../logs/paged-search.ts';
import { portkeyLog, type BodyJson } from '../portkey/log-object.ts';
import { errorsOfClient, sendObject } from '../portkey/portkey-errors.ts';
import { failQuery, logsOrFail, type WithLogs } from './logs.ts';

const ALL = { fromNs: EARLIEST_NS, toNs: LATEST_NS };
const AROUND = { min: 0, max: 500, fallback: 10 };

const equal = (name: string, value: string): QueryNode => ({ op: 'field', name, compare: '=', value });
/** Matches records with the same value, or without one if the record has none. */
const same = (name: 'deployment' | 'replica' | 'source', record: LogRecord): QueryNode =>
  record[name] === '' ? { op: 'not', of: { op: 'exists', name } } : equal(name, record[name]);

export const recordEndpoints: readonly Endpoint<WithLogs>[] = [
  {
    method: 'GET',
    path: '/v1/logs/{id}',
    does: 'returns one record by its `seq`, or a request by its request id or trace id, with the number of its lines and its stored bodies; a request also has the fields of a log of Portkey',
    scope: 'logs:read',
    errors: errorsOfClient,
    async handle(context, req, res, [id]) {
      const logs = logsOrFail(context, req, res);
      if (!logs) return;
      const problems = unexpectedParams(queryOf(req));
      if (problems.length > 0) return failQuery(req, res, problems);
      const record = await byId(logs, id!, res);
      if (record === undefined) return;
      if (record === 'none') return failUnknown(logs, id!, req, res);
      const lines = await linesOf(logs, record.requestId, res);
      if (lines === undefined) return;
      const object = { ...logObject(record), lines_count: lines };
      if (record.kind !== 'request') return sendObject(res, 200, object);
      const { request, response } = await bodiesOf(logs, logs.placeOf(record));
      const isGone = request === undefined && response === undefined;
      const hadBodies = isGone && attributesOf(record)['has_bodies'] === true;
      const log = { ...object, ...portkeyLog(record, request, response) };
      sendObject(res, 200, hadBodies ? { ...log, bodies_deleted: true } : log);
    },
  },
  {
    method: 'GET',
    path: '/v1/logs/{seq}/context',
    does: 'returns the records before and after a record: of the same replica and source, or of all with `scope=all`',
    scope: 'logs:read',
    async handle(context, req, res, [seq]) {
      const logs = logsOrFail(context, req, res);
      if (!logs) return;
      const params = readSearchParams(queryOf(req), ['before', 'after', 'scope'], nowNs());
      if ('problems' in params) return failQuery(req, res, params.problems);
      const [before, after] = [
        wholeNumberParam(params, 'before', AROUND),
        wholeNumberParam(params, 'after', AROUND),
      ];
      const scope = choiceParam(params, 'scope', ['same', 'all']);
      if (typeof before === 'string' || typeof after === 'string' || typeof scope === 'string')
        return failQuery(
          req,
          res,
          [before, after, scope].filter((one) => typeof one === 'string'),
        );
      const place = logs.readPlace(seq!);
      const record = place && (await logs.at(place));
      if (!record) return fail(req, res, 'unknown_record', `no record with seq ${seq!.slice(0, 80)}`);
      const own = (['deployment', 'replica', 'source'] as const).map((name) => same(name, record));
      const node = allOf([...(scope.word === 'all' ? [] : own), params.node]);
      const around = { node, ...params.span, after: timePlaceOf(logs, record) };
      const earlier = await searchUnlessZero(logs, { ...around, direction: 'down', limit: before }, res);
      const later =
        earlier && (await searchUnlessZero(logs, { ...around, direction: 'up', limit: after }, res));
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

const searchUnlessZero: typeof pagedSearch = async (logs, query, res) =>
  query.limit === 0 ? { records: [], next: undefined, isPartial: false } : pagedSearch(logs, query, res);

/** Finds the record of an id. Returns 'none' if there is none, and `undefined` if the client has left. */
async function byId(
  logs: LogStore,
  id: string,
  res: ServerResponse,
): Promise<LogRecord | 'none' | undefined> {
  const place = logs.readPlace(id);
  const record = place && (await logs.at(place));
  if (record) return record;
  for (const [name, value] of [
    ['requestId', id],
    ['traceId', traceIdOfText(id).id],
  ] as const) {
    const node = allOf([equal('kind', 'request'), equal(name, value)]);
    // The first one, if several requests have the same id or trace.
    const found = await pagedSearch(logs, { node, ...ALL, direction: 'up', after: undefined, limit: 1 }, res);
    if (!found) return undefined;
    if (found.records[0]) return found.records[0];
  }
  return 'none';
}

async function linesOf(logs: LogStore, requestId: string, res: ServerResponse): Promise<number | undefined> {
  if (requestId === '') return 0;
  const node = allOf([equal('kind', 'line'), equal('requestId', requestId)]);
  const counted = await groupUnlessClosed(logs, { node, ...ALL, by: [], measures: [] }, res);
  return counted?.matched;
}

async function failUnknown(
  logs: LogStore,
  id: string,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const lines = await linesOf(logs, id, res);
  if (lines === undefined) return;
  const hint =
    lines === 0
      ? 'a request is recorded when it ends'
      : `a request is recorded when it ends; its ${lines} log lines are at /v1/logs?request_id=${encodeURIComponent(id)}`;
  fail(req, res, 'unknown_record', `${id.slice(0, 256)}; ${hint}`);
}

/** Stored bodies: as text if they are UTF-8, otherwise as base64. */
async function bodiesOf(
  logs: LogStore,
  place: Place,
): Promise<{ readonly request?: BodyJson | undefined; readonly response?: BodyJson | undefined }> {
  const bodies = await logs.bodies(place);
  if (!bodies) return {};
  const body = (bytes: Uint8Array | undefined) => {
    if (!bytes) return undefined;
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const text = buffer.toString('utf8');
    return text.includes('\ufffd') ? { base64: buffer.toString('base64') } : { text };
  };
  return { request: body(bodies.request), response: body(bodies.response) };
}
