// Decides what a rule does after failures: whether it tries a record again, when, and whether it is paused.
// Invariant: a record is given up after a limited number of tries, unless the rule is paused. A rule whose records all
// fail is paused, tries one record from time to time, and goes on when that succeeds.
import { backoffMs } from '../../core/backoff.ts';
import type { ScoredBatch } from './scored-batch.ts';

/** Times in milliseconds. */
export interface ScoringPace {
  /** Shortest time between two batches of a rule that has no further records. */
  readonly idleMs: number;
  readonly firstRetryMs: number;
  readonly lastRetryMs: number;
  /** Tries of a record that fails for reasons that may pass. */
  readonly tries: number;
  /** Records given up one after the other, after which the rule is paused. */
  readonly givenUp: number;
  /** Records failed for good one after the other, after which the rule is paused. */
  readonly failures: number;
  readonly firstPauseMs: number;
  readonly lastPauseMs: number;
}

export const USUAL_SCORING_PACE: ScoringPace = {
  idleMs: 500,
  firstRetryMs: 1000,
  lastRetryMs: 30_000,
  tries: 5,
  givenUp: 3,
  failures: 20,
  firstPauseMs: 60_000,
  lastPauseMs: 900_000,
};

/** Longest wait that a scorer can ask for. */
const MAX_RETRY_AFTER_MS = 300_000;

export class RuleHealth {
  readonly #pace: ScoringPace;
  #tries = 0;
  #givenUp = 0;
  #failures = 0;
  #pauses = 0;
  #storeProblems = 0;
  /** Why the rule is paused; empty: it is not. */
  pauseReason = '';

  constructor(pace: ScoringPace) {
    this.#pace = pace;
  }

  get isPaused(): boolean {
    return this.pauseReason !== '';
  }

  /** The next batch is a single record, since the last one failed. */
  get isProbing(): boolean {
    return this.isPaused || this.#tries > 0;
  }

  /** The next failure of the record counts, even if it may pass. While the rule is paused, records wait. */
  get isLastTry(): boolean {
    return !this.isPaused && this.#tries >= this.#pace.tries - 1;
  }

  /** Forgets all failures, since a record was scored or the rule was changed. */
  reset(): void {
    [this.#tries, this.#givenUp, this.#failures, this.#pauses] = [0, 0, 0, 0];
    this.pauseReason = '';
  }

  /** Notes the outcome of a batch. Returns how long the rule waits before the next one; 0: not at all. */
  after({ succeeded, failuresInRow, mustRetry, problem }: ScoredBatch, wasLastTry: boolean): number {
    this.#storeProblems = 0;
    const reason = problem?.reason ?? '';
    if (succeeded > 0) this.reset();
    if (mustRetry) return this.#afterRetry(reason, problem?.retryAfterMs ?? 0);
    this.#tries = 0;
    if (failuresInRow === 0) return 0;
    this.#failures += failuresInRow;
    if (wasLastTry) this.#givenUp++;
    const { givenUp, failures } = this.#pace;
    const mustPause = this.isPaused || this.#givenUp >= givenUp || this.#failures >= failures;
    return mustPause ? this.#pause(reason) : 0;
  }

  /** The scores could not be stored, or the store could not be read. Returns how long the rule waits. */
  afterStoreProblem(): number {
    const { firstRetryMs, lastRetryMs } = this.#pace;
    return backoffMs(this.#storeProblems++, firstRetryMs, lastRetryMs);
  }

  #afterRetry(reason: string, retryAfterMs: number): number {
    if (this.isPaused) return this.#pause(reason);
    const { firstRetryMs, lastRetryMs } = this.#pace;
    const wait = backoffMs(this.#tries++, firstRetryMs, lastRetryMs);
    return Math.max(wait, Math.min(retryAfterMs, MAX_RETRY_AFTER_MS));
  }

  #pause(reason: string): number {
    this.#tries = 0;
    this.pauseReason = reason;
    const { firstPauseMs, lastPauseMs } = this.#pace;
    return backoffMs(this.#pauses++, firstPauseMs, lastPauseMs);
  }
}
