// npm run bench:rows: what a row of a span costs that Braintrust's SDK logs. Prints the table and writes results/rows.json.
// Invariant: rows come over HTTP in bodies of 100, as the SDK sends them: half of them begin a span, half are merged into
// one that has begun. Processor time is that of the whole process.
// Options: --quick (small numbers).
import { once } from 'node:events';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMicros } from './cpu.ts';
import { atLeast, LogReport } from './logs/log-report.ts';
import { listening, weir } from './peers.ts';
import { median } from './stats.ts';
import { logTable } from './table.ts';

const isQuick = process.argv.includes('--quick');
const sizes = { rounds: isQuick ? 1 : 5, spans: isQuick ? 5000 : 50_000, rowsPerBody: 100, connections: 8 };
const PROJECT = '29fd5284-c361-4a7f-8eb5-2e543e1c66aa';
const SETTLE_MS = 1500;

const peer = weir('weir, as shipped', 18_921, { store: 'metadata', accessLog: 'to a file' });
const agent = new Agent({ keepAlive: true, maxSockets: sizes.connections });
const admin = new URL(peer.page).origin;

async function post(body: Buffer): Promise<void> {
  const req = request(`${admin}/logs3`, {
    method: 'POST',
    agent,
    headers: { 'content-type': 'application/json', 'content-length': body.length },
  });
  req.end(body);
  const [res] = (await once(req, 'response')) as [NodeJS.ReadableStream & { statusCode: number }];
  res.resume();
  await once(res, 'end');
  if (res.statusCode !== 200) throw new Error(`POST /logs3 was answered with ${res.statusCode}`);
}

const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');

/** The rows of a span: what the SDK sends at its begin, and at its end. */
function rowsOf(n: number): readonly [start: object, end: object] {
  const startS = 1_795_740_214 + n / 100;
  const ids = {
    id: hex(n, 16),
    span_id: hex(n, 16),
    root_span_id: hex(n, 32),
    project_id: PROJECT,
    log_id: 'g',
  };
  return [
    {
      ...ids,
      metrics: { start: startS },
      context: { caller_functionname: 'answer', caller_filename: 'app.ts', caller_lineno: 10 },
      span_attributes: { name: 'answer', type: 'task', exec_counter: n },
      created: new Date(startS * 1000).toISOString(),
      _is_merge: false,
    },
    {
      ...ids,
      input: { messages: [{ role: 'user', content: `What is the capital of country ${n}? `.repeat(3) }] },
      output: `The capital of country ${n} is a city. `.repeat(4),
      metadata: { user_id: String(n % 100), model: 'gpt-4o' },
      tags: ['triage'],
      scores: { Factuality: (n % 10) / 10 },
      metrics: { end: startS + 0.2, prompt_tokens: 12, completion_tokens: 8, tokens: 20 },
      _is_merge: true,
    },
  ];
}

/** Bodies of rows that begin spans, and of those that end them, in the order in which they are sent. */
function bodies(from: number, spans: number): (readonly [Buffer, Buffer])[] {
  const all: (readonly [Buffer, Buffer])[] = [];
  for (let n = from; n < from + spans; n += sizes.rowsPerBody) {
    const rows = Array.from({ length: sizes.rowsPerBody }, (_, i) => rowsOf(n + i));
    const body = (part: 0 | 1): Buffer =>
      Buffer.from(JSON.stringify({ rows: rows.map((row) => row[part]), api_version: 2 }));
    all.push([body(0), body(1)]);
  }
  return all;
}

/** Sends the rows of so many spans on several connections. A span ends after its begin was answered. */
async function send(from: number, spans: number): Promise<void> {
  const left = bodies(from, spans);
  await Promise.all(
    Array.from({ length: sizes.connections }, async () => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        await post(next[0]);
        await post(next[1]);
      }
    }),
  );
}

const bytesOf = (folder: string): number =>
  readdirSync(folder).reduce((sum, name) => sum + (statSync(join(folder, name)).size ?? 0), 0);

const child = peer.start();
await listening(peer.port);
await send(0, sizes.spans / 5);
const report = new LogReport();
const micros: number[] = [];
const speeds: number[] = [];
for (let round = 1; round <= sizes.rounds; round++) {
  process.stderr.write(`round ${round} of ${sizes.rounds}\n`);
  const before = cpuMicros(child.pid!);
  const startMs = performance.now();
  await send(round * 1_000_000, sizes.spans);
  const rows = 2 * sizes.spans;
  speeds.push((rows / (performance.now() - startMs)) * 1000);
  micros.push((cpuMicros(child.pid!) - before) / rows);
}
await sleep(SETTLE_MS);
const spans = sizes.spans * sizes.rounds + sizes.spans / 5;
report.rounds['cpu_us_per_row'] = micros;
report.rounds['rows_per_second'] = speeds;
report.add('cpu_us_per_row', 'CPU per row of `logs3`, of all threads', median(micros), ' µs');
report.add(
  'rows_per_core',
  'rows of `logs3` per second of processor time',
  1e6 / median(micros)!,
  '',
  atLeast(20_000),
);
report.add(
  'rows_per_second',
  `rows per second with ${sizes.connections} connections, weir and the load on one core each`,
  median(speeds),
  '',
);
report.add(
  'bytes_per_span',
  'bytes on disk per span of two rows',
  bytesOf(join(peer.folder(), 'logs')) / spans,
  '',
);
child.kill('SIGTERM');
await once(child, 'exit');

console.log(logTable(report.figures, 'rows of spans'));
mkdirSync(new URL('results/', import.meta.url), { recursive: true });
writeFileSync(new URL(`results/${isQuick ? 'partial' : 'rows'}.json`, import.meta.url), report.toJson(sizes));
process.exit(0);
