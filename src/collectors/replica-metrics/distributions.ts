// Validates and sorts the series of one histogram or one summary, for each format.
// Invariant: the result is valid in its format. A reader uses all buckets of a histogram together, so a histogram with
// one wrong bucket is left out as a whole.
// Rules: OpenMetrics 1.0, Histogram and Summary. It allows no sum that can decrease, such as one of negative values,
// and no NaN.
import { numberOf, readSampleValue, type SampleError, type LabelPair, type SampleLine } from './sample.ts';

/** One sample with its labels for printing. */
export interface Series {
  readonly sample: SampleLine;
  readonly labels: readonly LabelPair[];
}

/** The series that each format prints. */
export interface Distribution {
  readonly text: readonly Series[];
  readonly openMetrics: readonly Series[];
}

const NOTHING: Distribution = { text: [], openMetrics: [] };

/** True for a count: an integer of at least 0. */
export const isCount = (printed: string): boolean => {
  const number = numberOf(printed);
  return number >= 0 && Number.isInteger(number);
};

interface Bucket {
  readonly bound: number;
  readonly count: number;
  readonly series: Series;
}

/**
 * Buckets with ascending bounds up to +Inf and values that never decrease, then sum and count. The count is that of the
 * last bucket, since the two differ if a server counts while it prints.
 */
export function histogram(
  name: string,
  group: readonly Series[],
  report: (error: SampleError) => void,
): Distribution {
  const sums = group.filter(({ sample }) => sample.name === `${name}_sum`);
  const counts = group.filter(({ sample }) => sample.name === `${name}_count`);
  const buckets = bucketsOf(name, group);
  const isWhole =
    buckets !== undefined &&
    sums.length <= 1 &&
    counts.length <= 1 &&
    counts.length >= sums.length &&
    counts.every(({ sample }) => isCount(sample.value));
  if (!isWhole) {
    report('bad_histogram');
    return NOTHING;
  }
  const last = buckets.at(-1)!;
  const count = counts.map((series) =>
    numberOf(series.sample.value) === last.count
      ? series
      : { ...series, sample: { ...series.sample, value: last.series.sample.value } },
  );
  const sum = sums.filter(({ sample }) => sample.value !== 'NaN');
  if (sum.length < sums.length) report('bad_value');
  const inOrder = buckets.map(({ series }) => series);
  const isMonotone = buckets[0]!.bound >= 0 && sum.length === 1 && numberOf(sum[0]!.sample.value) >= 0;
  return {
    text: [...inOrder, ...sum, ...count],
    // OpenMetrics allows sum and count only together.
    openMetrics: isMonotone ? [...inOrder, ...sum, ...count] : inOrder,
  };
}

/** The buckets by ascending bounds; `undefined` if they are wrong or incomplete. */
function bucketsOf(name: string, group: readonly Series[]): readonly Bucket[] | undefined {
  const buckets: Bucket[] = [];
  for (const series of group) {
    const { sample, labels } = series;
    if (sample.name !== `${name}_bucket`) continue;
    const bound = readSampleValue(labels.find(([label]) => label === 'le')?.[1] ?? '');
    if (bound === undefined || bound === 'NaN' || !isCount(sample.value)) return undefined;
    buckets.push({ bound: numberOf(bound), count: numberOf(sample.value), series: withBound(series, bound) });
  }
  buckets.sort((a, b) => a.bound - b.bound);
  const isAscending = buckets.every(
    ({ bound, count }, i) => i === 0 || (bound > buckets[i - 1]!.bound && count >= buckets[i - 1]!.count),
  );
  return isAscending && buckets.at(-1)?.bound === Infinity ? buckets : undefined;
}

/** Writes the infinite bound as `+Inf` (OpenMetrics 1.0, Considerations: Canonical Numbers). */
function withBound({ sample, labels }: Series, bound: string): Series {
  if (bound !== '+Inf') return { sample, labels };
  return { sample, labels: labels.map((pair) => (pair[0] === 'le' ? ['le', bound] : pair)) };
}

/** Quantiles, sum and count, each of which was validated before. */
export function summary(
  name: string,
  group: readonly Series[],
  report: (error: SampleError) => void,
): Distribution {
  const isSum = ({ sample }: Series) => sample.name === `${name}_sum`;
  const text = group.filter((series) => !isSum(series) || series.sample.value !== 'NaN');
  for (let i = text.length; i < group.length; i++) report('bad_value');
  // In OpenMetrics quantiles and sums must not be negative; a quantile may be NaN.
  return { text, openMetrics: text.filter(({ sample }) => !(numberOf(sample.value) < 0)) };
}
