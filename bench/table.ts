// Benchmark results as a Markdown table, for the terminal and the documentation.
// Invariant: a ratio is the median of the ratios within each round of one run. Absolute values are medians, for scale.

/** Measurements of one peer: the median of the rounds, and the rounds in order. */
interface PeerReport {
  readonly name: string;
  readonly median: Readonly<Record<string, number | undefined>>;
  readonly rounds?: Readonly<Record<string, readonly number[]>> | undefined;
}

/** The part of run.ts's results that the table needs. */
export interface Report {
  readonly peers: readonly PeerReport[];
}

/** Name and title of a measurement, and the peer that it is compared with. */
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

/** A Markdown table with a row per measurement, a column per peer, and weir's ratio to the compared peer. */
export function benchTable({ peers }: Report): string {
  /** The median over the rounds of `compare`, called with the values of weir and the other peer. */
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
    // Direct has no proxy process.
    const cells = peers.map((peer) =>
      figure.startsWith('cpu') && peer.name === 'direct' ? '' : short(peer.median[figure]),
    );
    lines.push(`| ${title} | ${cells.join(' | ')} | ${compared} |`);
  }
  return lines.join('\n');
}

/** The part of grpc.ts's results that the table needs. */
export interface GrpcReport {
  readonly peers: readonly { readonly name: string; readonly cpu_us_per_call: readonly number[] }[];
}

/** A Markdown table with a row per peer: CPU time per call and ratio to nginx, as median and range of the rounds. */
export function grpcTable({ peers }: GrpcReport): string {
  const nginx = peers.find(({ name }) => name === 'nginx')?.cpu_us_per_call ?? [];
  const medianAndRange = (values: readonly number[], digits: number): string => {
    const sorted = values.toSorted((a, b) => a - b);
    if (sorted.length === 0) return '';
    const [low, middle, high] = [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!];
    return `${middle.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
  };
  const lines = ['| small unary call | CPU, µs | × nginx |', '| --- | --- | --- |'];
  for (const { name, cpu_us_per_call: micros } of peers) {
    const ratios = micros.flatMap((value, i) => (nginx[i] === undefined ? [] : [value / nginx[i]]));
    lines.push(
      `| ${name} | ${medianAndRange(micros, 1)} | ${name === 'nginx' ? '' : medianAndRange(ratios, 2)} |`,
    );
  }
  return lines.join('\n');
}
