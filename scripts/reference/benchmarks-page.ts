// docs/reference/benchmarks.md: the results of the benchmarks, from bench/results.
import { existsSync, readFileSync } from 'node:fs';
import { grpcTable } from '../../bench/grpc-table.ts';
import { benchTables, logTable, type LogFigure } from '../../bench/table.ts';
import { GENERATED, page, table } from '../markdown.ts';

const FORWARDING = `One process on one core; the client and a replica with fixed responses on the other. All peers run in
turn in every round. Figures are medians of the rounds. A ratio is the median of the ratios within each round, so it
holds although the speed of the machine drifts. CPU time is what the operating system counted for all threads of the
process.

weir is the build. **As shipped, its log store and its access log are on**: the first table compares that with proxies
that keep no record of a request. The second table has the same weir with parts of it off.`;

const GRPC = `CPU time of the whole proxy process for one call, one message or one body, the memory that it needs for clients, and
the speed of an upload. Clients speak HTTP/2; the log store and the access log of weir are off, but as shipped. Messages
have 32 bytes if nothing else is said. A figure is the median of the rounds of one run; a ratio is the median of the
ratios within each round, with their range.`;

const LOG_STORE = `A ratio is the median of alternating rounds, with all threads of weir on one core. A goal is what the figure is
meant to be. Other figures are those of the log store alone, in a process of its own.`;

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

/** The page. */
export const benchmarksPage = (): string =>
  page(
    '# Benchmarks',
    GENERATED,
    'What weir costs, measured beside other proxies. Absolute figures depend on the machine; compare ratios.',
    '## HTTP',
    FORWARDING,
    resultsOf('latest.json', 'npm run bench', benchTables),
    'Repeat it with `apt-get install nginx-light haproxy` and `npm run bench`.',
    '## gRPC and HTTP/2',
    GRPC,
    resultsOf('grpc.json', 'npm run bench:grpc', grpcTable),
    'Repeat it with `npm run bench:grpc`. It needs `h2load`, `nginx`, `haproxy` and `openssl`. `--only unary-4x16` or another load runs a part.',
    '## Log store',
    LOG_STORE,
    resultsOf('logs.json', 'npm run bench:logs', ({ figures }: { figures: LogFigure[] }) =>
      logTable(figures),
    ),
    'Repeat it with `npm run bench:logs`. It needs `haproxy`. `--only forwarding`, `lines` or `requests` runs a part.',
    '## Tokens and times',
    'The same weir with `llm.follow` on and off, in alternating rounds.',
    resultsOf('llm.json', 'npm run bench:llm', ({ figures }: { figures: LogFigure[] }) =>
      logTable(figures, 'tokens and times'),
    ),
    'Repeat it with `npm run bench:llm`.',
    '## Rows of spans',
    'Rows as Braintrust’s SDK sends them, over HTTP: one that begins a span, and one that is merged into it.',
    resultsOf('rows.json', 'npm run bench:rows', ({ figures }: { figures: LogFigure[] }) =>
      logTable(figures, 'rows of spans'),
    ),
    'Repeat it with `npm run bench:rows`.',
    '## Queries of spans',
    'Processor time of queries of BTQL over spans with ten fields of metadata, from the text of the query to the JSON of the answer. The files are in the memory of the system.',
    resultsOf('btql.json', 'npm run bench:btql', ({ figures }: { figures: LogFigure[] }) =>
      logTable(figures, 'queries of spans'),
    ),
    'Repeat it with `npm run bench:btql`.',
    '## Export jobs',
    'Files of requests to language models with all columns but the bodies, written by one job after the other. Processor time includes reading the store.',
    resultsOf('exports.json', 'npm run bench:exports', ({ figures }: { figures: LogFigure[] }) =>
      logTable(figures, 'export jobs'),
    ),
    'Repeat it with `npm run bench:exports`.',
    '## Scorers',
    'Spans whose output and expected value are texts of 200 characters: prose, JSON objects and lists of words. Each span is scored by all six.',
    resultsOf('scoring.json', 'npm run bench:scoring', ({ figures }: { figures: LogFigure[] }) =>
      logTable(figures, 'scorers'),
    ),
    'Repeat it with `npm run bench:scoring`.',
    '## Web page',
    'Requests with ten open Overviews and two live tails, to the same weir without; what one answer costs the thread that forwards requests, over 100,000 records; the page in Chromium, which draws in software; and all pages over a million records.',
    resultsOf('page.json', 'npm run bench:page', ({ figures }: { figures: LogFigure[] }) =>
      logTable(figures, 'web page'),
    ),
    'Repeat it with `npm run bench:page`. It needs `chromium`. `--only requests`, `answers`, `browser` or `million` runs a part.',
    '## Async queue',
    resultsOf('queue.json', 'npm run bench:queue', queueTable),
    'Repeat it with `npm run bench:queue`. It needs `redis-server`.',
    '## Endurance',
    'These check that weir stays correct under load. They publish no figures.',
    table(
      ['command', 'what it does'],
      [
        ['`npm run soak`', 'sends a million mixed requests with random aborts, then compares all counters'],
        [
          '`npm run soak:grpc`',
          'makes a million gRPC calls of random kinds with random cancels and failures, then compares all counters, and the memory',
        ],
        ['`npm run chaos`', 'kills, stops and restarts replicas under load'],
        [
          '`npm run fuzz`',
          'compares the HTTP/1.1 parser of the fast lane with Node’s, with many random inputs',
        ],
      ],
    ),
  );
