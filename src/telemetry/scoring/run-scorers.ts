// Runs the scorers of a rule on a record, in limited time.
// Invariant: every scorer gives a result, whatever it does. A call that is over leaves nothing behind.
import { describe } from '../../core/errors.ts';
import { TIMED_OUT, waitAtMost } from '../../core/wait.ts';
import type { RuleScorer } from './opened-rule.ts';
import type { ScorerInput, ScorerResult } from './scorer.ts';

/** What a scorer made of a record. Times in milliseconds since the epoch. */
export interface ScorerRun {
  readonly scorer: RuleScorer;
  readonly result: ScorerResult;
  readonly startMs: number;
  readonly endMs: number;
}

/** Time for a scorer to end after it was told to. */
const GRACE_MS = 1000;

const failed = (reason: string, isTemporary: boolean): ScorerResult => ({
  kind: 'failed',
  reason,
  isTemporary,
});

async function resultOf(
  { scorer }: RuleScorer,
  input: ScorerInput,
  timeoutMs: number,
  closing: AbortSignal,
): Promise<ScorerResult> {
  const control = new AbortController();
  const end = (): void => control.abort();
  // Not AbortSignal.timeout, whose timer stays until the time is over, for each of thousands of calls a second.
  const timer = setTimeout(end, timeoutMs);
  closing.addEventListener('abort', end);
  if (closing.aborted) end();
  try {
    const result = scorer.score(input, control.signal);
    if (!(result instanceof Promise)) return result;
    const ended = await waitAtMost(timeoutMs + GRACE_MS, result);
    return ended === TIMED_OUT ? failed(`it did not end within ${timeoutMs} ms`, true) : ended;
  } catch (error) {
    return failed(describe(error), false);
  } finally {
    clearTimeout(timer);
    closing.removeEventListener('abort', end);
  }
}

/** Runs all scorers of a rule on a record, one after the other. `closing`: ends it early. */
export async function runScorers(
  scorers: readonly RuleScorer[],
  input: ScorerInput,
  timeoutMs: number,
  closing: AbortSignal,
): Promise<ScorerRun[]> {
  const runs: ScorerRun[] = [];
  for (const scorer of scorers) {
    const startMs = Date.now();
    const result = await resultOf(scorer, input, timeoutMs, closing);
    runs.push({ scorer, result, startMs, endMs: Date.now() });
  }
  return runs;
}
