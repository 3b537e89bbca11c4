// A process that exports lines, for tests that kill it: `folder url before after` stores so many lines before it
// starts and so many behind, and says `ready` between. Its store is the same at every start, as one on disk would be.
import { Logger } from '../../src/core/logger.ts';
import { OtlpExport } from '../../src/telemetry/otlp-export/otlp-export.ts';
import { FAST, options } from './connections.ts';
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
  openFeed: records.open,
  spans: () => [],
  sender: { modelId: 'mdl1', version: '1' },
  ownPorts: () => [],
  log: new Logger(sink, { level: 'info', isText: false }),
  timing: FAST,
});
await connections.start();
process.stdout.write('ready\n');
if (Number(after) > 0) records.lines('line', Number(after));
process.stdin.resume();
