// The results of the gRPC benchmark as a Markdown table, for the terminal and the documentation.
// Invariant: a ratio is the median of the ratios within each round of one run. Absolute values are medians, for scale.
import { median, paired } from './stats.ts';

/** One measurement of all peers. */
export interface GrpcFigure {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly peers: readonly { readonly name: string; readonly values: readonly number[] }[];
  /** What weir's ratio to another peer, or its value, is meant to be. Nothing fails if it is not. */
  readonly goal?: { readonly is: 'at most' | 'at least'; readonly value: number; readonly to?: string };
  /** When and where this figure was measured. */
  readonly measured?: {
    readonly at: string;
    readonly processor: string;
    readonly cores: number;
    readonly node: string;
    readonly load: string;
  };
}

/** The part of grpc.ts's results that the table needs. */
export interface GrpcReport {
  readonly figures: readonly GrpcFigure[];
}

const OWN = /^weir\b/;

/** The ratio of two peers with the range of its rounds; empty if a value is missing. */
function ratio(figure: GrpcFigure, ours: string, theirs: string): string {
  const [a, b] = [ours, theirs].map((peer) => figure.peers.find(({ name }) => name === peer)?.values);
  const middle = paired(a, b);
  if (middle === undefined) return '';
  const all = a!
    .flatMap((value, i) => (b![i] === undefined ? [] : [value / b![i]]))
    .toSorted((x, y) => x - y);
  return `${middle.toFixed(2)} × ${theirs} (${all[0]!.toFixed(2)} to ${all.at(-1)!.toFixed(2)})`;
}

function ratios(figure: GrpcFigure): string {
  const names = figure.peers.map(({ name }) => name);
  const others = names.filter((name) => !OWN.test(name));
  const [first, ...weirs] = names.filter((name) => OWN.test(name));
  if (figure.unit === 'MB' || first === undefined) return '';
  return [
    ...others.map((theirs) => ratio(figure, first, theirs)),
    ...weirs.map((weir) => `${weir}: ${ratio(figure, weir, first)}`),
  ].join('<br>');
}

const cell = (value: number | undefined): string =>
  value === undefined ? '' : value >= 100 ? value.toFixed(0) : value.toPrecision(3);

/** A row per figure: the median of each peer, the ratios of weir to the others, and the goal. */
export function grpcTable({ figures }: GrpcReport): string {
  const peers = [...new Set(figures.flatMap((figure) => figure.peers.map(({ name }) => name)))];
  // weirs first, in the order in which they are compared.
  const names = [...peers.filter((name) => OWN.test(name)), ...peers.filter((name) => !OWN.test(name))];
  const lines = [
    `| figure | ${names.join(' | ')} | weir to … | goal |`,
    `| --- |${' --- |'.repeat(names.length + 2)}`,
  ];
  for (const figure of figures) {
    const cells = names.map((name) =>
      cell(median(figure.peers.find((peer) => peer.name === name)?.values ?? [])),
    );
    const { goal } = figure;
    const wanted =
      goal === undefined
        ? ''
        : `${goal.is} ${goal.value} ${goal.to === undefined ? figure.unit : `× ${goal.to}`}`;
    lines.push(`| ${figure.title}, ${figure.unit} | ${cells.join(' | ')} | ${ratios(figure)} | ${wanted} |`);
  }
  return lines.join('\n');
}
