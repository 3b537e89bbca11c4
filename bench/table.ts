// Benchmark results as Markdown tables, for the terminal and the documentation.
// Invariant: every column says whether a log store and an access log were on. A ratio is the median of the ratios within
// each round of one run. Absolute values are medians, for scale.
import { paired } from './stats.ts';

/** Measurements of one peer: the median of the rounds, and the rounds in order. */
interface PeerReport {
  readonly name: string;
  /** `logs.capture` of a weir. Other peers have no log store. */
  readonly log_store?: string;
  /** Where a weir writes its access log, or `off`. Those of other peers are off. */
  readonly access_log?: string;
  /** How the peer is configured. */
  readonly setup: string;
  readonly median: Readonly<Record<string, number | undefined>>;
  readonly rounds?: Readonly<Record<string, readonly number[]>> | undefined;
}

/** The part of run.ts's results that the tables need. */
export interface Report {
  readonly peers: readonly PeerReport[];
}

const SHIPPED = 'weir, as shipped';
const BOTH_OFF = 'weir, both off';
const STORED = 'weir, bodies stored';

/** Name and title of a measurement, and the peers that weir as shipped is compared with. */
const rows: [figure: string, title: string, ...to: string[]][] = [
  ['cpu_us_per_request', 'CPU per small JSON request, µs', 'HAProxy', 'nginx'],
  ['cpu_us_per_1kb_request', 'CPU per request with 1 KB in and out, µs', 'HAProxy', 'nginx'],
  ['cpu_us_per_chunk', 'CPU per streamed chunk, µs', 'HAProxy', 'nginx'],
  ['cpu_ms_per_100mb_down', 'CPU per 100 MB down, ms', 'nginx'],
  ['cpu_ms_per_100mb_up', 'CPU per 100 MB up, ms', 'nginx'],
  ['requests_per_second', 'requests per second, one core each side', 'HAProxy'],
  ['p50_ms', 'p50 at 1,000 requests/s, ms', 'direct'],
  ['p99_ms', 'p99 at 1,000 requests/s, ms', 'direct'],
  ['resident_mb_idle', 'resident memory, idle, MB'],
  ['resident_mb_1000_idle', 'resident memory, 1,000 idle connections, MB'],
  ['resident_mb_10000_idle', 'resident memory, 10,000 idle connections, MB'],
  ['scrape_ms', 'one scrape, ms'],
  ['requests_lost', 'requests not stored, in all rounds'],
  ['bodies_lost', 'requests stored without their bodies, in all rounds'],
  ['lines_lost', 'lines of the access log not written, in all rounds'],
];

const short = (figure: string, value: number | undefined): string =>
  value === undefined
    ? ''
    : value >= 100 || figure.endsWith('_lost')
      ? String(Math.round(value))
      : value.toPrecision(3);

/** The ratio of a figure of two peers, with the name of the second; empty if a round of either is missing. */
function ratio({ peers }: Report, figure: string, ours: string, theirs: string): string {
  const of = (name: string) => peers.find((peer) => peer.name === name)?.rounds?.[figure];
  if (theirs === 'direct') {
    const added = paired(of(ours), of(theirs), (a, b) => a - b);
    return added === undefined ? '' : `${added < 0 ? '' : '+'}${added.toFixed(2)} ms over direct`;
  }
  const times = paired(of(ours), of(theirs));
  return times === undefined ? '' : `${times.toFixed(2)} × ${theirs.replace('weir, ', '')}`;
}

/** A Markdown table with a row per measurement, a column per peer, and a column of ratios. */
function peerTable(peers: readonly PeerReport[], ratios: string, of: (row: (typeof rows)[number]) => string) {
  const facts = (title: string, fact: (peer: PeerReport) => string): string =>
    `| ${title} | ${peers.map((peer) => (peer.name === 'direct' ? '' : fact(peer))).join(' | ')} | |`;
  const lines = [
    `| figure | ${peers.map(({ name }) => name).join(' | ')} | ${ratios} |`,
    `| --- |${' --- |'.repeat(peers.length + 1)}`,
    facts('**log store**', ({ log_store }) => (log_store === undefined ? 'none' : `\`${log_store}\``)),
    facts('**access log**', ({ access_log }) => access_log ?? 'off'),
  ];
  for (const row of rows) {
    const [figure, title] = row;
    if (peers.every(({ median: of }) => of[figure] === undefined)) continue;
    // Direct has no proxy process.
    const cells = peers.map((peer) =>
      figure.startsWith('cpu') && peer.name === 'direct' ? '' : short(figure, peer.median[figure]),
    );
    lines.push(`| ${title} | ${cells.join(' | ')} | ${of(row)} |`);
  }
  return lines.join('\n');
}

/** Markdown: weir as shipped beside other proxies, then weir with parts of it off, then how each is configured. */
export function benchTables(report: Report): string {
  const weirs = report.peers.filter(({ log_store }) => log_store !== undefined);
  const others = report.peers.filter(({ log_store }) => log_store === undefined);
  const shipped = weirs.find(({ name }) => name === SHIPPED);
  const [direct, ...proxies] = others;
  const ratios = (figure: string, ours: string, all: readonly string[]): string =>
    all
      .map((theirs) => ratio(report, figure, ours, theirs))
      .filter((text) => text !== '')
      .join(', ');
  const beside = peerTable(
    [direct, shipped, ...proxies].filter((peer) => peer !== undefined),
    'weir as shipped to …',
    ([figure, , ...to]) => ratios(figure, SHIPPED, to),
  );
  const without = peerTable(weirs, 'ratio', ([figure, , ...to]) => {
    if (to.length === 0 || to.includes('direct')) return '';
    const both = ratios(figure, SHIPPED, [BOTH_OFF]);
    const toProxy = ratios(figure, BOTH_OFF, to);
    const stored = ratios(figure, STORED, [SHIPPED]);
    return [
      both && `as shipped ${both}`,
      toProxy && `both off ${toProxy}`,
      stored && `bodies stored ${stored}`,
    ]
      .filter((text) => text !== '')
      .join('; ');
  });
  const setups = report.peers.map(({ name, setup }) => `- ${name}: ${setup}.`);
  return [beside, 'The same weir with more and with less of its log store and access log:', without]
    .concat(setups.join('\n'))
    .join('\n\n');
}

/** One figure of logs.ts. */
export interface LogFigure {
  readonly name: string;
  readonly title: string;
  readonly value: number;
  /** Text behind the value, with its space; empty for a count. */
  readonly unit: string;
  /** What the value is meant to be. Nothing fails if it is not. */
  readonly goal?: { readonly is: 'at most' | 'at least'; readonly value: number };
}

/** A value with three digits, or all of its whole part. */
const digits = (value: number): string => {
  const whole = Math.abs(value) >= 100;
  return value.toLocaleString('en', whole ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 });
};

/** A Markdown table with a row per figure, its value and its goal. */
export function logTable(figures: readonly LogFigure[], title = 'log store'): string {
  const lines = [`| ${title} | value | goal |`, '| --- | --- | --- |'];
  for (const { title: figure, value, unit, goal } of figures) {
    const wanted = goal ? `${goal.is} ${digits(goal.value)}${unit}` : '';
    lines.push(`| ${figure} | ${digits(value)}${unit} | ${wanted} |`);
  }
  return lines.join('\n');
}
