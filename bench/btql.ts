// npm run bench:btql: how long queries of BTQL and searches take over the spans of an application, each with ten fields of
// metadata. Prints the table and writes results/btql.json.
// Invariant: figures are processor time, without threads and HTTP. The files are in memory, since they were just written.
// Options: --quick (small numbers).
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fillStore, SpanStore, type TimedAnswer } from './btql/span-store.ts';
import { atMost, LogReport } from './logs/log-report.ts';
import { logTable } from './table.ts';

const isQuick = process.argv.includes('--quick');
const sizes = { spans: isQuick ? 100_000 : 1_000_000, tail: 4000, queries: isQuick ? 5 : 21 };
const ROWS = "select: * | from: project_logs('bench')";
interface BenchFilter {
  readonly name: string;
  /** `n`: of the query, so that no query comes twice where that matters. */
  readonly filter: (n: number) => string;
  readonly title: string;
  /** Some span matches; `undefined`: that depends on the number of spans. */
  readonly isFound?: boolean;
}
const FILTERS: readonly BenchFilter[] = [
  { name: 'created_all', filter: () => 'created < now()', title: 'created before now', isFound: true },
  {
    name: 'created_half',
    filter: () => 'created < CURRENT_DATE - INTERVAL 1 DAY',
    title: 'created before yesterday',
  },
  { name: 'user', filter: (n) => `metadata.user_id = '${1234 + n}'`, title: 'of one of 10,000 users' },
  {
    name: 'user_none',
    filter: (n) => `metadata.user_id = 'nobody ${n}'`,
    title: 'of a user without spans',
    isFound: false,
  },
  {
    name: 'score',
    filter: (n) => `scores.Factuality > ${0.5 + n / 1e6}`,
    title: 'with a score above 0.5, as half have',
    isFound: true,
  },
  {
    name: 'score_none',
    filter: (n) => `scores.Factuality > ${1.5 + n}`,
    title: 'with a score that none has',
    isFound: false,
  },
];
const GROUPS =
  "dimensions: metadata.model as m | measures: percentile(metrics.time_to_first_token, 0.95) as p95 | from: project_logs('bench')";

const root = mkdtempSync(join(tmpdir(), 'weir-bench-btql-'));
process.on('exit', () => rmSync(root, { recursive: true, force: true }));
const report = new LogReport();

/** Times of a query: the first one, and those of as many more when the code is compiled. */
function timesOf(
  ask: (n: number) => TimedAnswer,
  isFound: boolean | undefined,
): { first: number; times: number[] } {
  const times: number[] = [];
  for (let i = 0; i < 2 * sizes.queries; i++) {
    const { body, ms } = ask(i);
    const isExpected = isFound === undefined || body.startsWith('{"data":[{') === isFound;
    if (!isExpected) throw new Error(`unexpected answer: ${body.slice(0, 200)}`);
    times.push(ms);
  }
  return { first: times[0]!, times: times.slice(sizes.queries) };
}

/** Filters with a limit, and the group query. `limits`: of spans. */
function measure(store: SpanStore, prefix: string, among: string, limits: readonly number[]): void {
  for (const { name, filter, title, isFound } of FILTERS)
    for (const limit of limits) {
      const ask = (n: number): TimedAnswer => store.ask(`${ROWS} | filter: ${filter(n)} | limit: ${limit}`);
      report.addQueries(
        `${prefix}${name}_${limit}`,
        `${limit} spans ${title}, ${among}`,
        timesOf(ask, isFound),
        atMost(50),
      );
    }
  const times = timesOf(() => store.ask(GROUPS), true);
  report.addQueries(
    `${prefix}group_p95`,
    `p95 of a metric by a field of metadata, ${among}`,
    times,
    atMost(300),
  );
}

const folder = join(root, 'spans');
process.stderr.write(`storing ${sizes.spans} spans\n`);
const before = process.cpuUsage();
fillStore(folder, sizes.spans);
const { user, system } = process.cpuUsage(before);
const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
report.add('bytes_per_span', 'bytes on disk per span', bytes / sizes.spans, '');
report.add('cpu_us_per_span', 'CPU to make and store a span', (user + system) / sizes.spans, ' µs');
const store = new SpanStore(folder);
measure(store, '', `among ${sizes.spans.toLocaleString('en')}`, [100, 1000]);
store.close();

const tailFolder = join(root, 'tail');
fillStore(tailFolder, sizes.tail);
const tail = new SpanStore(tailFolder);
measure(tail, 'tail_', 'in half a block that is not sealed', [100]);
tail.close();

console.log(logTable(report.figures, 'spans'));
mkdirSync(new URL('results/', import.meta.url), { recursive: true });
writeFileSync(new URL(`results/${isQuick ? 'partial' : 'btql'}.json`, import.meta.url), report.toJson(sizes));
process.exit(0);
