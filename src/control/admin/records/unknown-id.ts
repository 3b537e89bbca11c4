// The error response for an id that no record has: not recorded yet, or deleted by retention.
// Invariant: the reason is `deleted_by_retention` only if the id has a time, and no request of that time is kept.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { EARLIEST_NS, formatTime, LATEST_NS } from '../../../core/time.ts';
import type { LogStore } from '../../../telemetry/logs/logs.ts';
import { fail, setErrorForm } from '../endpoint.ts';
import { pagedSearch } from '../logs/paged-search.ts';
import { isPortkeyClient } from '../portkey/portkey-errors.ts';
import type { UnknownRequestJson } from './request-json.ts';

const OWN_ID = /^[0-9a-f]{37}$/;
/** Digits of the time in a request id of weir, which is in milliseconds. */
const TIME_DIGITS = 12;
/** A clock may be wrong by so much, in nanoseconds. */
const SLACK_NS = 86_400_000_000_000n;

/** The time in a request id of weir; `undefined` for other ids, and for times that cannot be. */
export function timeOfId(id: string, nowNs: bigint): bigint | undefined {
  if (!OWN_ID.test(id)) return undefined;
  const ns = BigInt(parseInt(id.slice(0, TIME_DIGITS), 16)) * 1_000_000n;
  return ns > EARLIEST_NS && ns < nowNs + SLACK_NS ? ns : undefined;
}

/** Sends the error response for an id. `lines`: number of log lines with it. */
export async function failUnknownId(
  logs: LogStore,
  id: string,
  lines: number,
  nowNs: bigint,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const idNs = timeOfId(id, nowNs);
  const oldestNs = idNs === undefined ? undefined : await oldestRequest(logs, res);
  if (oldestNs === 'gone') return;
  const isDeleted = idNs !== undefined && oldestNs !== undefined && idNs < oldestNs;
  const reason = idNs === undefined ? 'unknown' : isDeleted ? 'deleted_by_retention' : 'not_recorded_yet';
  if (!isPortkeyClient(req))
    setErrorForm(req, (error): { body: UnknownRequestJson } => ({
      body: {
        error: error.message,
        error_code: 'client_error',
        request_id: error.requestId,
        reason,
        ...(idNs === undefined ? {} : { id_time: formatTime(idNs) }),
        ...(oldestNs === undefined ? {} : { oldest: formatTime(oldestNs) }),
        lines_count: lines,
      },
    }));
  const hint = isDeleted
    ? `the id is of ${formatTime(idNs)}, and the oldest stored request of ${formatTime(oldestNs)}`
    : 'a request is recorded when it ends';
  const linesHint =
    lines === 0 ? '' : `; its ${lines} log lines are at /v1/logs?request_id=${encodeURIComponent(id)}`;
  fail(req, res, 'unknown_record', `${id.slice(0, 256)}; ${hint}${linesHint}`);
}

/** Begin of the oldest stored request; `undefined`: there is none. */
async function oldestRequest(logs: LogStore, res: ServerResponse): Promise<bigint | 'gone' | undefined> {
  const found = await pagedSearch(
    logs,
    {
      node: { op: 'field', name: 'kind', compare: '=', value: 'request' },
      fromNs: EARLIEST_NS,
      toNs: LATEST_NS,
      direction: 'up',
      after: undefined,
      limit: 1,
    },
    res,
  );
  return found === undefined ? 'gone' : found.records[0]?.timeNs;
}
