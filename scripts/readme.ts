// Writes the README's tables from the source: routes, settings, metrics, errors. `--check` only compares.
// Must stay true: nothing between two markers of the README is written by hand.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { benchTable, grpcTable, type GrpcReport, type Report } from '../bench/table.ts';
import { endpoints } from '../src/control/admin/admin.ts';
import { catalogue } from '../src/core/errors.ts';
import { load } from '../src/config/config.ts';
import { settings } from '../src/config/schema.ts';
import { routes, targets } from '../src/data-plane/routing/route.ts';
import { createMetrics } from '../src/telemetry/metrics/metrics.ts';
import { Pool } from '../src/data-plane/replicas/pool.ts';

const FILE = new URL('../README.md', import.meta.url);

const cell = (text: string): string =>
  text.replaceAll('|', '\\|').replaceAll('\\\\|', '\\|').replaceAll('\n', ' ');
const table = (head: string[], rows: string[][]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');
const code = (text: string): string => (text === '' ? '' : `\`${text}\``);

/** The families of a weir with one replica, in the order of its page. */
export function families() {
  const loaded = load(['--replica', 'http://127.0.0.1:8000'], {});
  if (!loaded.ok) throw new Error(loaded.problems.join('; '));
  const { config } = loaded;
  const pool = new Pool(config.deployments, config.pool, { changed: () => undefined, dead: () => undefined });
  return createMetrics(config.metrics, config.model, pool, {
    build: { version: '', node: '' },
    connections: () => ({ active: 0, idle: 0 }),
    pods: { followed: undefined, figures: () => undefined, childRestarts: undefined },
    merged: { pages: () => [], readings: () => [] },
    droppedLines: () => 0,
    repeats: () => ({ connect: 0, answer: 0, overBudget: 0 }),
    maxDeployments: 1,
    async: { depth: () => ({ queued: 0, inProgress: 0 }), webhooks: () => new Map() },
    samplers: { containers: () => [], gpus: () => [], gpuFigures: () => [], stats: () => [] },
    scale: () => [],
    logs: () => undefined,
    exports: () => [],
  }).metrics.families;
}

const RESULTS = new URL('../bench/results/latest.json', import.meta.url);

const QUEUE_RESULTS = new URL('../bench/results/queue.json', import.meta.url);

function queueTable(): string {
  if (!existsSync(QUEUE_RESULTS)) return 'No results yet: npm run bench:queue writes them.';
  const { median: m, deep } = JSON.parse(readFileSync(QUEUE_RESULTS, 'utf8')) as {
    median: Record<string, number>;
    deep: number;
  };
  const whole = (name: string) => String(Math.round(m[name]!));
  const times = (name: string) => `${m[name]!.toFixed(2)} ×`;
  return table(
    ['submits through HTTP, 1 KB, 64 clients', 'per second', 'ratio'],
    [
      ['weir, on disk before the 201', whole('submits_per_second_durable'), ''],
      [
        'weir, without waiting for the disk',
        whole('submits_per_second_quick'),
        `${times('durable_to_quick')} with it`,
      ],
      [
        'BullMQ behind a bare HTTP server, Redis with `appendfsync always`',
        whole('submits_per_second_bullmq'),
        `weir ${times('durable_to_bullmq')}`,
      ],
      [
        'weir with its store in that Redis',
        whole('submits_per_second_redis'),
        `${times('redis_to_bullmq')} of BullMQ alone`,
      ],
      [
        `p99 of a submit, ${deep.toLocaleString('en')} tasks deep`,
        '',
        `${times('p99_deep_to_empty')} of an empty queue`,
      ],
      ['a claim and its end, as deep', '', `${times('claim_deep_to_shallow')} of 2,000 deep`],
    ],
  );
}

const LOG_RESULTS = new URL('../bench/results/logs.json', import.meta.url);

function logTable(): string {
  if (!existsSync(LOG_RESULTS)) return 'No results yet: npm run bench:logs writes them.';
  const { figures, many } = JSON.parse(readFileSync(LOG_RESULTS, 'utf8')) as {
    figures: Record<string, number>;
    many: number;
  };
  const f = (name: string, digits = 2) => figures[name]!.toFixed(digits);
  const count = (name: string) => Math.round(figures[name]!).toLocaleString('en');
  return table(
    ['the record', ''],
    [
      ['CPU per request of the thread that forwards, with it to without', `${f('cpu_thread_on_to_off')} ×`],
      ['the same of the whole process, its writer too', `${f('cpu_process_on_to_off')} ×`],
      ['p99 of a request while the store stands still, to without a record', `${f('p99_stalled_to_off')} ×`],
      ['lines a second into it, JSON with a request id', count('lines_per_second')],
      ['requests a second into it', count('requests_per_second')],
      ['bytes on the disk for each', count('bytes_per_record')],
      [`by request id, in ${many.toLocaleString('en')} lines`, `${f('by_id_ms_many')} ms`],
      ['by a rare word, in as many', `${f('by_rare_word_ms_many')} ms`],
      ['from a line to who follows, p99 at 1,000 lines a second', `${f('tail_p99_ms', 0)} ms`],
    ],
  );
}

const GRPC_RESULTS = new URL('../bench/results/grpc.json', import.meta.url);

const tables: Record<string, () => string> = {
  queue: queueTable,
  'bench-logs': logTable,
  'bench-grpc': () =>
    existsSync(GRPC_RESULTS)
      ? grpcTable(JSON.parse(readFileSync(GRPC_RESULTS, 'utf8')) as GrpcReport)
      : 'No results yet: npm run bench:grpc writes them.',
  bench: () =>
    existsSync(RESULTS)
      ? benchTable(JSON.parse(readFileSync(RESULTS, 'utf8')) as Report)
      : 'No results yet: npm run bench writes them.',
  targets: () =>
    table(
      ['`{t}`', 'picks'],
      targets.map(({ prefix, picks }) => [code(prefix), picks]),
    ),
  routes: () =>
    table(
      ['method', 'path', 'goes'],
      routes.map(({ method, path, does }) => [method, path.includes('{') ? code(path) : path, does]),
    ),
  endpoints: () =>
    table(
      ['path', 'answers', 'scope of the key'],
      endpoints.map(({ method, path, does, scope }) => [
        code(method === 'GET' ? path : `${method} ${path}`),
        does,
        scope === 'open'
          ? 'open to everyone'
          : scope === 'metrics'
            ? 'open to everyone; with `admin.protect_metrics` this machine, and `metrics`'
            : code(scope),
      ]),
    ),
  settings: () =>
    table(
      ['setting', 'flag', 'kind', 'default', 'what it does'],
      settings.map(({ key, flags, about }) => [
        code(key),
        flags.length === 0 ? 'file only' : flags.map((flag) => code(`--${flag}`)).join(' '),
        about.kind,
        code(about.fallback ?? ''),
        about.doc,
      ]),
    ),
  metrics: () =>
    table(
      ['family', 'type', 'labels', 'what it is'],
      families().map(({ name, type, labels, help }) => [code(name), type, labels.join(' '), help]),
    ),
  errors: () =>
    table(
      ['cause', 'who has to act', 'HTTP', 'gRPC', '`error_code`', 'message'],
      Object.entries(catalogue).map(([cause, row]) => [
        code(cause),
        row.origin,
        String(row.http),
        row.grpc,
        code(row.errorCode),
        row.message,
      ]),
    ),
};

/** The README with its tables made anew. */
export function withTables(text: string): string {
  let out = text;
  for (const [name, make] of Object.entries(tables)) {
    const [begin, end] = [`<!-- table: ${name} -->`, `<!-- end: ${name} -->`];
    const [from, to] = [out.indexOf(begin), out.indexOf(end)];
    if (from === -1 || to < from) throw new Error(`README.md has no markers ${begin} … ${end}`);
    out = `${out.slice(0, from + begin.length)}\n${make()}\n${out.slice(to)}`;
  }
  return out;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const text = readFileSync(FILE, 'utf8');
  writeFileSync(FILE, withTables(text));
}
