// A scorer that a user stored: code or a judge. Rules name it by its id.
import type { StoredScorer } from './scorer-definition.ts';

export interface StoredFunction {
  readonly id: string;
  /** Id of its project; `null`: it is in none. */
  readonly projectId: string | null;
  /** Milliseconds since the epoch. */
  readonly createdMs: number;
  readonly scorer: StoredScorer;
}
