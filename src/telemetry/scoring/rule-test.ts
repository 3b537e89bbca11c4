// A test of a rule on past records: what is asked for, and what it shows. Nothing of it is stored.
import type { TimeRange } from '../logs/logs.ts';
import type { ScoredOne } from './scored-batch.ts';
import { scoresOf } from './score-rows.ts';
import type { SkipReason } from './scored-record.ts';

/** A record in a test of a rule. Nothing of it is stored. */
export interface TestedRecord {
  readonly id: string;
  readonly span_id: string;
  readonly root_span_id: string;
  readonly name: string;
  readonly created: string;
  /** False: the sampling rate leaves it out. */
  readonly is_in_sample: boolean;
  readonly scores: Readonly<Record<string, number | null>>;
  readonly results: readonly {
    readonly scorer: string;
    readonly scores?: unknown;
    readonly error?: string;
    readonly cost?: unknown;
  }[];
}

export interface TestedRule {
  readonly records: readonly TestedRecord[];
  /** Records that the filters of the store found. */
  readonly examined: number;
  readonly skipped: Readonly<Partial<Record<SkipReason, number>>>;
  /** False: there may be more that match, but the time was over. */
  readonly isComplete: boolean;
}

export interface TestRequest {
  readonly times: TimeRange;
  readonly limit: number;
  readonly concurrency: number;
  readonly timeoutMs: number;
}

export function testedRecord({ one, runs }: ScoredOne): TestedRecord {
  const { id, span_id: span, root_span_id: root, created, span_attributes: attributes } = one.row;
  return {
    id: String(id),
    span_id: String(span),
    root_span_id: String(root),
    name: (attributes as { readonly name?: string } | undefined)?.name ?? '',
    created: String(created),
    is_in_sample: one.isInSample,
    scores: scoresOf(runs),
    results: runs.map(({ scorer: { scorer }, result }) =>
      result.kind === 'scored'
        ? { scorer: scorer.name, scores: result.scores, ...(result.cost && { cost: result.cost }) }
        : { scorer: scorer.name, error: result.reason, ...(result.cost && { cost: result.cost }) },
    ),
  };
}
