// Parses and merges a replica's metrics page without a running weir.
import fc from 'fast-check';
import { mergedPage } from '../../src/telemetry/metrics/merge-pages.ts';
import {
  readPage,
  type MetricsPage,
  type MetricsPageOptions,
} from '../../src/collectors/replica-metrics/exposition.ts';

export interface Seen {
  page: MetricsPage | string;
  errors: Record<string, number>;
  text: string;
  open: string;
}

/** Parses a page of a replica with an added label, and prints its valid families. */
export function see(input: string, options: Partial<MetricsPageOptions> = {}): Seen {
  const errors: Record<string, number> = {};
  const reading = readPage(
    input,
    {
      isOpenMetrics: false,
      isLossy: false,
      maxSeries: 1000,
      extra: [['replica', 'r0']],
      isDropped: () => false,
      ...options,
    },
    (error) => (errors[error] = (errors[error] ?? 0) + 1),
  );
  let step = reading.next();
  while (!step.done) step = reading.next();
  const page = step.value;
  const pages = typeof page === 'string' ? [] : [page.families];
  return { page, errors, text: mergedPage(pages, false), open: mergedPage(pages, true) };
}

/** Samples of the text format, without the added label. */
export const samples = ({ text }: Seen): string[] =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.replace(/replica="r0",?/, '').replace('{}', ''));

export const HISTOGRAM = `# HELP lat_seconds Latency.
# TYPE lat_seconds histogram
lat_seconds_bucket{le="0.1"} 1
lat_seconds_bucket{le="1.0"} 3
lat_seconds_bucket{le="+Inf"} 4
lat_seconds_sum 5.5
lat_seconds_count 4
`;

const name = fc.constantFrom(
  'a',
  'a_total',
  'a_count',
  'a_sum',
  'a_bucket',
  'a_created',
  'b',
  'b_total',
  'b_info',
);
const type = fc.constantFrom(
  'counter',
  'gauge',
  'histogram',
  'summary',
  'untyped',
  'unknown',
  'info',
  'stateset',
  'gaugehistogram',
  'x',
);
const value = fc.oneof(
  { weight: 3, arbitrary: fc.nat(9).map(String) },
  fc.constantFrom('1', '0', '-1', 'NaN', '+Inf', '-Inf', 'inf', '1e400', '.5', '0x1', '', '+', '1_0'),
  fc.double().map(String),
);
const labelValue = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('a', 'b', '0.5', '+Inf') },
  fc.constantFrom('0.5', '+Inf', '1', '1.0', '\\n', '\\"', '\\', '"', 'é', '}', '# {'),
  fc.string({ maxLength: 5 }),
);
const label = fc.tuple(
  fc.constantFrom('le', 'quantile', 'x', 'x', 'y', 'y', 'replica', '__name__'),
  labelValue,
);
const labels = fc
  .array(label, { maxLength: 3 })
  .map((pairs) => (pairs.length === 0 ? '' : `{${pairs.map(([n, v]) => `${n}="${v}"`).join(',')}}`));
const tail = fc.constantFrom(
  '',
  '',
  '',
  '',
  '',
  '',
  ' 1700000000',
  ' # {t="1"} 1',
  ' # {t="1"} 1 2',
  ' #',
  ' x',
);
const line = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(name, labels, value, tail).map(([n, l, v, t]) => `${n}${l} ${v}${t}`) },
  { weight: 3, arbitrary: fc.tuple(name, type).map(([n, t]) => `# TYPE ${n} ${t}`) },
  { weight: 1, arbitrary: fc.tuple(name, fc.string()).map(([n, h]) => `# HELP ${n} ${h}`) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
  { weight: 1, arbitrary: fc.constantFrom('# EOF', '', '#', ...HISTOGRAM.split('\n')) },
);
/** What a server that knows the format prints for a name. */
const whole = fc
  .tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('x="1"', 'x="2"'), fc.nat(9))
  .chain(([name, pair, n]) =>
    fc.constantFrom(
      HISTOGRAM.replaceAll('lat_seconds', name).trimEnd(),
      // As some servers print it: unsorted buckets, another spelling of +Inf, a count that is too high, a sum of NaN.
      ...[/(.*bucket.*\n)(.*bucket.*\n)/, '+Inf', 'count 4', '5.5'].map((part, i) =>
        HISTOGRAM.replaceAll('lat_seconds', name)
          .replace(part, ['$2$1', '+INF', 'count 5', 'NaN'][i]!)
          .trimEnd(),
      ),
      `# TYPE ${name} summary\n${name}{${pair},quantile="0.5"} -${n}\n${name}_sum -1\n${name}_sum{${pair}} NaN\n${name}_count{${pair}} 1\n${name}_count 2`,
      `# TYPE ${name}_total counter\n${name}_total{${pair}} ${n}`,
      `# TYPE ${name} counter\n${name}_total{${pair}} ${n} # {t="1"} ${n}\n${name}_created{${pair}} 5`,
      `# TYPE ${name} summary\n${name}{${pair},quantile="0.9"} ${n}\n${name}_sum{${pair}} 1\n${name}_count{${pair}} 1`,
      `# HELP ${name} Some.\n# TYPE ${name} gauge\n${name}{${pair}} ${n}`,
    ),
  );
const block = fc.oneof({ weight: 2, arbitrary: whole }, { weight: 1, arbitrary: line });

/** Pages that are nearly right: names that meet, types that do not fit, lines that are lost, values of every kind. */
export const anyPage = fc
  .tuple(fc.array(block, { maxLength: 25, size: 'max' }), fc.array(fc.nat(200), { maxLength: 3 }))
  .map(([blocks, lost]) => {
    const lines = blocks.flatMap((text) => text.split('\n')).filter((_, i) => !lost.includes(i));
    return `${lines.join('\n')}\n`;
  });
