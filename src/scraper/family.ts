// One family of somebody else's page: its samples are gathered, held against the rules of its type, and printed.
// Must stay true: what it prints is valid in both formats; only exemplars differ, which the text format does not have.
import {
  numberOf,
  printLabels,
  readNumber,
  unescapeHelp,
  type Fault,
  type LabelPair,
  type SampleLine,
} from './sample.ts';

export type FamilyType = 'counter' | 'gauge' | 'histogram' | 'summary' | 'untyped';

/** A family that is right, with its lines. */
export interface PageFamily {
  /** As in the text format: a counter with its _total. */
  readonly name: string;
  readonly type: FamilyType;
  /** What it is, unescaped; may be empty. */
  readonly help: string;
  /** Names of series that are this family's and no other's. */
  readonly claims: readonly string[];
  readonly series: number;
  /** Its lines, each with its newline. */
  readonly text: string;
  readonly openMetrics: string;
}

interface Series {
  readonly sample: SampleLine;
  readonly labels: readonly LabelPair[];
}

const PARTS: Partial<Record<FamilyType, readonly string[]>> = {
  histogram: ['', '_bucket', '_count', '_sum'],
  summary: ['', '_count', '_sum'],
};

const isCount = (printed: string): boolean => numberOf(printed) >= 0;

export class FamilyBuilder {
  readonly name: string;
  readonly type: FamilyType;
  #series: Series[] = [];

  constructor({ name, type }: { name: string; type: FamilyType }) {
    this.name = name;
    this.type = type;
  }

  /** Takes a sample, or says what is wrong with it by itself. */
  add(sample: SampleLine, labels: readonly LabelPair[]): Fault | undefined {
    // Counts are never negative and never NaN.
    if (this.type === 'counter' && !isCount(sample.value)) return 'bad_value';
    if (this.type === 'summary' && !this.#fitsSummary(sample, labels)) return 'bad_summary';
    this.#series.push({ sample, labels });
    return undefined;
  }

  /** The family as it is printed; `undefined` where nothing of it is left. */
  finish(help: string, fault: (why: Fault) => void): PageFamily | undefined {
    if (this.type === 'histogram') this.#keepWholeHistograms(fault);
    if (this.#series.length === 0) return undefined;
    let text = '';
    let openMetrics = '';
    for (const { sample, labels } of this.#series) {
      const line = `${sample.name}{${printLabels(labels)}} ${sample.value}`;
      text += `${line}\n`;
      openMetrics +=
        sample.exemplar && this.#mayHaveExemplar(sample.name)
          ? `${line} # ${sample.exemplar}\n`
          : `${line}\n`;
    }
    return {
      name: this.name,
      type: this.type,
      help: unescapeHelp(help),
      claims: (PARTS[this.type] ?? ['']).map((part) => this.name + part),
      series: this.#series.length,
      text,
      openMetrics,
    };
  }

  #mayHaveExemplar(name: string): boolean {
    return this.type === 'counter'
      ? name.endsWith('_total')
      : this.type === 'histogram' && name.endsWith('_bucket');
  }

  #fitsSummary({ name, value }: SampleLine, labels: readonly LabelPair[]): boolean {
    if (name === `${this.name}_sum`) return true;
    if (name === `${this.name}_count`) return isCount(value);
    const quantile = Number(labels.find(([label]) => label === 'quantile')?.[1] ?? NaN);
    return quantile >= 0 && quantile <= 1;
  }

  /** Leaves out every histogram that is not one: a reader computes with all of its buckets together. */
  #keepWholeHistograms(fault: (why: Fault) => void): void {
    const groups = new Map<string, Series[]>();
    for (const series of this.#series) {
      const key = printLabels(series.labels.filter(([name]) => name !== 'le'));
      const group = groups.get(key);
      if (group) group.push(series);
      else groups.set(key, [series]);
    }
    this.#series = [];
    for (const group of groups.values())
      if (this.#isWhole(group)) this.#series.push(...group);
      else fault('bad_histogram');
  }

  /** Buckets have bounds, all different, up to +Inf, and never fall. (A count may be ahead: servers count while they print.) */
  #isWhole(group: readonly Series[]): boolean {
    const buckets: { bound: number; count: number }[] = [];
    let sums = 0;
    let counts = 0;
    for (const { sample, labels } of group) {
      if (sample.name === `${this.name}_sum`) sums++;
      else if (!isCount(sample.value)) return false;
      else if (sample.name === `${this.name}_count`) counts++;
      else {
        const bound = readNumber(labels.find(([name]) => name === 'le')?.[1] ?? '');
        if (bound === undefined || bound === 'NaN') return false;
        buckets.push({ bound: numberOf(bound), count: numberOf(sample.value) });
      }
    }
    buckets.sort((a, b) => a.bound - b.bound);
    return (
      sums <= 1 &&
      counts <= 1 &&
      counts >= sums &&
      buckets.at(-1)?.bound === Infinity &&
      buckets.every(
        ({ bound, count }, i) => i === 0 || (bound > buckets[i - 1]!.bound && count >= buckets[i - 1]!.count),
      )
    );
  }
}
