// What a metric family is, before any text: a name, a type, a help text, and its samples at the moment of a scrape.
// Must stay true: reading samples touches memory alone.
import type { HistogramReading } from './histogram.ts';

export type Labels = Readonly<Record<string, string>>;

/** One series of a counter or gauge. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** One set of series of a histogram. */
export interface HistogramSample {
  readonly labels: Labels;
  readonly histogram: HistogramReading;
}

interface Named {
  readonly name: string;
  /** A sentence: what it is, in which unit, what it includes. */
  readonly help: string;
}

/** A family. `labels` are the names of its labels in order, for the README's table. */
export type Family =
  | (Named & {
      readonly type: 'counter' | 'gauge';
      readonly labels: readonly string[];
      samples(): Iterable<Sample>;
    })
  | (Named & {
      readonly type: 'histogram';
      readonly labels: readonly string[];
      samples(): Iterable<HistogramSample>;
    });
