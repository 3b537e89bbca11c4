// A process that exports log lines, for tests that kill it. Arguments: `folder url before after`. It stores `before`
// lines, starts the export, prints `ready`, and stores `after` lines. Each start has the same stored lines.
import { Logger } from '../../src/core/logger.ts';
import { OtlpExport } from '../../src/telemetry/otlp-export/otlp-export.ts';
import { FAST, options } from './connections.ts';
import { localBatches, SENDER } from './local-batches.ts';
import { Records } from './records.ts';

const [path, endpoint, before, after] = process.argv.slice(2) as [string, string, string, string];
const records = new Records();
if (Number(before) > 0) records.lines('line', Number(before));
const sink = {
  write: (line: string) => void process.stdout.write(line),
  flush: () => undefined,
  dropped: () => 0,
};
const connections = new OtlpExport(options({ endpoint }), {
  folder: path,
  openBatches: localBatches(records),
  countStored: async () => ({ count: 0, isExact: true }),
  sender: SENDER,
  ownPorts: () => [],
  log: new Logger(sink, { level: 'info', isText: false }),
  timing: FAST,
});
await connections.start();
process.stdout.write('ready\n');
if (Number(after) > 0) records.lines('line', Number(after));
process.stdin.resume();
