// Log lines: how many are stored per second and in how many bytes, searches among them, and the delay until a new line is
// followed and exported.
// Invariant: lines are made before the clock starts, so that only their way into the store is measured.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { setTimeout as sleep } from 'node:timers/promises';
import { read } from '../../src/core/read-settings.ts';
import { decode } from '../../src/protocol/otlp/codec.ts';
import { logsRequest } from '../../src/protocol/otlp/messages.ts';
import type { LineStream } from '../../src/telemetry/logs/logs.ts';
import { parseQuery } from '../../src/telemetry/logs/query/parse.ts';
import { exportOptions } from '../../src/telemetry/otlp-export/options.ts';
import { OtlpExport, readerBatches, storedCounter } from '../../src/telemetry/otlp-export/otlp-export.ts';
import { percentile } from '../stats.ts';
import { jsonLine, plainLine } from '../texts.ts';
import { BenchStore, own, quiet } from './bench-store.ts';
import { atLeast, atMost, type LogReport } from './log-report.ts';

/** Lines in one write, as from a busy replica. */
const PIECE_LINES = 250;
/** Lines of one request. */
const REQUEST_LINES = 8;
/** Wait for the figures of the files, which are checked once a second. */
const SETTLE_MS = 1500;

const began = Date.now() - 3_600_000;
const idOf = (n: number): string => `${(0x19a000000000 + n).toString(16)}0123456789abcdef012345678`;

interface Speed {
  readonly perSecond: number;
  readonly recorderMicros: number;
  readonly bytes: number;
}

/** Writes `count` lines, and measures until all are stored. Values are per line. */
async function speed(store: BenchStore, source: string, count: number, line: (n: number) => string) {
  const pieces: Buffer[] = [];
  for (let n = 0; n < count; n += PIECE_LINES)
    pieces.push(
      Buffer.from(Array.from({ length: Math.min(PIECE_LINES, count - n) }, (_, i) => line(n + i)).join('')),
    );
  const stream = store.stream(source);
  const before = { lines: store.stored('line'), bytes: store.bytes, micros: store.recorderMicros };
  const startMs = performance.now();
  for (const piece of pieces) {
    stream.write(piece);
    await store.roomForLines();
  }
  await store.settled('line', before.lines + count);
  const seconds = (performance.now() - startMs) / 1000;
  const recorderMicros = (store.recorderMicros - before.micros) / count;
  await sleep(SETTLE_MS);
  return {
    perSecond: count / seconds,
    recorderMicros,
    bytes: (store.bytes - before.bytes) / count,
  } satisfies Speed;
}

/** Writes `count` lines at 1,000 per second. `written` is called before each. */
async function drip(
  stream: LineStream,
  count: number,
  text: (n: number) => string,
): Promise<Map<string, number>> {
  const written = new Map<string, number>();
  const startMs = performance.now();
  for (let n = 0; n < count;) {
    for (const due = performance.now() - startMs; n < count && n < due; n++) {
      written.set(text(n), performance.now());
      stream.write(Buffer.from(`${text(n)}\n`));
    }
    await sleep(1);
  }
  return written;
}

/** Milliseconds from writing a line until a follower has it, at 1,000 lines per second. */
async function following(
  { logs, ...store }: { logs: BenchStore['logs']; stream: LineStream },
  seconds: number,
) {
  const parsed = parseQuery('marker');
  if ('problem' in parsed) throw new Error(parsed.problem);
  const received = new Map<string, number>();
  let { place: cursor } = await logs.head();
  let isAsking = false;
  let isNew = false;
  const look = async (): Promise<void> => {
    isNew = true;
    if (isAsking) return;
    isAsking = true;
    while (isNew) {
      isNew = false;
      const next = await logs.after(parsed.node, cursor, 1000);
      cursor = next.cursor;
      for (const { message } of next.records) received.set(message, performance.now());
    }
    isAsking = false;
  };
  const stop = logs.onStored(() => void look());
  const count = seconds * 1000;
  const written = await drip(store.stream, count, (n) => `marker m${n}`);
  while (received.size < count) await sleep(5);
  stop();
  return Array.from(written, ([text, atMs]) => received.get(text)! - atMs);
}

/** Milliseconds from writing a line until an OTLP receiver has it, at 1,000 lines per second, protobuf and gzip. */
async function exporting(
  { logs, stream }: { logs: BenchStore['logs']; stream: LineStream },
  seconds: number,
  folder: string,
): Promise<number[]> {
  const received = new Map<string, number>();
  const receiver = createServer((req, res) => {
    const pieces: Buffer[] = [];
    req.on('data', (piece: Buffer) => void pieces.push(piece));
    req.on('end', () => {
      const nowMs = performance.now();
      res.end();
      const message = decode('protobuf', logsRequest, gunzipSync(Buffer.concat(pieces)));
      if ('problem' in message) throw new Error(message.problem);
      for (const { scopeLogs } of message.message.resourceLogs)
        for (const { logRecords } of scopeLogs)
          for (const { body } of logRecords)
            if (typeof body === 'string' && body.startsWith('exported ')) received.set(body, nowMs);
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const { port } = receiver.address() as AddressInfo;
  const options = read(exportOptions, { endpoint: `http://127.0.0.1:${port}/v1/logs` });
  if (!options.ok) throw new Error('invalid export settings');
  const connections = new OtlpExport(options.settings, {
    folder,
    countStored: storedCounter(logs),
    openBatches: readerBatches(logs, { version: '0', own }, { modelId: '', scheme: 'http', genAi: 'common' }),
    sender: { version: '0', own },
    ownPorts: () => [],
    log: quiet,
  });
  await connections.start();
  const count = seconds * 1000;
  const written = await drip(stream, count, (n) => `exported e${n}`);
  while (received.size < count) await sleep(20);
  await connections.stop(performance.now() + 5000);
  receiver.close();
  return Array.from(written, ([text, atMs]) => received.get(text)! - atMs);
}

export interface LineSizes {
  readonly plain: number;
  readonly json: number;
  /** Seconds of lines at 1,000 per second. */
  readonly followSeconds: number;
  readonly exportSeconds: number;
}

export async function measureLines(report: LogReport, root: string, sizes: LineSizes): Promise<void> {
  const store = await BenchStore.open(join(root, 'lines'));
  const { plain, json } = sizes;
  const lines = await speed(store, 'stdout', plain, (n) => plainLine(began + n, n));
  const count = (n: number) => n.toLocaleString('en');
  report.add(
    'lines_per_second',
    'log lines of 120 bytes stored per second',
    lines.perSecond,
    '',
    atLeast(300_000),
  );
  report.add('line_recorder_us', 'CPU per line of the recorder thread', lines.recorderMicros, ' µs');
  report.add('bytes_per_line', 'bytes on disk per line', lines.bytes, '', atMost(45));
  const rare = await store.times((part) => `u${Math.floor(plain * part)}`, 100, 'some');
  report.addQueries('line_rare_word', `search for a rare word in ${count(plain)} lines`, rare);
  const common = await store.times(() => 'cuda', 500, 'some');
  report.addQueries('line_common_word', 'newest 500 lines with a common word', common);

  const withIds = await speed(store, 'json', json, (n) =>
    jsonLine(began + plain + n, n, idOf(Math.floor(n / REQUEST_LINES))),
  );
  report.add(
    'json_lines_per_second',
    'JSON lines with a request id stored per second',
    withIds.perSecond,
    '',
  );
  report.add(
    'json_line_recorder_us',
    'CPU per JSON line of the recorder thread',
    withIds.recorderMicros,
    ' µs',
  );
  report.add('bytes_per_json_line', 'bytes on disk per JSON line', withIds.bytes, '');
  const byId = await store.times(
    (part) => `requestId:${idOf(Math.floor((json * part) / REQUEST_LINES))}`,
    100,
    'some',
  );
  report.addQueries('line_by_id', 'lines of a request by its id', byId);

  const lags = await following({ logs: store.logs, stream: store.stream('marker') }, sizes.followSeconds);
  const title = `from a line to a live tail at 1,000 lines a second for ${sizes.followSeconds} s`;
  report.add('tail_p50_ms', `${title}, p50`, percentile(lags, 0.5), ' ms');
  report.add('tail_p99_ms', `${title}, p99`, percentile(lags, 0.99), ' ms', atMost(50));
  report.add('tail_max_ms', `${title}, longest`, percentile(lags, 1), ' ms');
  const exported = await exporting(
    { logs: store.logs, stream: store.stream('exported') },
    sizes.exportSeconds,
    join(root, 'export'),
  );
  report.add(
    'export_p50_ms',
    'from a line to an OTLP receiver, same rate, p50',
    percentile(exported, 0.5),
    ' ms',
  );
  report.add(
    'export_p99_ms',
    'from a line to an OTLP receiver, same rate, p99',
    percentile(exported, 0.99),
    ' ms',
  );
  await store.close();
}
