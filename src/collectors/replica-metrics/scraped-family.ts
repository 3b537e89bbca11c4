// One family of somebody else's page: its samples are gathered, held against the rules of its type, and printed.
// Invariant: what it prints is valid in both formats. They differ in exemplars, which the text format does not have,
// and in samples that OpenMetrics does not allow: see distributions.ts.
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

  /** Takes a sample, or says what is wrong with it by itself. */
  add(sample: SampleLine, labels: readonly LabelPair[]): SampleError | undefined {
    // A count is never negative and never NaN.
    if (this.type === 'counter' && !(numberOf(sample.value) >= 0)) return 'bad_value';
    if (this.type === 'summary' && !this.#fitsSummary(sample, labels)) return 'bad_summary';
    this.#series.push({ sample, labels });
    return undefined;
  }

  /** The family as it is printed; `undefined` where nothing of it is left. */
  finish(help: string, fault: (why: SampleError) => void): PageFamily | undefined {
    const { text, openMetrics } = this.#distributions(fault);
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
  #distributions(fault: (why: SampleError) => void): Distribution {
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
      const read = (this.type === 'histogram' ? histogram : summary)(this.name, group, fault);
      text.push(...read.text);
      openMetrics.push(...read.openMetrics);
    }
    return { text, openMetrics };
  }
}
