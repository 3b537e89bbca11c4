// Worker thread that owns the queue's SQLite file. The calls of one turn share a transaction, and so one sync.
// Invariant: a result is sent after its transaction is on disk. If the transaction fails, none of its calls has an
// effect, and each is tried alone.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { describe } from '../../../core/errors.ts';
import { SqliteFile, sqliteError } from '../../../core/sqlite-file.ts';
import type { Call, CallResult, WorkerFailure } from '../../../core/worker-rpc.ts';
import { QUEUE_SCHEMA_VERSION } from './sqlite-schema.ts';
import { SqliteTables } from './sqlite-tables.ts';
import type { QueueDepth } from '../task.ts';

/** Start parameters of the thread. */
export interface QueueThreadData {
  readonly folder: string;
  readonly fsync: boolean;
  readonly maxBytes: number;
  readonly nowMs: number;
  readonly retentionMs: number;
  /** Ids of tasks that this process has claimed through an earlier thread. */
  readonly held: readonly string[];
}

/** Methods of SqliteTables that the store calls. */
export type TaskOperation =
  | 'add'
  | 'status'
  | 'cancel'
  | 'result'
  | 'facts'
  | 'list'
  | 'nextToExpire'
  | 'claim'
  | 'retryLater'
  | 'giveBack'
  | 'finish'
  | 'claimDelivery'
  | 'deliverLater'
  | 'finishDelivery'
  | 'sweep';

/** Message from the thread. `opened` is in the first one only: empty, or why the file cannot be used. */
export interface QueueThreadEvent {
  readonly opened?: string;
  readonly results: readonly CallResult[];
  readonly expired: readonly string[];
  readonly depths: Record<string, QueueDepth>;
}

/** Files up to this size are checked for damage at the start. */
const CHECKED_BYTES = 64 * 1024 ** 2;

/**
 * After a transaction of at least so many calls, the next one waits until as many have come, or for GATHER_MS, so that
 * more calls share a sync.
 */
const MANY_CALLS = 8;
const GATHER_MS = 1;

const port = parentPort!;
const { folder, fsync, maxBytes, nowMs, retentionMs, held } = workerData as QueueThreadData;
const file = join(folder, 'queue.sqlite');

/** Opens the file. Returns the problem if it cannot be used; the file is never repaired, emptied or replaced. */
function open(): SqliteTables | string {
  let opened: SqliteFile | undefined;
  try {
    const isNew = !existsSync(file);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    opened = new SqliteFile(file, { sync: fsync ? 'full' : 'off', maxBytes });
    const tables = new SqliteTables(opened);
    const { version } = opened;
    const damage = isNew ? '' : opened.damage(CHECKED_BYTES);
    if (damage !== '') {
      opened.close();
      return `${file} is damaged (${damage.replaceAll('\n', ' ')}): keep a copy, then restore it or move it away`;
    }
    // Only an undamaged file is written.
    if (isNew || version === 0) tables.create();
    else if (!tables.migrate()) {
      opened.close();
      return `${file} has schema version ${version}, but this weir supports ${QUEUE_SCHEMA_VERSION}; use the version of weir that wrote it`;
    }
    tables.recover(nowMs, retentionMs, held);
    return tables;
  } catch (error) {
    opened?.close();
    const text = describe(error);
    if (/locked/.test(text)) return `${file} is in use by another weir`;
    if (/malformed|not a database/.test(text))
      return `${file} is damaged (${text}): keep a copy, then restore it or move it away`;
    return `${file} cannot be used: ${text}`;
  }
}

/** Runs one call. */
function run(tables: SqliteTables, { operation, args }: Call, expired: string[]): unknown {
  const onExpired = (deployment: string) => void expired.push(deployment);
  const method = tables[operation as TaskOperation] as (...all: unknown[]) => unknown;
  const more = operation === 'claim' || operation === 'sweep' ? [onExpired] : [];
  return method.call(tables, ...args, ...more);
}

const failureOf = (error: unknown): WorkerFailure => ({ message: describe(error), code: sqliteError(error) });

function serve(tables: SqliteTables, calls: readonly Call[]): QueueThreadEvent {
  const expired: string[] = [];
  let results: CallResult[];
  try {
    results = tables.transaction(() =>
      calls.map((call) => ({ n: call.n, value: run(tables, call, expired) })),
    );
  } catch (error) {
    expired.length = 0;
    // One of them may be why: each has what is its own.
    results =
      calls.length === 1
        ? [{ n: calls[0]!.n, failure: failureOf(error) }]
        : calls.flatMap((call) => {
            const report = serve(tables, [call]);
            expired.push(...report.expired);
            return report.results;
          });
  }
  return { results, expired, depths: tables.depths() };
}

const opened = open();
if (typeof opened === 'string') port.postMessage({ opened, results: [], expired: [], depths: {} });
else {
  port.postMessage({ opened: '', results: [], expired: [], depths: opened.depths() });
  let gathered: Call[] = [];
  /** How many calls the next transaction waits for. */
  let awaited = 0;
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    const all = gathered;
    gathered = [];
    timer = undefined;
    awaited = all.length >= MANY_CALLS ? all.length : 0;
    port.postMessage(serve(opened, all));
  };
  port.on('message', (calls: readonly Call[] | 'close') => {
    if (calls === 'close') {
      opened.close();
      port.close();
      return;
    }
    const isFirst = gathered.length === 0;
    gathered.push(...calls);
    const isEnough = gathered.length >= awaited;
    if (isFirst && !isEnough) timer = setTimeout(flush, GATHER_MS);
    else if (isEnough && (isFirst || timer !== undefined)) {
      clearTimeout(timer);
      timer = undefined;
      // Later messages that have come already are served too.
      setImmediate(flush);
    }
  });
}
