// A batch of records of a rule: what the main thread asks the scoring thread for, and what it gets.
// Invariant: a batch says up to which record it is complete. A record whose scorers may succeed later is not in it.
import type { LogRecord } from '../logs/logs.ts';
import type { OpenedRule } from './opened-rule.ts';
import type { ReadRange } from './record-pages.ts';
import type { ScorerRun } from './run-scorers.ts';
import { annotationOfScores, hasScore, rowsOfScores } from './score-rows.ts';
import type { ScoredRecord, SkipReason } from './scored-record.ts';

/** What the main thread asks for. */
export interface BatchRequest extends ReadRange {
  /** Records that are scored at most. */
  readonly limit: number;
  /** Requests up to this one may be scored already, by this rule. */
  readonly checkSeq: number;
  /** A failure that may pass counts as one that does not. */
  readonly isLastTry: boolean;
  readonly concurrency: number;
  readonly timeoutMs: number;
}

/** A failure of a scorer. */
export interface ScoringProblem {
  readonly reason: string;
  /** When the scorer wants to be asked again, in milliseconds from now; 0: any time. */
  readonly retryAfterMs: number;
}

export interface ScoredBatch {
  /** The rule is done with all records up to this one, once the scores are stored. */
  readonly lastSeq: number;
  /** The last record that was read. */
  readonly readSeq: number;
  readonly headSeq: number;
  readonly oldestSeq: number;
  /** Time of the last record that was examined, in milliseconds since the epoch; 0: none matched. */
  readonly reachedMs: number;
  /** A body of rows; `undefined`: none are to be stored. */
  readonly rows: Uint8Array | undefined;
  readonly annotations: readonly LogRecord[];
  /** Records with a score. */
  readonly scored: number;
  /** Records with a failure, also those to which another scorer gave a score. */
  readonly failed: number;
  /** Records without a failure. */
  readonly succeeded: number;
  readonly skipped: Readonly<Partial<Record<SkipReason, number>>>;
  /** Cost of judges, by currency. */
  readonly costs: Readonly<Record<string, number>>;
  /** The last failure; `undefined`: there was none. */
  readonly problem: ScoringProblem | undefined;
  /** The record behind `lastSeq` failed, and may succeed later. */
  readonly mustRetry: boolean;
  /** Failures of records one after the other, up to the last one. */
  readonly failuresInRow: number;
}

/** A record whose scorers have answered. */
export interface ScoredOne {
  readonly one: ScoredRecord;
  readonly runs: readonly ScorerRun[];
}

/** What a batch is besides what was read. */
type BatchOutcome = Omit<ScoredBatch, 'readSeq' | 'headSeq' | 'oldestSeq' | 'reachedMs' | 'skipped'>;

interface OutcomeFacts {
  /** The batch is complete up to this record, if all of `done` are. */
  readonly complete: number;
  readonly isLastTry: boolean;
  /** The rule is being closed, so each failure may pass. */
  readonly isClosing: boolean;
}

/** What is stored of the scores, and how far the rule has come. A record that may succeed later ends the batch. */
export function batchOutcome(
  rule: OpenedRule,
  done: readonly ScoredOne[],
  { complete, isLastTry, isClosing }: OutcomeFacts,
): BatchOutcome {
  const rows: unknown[] = [];
  const annotations: LogRecord[] = [];
  const costs: Record<string, number> = {};
  let [scored, failed, succeeded, failuresInRow] = [0, 0, 0, 0];
  let lastSeq = complete;
  let mustRetry = false;
  let problem: ScoringProblem | undefined;
  for (const { one, runs } of done) {
    for (const { result } of runs)
      if (result.cost?.amount !== undefined) {
        const currency = result.cost.currency ?? '';
        costs[currency] = (costs[currency] ?? 0) + result.cost.amount;
      }
    const failures = runs.flatMap(({ scorer, result }) =>
      result.kind === 'failed' ? [{ ...result, reason: `${scorer.scorer.name}: ${result.reason}` }] : [],
    );
    const last = failures.at(-1);
    if (last && !isClosing) problem = { reason: last.reason, retryAfterMs: last.retryAfterMs ?? 0 };
    const mayPass = isClosing || (!isLastTry && failures.some(({ isTemporary }) => isTemporary));
    if (failures.length > 0 && mayPass) {
      // Records behind it that are scored already are known by their marks.
      if (!mustRetry) lastSeq = one.record.seq - 1;
      mustRetry = true;
      continue;
    }
    if (failures.length > 0) failed++;
    else succeeded++;
    failuresInRow = failures.length > 0 ? failuresInRow + 1 : 0;
    if (hasScore(runs)) scored++;
    if (rule.config.source === 'spans') rows.push(...rowsOfScores(rule, one, runs));
    else if (hasScore(runs)) annotations.push(annotationOfScores(rule, one, runs));
  }
  const bytes = rows.length === 0 ? undefined : Buffer.from(JSON.stringify({ rows }));
  return {
    lastSeq,
    rows: bytes,
    annotations,
    scored,
    failed,
    succeeded,
    costs,
    problem,
    mustRetry,
    failuresInRow,
  };
}
