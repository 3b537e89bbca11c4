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
import { allOf, choiceParam, readSearchParams, wholeNumberParam } from '../logs/search-params.ts';
import { logObject } from '../logs/record-json.ts';
import { groupUnlessClosed, pagedSearch, timePlaceOf } from '../logs/paged-search.ts';
import { portkeyLog, type BodyJson } from '../portkey/log-object.ts';
import { errorsOfClient, sendObject } from '../portkey/portkey-errors.ts';
import { requestDetails, type DetailSources } from '../records/request-details.ts';
import { contentOf } from '../records/stored-body.ts';
import { failUnknownId } from '../records/unknown-id.ts';
import { withParam } from '../with-param.ts';
import { failQuery, logsOrFail, type WithLogs } from './logs.ts';

const ALL = { fromNs: EARLIEST_NS, toNs: LATEST_NS };
const AROUND = { min: 0, max: 500, fallback: 10 };

const equal = (name: string, value: string): QueryNode => ({ op: 'field', name, compare: '=', value });
/** What the records around one have in common with it. */
const OF_SCOPE = {
  same: ['deployment', 'replica', 'source'],
  replica: ['deployment', 'replica'],
  all: [],
} as const;

/** Matches records with the same value, or without one if the record has none. */
const same = (name: 'deployment' | 'replica' | 'source', record: LogRecord): QueryNode =>
  record[name] === '' ? { op: 'not', of: { op: 'exists', name } } : equal(name, record[name]);

/** Modules of these routes. */
export interface WithDetails extends WithLogs, DetailSources {}

export const recordEndpoints: readonly Endpoint<WithDetails>[] = [
  {
    method: 'GET',
    path: '/v1/logs/{id}',
    does: 'returns one record by its `seq`, or a request by its request id or trace id, with the number of its lines and its stored bodies; a request also has the fields of a log of Portkey; with `with=details` why a body is not there, tokens with their prices, annotations with their authors, and the task of an asynchronous request',
    scope: 'logs:read',
    errors: errorsOfClient,
    async handle(context, req, res, [id]) {
      const logs = logsOrFail(context, req, res);
      if (!logs) return;
      const parts = withParam(queryOf(req), ['details']);
      if ('problems' in parts) return failQuery(req, res, parts.problems);
      const record = await byId(logs, id!, res);
      if (record === undefined) return;
      if (record === 'none') return failUnknown(logs, id!, req, res);
      const lines = await linesOf(logs, record.requestId, res);
      if (lines === undefined) return;
      if (parts.has('details')) {
        const details = await requestDetails(logs, context, record, lines, res);
        return details && json(res, 200, details);
      }
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
    does: 'returns the records before and after a record: of the same replica and source, of all sources of that replica with `scope=replica`, or of all with `scope=all`; `before` and `after` (0 to 500) say how many',
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
      const scope = choiceParam(params, 'scope', ['same', 'replica', 'all']);
      if (typeof before === 'string' || typeof after === 'string' || typeof scope === 'string')
        return failQuery(
          req,
          res,
          [before, after, scope].filter((one) => typeof one === 'string'),
        );
      const place = logs.readPlace(seq!);
      const record = place && (await logs.at(place));
      if (!record) return fail(req, res, 'unknown_record', `no record with seq ${seq!.slice(0, 80)}`);
      const own = OF_SCOPE[scope.word].map((name) => same(name, record));
      const node = allOf([...own, params.node]);
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
  if (lines !== undefined) await failUnknownId(logs, id, lines, nowNs(), req, res);
}

/** Stored bodies: as text if they are UTF-8, otherwise as base64. */
async function bodiesOf(
  logs: LogStore,
  place: Place,
): Promise<{ readonly request?: BodyJson | undefined; readonly response?: BodyJson | undefined }> {
  const bodies = await logs.bodies(place);
  if (!bodies) return {};
  const body = (bytes: Uint8Array | undefined) => bytes && contentOf(bytes);
  return { request: body(bodies.request), response: body(bodies.response) };
}
