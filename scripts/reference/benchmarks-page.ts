// docs/reference/benchmarks.md: the results of the benchmarks, from bench/results.
import { existsSync, readFileSync } from 'node:fs';
import { benchTable, grpcTable } from '../../bench/table.ts';
import { GENERATED, page, table } from '../markdown.ts';

const FORWARDING = `One process on one core; the client and a replica with fixed responses on the other. All peers run in
turn in every round. Figures are medians of the rounds. A ratio in the last column is the median of the ratios within
each round, so it holds although the speed of the machine drifts. CPU time is what the operating system counted for the
whole process.

weir is the build. **As shipped, its log store and access log are on.** In the other columns its log store is off
(\`--logs-capture=off\`), and its access log is on only in the column that says so.
The access logs of all peers are off. nginx has \`proxy_buffering off\`, as streams need it.`;

/** The table of one file of results, or the command that writes it. */
function resultsOf(file: string, command: string, draw: (report: never) => string): string {
  const url = new URL(`../../bench/results/${file}`, import.meta.url);
  if (!existsSync(url)) return `No results yet: \`${command}\` writes them.`;
  return draw(JSON.parse(readFileSync(url, 'utf8')) as never);
}

function queueTable({ median: m, deep }: { median: Record<string, number>; deep: number }): string {
  const whole = (name: string) => String(Math.round(m[name]!));
  const times = (name: string) => `${m[name]!.toFixed(2)} ×`;
  return table(
    ['submits through HTTP, 1 KB, 64 clients', 'per second', 'ratio'],
    [
      ['weir, on disk before the 201', whole('submits_per_second_durable'), ''],
      [
        'weir, without waiting for the disk',
        whole('submits_per_second_quick'),
        `on disk: ${times('durable_to_quick')} of this`,
      ],
      [
        'BullMQ behind a bare HTTP server, Redis with `appendfsync always`',
        whole('submits_per_second_bullmq'),
        `weir on disk: ${times('durable_to_bullmq')} of this`,
      ],
      [
        'weir with its store in that Redis',
        whole('submits_per_second_redis'),
        `${times('redis_to_bullmq')} of BullMQ alone`,
      ],
      [
        `p99 of a submit with ${deep.toLocaleString('en')} queued tasks`,
        '',
        `${times('p99_deep_to_empty')} of an empty queue`,
      ],
      ['claim and completion, same depth', '', `${times('claim_deep_to_shallow')} of 2,000 tasks`],
    ],
  );
}

function logTable({ figures, many }: { figures: Record<string, number>; many: number }): string {
  const f = (name: string, digits = 2) => figures[name]!.toFixed(digits);
  const count = (name: string) => Math.round(figures[name]!).toLocaleString('en');
  return table(
    ['log store', ''],
    [
      [
        'CPU per request of the forwarding thread, with and without the log store',
        `${f('cpu_thread_on_to_off')} ×`,
      ],
      ['CPU per request of the whole process, with and without', `${f('cpu_process_on_to_off')} ×`],
      [
        'p99 of a request while the disk does not respond, compared with no log store',
        `${f('p99_stalled_to_off')} ×`,
      ],
      ['log lines stored per second (JSON with a request id)', count('lines_per_second')],
      ['requests stored per second', count('requests_per_second')],
      ['bytes on disk per record (lines and requests)', count('bytes_per_record')],
      [`search by request id in ${many.toLocaleString('en')} lines`, `${f('by_id_ms_many')} ms`],
      ['search for a rare word, same number', `${f('by_rare_word_ms_many')} ms`],
      ['from a line to a live tail, p99 at 1,000 lines a second', `${f('tail_p99_ms', 0)} ms`],
    ],
  );
}

/** The page. */
export const benchmarksPage = (): string =>
  page(
    '# Benchmarks',
    GENERATED,
    'What weir costs, measured beside other proxies. Absolute figures depend on the machine; compare ratios.',
    '## HTTP',
    FORWARDING,
    resultsOf('latest.json', 'npm run bench', benchTable),
    'Repeat it with `apt-get install nginx-light haproxy` and `npm run bench`.',
    '## gRPC',
    'CPU time of the whole process for one call: medians of the rounds of one run, with their range.',
    resultsOf('grpc.json', 'npm run bench:grpc', grpcTable),
    'Repeat it with `npm run bench:grpc`. It needs `h2load`, `nginx` and `haproxy`.',
    '## Log store',
    'At 2,000 requests a second, all threads on one core. Ratios are medians of alternating rounds.',
    resultsOf('logs.json', 'npm run bench:logs', logTable),
    'Repeat it with `npm run bench:logs`.',
    '## Async queue',
    resultsOf('queue.json', 'npm run bench:queue', queueTable),
    'Repeat it with `npm run bench:queue`. It needs `redis-server`.',
    '## Endurance',
    'These check that weir stays correct under load. They publish no figures.',
    table(
      ['command', 'what it does'],
      [
        ['`npm run soak`', 'sends a million mixed requests with random aborts, then compares all counters'],
        ['`npm run chaos`', 'kills, stops and restarts replicas under load'],
        [
          '`npm run fuzz`',
          'compares the HTTP/1.1 parser of the fast lane with Node’s, with many random inputs',
        ],
      ],
    ),
  );
