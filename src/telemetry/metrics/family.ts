// A metric family: its name, type, help text and labels, and how its samples are read at a scrape.
// Invariant: reading samples reads memory only.
import type { Labels } from './deployment-labels.ts';
import type { HistogramReading } from './histogram.ts';
import type { MetricSources } from './metric-sources.ts';

/** One series of a counter or gauge. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** The series of one histogram. */
export interface HistogramSample {
  readonly labels: Labels;
  readonly histogram: HistogramReading;
}

interface FamilyText {
  readonly name: string;
  /** One sentence: what is measured, its unit, what it includes. */
  readonly help: string;
  /** Names of the labels, in order. */
  readonly labels: readonly string[];
}

/** `Sources`: what the family reads. A family that reads a part of MetricSources is a family of MetricSources too. */
export type Family<Sources = MetricSources> =
  | (FamilyText & {
      readonly type: 'counter' | 'gauge';
      samples(sources: Sources): Iterable<Sample>;
    })
  | (FamilyText & {
      readonly type: 'histogram';
      samples(sources: Sources): Iterable<HistogramSample>;
    });
