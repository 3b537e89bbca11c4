// Runs the export jobs of a data folder, until it is killed. Run as a program: `<folder>`.
// The first time it starts a job of all records as JSON lines. It prints the state of the job and its rows for each
// change, in one write each:
//   in_progress <rows>
// Invariant: it is the engine of the product with its threads, with short steps and many checkpoints.
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { Logger } from '../../src/core/logger.ts';
import { Exports } from '../../src/telemetry/exports/exports.ts';
import { Logs, RecorderClient } from '../../src/telemetry/logs/logs.ts';

const folder = process.argv[2]!;
const sink = {
  write: (text: string) => void writeSync(2, text),
  flush: () => undefined,
  dropped: () => 0,
};
const log = new Logger(sink, { level: 'warn', isText: false });
const logs = new Logs(
  {
    folder: join(folder, 'logs'),
    maxBytes: 2 ** 32,
    own: () => ({ pod: 'pod1-0a1b2c3d', modelId: 'mdl1' }),
    retentionMs: 86_400_000 * 366,
    maxLineBytes: 65_536,
    maxBodyBytes: 65_536,
    redactsCommonSecrets: true,
    files: [],
    fileOrigin: { deployment: '', environment: '', replica: '' },
    redactPatterns: [],
  },
  new RecorderClient({ fd: -1, isText: false }),
  log,
);
const limits = { max_rows: 0, lifetime: 86_400_000, url_lifetime: 60_000, max_bytes: 2 ** 32, max_jobs: 10 };
const exports = new Exports(limits, join(folder, 'exports'), logs, log, { stepMs: 3, checkpointMs: 10 });
await exports.start();
if (exports.list().length === 0) {
  const query = {
    node: { op: 'all' },
    fromMs: 0,
    toMs: Number.MAX_SAFE_INTEGER,
    offset: 0,
    limit: 0,
    columns: [
      { key: 'id', field: 'id' },
      { key: 'created_at', field: 'created_at' },
    ],
    format: 'jsonl',
  } as const;
  const created = await exports.create({ owner: 'me', asked: null, query });
  if ('refused' in created) throw new Error(created.message);
  const begun = await exports.begin(created.id);
  if ('refused' in begun) throw new Error(begun.message);
}
let last = '';
setInterval(() => {
  const { state, exportedRecords } = exports.list()[0]!;
  const text = `${state} ${exportedRecords}\n`;
  if (text !== last) writeSync(1, text);
  last = text;
}, 1);
