// The bench's results as a table, for the terminal and for the README.
// Must stay true: a ratio is the median of the ratios within each round of one run; absolute figures are medians, and
// stand beside only to give a scale.

/** One peer's figures: the median of the rounds, and the rounds themselves in order. */
interface PeerReport {
  readonly name: string;
  readonly median: Readonly<Record<string, number | undefined>>;
  readonly rounds?: Readonly<Record<string, readonly number[]>> | undefined;
}

/** What run.ts writes, as far as the table needs it. */
export interface Report {
  readonly peers: readonly PeerReport[];
}

/** Figure, its title, and the peer that it is compared to. */
const rows: [figure: string, title: string, to: string][] = [
  ['cpu_us_per_request', 'CPU per small JSON request, µs', 'HAProxy'],
  ['cpu_us_per_chunk', 'CPU per streamed chunk, µs', 'nginx'],
  ['cpu_ms_per_100mb_down', 'CPU per 100 MB down, ms', 'nginx'],
  ['cpu_ms_per_100mb_up', 'CPU per 100 MB up, ms', 'nginx'],
  ['requests_per_second', 'requests per second, one core each side', 'HAProxy'],
  ['p50_ms', 'p50 at 1,000 requests/s, ms', 'direct'],
  ['p99_ms', 'p99 at 1,000 requests/s, ms', 'direct'],
  ['resident_mb_idle', 'resident memory, idle, MB', ''],
  ['resident_mb_1000_idle', 'resident memory, 1,000 idle connections, MB', ''],
  ['resident_mb_10000_idle', 'resident memory, 10,000 idle connections, MB', ''],
  ['scrape_ms', 'one scrape, ms', ''],
];

const short = (value: number | undefined): string =>
  value === undefined ? '' : value >= 100 ? String(Math.round(value)) : value.toPrecision(3);

/** A Markdown table: a row a figure, a column a peer, and weir's ratio to the peer that it is held against. */
export function benchTable({ peers }: Report): string {
  /** The median over the rounds of what `compare` makes of weir's figure and the other's. */
  const paired = (to: string, figure: string, compare: (ours: number, theirs: number) => number) => {
    const ours = peers.find((peer) => peer.name === 'weir')?.rounds?.[figure] ?? [];
    const theirs = peers.find((peer) => peer.name === to)?.rounds?.[figure] ?? [];
    const values = ours
      .flatMap((value, i) => (theirs[i] === undefined ? [] : [compare(value, theirs[i])]))
      .sort((a, b) => a - b);
    return values[Math.floor(values.length / 2)];
  };
  const lines = [
    `| figure | ${peers.map((peer) => peer.name).join(' | ')} | weir to … |`,
    `| --- |${' --- |'.repeat(peers.length + 1)}`,
  ];
  for (const [figure, title, to] of rows) {
    const ratio = paired(to, figure, (ours, theirs) => (to === 'direct' ? ours - theirs : ours / theirs));
    const compared =
      ratio === undefined
        ? ''
        : to === 'direct'
          ? `+${ratio.toFixed(2)} ms over ${to}`
          : `${ratio.toFixed(2)} × ${to}`;
    // Direct has no proxy whose processor time could be counted.
    const cells = peers.map((peer) =>
      figure.startsWith('cpu') && peer.name === 'direct' ? '' : short(peer.median[figure]),
    );
    lines.push(`| ${title} | ${cells.join(' | ')} | ${compared} |`);
  }
  return lines.join('\n');
}

/** What grpc.ts writes, as far as the table needs it. */
export interface GrpcReport {
  readonly peers: readonly { readonly name: string; readonly cpu_us_per_call: readonly number[] }[];
}

/** A Markdown table: a row a peer, what a call costs it, and its ratio to nginx, with the range over the rounds. */
export function grpcTable({ peers }: GrpcReport): string {
  const nginx = peers.find(({ name }) => name === 'nginx')?.cpu_us_per_call ?? [];
  const said = (values: readonly number[], digits: number): string => {
    const sorted = values.toSorted((a, b) => a - b);
    if (sorted.length === 0) return '';
    const [low, middle, high] = [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!];
    return `${middle.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
  };
  const lines = ['| small unary call | CPU, µs | × nginx |', '| --- | --- | --- |'];
  for (const { name, cpu_us_per_call: micros } of peers) {
    const ratios = micros.flatMap((value, i) => (nginx[i] === undefined ? [] : [value / nginx[i]]));
    lines.push(`| ${name} | ${said(micros, 1)} | ${name === 'nginx' ? '' : said(ratios, 2)} |`);
  }
  return lines.join('\n');
}
