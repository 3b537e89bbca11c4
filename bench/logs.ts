// npm run bench:logs: cost of the log store for forwarding, and its speed: lines and requests per second, searches in 1
// and 10 million lines, and the delay until a new line is followed and exported.
// Invariant: with and without the log store are measured in the same rounds, and a ratio is the median of the rounds.
// Option: --quick (one round, 100,000 and 1,000,000 lines). Prints the table and writes results/logs.json.
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { Logger } from '../src/core/logger.ts';
import { read } from '../src/core/read-settings.ts';
import { Exchanges } from '../src/core/exchange/exchange.ts';
import { OtlpExport } from '../src/telemetry/otlp-export/otlp-export.ts';
import { exportOptions } from '../src/telemetry/otlp-export/options.ts';
import { Logs, RecorderClient, type LineStream } from '../src/telemetry/logs/logs.ts';
import { parseQuery } from '../src/telemetry/logs/query/parse.ts';
import { decode } from '../src/protocol/otlp/codec.ts';
import { logsRequest } from '../src/protocol/otlp/messages.ts';
import { cpuMicros, firstThreadMicros } from './cpu.ts';
import { listening, load, startReplica, weir } from './peers.ts';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 1 : 7;
const SECONDS = isQuick ? 1 : 3;
const RATE = 2000;
const [SOME, MANY] = isQuick ? [100_000, 1_000_000] : [1_000_000, 10_000_000];
const root = mkdtempSync(join(tmpdir(), 'weir-bench-logs-'));
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const percentile = (values: readonly number[], p: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))]!;
const figures: Record<string, number> = {};
const rounds: Record<string, number[]> = {};

// ── Cost for forwarding ────────────────────────────────────────────────────────────────────────────────────────────

/** Locks the newest segment, like a disk that hangs. Returns a function that releases it. */
function lock(folder: string): () => void {
  const name = readdirSync(folder).findLast((one) => /^logs-.*\.sqlite$/.test(one))!;
  const file = new DatabaseSync(join(folder, name));
  file.exec('BEGIN IMMEDIATE');
  return () => {
    file.exec('ROLLBACK');
    file.close();
  };
}

async function forwarding(): Promise<void> {
  const folder = join(root, 'forwarding');
  const replica = startReplica();
  const [off, on] = [
    weir('off', 18_961, '--log-access=false'),
    weir('on', 18_962, '--log-access=false', `--data-dir=${folder}`),
  ];
  const children = new Map<string, ChildProcess>();
  for (const peer of [off, on]) {
    children.set(peer.name, peer.start());
    await listening(peer.port);
    await load('requests', peer.port, 32, 2);
  }
  const note = (name: string, value: number) => (rounds[name] ??= []).push(value);
  for (let round = 0; round < ROUNDS; round++) {
    const got: Record<string, { thread: number; process: number; p50: number; p99: number }> = {};
    for (const kind of ['off', 'on', 'stalled']) {
      process.stderr.write(`round ${round + 1} of ${ROUNDS}: log store ${kind}\n`);
      const peer = kind === 'off' ? off : on;
      const { pid } = children.get(peer.name)!;
      const release = kind === 'stalled' ? lock(join(folder, 'logs')) : () => undefined;
      const before = [firstThreadMicros(pid!), cpuMicros(pid!)] as const;
      const { count, p50, p99 } = await load<{ count: number; p50: number; p99: number }>(
        'rate',
        peer.port,
        16,
        SECONDS,
        RATE,
      );
      got[kind] = {
        thread: (firstThreadMicros(pid!) - before[0]) / count,
        process: (cpuMicros(pid!) - before[1]) / count,
        p50,
        p99,
      };
      release();
    }
    note('cpu_thread_on_to_off', got['on']!.thread / got['off']!.thread);
    note('cpu_process_on_to_off', got['on']!.process / got['off']!.process);
    note('p50_on_to_off', got['on']!.p50 / got['off']!.p50);
    note('p99_on_to_off', got['on']!.p99 / got['off']!.p99);
    note('p99_stalled_to_off', got['stalled']!.p99 / got['off']!.p99);
  }
  for (const child of [...children.values(), replica]) child.kill('SIGKILL');
}

// ── Speed ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const WORDS =
  'load model weights shard tensor cuda memory batch token request queue latency prefill decode attention kernel stream buffer cache evict page allocate worker engine step scheduler gradient'.split(
    ' ',
  );
const word = () => WORDS[Math.floor(Math.random() * WORDS.length)]!;
const idOf = (n: number) => `${(0x19a000000000 + n).toString(16)}0123456789abcdef012345678`;
const BEGAN_MS = Date.parse('2026-11-20T00:00:00Z');
/** Local time in the format of Python's logging. */
const asctime = (ms: number): string =>
  new Date(ms - new Date(ms).getTimezoneOffset() * 60_000)
    .toISOString()
    .slice(0, 23)
    .replace('T', ' ')
    .replace('.', ',');
/** Line `n` of a Truss server, 1 ms after line n - 1. Eight lines belong to one request. */
const line = (n: number) =>
  `{"asctime":"${asctime(BEGAN_MS + n)}","levelname":"INFO","message":"${Array.from({ length: 14 }, word).join(' ')} u${n}","request_id":"${idOf(n >> 3)}"}\n`;

const settled = async (logs: Logs, kind: string, count: number): Promise<void> => {
  while ((logs.figures.stored.get(kind) ?? 0) < count) await new Promise((resolve) => setTimeout(resolve, 5));
};
const queueSpace = async (logs: Logs): Promise<void> => {
  while (logs.figures.queuedBytes > 16e6) await new Promise((resolve) => setTimeout(resolve, 1));
};

async function lines(logs: Logs, stream: LineStream, from: number, to: number): Promise<number> {
  const startMs = performance.now();
  for (let n = from; n < to;) {
    let piece = '';
    for (let i = 0; i < 250 && n < to; i++, n++) piece += line(n);
    stream.write(Buffer.from(piece));
    await queueSpace(logs);
  }
  await settled(logs, 'line', to);
  return (to - from) / ((performance.now() - startMs) / 1000);
}

async function requests(logs: Logs, count: number): Promise<number> {
  const exchanges = new Exchanges({ trust_inbound: false });
  exchanges.observe({ closed: (one) => logs.requestEnded(one, { id: 'dep1', environment: 'production' }) });
  const startMs = performance.now();
  for (let i = 0; i < count; i++) {
    const exchange = exchanges.open(undefined);
    exchange.method = 'POST';
    exchange.target = '/v1/chat/completions';
    exchange.replica = 'abc12';
    exchange.trace(undefined);
    exchange.close('ok', 200);
    if (i % 500 === 0) await queueSpace(logs);
  }
  await settled(logs, 'request', count);
  return count / ((performance.now() - startMs) / 1000);
}

async function searches(logs: Logs, count: number): Promise<Record<string, number>> {
  const ask = async (text: (n: number) => string): Promise<number> => {
    const times: number[] = [];
    for (let i = 0; i < 21; i++) {
      const parsed = parseQuery(text(Math.floor((count * (i + 0.5)) / 21)));
      if ('problem' in parsed) throw new Error(parsed.problem);
      const startMs = performance.now();
      let found = 0;
      let after: Parameters<Logs['page']>[0]['after'];
      do {
        const page = await logs.page({
          node: parsed.node,
          fromNs: 0n,
          toNs: 2n ** 62n,
          direction: 'down',
          after,
          limit: 100,
        });
        found += page.records.length;
        after = page.next;
      } while (after !== undefined && found < 100);
      if (found === 0) throw new Error(`no records found with ${text(0)}`);
      times.push(performance.now() - startMs);
    }
    return median(times);
  };
  return {
    by_id_ms: await ask((n) => `requestId:${idOf(n >> 3)}`),
    by_rare_word_ms: await ask((n) => `u${n}`),
    by_common_word_ms: await ask(() => 'cuda'),
  };
}

/** Milliseconds from writing a line until a follower has it, at 1,000 lines per second. */
async function following(logs: Logs, stream: LineStream): Promise<number[]> {
  const parsed = parseQuery('marker');
  if ('problem' in parsed) throw new Error(parsed.problem);
  const written = new Map<string, number>();
  const times: number[] = [];
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
      for (const { message } of next.records) times.push(performance.now() - written.get(message)!);
    }
    isAsking = false;
  };
  const stop = logs.onStored(() => void look());
  const count = isQuick ? 2000 : 10_000;
  const startMs = performance.now();
  for (let n = 0; n < count;) {
    for (const due = performance.now() - startMs; n < count && n < due; n++) {
      const text = `marker m${n}`;
      written.set(text, performance.now());
      stream.write(Buffer.from(`${text}\n`));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  while (times.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
  stop();
  return times;
}

/** Milliseconds from writing a line until an OTLP receiver has it, at 1,000 lines per second, protobuf and gzip. */
async function exporting(logs: Logs, stream: LineStream): Promise<number[]> {
  const written = new Map<string, number>();
  const times: number[] = [];
  const receiver = createServer((req, res) => {
    const pieces: Buffer[] = [];
    req.on('data', (piece: Buffer) => void pieces.push(piece));
    req.on('end', () => {
      const nowMs = performance.now();
      res.end();
      const read = decode('protobuf', logsRequest, gunzipSync(Buffer.concat(pieces)));
      if ('problem' in read) throw new Error(read.problem);
      for (const { scopeLogs } of read.message.resourceLogs)
        for (const { logRecords } of scopeLogs)
          for (const { body } of logRecords) {
            const atMs = typeof body === 'string' ? written.get(body) : undefined;
            if (atMs !== undefined) times.push(nowMs - atMs);
          }
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const { port } = receiver.address() as AddressInfo;
  const options = read(exportOptions, { endpoint: `http://127.0.0.1:${port}/v1/logs` });
  if (!options.ok) throw new Error('invalid export settings');
  const connections = new OtlpExport(options.settings, {
    folder: join(root, 'export'),
    openJournal: (wanted) => logs.journal(wanted),
    spans: () => [],
    sender: { version: '0', own },
    ownPorts: () => [],
    log: new Logger(quiet, { level: 'error', isText: false }),
  });
  await connections.start();
  const count = isQuick ? 5000 : 20_000;
  const startMs = performance.now();
  for (let n = 0; n < count;) {
    for (const due = performance.now() - startMs; n < count && n < due; n++) {
      const text = `exported e${n}`;
      written.set(text, performance.now());
      stream.write(Buffer.from(`${text}\n`));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  while (times.length < count) await new Promise((resolve) => setTimeout(resolve, 20));
  await connections.stop(performance.now() + 5000);
  receiver.close();
  return times;
}

const own = () => ({ pod: 'bench', modelId: 'm' });
const quiet = { write: () => undefined, flush: () => undefined, dropped: () => 0 };

async function record(): Promise<void> {
  const origin = { deployment: 'dep1', environment: 'production', replica: 'abc12' };
  const logs = new Logs(
    {
      folder: join(root, 'record'),
      maxBytes: 2 ** 40,
      own,
      retentionMs: 86_400_000 * 30,
      maxLineBytes: 65_536,
      redactsCommonSecrets: true,
      maxBodyBytes: 262_144,
      redactPatterns: [],
      files: [],
      fileOrigin: origin,
    },
    new RecorderClient({ fd: -1, isText: false }),
    new Logger(quiet, { level: 'error', isText: false }),
  );
  const stream = logs.openStream({ ...origin, source: 'stdout' });
  process.stderr.write(`${SOME} lines\n`);
  figures['lines_per_second'] = await lines(logs, stream, 0, SOME);
  figures['requests_per_second'] = await requests(logs, SOME / 5);
  figures['bytes_per_record'] = logs.figures.storeBytes / (SOME + SOME / 5);
  for (const [name, ms] of Object.entries(await searches(logs, SOME))) figures[`${name}_some`] = ms;
  const times = await following(logs, logs.openStream({ ...origin, source: 'marker' }));
  figures['tail_p50_ms'] = percentile(times, 0.5);
  figures['tail_p99_ms'] = percentile(times, 0.99);
  const lags = await exporting(logs, logs.openStream({ ...origin, source: 'exported' }));
  figures['export_lag_p50_ms'] = percentile(lags, 0.5);
  figures['export_lag_p99_ms'] = percentile(lags, 0.99);
  process.stderr.write(`${MANY} lines\n`);
  await lines(logs, stream, SOME, MANY);
  for (const [name, ms] of Object.entries(await searches(logs, MANY))) figures[`${name}_many`] = ms;
  if ((logs.figures.dropped.get('queue_full') ?? 0) > 0) throw new Error('lines were dropped');
  await logs.stop(performance.now() + 60_000);
}

await forwarding();
for (const [name, values] of Object.entries(rounds)) figures[name] = median(values);
await record();
rmSync(root, { recursive: true, force: true });
console.table(figures);
writeFileSync(
  fileURLToPath(new URL(`results/${isQuick ? 'partial' : 'logs'}.json`, import.meta.url)),
  `${JSON.stringify({ figures, rounds, some: SOME, many: MANY, rate: RATE }, null, 2)}\n`,
);
