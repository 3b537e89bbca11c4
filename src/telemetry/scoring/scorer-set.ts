// Opens scorers: those that weir has itself, and those that users store.
// Invariant: all processes of custom scorers together are at most `maxProcesses`.
import { CustomScorer } from './custom/custom-scorer.ts';
import { ProcessSlots } from './custom/process-slots.ts';
import { Judge, type JudgeDeps } from './judge/judge.ts';
import type { ScorerDefinition, StoredScorer } from './scorer-definition.ts';
import type { Scorer } from './scorer.ts';
import { openBuiltIn } from './scorers/built-in.ts';

export interface ScorerSetDeps extends JudgeDeps {
  /** Processes of custom scorers at a time. */
  readonly maxProcesses: number;
}

export class ScorerSet {
  readonly #deps: ScorerSetDeps;
  readonly #slots: ProcessSlots;

  constructor(deps: ScorerSetDeps) {
    this.#deps = deps;
    this.#slots = new ProcessSlots(deps.maxProcesses);
  }

  /** Opens a built-in scorer as `parseScorer` returned it. Its processes or connections begin with its first call. */
  open({ name, options }: Extract<ScorerDefinition, { type: 'global' }>): Scorer {
    const opened = openBuiltIn(name, options);
    if ('problems' in opened) throw new Error(opened.problems.join('; '));
    return opened;
  }

  /** Opens a scorer as `parseStoredScorer` returned it. */
  openStored(scorer: StoredScorer): Scorer {
    return scorer.kind === 'code' ? new CustomScorer(scorer, this.#slots) : new Judge(scorer, this.#deps);
  }

  /** Why a scorer cannot be used, or '': loads the code of a custom scorer, without calling it. A judge is not asked. */
  async problem(scorer: StoredScorer, signal: AbortSignal): Promise<string> {
    if (scorer.kind === 'judge') return '';
    const custom = new CustomScorer(scorer, this.#slots);
    try {
      return await custom.problem(signal);
    } finally {
      await custom.close();
    }
  }
}
