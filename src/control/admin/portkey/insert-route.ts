// POST /v1/logs with logs of a client of Portkey: stores them as requests, all or none.
// Invariant: a client that gets an error may send the same body again, since nothing of it was stored. One body is parsed
// at a time.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Failure } from '../../../core/errors.ts';
import type { LogStore } from '../../../telemetry/logs/logs.ts';
import { fail, setErrorForm } from '../endpoint.ts';
import { failStore } from '../logs/store-failure.ts';
import type { WithPrices } from '../routes/prices.ts';
import { insertedLog, type InsertedLog, type SetCost } from './inserted-log.ts';
import { MAX_MEMBERS, membersOf, parseBody } from './members.ts';
import { isPortkeyClient, portkeyErrors, sendObject } from './portkey-errors.ts';

/** Bytes of a body. One log may have bodies of several megabytes, of which the store keeps the beginning. */
const MAX_INSERT_BYTES = 16 * 1024 ** 2;

/** Begins of bodies: those of logs, and of OTLP. */
const LOGS = /^\s*(?:\[|\{\s*"(?:request|response|metadata|\d+)")/;
const OTLP = /^\s*(?:$|\{\s*(?:\}|"resource_?logs"))/i;
/** Bytes of the begin. */
const BEGIN = 256;

/** True for JSON with logs of a client of Portkey; false for OTLP. Looks at the begin only, since OTLP may be long. */
export function isInsert(body: Buffer, req: IncomingMessage): boolean {
  const begin = body.latin1Slice(0, Math.min(BEGIN, body.length));
  return LOGS.test(begin) || (isPortkeyClient(req) && !OTLP.test(begin));
}

/** Logs that are read in one turn of the event loop. */
const TURN = 32;

interface InsertFailure {
  readonly failure: Failure;
  readonly text: string;
  readonly param?: string;
}

/** The body that is read now, or was read last. */
let last: Promise<unknown> = Promise.resolve();

/** Runs `read` after those before it, since the objects of one body take up to thirty times its size. */
function inTurn<T>(read: () => Promise<T>): Promise<T> {
  const done = last.then(read);
  last = done.catch(() => undefined);
  return done;
}

/** Stores the logs of a body and responds. */
export async function insertLogs(
  logs: LogStore,
  { prices }: WithPrices,
  body: Buffer,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  setErrorForm(req, portkeyErrors);
  if (body.length > MAX_INSERT_BYTES)
    return fail(req, res, 'too_large', `the limit is ${MAX_INSERT_BYTES} bytes; nothing was stored`);
  const inserted = await inTurn(() => readLogs(body, (facts, atMs) => prices.setCost(facts, atMs)));
  if ('failure' in inserted) {
    const { failure, text, param = '' } = inserted;
    return fail(req, res, failure, '', { text, param });
  }
  const records = inserted.map(({ record }) => record);
  const result = await logs.post(
    records,
    inserted.map(({ bodies }) => bodies),
  );
  if ('problem' in result) return failStore(result.problem, 0, req, res);
  sendObject(res, 200, { status: 'success', ids: records.map(({ requestId }) => requestId) });
}

async function readLogs(body: Buffer, setCost: SetCost): Promise<readonly InsertedLog[] | InsertFailure> {
  const parsed = parseBody(body);
  if ('problem' in parsed)
    return { failure: 'bad_request', text: `The body ${parsed.problem}; nothing was stored` };
  const members = membersOf(parsed.value, 'logs');
  if (members.length === 0) return { failure: 'bad_request', text: 'The body has no logs' };
  if (members.length > MAX_MEMBERS)
    return {
      failure: 'too_large',
      text: `The body has ${members.length} logs; at most ${MAX_MEMBERS} are stored at once`,
    };
  const nowMs = Date.now();
  const inserted: InsertedLog[] = [];
  for (const [i, { name, value: member }] of members.entries()) {
    // This thread forwards requests too.
    if (i % TURN === TURN - 1) await nextTurn();
    const log = insertedLog(member, nowMs, setCost);
    if ('problem' in log) {
      const param = [name, log.key].filter((part) => part !== '').join('.');
      const text = `${param === '' ? 'The body' : param} ${log.problem}; nothing was stored`;
      return { failure: 'bad_request', text, param };
    }
    inserted.push(log);
  }
  return inserted;
}
