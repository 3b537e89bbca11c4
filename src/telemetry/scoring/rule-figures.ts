// What a rule has done since weir was started.
import type { ScoredBatch } from './scored-batch.ts';
import type { SkipReason } from './scored-record.ts';

/** `deleted`: records that the store removed before the rule came to them, whether or not it was for them. */
export type SkippedAs = SkipReason | 'deleted';

export class RuleCounts {
  scored = 0;
  failed = 0;
  readonly skipped = new Map<SkippedAs, number>();
  /** Cost of judges, by currency. */
  readonly costs = new Map<string, number>();
  lastError: string | null = null;
  lastErrorMs = 0;

  skip(reason: SkippedAs, count: number): void {
    this.skipped.set(reason, (this.skipped.get(reason) ?? 0) + count);
  }

  /** Adds a batch whose scores are stored. */
  add({ scored, failed, skipped, costs, problem }: ScoredBatch): void {
    this.scored += scored;
    this.failed += failed;
    for (const [reason, count] of Object.entries(skipped)) this.skip(reason as SkipReason, count);
    for (const [currency, cost] of Object.entries(costs))
      this.costs.set(currency, (this.costs.get(currency) ?? 0) + cost);
    if (problem) this.error(problem.reason);
  }

  error(problem: string): void {
    this.lastError = problem;
    this.lastErrorMs = Date.now();
  }
}
