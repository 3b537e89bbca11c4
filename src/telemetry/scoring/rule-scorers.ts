// Opens the scorers of rules.
// Invariant: all custom scorers of the thread share the processes that there may be, and judges know the prices of now.
import type { TokenPrice } from '../../core/exchange/llm-facts.ts';
import type { RuleScorer } from './opened-rule.ts';
import type { ScoringRule } from './rule.ts';
import type { OpensScorers } from './scoring-operations.ts';
import type { StoredScorer } from './scorer-definition.ts';
import { ScorerSet } from './scorer-set.ts';
import type { StoredFunction } from './stored-function.ts';

/** Processes of custom scorers at a time. */
const MAX_PROCESSES = 8;
/** Time for loading code that is to be stored, in milliseconds. */
const LOAD_MS = 20_000;

/** What the main thread knows and judges need. */
export interface JudgeFacts {
  /** Ports of this machine that a judge must not be called on. */
  readonly forbiddenPorts: readonly number[];
  /** Prices of the models of judges. */
  readonly prices: ReadonlyMap<string, TokenPrice>;
}

export class RuleScorers implements OpensScorers {
  facts: JudgeFacts = { forbiddenPorts: [], prices: new Map() };
  #set: ScorerSet | undefined;

  /** `functions`: the stored scorers that the rule names. */
  open({ config }: ScoringRule, functions: readonly StoredFunction[]): readonly RuleScorer[] {
    const set = this.#scorers;
    return config.scorers.map((definition) => {
      if (definition.type === 'global') return { definition, scorer: set.open(definition) };
      const stored = functions.find(({ id }) => id === definition.id);
      if (stored === undefined) throw new Error(`there is no stored scorer ${definition.id}`);
      return { definition, scorer: set.openStored(stored.scorer) };
    });
  }

  problem(scorer: StoredScorer): Promise<string> {
    return this.#scorers.problem(scorer, AbortSignal.timeout(LOAD_MS));
  }

  get #scorers(): ScorerSet {
    const { forbiddenPorts } = this.facts;
    const priceOf = (model: string): TokenPrice | undefined => this.facts.prices.get(model);
    return (this.#set ??= new ScorerSet({ maxProcesses: MAX_PROCESSES, forbiddenPorts, priceOf }));
  }
}
