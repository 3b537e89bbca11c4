// What the scoring thread does for the main thread, which stores the scores and moves the cursors of the rules.
import type { QueryNode } from '../logs/logs.ts';
import { openRule, type RuleScorer } from './opened-rule.ts';
import type { ReadAfter, ScoredStore } from './record-pages.ts';
import type { JudgeFacts } from './rule-scorers.ts';
import type { TestedRule, TestRequest } from './rule-test.ts';
import type { ScoringRule } from './rule.ts';
import { RunningRule } from './running-rule.ts';
import type { BatchRequest, ScoredBatch } from './scored-batch.ts';
import type { StoredScorer } from './scorer-definition.ts';
import type { StoredFunction } from './stored-function.ts';

export interface ScoringThreadOperations {
  /** Opens a rule and its scorers, in place of the one with this id. */
  open(rule: ScoringRule, functions: readonly StoredFunction[], facts: JudgeFacts): Promise<void>;
  close(id: string): Promise<void>;
  /** Why a scorer cannot be used, or ''. Code is loaded, but not called. */
  problem(scorer: StoredScorer): Promise<string>;
  /** Bounds of the store. */
  head(): { readonly headSeq: number; readonly oldestSeq: number };
  score(id: string, request: BatchRequest, facts: JudgeFacts): Promise<ScoredBatch>;
  test(id: string, request: TestRequest, facts: JudgeFacts): Promise<TestedRule>;
}

const NOTHING: QueryNode = { op: 'or', of: [] };

/** Opens the scorers of rules (RuleScorers). */
export interface OpensScorers {
  /** Sets what holds from now on. */
  facts: JudgeFacts;
  open(rule: ScoringRule, functions: readonly StoredFunction[]): readonly RuleScorer[];
  problem(scorer: StoredScorer): Promise<string>;
}

export function scoringOperations(
  after: ReadAfter,
  store: ScoredStore,
  scorers: OpensScorers,
): ScoringThreadOperations {
  const rules = new Map<string, RunningRule>();
  const found = (id: string): RunningRule => {
    const rule = rules.get(id);
    if (rule === undefined) throw new Error('the scoring thread was started again');
    return rule;
  };
  const close = async (id: string): Promise<void> => {
    const rule = rules.get(id);
    rules.delete(id);
    await rule?.close();
  };
  return {
    async open(rule, functions, facts) {
      await close(rule.id);
      scorers.facts = facts;
      const opened = openRule(rule, scorers.open(rule, functions));
      rules.set(rule.id, new RunningRule(opened, after, store));
    },
    close,
    problem: (scorer) => scorers.problem(scorer),
    head() {
      const { headSeq, oldestSeq } = after(NOTHING, Number.MAX_SAFE_INTEGER, 1);
      return { headSeq, oldestSeq };
    },
    score(id, request, facts) {
      scorers.facts = facts;
      return found(id).score(request);
    },
    test(id, request, facts) {
      scorers.facts = facts;
      return found(id).test(request);
    },
  };
}
