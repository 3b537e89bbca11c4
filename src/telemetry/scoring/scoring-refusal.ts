// Why a rule or a stored scorer was not changed, or not run.
// Invariant: a message is for clients: what is wrong, and with which object.
import { describe } from '../../core/errors.ts';

export interface ScoringRefusal {
  /** `not_stored`: the disk cannot be written. `busy`: too many run. */
  readonly refused: 'not_found' | 'invalid' | 'not_stored' | 'wrong_state' | 'busy';
  /** For clients. */
  readonly message: string;
}

export const noRule = (id: string): ScoringRefusal => ({
  refused: 'not_found',
  message: `there is no rule ${id.slice(0, 100)}`,
});

export const noScorer = (id: string): ScoringRefusal => ({
  refused: 'not_found',
  message: `there is no scorer ${id.slice(0, 100)}`,
});

export const invalidScoring = (message: string): ScoringRefusal => ({ refused: 'invalid', message });

/** `error`: of the file system. */
export const notStored = (error: unknown): ScoringRefusal => ({
  refused: 'not_stored',
  message: `the change cannot be stored: ${describe(error)}`,
});
