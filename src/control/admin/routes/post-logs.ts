// POST /v1/logs: lines from outside, as text, NDJSON or OTLP.
// Must stay true: what is answered with 200 is stored; what was refused is said, with how much was stored before that.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { unknownName } from '../../../core/nearest-name.ts';
import { recordsOfLogs, recordsOfSpans } from '../../../telemetry/logs/logs.ts';
import type { LogRecord, RecordOrigin, OtlpDefaults, PostResult } from '../../../telemetry/logs/logs.ts';
import { CONTENT_TYPES, decode, encodingOf, type Encoding } from '../../../protocol/otlp/codec.ts';
import { errorOf, type OtlpResponse } from '../../../protocol/otlp/otlp-http.ts';
import { logsRequest, tracesRequest } from '../../../protocol/otlp/messages.ts';
import { bytesBody, mediaType } from '../read-body.ts';
import { fail, json, queryOf, type Endpoint } from '../endpoint.ts';
import { isGone, type LogStore } from '../logs/paged-search.ts';
import { nowNs, recordOf, refuseSearch, type WithLogs } from './logs.ts';

const MAX_BODY_BYTES = 64 * 1024 ** 2;
/** Lines that go to the record at once: more would fill the way there all alone. */
const PIECE_BYTES = 1024 ** 2;
/** The same of short lines, and of records. */
const PIECE_LINES = 10_000;
/** Without a type, as curl sends nothing else that fits, they are lines, too. */
const LINES: ReadonlySet<string> = new Set([
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'text/plain',
  '',
]);
const ORIGIN = ['deployment', 'environment', 'replica', 'source'] as const;
const LONGEST = 256;
const LF = 0x0a;

export const intakeEndpoints: readonly Endpoint<WithLogs>[] = [
  {
    method: 'POST',
    path: '/v1/logs',
    does: 'stores lines: NDJSON or plain text (who said them is in `deployment`, `environment`, `replica` and `source` of the query), or OTLP as protobuf or JSON; answered once they are stored',
    scope: 'logs:write',
    answer: (shown, req, res) => take(shown, 'logs', req, res),
  },
  {
    method: 'POST',
    path: '/v1/traces',
    does: 'stores spans that others made, as OTLP (protobuf or JSON): they are shown in the traces that they belong to',
    scope: 'logs:write',
    answer: (shown, req, res) => take(shown, 'traces', req, res),
  },
];

/** Media types that each takes besides OTLP's, and what it says of them. */
const OTHERS = {
  logs: { types: LINES, said: 'application/x-ndjson, text/plain, and ' },
  traces: { types: new Set<string>(), said: '' },
} as const;

async function take(
  shown: WithLogs,
  signal: 'logs' | 'traces',
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const logs = recordOf(shown, req, res);
  if (!logs) return;
  const type = mediaType(req);
  const encoding = encodingOf(type);
  const { types, said } = OTHERS[signal];
  if (encoding === undefined && !types.has(type))
    return fail(
      req,
      res,
      'wrong_protocol',
      `${type.slice(0, 80)}; there is ${said}OTLP as application/x-protobuf or application/json`,
    );
  const origin = originOf(queryOf(req));
  if (typeof origin === 'string') return refuseSearch(req, res, [origin]);
  const body = await bytesBody(req, res, MAX_BODY_BYTES);
  if (body === undefined) return;
  if (encoding === undefined) return storeLines(logs, body, origin, req, res);
  const { deployment } = origin;
  return storeOtlp(logs, { signal: SIGNALS[signal], encoding, body, deployment }, req, res);
}

/** How the body of an OTLP request becomes records. A text is what is wrong with it, as the end of a sentence. */
type Signal = (encoding: Encoding, body: Uint8Array, intake: OtlpDefaults) => LogRecord[] | string;

const SIGNALS: Readonly<Record<'logs' | 'traces', Signal>> = {
  logs(encoding, body, intake) {
    const read = decode(encoding, logsRequest, body);
    return 'problem' in read ? read.problem : recordsOfLogs(read.message, intake);
  },
  traces(encoding, body, intake) {
    const read = decode(encoding, tracesRequest, body);
    return 'problem' in read ? read.problem : recordsOfSpans(read.message, intake);
  },
};
/** All was taken: then `partial_success` must not be there (contracts/logplane.md C3), and nothing else is. */
const success = (encoding: Encoding): OtlpResponse => ({
  contentType: CONTENT_TYPES[encoding],
  body: Buffer.from(encoding === 'json' ? '{}' : ''),
});
/** google.rpc.Code of a bad request. */
const INVALID_ARGUMENT = 3;

function originOf(query: URLSearchParams): RecordOrigin | string {
  const origin = { deployment: '', environment: '', replica: '', source: 'api' };
  for (const [name, value] of query) {
    const known = ORIGIN.find((one) => one === name);
    if (!known) return unknownName('parameter', name, ORIGIN);
    if (value.length > LONGEST) return `${name}: must have at most ${LONGEST} characters`;
    origin[known] = value;
  }
  return origin;
}

async function storeLines(
  logs: LogStore,
  body: Buffer,
  origin: RecordOrigin,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  let stored = 0;
  for (let from = 0; from < body.length;) {
    // Nobody waits for the rest any more, nor keeps it within a bound.
    if (isGone(res)) return;
    const { to, count } = pieceOf(body, from);
    // A copy: on its way to the thread a view takes all of its buffer with it.
    const result =
      count === 0
        ? { stored: 0 }
        : await logs.postLines(new Uint8Array(body.subarray(from, to)), origin, count);
    if ('problem' in result) return refused(result.problem, stored, req, res);
    stored += result.stored;
    from = to;
  }
  json(res, 200, { stored });
}

/**
 * Where the piece ends that begins at `from`: behind the last line that fits, or behind one that is larger than a piece.
 * `count`: its lines that are not empty.
 */
function pieceOf(body: Buffer, from: number): { readonly to: number; readonly count: number } {
  let to = from;
  let count = 0;
  while (to < body.length && count < PIECE_LINES) {
    const lineEnd = body.indexOf(LF, to);
    const end = lineEnd === -1 ? body.length : lineEnd + 1;
    if (to > from && end - from > PIECE_BYTES) break;
    if (lineEnd !== to) count++;
    to = end;
  }
  return { to, count };
}

interface Otlp {
  readonly signal: Signal;
  readonly encoding: Encoding;
  readonly body: Uint8Array;
  /** Of those who name none. */
  readonly deployment: string;
}

async function storeOtlp(
  logs: LogStore,
  { signal, encoding, body, deployment }: Otlp,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const say = (status: number, answer: OtlpResponse): void => {
    res.writeHead(status, { 'content-type': answer.contentType, 'content-length': answer.body.length });
    res.end(answer.body);
  };
  const records = signal(encoding, body, { nowNs: nowNs(), deployment });
  // In the encoding of the sender, who reads no other (contracts/logplane.md C3).
  if (typeof records === 'string')
    return say(400, errorOf(encoding, INVALID_ARGUMENT, `the body ${records}`));
  let stored = 0;
  while (stored < records.length) {
    if (isGone(res)) return;
    const result = await logs.post(records.slice(stored, stored + PIECE_LINES));
    if ('problem' in result) return refused(result.problem, stored, req, res);
    stored += result.stored;
  }
  say(200, success(encoding));
}

type Problem = Extract<PostResult, { problem: unknown }>['problem'];

function refused(problem: Problem, stored: number, req: IncomingMessage, res: ServerResponse): void {
  const detail = stored === 0 ? 'nothing was stored' : `the first ${stored} were stored`;
  if (problem === 'queue_full')
    fail(req, res, 'queue_full', detail, { text: 'More comes in than can be stored; try again' });
  else if (problem === 'store_full') fail(req, res, 'storage_full', detail, { text: 'The disk is full' });
  else fail(req, res, 'storage_failed', detail, { text: 'This cannot be stored at the moment' });
}
