// The module that the scoring thread loads (telemetry/logs/threads/reader-thread.ts).
// Invariant: the thread has a low priority before it reads anything.
import { lowerPriority } from '../../core/low-priority.ts';
import type { QueriedStore, ReadRecords } from '../logs/logs.ts';
import { RuleScorers } from './rule-scorers.ts';
import { scoringOperations, type ScoringThreadOperations } from './scoring-operations.ts';

export function operations(after: ReadRecords, store: QueriedStore): ScoringThreadOperations {
  lowerPriority();
  return scoringOperations(after, store, new RuleScorers());
}
