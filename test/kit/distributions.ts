// Validates the samples of a histogram or a summary, for the strict parser in exposition.ts.
// Rules: OpenMetrics 1.0, Histogram and Summary. The text format does not restrict sums.

export interface Sample {
  /** Suffix after the name of the family. */
  readonly suffix: string;
  /** `name="value"` as written. */
  readonly labels: readonly string[];
  readonly value: number;
}

/** All problems of the samples of one family, given in their order on the page. */
export function distributionProblems(
  type: 'histogram' | 'summary',
  samples: readonly Sample[],
  isOpen: boolean,
): string[] {
  const inner = type === 'histogram' ? 'le' : 'quantile';
  const problems: string[] = [];
  const groups = new Map<string, Sample[]>();
  let last = '';
  for (const sample of samples) {
    const outer = sample.labels.filter((label) => !label.startsWith(`${inner}=`));
    const key = [...outer].sort().join(',');
    const group = groups.get(key);
    if (group && key !== last) problems.push(`samples of {${key}} are not adjacent`);
    if (group) group.push(sample);
    else groups.set(key, [sample]);
    last = key;
  }
  const check = type === 'histogram' ? histogramProblems : summaryProblems;
  for (const [key, group] of groups)
    problems.push(...check(group, isOpen).map((what) => `{${key}}: ${what}`));
  return problems;
}

const valueOf = ({ labels }: Sample, name: string): string | undefined =>
  labels.find((label) => label.startsWith(`${name}="`))?.slice(name.length + 2, -1);

const isWhole = (value: number) => Number.isInteger(value) && value >= 0;

function histogramProblems(group: readonly Sample[], isOpen: boolean): string[] {
  const problems: string[] = [];
  const of = (suffix: string) => group.filter((sample) => sample.suffix === suffix);
  let bound = -Infinity;
  let count = 0;
  let isFirst = true;
  for (const sample of of('_bucket')) {
    const le = valueOf(sample, 'le') ?? '';
    const next = le === '+Inf' ? Infinity : le === '' || /inf/i.test(le) ? NaN : Number(le);
    if (le !== '-Inf' && !(next > bound || (isFirst && next === bound)))
      problems.push(`bound ${le} after ${bound}`);
    if (!isWhole(sample.value) || sample.value < count) problems.push(`bucket of ${sample.value}`);
    bound = next;
    count = sample.value;
    isFirst = false;
  }
  if (bound !== Infinity) problems.push('no bucket +Inf');
  const [sum, ...moreSums] = of('_sum');
  const [total, ...moreTotals] = of('_count');
  if (moreSums.length + moreTotals.length > 0) problems.push('more than one sum or count');
  if (total && total.value !== count) problems.push(`count ${total.value}, last bucket ${count}`);
  if (sum && !total) problems.push('sum without count');
  if (sum && Number.isNaN(sum.value)) problems.push('sum is NaN');
  if (!isOpen) return problems;
  if (total && !sum) problems.push('count without sum');
  if (sum && sum.value < 0) problems.push('negative sum');
  const lowest = of('_bucket')[0];
  if (sum && lowest && /^-(?!0*\.?0*$)/.test(valueOf(lowest, 'le') ?? ''))
    problems.push('sum with negative bounds');
  return problems;
}

function summaryProblems(group: readonly Sample[], isOpen: boolean): string[] {
  const problems: string[] = [];
  for (const sample of group) {
    if (sample.suffix === '_count' && !isWhole(sample.value)) problems.push(`count ${sample.value}`);
    if (sample.suffix === '_sum' && Number.isNaN(sample.value)) problems.push('sum is NaN');
    if (isOpen && sample.value < 0) problems.push(`negative ${sample.suffix || 'quantile'}`);
    const quantile = valueOf(sample, 'quantile');
    if (sample.suffix === '' && !(quantile && Number(quantile) >= 0 && Number(quantile) <= 1))
      problems.push(`quantile ${quantile}`);
  }
  return problems;
}
