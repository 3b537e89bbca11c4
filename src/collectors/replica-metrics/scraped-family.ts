// One family of a replica's metrics page: collects its samples, validates them by type, and prints them.
// Invariant: the output is valid in both formats. The text format has no exemplars, and OpenMetrics does not allow some
// samples (see distributions.ts).
import { histogram, isCount, summary, type Distribution, type Series } from './distributions.ts';
import {
  numberOf,
  printLabels,
  readSampleValue,
  unescapeHelp,
  type SampleError,
  type LabelPair,
  type SampleLine,
} from './sample.ts';

export type FamilyType = 'counter' | 'gauge' | 'histogram' | 'summary' | 'untyped';

/** A valid family with its printed lines. */
export interface PageFamily {
  /** As in the text format: a counter includes `_total`. */
  readonly name: string;
  readonly type: FamilyType;
  /** Help text, unescaped; may be empty. */
  readonly help: string;
  /** Series names that no other family may have. */
  readonly claims: readonly string[];
  readonly series: number;
  /** All sample lines, with newlines. */
  readonly text: string;
  readonly openMetrics: string;
}

const PARTS: Partial<Record<FamilyType, readonly string[]>> = {
  histogram: ['', '_bucket', '_count', '_sum', '_created'],
  summary: ['', '_count', '_sum', '_created'],
};

/** The label that distinguishes the samples of one histogram or summary. */
const INNER_LABEL: Partial<Record<FamilyType, string>> = { histogram: 'le', summary: 'quantile' };

export class FamilyBuilder {
  readonly name: string;
  readonly type: FamilyType;
  readonly #series: Series[] = [];

  constructor({ name, type }: { name: string; type: FamilyType }) {
    this.name = name;
    this.type = type;
  }

  /** Adds a sample. Returns an error if the sample is invalid by itself. */
  add(sample: SampleLine, labels: readonly LabelPair[]): SampleError | undefined {
    // A counter is never negative and never NaN.
    if (this.type === 'counter' && !(numberOf(sample.value) >= 0)) return 'bad_value';
    if (this.type === 'summary' && !this.#fitsSummary(sample, labels)) return 'bad_summary';
    this.#series.push({ sample, labels });
    return undefined;
  }

  /** The printed family; `undefined` if no valid series is left. */
  finish(help: string, report: (error: SampleError) => void): PageFamily | undefined {
    const { text, openMetrics } = this.#distributions(report);
    if (text.length === 0) return undefined;
    const line = ({ sample, labels }: Series) => `${sample.name}{${printLabels(labels)}} ${sample.value}`;
    return {
      name: this.name,
      type: this.type,
      help: unescapeHelp(help),
      claims: (PARTS[this.type] ?? ['']).map((part) => this.name + part),
      series: text.length,
      text: text.map((series) => `${line(series)}\n`).join(''),
      openMetrics: openMetrics
        .map((series) => {
          const { exemplar, name } = series.sample;
          return exemplar && this.#mayHaveExemplar(name)
            ? `${line(series)} # ${exemplar}\n`
            : `${line(series)}\n`;
        })
        .join(''),
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
    const quantile = readSampleValue(labels.find(([label]) => label === 'quantile')?.[1] ?? '');
    return quantile !== undefined && numberOf(quantile) >= 0 && numberOf(quantile) <= 1;
  }

  /** All series. Those of one histogram or summary are adjacent, as OpenMetrics requires. */
  #distributions(report: (error: SampleError) => void): Distribution {
    const inner = INNER_LABEL[this.type];
    if (inner === undefined) return { text: this.#series, openMetrics: this.#series };
    const groups = new Map<string, Series[]>();
    for (const series of this.#series) {
      const outer = series.labels.filter(([name]) => name !== inner);
      const key = printLabels(outer.sort(([a], [b]) => (a < b ? -1 : 1)));
      const group = groups.get(key);
      if (group) group.push(series);
      else groups.set(key, [series]);
    }
    const text: Series[] = [];
    const openMetrics: Series[] = [];
    for (const group of groups.values()) {
      const read = (this.type === 'histogram' ? histogram : summary)(this.name, group, report);
      text.push(...read.text);
      openMetrics.push(...read.openMetrics);
    }
    return { text, openMetrics };
  }
}
