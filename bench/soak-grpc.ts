// npm run soak:grpc: makes many gRPC calls of random kinds through a real weir, with random cancels, failures of the
// replica and lost connections, then compares the counts of both sides.
// Invariant: weir's counters contain every call once, by cause and by status, gauges end at 0, and neither the heap, the
// resident memory nor what survives a scavenge grows after the first fifth. Otherwise the exit code is 1.
// Usage: node bench/soak-grpc.ts [CALLS, default 1000000]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { residentBytes } from './cpu.ts';
import type { HeapLine } from './heap-probe.ts';
import { SoakClients } from './soak-grpc-client.ts';
import { startSoakReplica } from './soak-replicas.ts';

const total = Number(process.argv[2] ?? 1_000_000);
const CONNECTIONS = 8;
/** Calls from which on memory is compared: before, code is still being compiled. */
const MEMORY_CALLS = 100_000;
/** How often the heap is looked at. */
const PARTS = 10;

const folder = mkdtempSync(join(tmpdir(), 'weir-soak-'));
const [steady, lossy] = [await startSoakReplica(), await startSoakReplica()];
writeFileSync(
  join(folder, 'weir.yaml'),
  [
    'deployments:',
    `  - { id: steady, replicas: [{ url: "${steady.url}" }] }`,
    `  - { id: lossy, replicas: [{ url: "${lossy.url}" }] }`,
  ].join('\n'),
);
const probe = new URL('heap-probe.ts', import.meta.url).href;
const weir = spawn(
  fileURLToPath(new URL('../bin/weir', import.meta.url)),
  [
    'serve',
    `--config=${folder}/weir.yaml`,
    `--data-dir=${folder}/data`,
    '--listen=127.0.0.1:0',
    '--admin=127.0.0.1:0',
    '--log-access=false',
    '--logs-capture=off',
    '--pool-probe-retry-interval=50ms',
  ],
  { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: `--import=${probe}` } },
);
// Also if this process fails.
process.on('exit', () => weir.kill('SIGKILL'));

interface Sample extends HeapLine {
  readonly residentBytes: number;
}

const heapLines: ((line: HeapLine) => void)[] = [];
const [port, admin] = await new Promise<[number, number]>((resolve) =>
  createInterface({ input: weir.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Record<string, string> | HeapLine;
    if (line.event === 'heap') heapLines.shift()?.(line as HeapLine);
    if (line.event === 'listening') {
      const { data, admin: page } = line as Record<string, string>;
      resolve([Number(data!.split(':')[1]), Number(page!.split(':')[1])]);
    }
  }),
);

/** Has weir collect its garbage, and reads what is left. */
async function sample(): Promise<Sample> {
  const line = new Promise<HeapLine>((resolve) => heapLines.push(resolve));
  weir.kill('SIGWINCH');
  return { ...(await line), residentBytes: residentBytes(weir.pid!) };
}

const clients = new SoakClients(port, total);
const startMs = performance.now();
const samples: Sample[] = [];
let isSampling = false;
const watch = setInterval(() => {
  if (process.stderr.isTTY)
    process.stderr.write(`\r${clients.begun} of ${total}, ${Math.round(residentBytes(weir.pid!) / 1e6)} MB `);
  if (isSampling || clients.begun < ((samples.length + 1) * total) / PARTS) return;
  isSampling = true;
  void sample().then((one) => {
    samples.push(one);
    isSampling = false;
  });
}, 200);
await Promise.all(Array.from({ length: CONNECTIONS }, () => clients.run()));
clearInterval(watch);
const seconds = (performance.now() - startMs) / 1000;

/** The sum of the series of a family that have a label. */
const sum = (text: string, name: string, label: string): number =>
  [...text.matchAll(new RegExp(`^${name}(?:\\{([^}]*)\\})? (\\S+)$`, 'gm'))]
    .filter((match) => (match[1] ?? '').includes(label))
    .reduce((all, match) => all + Number(match[2]), 0);

const sorted = (counts: ReadonlyMap<string, number>): [string, number][] =>
  [...counts].toSorted(([a], [b]) => a.localeCompare(b));
const page = async (): Promise<string> => (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
let text = '';
for (let i = 0; i < 100; i++) {
  text = await page();
  if (sum(text, 'weir_exchanges_total', '') >= clients.begun && sum(text, 'weir_http2_streams', '') === 0)
    break;
  await new Promise((resolve) => setTimeout(resolve, 100));
}

const problems = [...clients.problems];
if (samples.length === 0) problems.push('the heap was never measured');
const check = (name: string, ofWeir: number, ofClient: number) => {
  console.log(
    `${name.padEnd(36)} weir ${String(ofWeir).padStart(9)}   clients ${String(ofClient).padStart(9)}`,
  );
  if (ofWeir !== ofClient) problems.push(name);
};
console.log(`${clients.begun} calls in ${seconds.toFixed(0)} s`);
check('calls', sum(text, 'weir_exchanges_total', ''), clients.begun);
for (const [cause, count] of sorted(clients.causes))
  check(`cause ${cause}`, sum(text, 'weir_exchanges_total', `cause="${cause}"`), count);
// A call without a deployment is in no family of requests to the model.
const NOT_FOUND = '5';
const unknown = clients.causes.get('unknown_target') ?? 0;
for (const [status, count] of sorted(clients.statuses))
  check(
    `grpc-status ${status}`,
    sum(text, 'baseten_inference_requests_total', `status_code="${status}"`),
    status === NOT_FOUND ? count - unknown : count,
  );
for (const gauge of [
  'baseten_concurrent_requests',
  'weir_replica_outstanding_requests',
  'weir_queue_length',
  'weir_http2_streams',
  'weir_http2_held_bytes',
])
  check(`${gauge} at the end`, sum(text, gauge, ''), 0);

const mega = (bytes: number): string => (bytes / 1e6).toFixed(2).padStart(7);
for (const [at, one] of samples.entries())
  console.log(
    `after ${((at + 1) * 100) / PARTS} %: heap ${mega(one.usedBytes)} MB, resident ${mega(one.residentBytes)} MB, ` +
      `${one.scavenges} scavenges, ${mega(one.survivedBytes)} MB survive one`,
  );
/** Compares the median of the last parts with that of the parts after the first fifth. */
const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1]!;
function checkFlat(name: string, of: (one: Sample) => number, factor: number, slack: number): void {
  const values = samples.slice(1).map(of);
  const half = values.length >> 1;
  const [first, last] = [median(values.slice(0, half)), median(values.slice(half))];
  console.log(`${name}: ${mega(first)} MB, then ${mega(last)} MB`);
  if (total >= MEMORY_CALLS && last > first * factor + slack) problems.push(name);
}
checkFlat('heap after a collection', (one) => one.usedBytes, 1.05, 1e6);
checkFlat('resident memory', (one) => one.residentBytes, 1.2, 10e6);
checkFlat('bytes that survive a scavenge', (one) => one.survivedBytes, 1.3, 0.1e6);

weir.kill('SIGTERM');
await once(weir, 'exit');
steady.close();
lossy.close();
rmSync(folder, { recursive: true, force: true });
console.log(problems.length === 0 ? 'all counts match' : `problems: ${problems.slice(0, 20).join(', ')}`);
process.exit(problems.length === 0 ? 0 : 1);
