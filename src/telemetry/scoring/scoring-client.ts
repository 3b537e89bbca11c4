// The main thread's side of the scoring thread, which has a low priority and reads the log store by itself.
// Invariant: a rule is opened with the scorers that it names now.
import { threadFile } from '../../core/worker-rpc.ts';
import type { Logs, LogReader } from '../logs/logs.ts';
import type { JudgeFacts } from './rule-scorers.ts';
import type { TestedRule, TestRequest } from './rule-test.ts';
import type { ScoringRule } from './rule.ts';
import type { BatchRequest, ScoredBatch } from './scored-batch.ts';
import type { StoredScorer } from './scorer-definition.ts';
import type { ScoringThreadOperations } from './scoring-operations.ts';
import type { StoredFunction } from './stored-function.ts';

const OPERATIONS = threadFile('scoring-thread', import.meta.url).href;

type Result<O extends keyof ScoringThreadOperations> = Promise<
  Awaited<ReturnType<ScoringThreadOperations[O]>>
>;

/** What the scorers of rules need of the main thread. */
export interface ScorerFacts {
  /** The stored scorers that a rule names. */
  readonly functionsOf: (rule: ScoringRule) => readonly StoredFunction[];
  /** What judges need, as it is now. */
  readonly judges: () => JudgeFacts;
}

export class ScoringThread {
  readonly #openReader: Logs['openReader'];
  readonly #facts: ScorerFacts;
  #reader: LogReader | undefined;

  constructor(openReader: Logs['openReader'], facts: ScorerFacts) {
    this.#openReader = openReader;
    this.#facts = facts;
  }

  /** Bounds of the store. */
  head(): Result<'head'> {
    return this.#run('head');
  }

  /** Opens a rule and its scorers, in place of the one with this id. */
  open(rule: ScoringRule): Promise<void> {
    return this.#run('open', rule, this.#facts.functionsOf(rule), this.#facts.judges());
  }

  /** Scores the next records of a rule that was opened. */
  score(id: string, request: BatchRequest): Promise<ScoredBatch> {
    return this.#run('score', id, request, this.#facts.judges());
  }

  /** Scores past records with a rule that was opened. */
  test(id: string, request: TestRequest): Promise<TestedRule> {
    return this.#run('test', id, request, this.#facts.judges());
  }

  /** Why a scorer cannot be used, or ''. */
  problem(scorer: StoredScorer): Promise<string> {
    return this.#run('problem', scorer);
  }

  /** Closes the scorers of a rule. */
  closeRule(id: string): Promise<void> {
    return this.#run('close', id);
  }

  async close(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    await reader?.close();
  }

  /** Runs an operation. The first one starts the thread. */
  #run<O extends keyof ScoringThreadOperations>(
    operation: O,
    ...args: Parameters<ScoringThreadOperations[O]>
  ): Result<O> {
    this.#reader ??= this.#openReader(OPERATIONS, 'weir scoring');
    return this.#reader.run(operation, ...args) as Result<O>;
  }
}
