// POST /v1/logs and /v1/traces: stores log lines (text, NDJSON or OTLP), requests that other gateways have served, and
// spans (OTLP) of other programs.
// Invariant: 200 is sent after all records are stored; an error response says how many were stored before it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { mediaTypeOf } from '../../../core/media-type.ts';
import { unknownName } from '../../../core/nearest-name.ts';
import { nowNs } from '../../../core/time.ts';
import { recordsOfLogs, recordsOfSpans } from '../../../telemetry/logs/logs.ts';
import type { LineOrigin, LogRecord, LogStore, OtlpDefaults } from '../../../telemetry/logs/logs.ts';
import { CONTENT_TYPES, decode, encodingOf, type Encoding } from '../../../protocol/otlp/codec.ts';
import { otlpError, type OtlpResponse } from '../../../protocol/otlp/otlp-response.ts';
import { logsRequest, tracesRequest } from '../../../protocol/otlp/messages.ts';
import { bytesBody } from '../read-body.ts';
import { fail, json, queryOf, type Endpoint } from '../endpoint.ts';
import { isClosed } from '../logs/paged-search.ts';
import { failStore } from '../logs/store-failure.ts';
import { insertLogs, isInsert } from '../portkey/insert-route.ts';
import { errorsOfClient } from '../portkey/portkey-errors.ts';
import { failQuery, logsOrFail, type WithLogs } from './logs.ts';
import type { WithPrices } from './prices.ts';

const MAX_BODY_BYTES = 64 * 1024 ** 2;
/** Bytes that are stored at once, since more would fill the queue of the store. */
const CHUNK_BYTES = 1024 ** 2;
/** Lines or records that are stored at once. */
const CHUNK_LINES = 10_000;
/** Media types of log lines. A body without a type counts as lines too. */
const LINE_TYPES: ReadonlySet<string> = new Set([
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'text/plain',
  '',
]);
const ORIGIN = ['deployment', 'environment', 'replica', 'source'] as const;
const MAX_PARAM_LENGTH = 256;
const LF = 0x0a;

export const postLogEndpoints: readonly Endpoint<WithLogs & WithPrices>[] = [
  {
    method: 'POST',
    path: '/v1/logs',
    does: 'stores log lines: NDJSON or plain text (with `deployment`, `environment`, `replica` and `source` in the query), or OTLP as protobuf or JSON; or requests of other gateways as `{"request", "response", "metadata"?}`, one or a list, all or none; responds after they are stored',
    scope: 'logs:write',
    effect: 'store',
    errors: errorsOfClient,
    handle: (context, req, res) => store(context, 'logs', req, res),
  },
  {
    method: 'POST',
    path: '/v1/traces',
    does: 'stores spans of other programs as OTLP (protobuf or JSON); they appear in their traces',
    scope: 'logs:write',
    effect: 'store',
    handle: (context, req, res) => store(context, 'traces', req, res),
  },
];

/** Media types besides those of OTLP, and their names for errors. */
const OTHER_TYPES = {
  logs: { types: LINE_TYPES, names: 'application/x-ndjson, text/plain, or ' },
  traces: { types: new Set<string>(), names: '' },
} as const;

async function store(
  context: WithLogs & WithPrices,
  signal: 'logs' | 'traces',
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const logs = logsOrFail(context, req, res);
  if (!logs) return;
  const type = mediaTypeOf(req.headers['content-type']);
  const encoding = encodingOf(type);
  const { types, names } = OTHER_TYPES[signal];
  if (encoding === undefined && !types.has(type))
    return fail(
      req,
      res,
      'wrong_protocol',
      `Content-Type ${JSON.stringify(type.slice(0, 80))} is not supported; send ${names}OTLP as application/x-protobuf or application/json`,
    );
  const origin = originOf(queryOf(req));
  if (typeof origin === 'string') return failQuery(req, res, [origin]);
  const body = await bytesBody(req, res, MAX_BODY_BYTES);
  if (body === undefined) return;
  if (encoding === undefined) return storeLines(logs, body, origin, req, res);
  if (signal === 'logs' && encoding === 'json' && isInsert(body, req))
    return insertLogs(logs, context, body, req, res);
  const { deployment } = origin;
  return storeOtlp(logs, { convert: CONVERTERS[signal], encoding, body, deployment }, req, res);
}

/** Converts the body of an OTLP request to records. A text is the problem, as the end of a sentence. */
type Converter = (encoding: Encoding, body: Uint8Array, defaults: OtlpDefaults) => LogRecord[] | string;

const CONVERTERS: Readonly<Record<'logs' | 'traces', Converter>> = {
  logs(encoding, body, defaults) {
    const read = decode(encoding, logsRequest, body);
    return 'problem' in read ? read.problem : recordsOfLogs(read.message, defaults);
  },
  traces(encoding, body, defaults) {
    const read = decode(encoding, tracesRequest, body);
    return 'problem' in read ? read.problem : recordsOfSpans(read.message, defaults);
  },
};
/** Response after all records were stored: without `partial_success` (docs/contracts/logs.md 3), so empty. */
const success = (encoding: Encoding): OtlpResponse => ({
  contentType: CONTENT_TYPES[encoding],
  body: Buffer.from(encoding === 'json' ? '{}' : ''),
});
/** google.rpc.Code of a bad request. */
const INVALID_ARGUMENT = 3;

function originOf(query: URLSearchParams): LineOrigin | string {
  const origin = { deployment: '', environment: '', replica: '', source: 'api' };
  for (const [name, value] of query) {
    const known = ORIGIN.find((one) => one === name);
    if (!known) return unknownName('parameter', name, ORIGIN);
    if (value.length > MAX_PARAM_LENGTH) return `${name}: must have at most ${MAX_PARAM_LENGTH} characters`;
    origin[known] = value;
  }
  return origin;
}

async function storeLines(
  logs: LogStore,
  body: Buffer,
  origin: LineOrigin,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  let stored = 0;
  for (let from = 0; from < body.length;) {
    // The client has left, so its body no longer counts towards the limit of buffered bodies.
    if (isClosed(res)) return;
    const { to, count } = chunkAt(body, from);
    // A copy, since a view would send its whole buffer to the thread.
    const result =
      count === 0
        ? { stored: 0 }
        : await logs.postLines(new Uint8Array(body.subarray(from, to)), origin, count);
    if ('problem' in result) return failStore(result.problem, stored, req, res);
    stored += result.stored;
    from = to;
  }
  json(res, 200, { stored });
}

/**
 * End of the chunk that begins at `from`: after the last line that fits, or after one line larger than a chunk.
 * `count`: number of its lines that are not empty.
 */
function chunkAt(body: Buffer, from: number): { readonly to: number; readonly count: number } {
  let to = from;
  let count = 0;
  while (to < body.length && count < CHUNK_LINES) {
    const lineEnd = body.indexOf(LF, to);
    const end = lineEnd === -1 ? body.length : lineEnd + 1;
    if (to > from && end - from > CHUNK_BYTES) break;
    if (lineEnd !== to) count++;
    to = end;
  }
  return { to, count };
}

interface OtlpBody {
  readonly convert: Converter;
  readonly encoding: Encoding;
  readonly body: Uint8Array;
  /** For records that name none. */
  readonly deployment: string;
}

async function storeOtlp(
  logs: LogStore,
  { convert, encoding, body, deployment }: OtlpBody,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const send = (status: number, response: OtlpResponse): void => {
    res.writeHead(status, { 'content-type': response.contentType, 'content-length': response.body.length });
    res.end(response.body);
  };
  const records = convert(encoding, body, { nowNs: nowNs(), deployment });
  // In the encoding of the request (docs/contracts/logs.md 3).
  if (typeof records === 'string')
    return send(400, otlpError(encoding, INVALID_ARGUMENT, `the body ${records}`));
  let stored = 0;
  while (stored < records.length) {
    if (isClosed(res)) return;
    const result = await logs.post(records.slice(stored, stored + CHUNK_LINES));
    if ('problem' in result) return failStore(result.problem, stored, req, res);
    stored += result.stored;
  }
  send(200, success(encoding));
}
