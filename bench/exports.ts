// npm run bench:exports: processor time and memory of an export job of many requests without bodies. Prints the table and
// writes results/exports.json.
// Invariant: it is the engine of the product on a store that the recorder has written. Processor time of a row is that of
// the export's thread, reading included; that of all threads of the process stands beside it.
// Options: --quick (small numbers), --only FORMAT (can be repeated).
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Exchange } from '../src/core/exchange/exchange.ts';
import { LlmFacts } from '../src/core/exchange/llm-facts.ts';
import { requestId } from '../src/core/request-id.ts';
import {
  Exports,
  type ExportField,
  type ExportFormat,
  type ExportJob,
} from '../src/telemetry/exports/exports.ts';
import { residentBytes, threadMicros, threadNamed } from './cpu.ts';
import { BenchStore, quiet } from './logs/bench-store.ts';
import { atLeast, atMost, LogReport } from './logs/log-report.ts';
import { median } from './stats.ts';
import { logTable } from './table.ts';
import { random } from './texts.ts';
import { SHARED } from './unobserved.ts';

const isQuick = process.argv.includes('--quick');
const only = process.argv.flatMap((arg, i, all) => (all[i - 1] === '--only' ? [arg] : []));
const sizes = { requests: isQuick ? 50_000 : 1_000_000, rounds: isQuick ? 1 : 5 };
const STEP_MS = 1;
/** Requests between two checks for room. */
const TURN = 500;
/** Requests that may be in the ring at a time. They have more facts than others, so that fewer fit. */
const IN_RING = 8000;
/** All columns but the bodies, as the page of exports offers them. */
const FIELDS: readonly ExportField[] = [
  'id',
  'trace_id',
  'created_at',
  'provider',
  'model',
  'input_tokens',
  'output_tokens',
  'total_tokens',
  'cost',
  'cost_currency',
  'response_time',
  'status',
  'config',
  'prompt_slug',
  'metadata',
];
const DEPLOYMENTS = ['dep1', 'dep2'].map((id) => ({ id, environment: 'production' }));
const MODELS = ['gpt-4o', 'gpt-4o-mini', 'llama-3.1-8b'];
const PRICE = { input: 2.5, output: 10, cached: 1.25, reasoning: 10, currency: 'USD' };

/** A request to a language model that ended. */
function ended(epochMs: number): Exchange {
  const startMs = 1_000_000 + random();
  const exchange = new Exchange(SHARED, requestId(epochMs), true, startMs, epochMs);
  exchange.method = 'POST';
  exchange.target = '/v1/chat/completions';
  exchange.remoteAddress = `10.0.0.${Math.floor(random() * 2)}`;
  exchange.replica = `r${Math.floor(random() * 2)}`;
  exchange.attempts = 1;
  exchange.requestBytes = Math.floor(random() * 2000);
  exchange.responseBytes = Math.floor(random() * 20_000);
  exchange.trace(undefined);
  exchange.leasedMs = startMs + 0.05;
  exchange.headMs = startMs + 100 * random();
  exchange.firstByteMs = exchange.headMs + 0.02;
  exchange.endMs = exchange.headMs + 2000 * random();
  exchange.status = random() < 0.98 ? 200 : 500;
  exchange.cause = 'ok';
  const inputTokens = Math.floor(random() * 4000);
  const outputTokens = Math.floor(random() * 800);
  const model = MODELS[Math.floor(random() * MODELS.length)]!;
  exchange.llm = Object.assign(new LlmFacts(), {
    model,
    responseModel: `${model}-2024-08-06`,
    inputTokens,
    outputTokens,
    totalTokens: inputTokens + outputTokens,
    finishReason: 'stop',
    price: PRICE,
    cost: (inputTokens * PRICE.input + outputTokens * PRICE.output) / 1e6,
  });
  return exchange;
}

/** Waits until there is room for more requests. `sent`: how many there were. */
async function room(sent: number): Promise<void> {
  while (sent - store.stored('request') > IN_RING) await sleep(1);
}

const root = mkdtempSync(join(tmpdir(), 'weir-bench-exports-'));
process.on('exit', () => rmSync(root, { recursive: true, force: true }));
const store = await BenchStore.open(join(root, 'logs'));
const beganMs = Date.now() - sizes.requests * STEP_MS;
for (let n = 0; n < sizes.requests; n++) {
  store.logs.requestEnded(ended(beganMs + n * STEP_MS), DEPLOYMENTS[n % DEPLOYMENTS.length]);
  if (n % TURN === 0) await room(n);
}
await store.settled('request', sizes.requests);
await sleep(1500);

const limits = { max_rows: 0, lifetime: 86_400_000, url_lifetime: 60_000, max_bytes: 2 ** 40, max_jobs: 100 };
const exports = new Exports(limits, join(root, 'exports'), store.logs, quiet);
await exports.start();

interface Round {
  readonly threadMicros: number;
  readonly processMicros: number;
  /** Most memory that the export added. */
  readonly addedBytes: number;
  readonly job: ExportJob;
}

async function exported(format: ExportFormat): Promise<Round> {
  const node = { op: 'field', name: 'kind', compare: '=', value: 'request' } as const;
  const columns = FIELDS.map((field) => ({ key: field, field }));
  const query = { node, fromMs: 0, toMs: 2 ** 52, offset: 0, limit: 0, columns, format };
  const created = await exports.create({ owner: '', asked: Math.random(), query });
  if ('refused' in created) throw new Error(created.message);
  global.gc?.();
  const beforeBytes = residentBytes(process.pid);
  const before = process.cpuUsage();
  const begun = await exports.begin(created.id);
  if ('refused' in begun) throw new Error(begun.message);
  let [micros, most] = [0, 0];
  for (;;) {
    await sleep(20);
    const job = exports.get(created.id)!;
    if (job.state !== 'in_progress') {
      const { user, system } = process.cpuUsage(before);
      if (job.state !== 'success' || job.exportedRecords !== sizes.requests)
        throw new Error(`${job.state}, ${job.exportedRecords} rows: ${job.error}`);
      return { threadMicros: micros, processMicros: user + system, addedBytes: most - beforeBytes, job };
    }
    most = Math.max(most, residentBytes(process.pid));
    // The thread ends with the job, so its time is read until then.
    micros = Math.max(micros, threadTime());
  }
}

function threadTime(): number {
  try {
    return threadMicros(threadNamed('weir export'));
  } catch {
    return 0;
  }
}

const report = new LogReport();
const goals = { jsonl: atLeast(200_000), csv: undefined, parquet: undefined, json: undefined } as const;
for (const format of ['jsonl', 'csv', 'parquet'] as const) {
  if (only.length > 0 && !only.includes(format)) continue;
  const rounds: Round[] = [];
  for (let round = 1; round <= sizes.rounds; round++) {
    process.stderr.write(`${format}: round ${round} of ${sizes.rounds}\n`);
    rounds.push(await exported(format));
  }
  const perSecond = rounds.map(({ threadMicros: micros }) => sizes.requests / (micros / 1e6));
  report.rounds[`${format}_rows_per_second`] = perSecond;
  report.add(
    `${format}_rows_per_second`,
    `${format}: rows per second of processor time of the export's thread`,
    median(perSecond),
    '',
    goals[format],
  );
  const all = rounds.map(({ processMicros }) => processMicros / sizes.requests);
  report.rounds[`${format}_process_us`] = all;
  report.add(`${format}_process_us`, `${format}: processor time per row of all threads`, median(all), ' µs');
  const added = rounds.map(({ addedBytes }) => addedBytes / 1e6);
  report.rounds[`${format}_added_mb`] = added;
  report.add(
    `${format}_added_mb`,
    `${format}: memory that the export adds at most`,
    Math.max(...added),
    ' MB',
    atMost(150),
  );
  report.add(`${format}_bytes`, `${format}: bytes per row`, rounds[0]!.job.bytes / sizes.requests, '');
}
await exports.stop(performance.now() + 5000);
await store.close();

console.log(logTable(report.figures, 'exports'));
mkdirSync(new URL('results/', import.meta.url), { recursive: true });
const file = isQuick || only.length > 0 ? 'partial.json' : 'exports.json';
writeFileSync(new URL(`results/${file}`, import.meta.url), report.toJson(sizes));
process.exit(0);
