// Families of online scoring. The number of rules is limited (scoring.max_rules), and so is that of series.
import type { Family, Sample } from '../family.ts';
import type { MetricParts, ScoringFigures } from '../metric-sources.ts';

type Sources = Pick<MetricParts, 'scoring'>;

const figuresOf = ({ scoring }: Sources): readonly ScoringFigures[] => scoring?.readings() ?? [];
const labelsOf = ({ rule, project }: ScoringFigures) => ({ rule, project });
const each =
  (valueOf: (state: ScoringFigures['state']) => number) =>
  (sources: Sources): Sample[] =>
    figuresOf(sources).map((figures) => ({ labels: labelsOf(figures), value: valueOf(figures.state) }));
/** A sample for each entry of a map. */
const eachEntry =
  (label: string, mapOf: (state: ScoringFigures['state']) => ReadonlyMap<string, number>) =>
  (sources: Sources): Sample[] =>
    figuresOf(sources).flatMap((figures) =>
      Array.from(mapOf(figures.state), ([name, value]) => ({
        labels: { ...labelsOf(figures), [label]: name },
        value,
      })),
    );

export const scoringFamilies: readonly Family<Sources>[] = [
  {
    name: 'weir_scoring_scored_total',
    type: 'counter',
    help: 'Spans and requests with a score of this rule.',
    labels: ['rule', 'project'],
    samples: each(({ scored }) => scored),
  },
  {
    name: 'weir_scoring_failed_total',
    type: 'counter',
    help: 'Spans and requests for which a scorer of this rule failed.',
    labels: ['rule', 'project'],
    samples: each(({ failed }) => failed),
  },
  {
    name: 'weir_scoring_skipped_total',
    type: 'counter',
    help: 'Spans and requests that this rule did not score, by reason: not in the sample (sampled_out), no stored bodies (no_body), `_skip_async_scoring` (opted_out). deleted: records that the store deleted before the rule read them.',
    labels: ['rule', 'project', 'reason'],
    samples: eachEntry('reason', ({ skipped }) => skipped),
  },
  {
    name: 'weir_scoring_behind_records',
    type: 'gauge',
    help: 'Records stored but not yet read by this rule.',
    labels: ['rule', 'project'],
    samples: each(({ behindRecords }) => behindRecords),
  },
  {
    name: 'weir_scoring_behind_seconds',
    type: 'gauge',
    help: 'Age of the record that this rule has come to, in seconds. 0: there are no further ones.',
    labels: ['rule', 'project'],
    samples: each(({ behindSeconds }) => behindSeconds),
  },
  {
    name: 'weir_scoring_paused',
    type: 'gauge',
    help: '1 while this rule is paused, since scoring fails for one record after the other.',
    labels: ['rule', 'project'],
    samples: each(({ state }) => (state === 'paused' ? 1 : 0)),
  },
  {
    name: 'weir_scoring_judge_cost_total',
    type: 'counter',
    help: 'Cost of the judges of this rule. It is not part of the cost of requests.',
    labels: ['rule', 'project', 'currency'],
    samples: eachEntry('currency', ({ costs }) => costs),
  },
];
