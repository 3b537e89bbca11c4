// Online scoring: rules score spans and requests after they were stored. Other modules import only this file.
//   rule.ts, rule-runner.ts, rule-health.ts  a rule, its cursor, what it does after failures
//   scoring-thread.ts, scoring-operations.ts what the scoring thread does: reads, chooses and scores
//   scored-record.ts, score-rows.ts          which records are scored; what is stored of their scores
//   scoring-table.ts, scoring-file.ts        rules and stored scorers in memory and on disk
//   scorers/, custom/, judge/                the scorers
// Invariant: scoring reads what is stored, in a thread of its own with a low priority, so that it can fall behind but
// holds up nothing. A rule scores a record once.
import { join } from 'node:path';
import { Cursors } from '../../core/cursors.ts';
import { randomUUID } from 'node:crypto';
import type { TokenPrice } from '../../core/exchange/llm-facts.ts';
import type { Component } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/logger.ts';
import { LATEST_NS } from '../../core/time.ts';
import { waitAtMost } from '../../core/wait.ts';
import type { Logs } from '../logs/logs.ts';
import type { Backfill } from './backfill.ts';
import type { ScoringOptions } from './options.ts';
import type { SkippedAs } from './rule-figures.ts';
import { USUAL_SCORING_PACE, type ScoringPace } from './rule-health.ts';
import { backfillCursor, RuleRunner, type RunnerDeps } from './rule-runner.ts';
import type { JudgeFacts } from './rule-scorers.ts';
import type { RuleContent, ScoringRule } from './rule.ts';
import type { StoredScorer } from './scorer-definition.ts';
import { ScoringThread } from './scoring-client.ts';
import { ScoringFile } from './scoring-file.ts';
import type { TestedRule } from './rule-test.ts';
import { invalidScoring, noRule, notStored, type ScoringRefusal } from './scoring-refusal.ts';
import { ScoringTable } from './scoring-table.ts';
import type { StoredFunction } from './stored-function.ts';
import { Turns } from './turns.ts';

export type { Backfill } from './backfill.ts';
export { parseRule, type RuleContent, type ScoringRule } from './rule.ts';
export { parseStoredScorer, type StoredScorer } from './scorer-definition.ts';
export type { ScoringRefusal } from './scoring-refusal.ts';
export type { StoredFunction } from './stored-function.ts';
export type { TestedRule } from './rule-test.ts';

/** What a rule does, and what it has done since weir was started. Times in milliseconds since the epoch; 0: never. */
export interface RuleState {
  /** `off`: scoring.enabled is false. `retrying`: a record failed and is tried again. `paused`: all records failed. */
  readonly state: 'running' | 'retrying' | 'paused' | 'off';
  /** Why it is paused; empty: it is not. */
  readonly reason: string;
  readonly retryAtMs: number;
  readonly behindRecords: number;
  readonly behindSeconds: number;
  readonly scored: number;
  readonly failed: number;
  readonly skipped: ReadonlyMap<SkippedAs, number>;
  /** Cost of judges, by currency. */
  readonly costs: ReadonlyMap<string, number>;
  readonly lastError: string | null;
  readonly lastErrorMs: number;
  readonly backfill: Backfill | undefined;
  /** Part of the backfill that is done, 0 to 1. */
  readonly backfillProgress: number;
}

/** A rule and its state, for metrics. */
export interface RuleReading {
  readonly rule: string;
  /** Id of its project; empty: it is in none. */
  readonly project: string;
  readonly state: RuleState;
}

/** Which past records are meant. Times in milliseconds since the epoch, both inclusive. */
export interface PastRange {
  readonly fromMs: number;
  readonly toMs: number;
}

const CURSORS = 'scoring-cursors.json';
/** Rules that work at the same time. */
const MAX_WORKING = 16;
const MAX_TESTS = 4;
const NS_PER_MS = 1_000_000n;

/** Where scoring keeps and reads its data. */
export interface ScoringPlace {
  /** The data folder. */
  readonly folder: string;
  /** export.encryption_key. */
  readonly key: string;
  readonly logs: Pick<Logs, 'onStored' | 'openReader' | 'post' | 'postRows'>;
  readonly log: Logger;
  /** The price of a model now; `undefined`: there is none. */
  readonly priceOf: (model: string) => TokenPrice | undefined;
  /** Ports of this machine that a judge must not be called on. */
  readonly forbiddenPorts: () => readonly number[];
}

export class Scoring implements Component {
  readonly name = 'scoring';
  readonly #options: ScoringOptions;
  readonly #place: ScoringPlace;
  readonly #table: ScoringTable;
  readonly #cursors: Cursors;
  readonly #thread: ScoringThread;
  readonly #deps: RunnerDeps;
  /** By id of the rule. */
  readonly #runners = new Map<string, RuleRunner>();
  #unsubscribe: (() => void) | undefined;
  #tests = 0;

  constructor(options: ScoringOptions, place: ScoringPlace, pace: ScoringPace = USUAL_SCORING_PACE) {
    const { folder, key, logs, log } = place;
    this.#options = options;
    this.#place = place;
    this.#table = new ScoringTable(options, new ScoringFile(folder, key));
    this.#cursors = new Cursors(join(folder, CURSORS));
    this.#thread = new ScoringThread((module, name) => logs.openReader(module, name), {
      functionsOf: (rule) => this.#table.functionsOf(rule),
      judges: () => this.#judgeFacts(),
    });
    this.#deps = {
      thread: this.#thread,
      logs,
      cursors: this.#cursors,
      turns: new Turns(MAX_WORKING),
      pace,
      limits: { concurrency: options.concurrency, timeoutMs: options.timeout },
      log,
      saveBackfill: async (id, backfill) => {
        const saved = await this.#table.saveBackfill(id, backfill);
        if ('refused' in saved && saved.refused === 'not_stored') throw new Error(saved.message);
      },
    };
  }

  /** Reads the rules. They go on where they were. */
  async start(): Promise<void> {
    const { log } = this.#place;
    await this.#table.load((problem) => log.warn('scoring rules cannot all be used', { problem }));
    await this.#cursors.load((aside) => log.warn('cursors of scoring rules are damaged', { aside }));
    for (const { rule, backfill } of this.#table.rules) this.#run(rule, backfill);
  }

  /** Batches that end in time are stored. The others are done again after the next start. */
  async stop(deadlineMs: number): Promise<void> {
    this.#unsubscribe?.();
    const stopped = Promise.all(Array.from(this.#runners.values(), (runner) => runner.stop()));
    await waitAtMost(deadlineMs - performance.now(), stopped);
    await this.#thread.close();
    await waitAtMost(Math.max(100, deadlineMs - performance.now()), this.#table.settled());
  }

  // ── Rules ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** All rules, the newest first. */
  get rules(): readonly ScoringRule[] {
    return this.#table.rules.map(({ rule }) => rule).toReversed();
  }

  rule(id: string): ScoringRule | undefined {
    return this.#table.rule(id);
  }

  state(id: string): RuleState | undefined {
    const runner = this.#runners.get(id);
    if (runner === undefined) return undefined;
    const { counts, pauseReason: reason, retryAtMs, backfill } = runner;
    const active = reason !== '' ? 'paused' : retryAtMs > 0 ? 'retrying' : 'running';
    return {
      state: this.#options.enabled ? active : 'off',
      reason,
      retryAtMs,
      behindRecords: runner.behindRecords,
      behindSeconds: runner.behindSeconds(Date.now()),
      scored: counts.scored,
      failed: counts.failed,
      skipped: counts.skipped,
      costs: counts.costs,
      lastError: counts.lastError,
      lastErrorMs: counts.lastErrorMs,
      backfill,
      backfillProgress: backfill ? this.#progress(id, backfill) : 0,
    };
  }

  readings(): readonly RuleReading[] {
    return this.#table.rules.map(({ rule: { id, name, projectId } }) => ({
      rule: name,
      project: projectId ?? '',
      state: this.state(id)!,
    }));
  }

  /**
   * Makes a rule that scores what is stored from now on. The rule of this name in the project is returned as it is, or
   * gets the content if `replaces`.
   */
  async put(
    projectId: string | null,
    content: RuleContent,
    replaces: boolean,
  ): Promise<ScoringRule | ScoringRefusal> {
    const rule = await this.#table.putRule(projectId, content, replaces, async (id) => {
      const { headSeq } = await this.#thread.head();
      await this.#cursors.save(id, headSeq);
    });
    if (!('refused' in rule)) this.#changed(rule);
    return rule;
  }

  async change(id: string, content: RuleContent): Promise<ScoringRule | ScoringRefusal> {
    const rule = await this.#table.changeRule(id, content);
    if (!('refused' in rule)) this.#changed(rule);
    return rule;
  }

  /** Removes a rule. Its scores stay. */
  async remove(id: string): Promise<ScoringRule | ScoringRefusal> {
    const removed = await this.#table.removeRule(id);
    if ('refused' in removed) return removed;
    const runner = this.#runners.get(id);
    this.#runners.delete(id);
    void runner?.stop().then(async () => {
      await this.#cursors.forget(id);
      await this.#cursors.forget(backfillCursor(id));
    });
    return removed;
  }

  // ── Past records ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Scores past records with a rule, which need not be stored. Stores nothing. `limit`: of the newest ones. */
  async test(
    projectId: string | null,
    content: RuleContent,
    range: PastRange,
    limit: number,
  ): Promise<TestedRule | ScoringRefusal> {
    const problem = this.#table.scorerProblem(content);
    if (problem) return problem;
    if (this.#tests >= MAX_TESTS)
      return { refused: 'busy', message: 'other rules are being tested; try again later' };
    this.#tests++;
    const id = `test:${randomUUID()}`;
    try {
      await this.#thread.open({ ...content, id, projectId, createdMs: Date.now() });
      const { concurrency, timeout } = this.#options;
      const times = timesOf(range);
      return await this.#thread.test(id, { times, limit, concurrency, timeoutMs: timeout });
    } finally {
      this.#tests--;
      // It fails if the thread has ended. Then there is nothing to close.
      this.#thread.closeRule(id).catch(() => undefined);
    }
  }

  /** Begins to score the records of a range of times that are stored now. */
  async beginBackfill(id: string, range: PastRange): Promise<Backfill | ScoringRefusal> {
    const runner = this.#runners.get(id);
    if (runner === undefined) return noRule(id);
    if (!this.#options.enabled)
      return { refused: 'wrong_state', message: 'scoring is off (scoring.enabled)' };
    if (runner.backfill?.state === 'running')
      return { refused: 'wrong_state', message: 'the rule scores another range of times; cancel that first' };
    const { headSeq, oldestSeq } = await this.#thread.head();
    const backfill: Backfill = {
      id: randomUUID(),
      ...range,
      startSeq: Math.max(0, oldestSeq - 1),
      endSeq: headSeq,
      state: 'running',
      scored: 0,
      failed: 0,
      skipped: 0,
      startedAtMs: Date.now(),
      finishedAtMs: null,
    };
    try {
      await this.#cursors.save(backfillCursor(id), backfill.startSeq);
    } catch (error) {
      return notStored(error);
    }
    return this.#saveBackfill(id, backfill);
  }

  /** Ends the backfill of a rule. The scores that are stored stay. */
  async cancelBackfill(id: string): Promise<Backfill | ScoringRefusal> {
    const runner = this.#runners.get(id);
    const backfill = runner?.backfill;
    if (backfill?.state !== 'running')
      return { refused: 'not_found', message: `rule ${id.slice(0, 100)} scores no range of times` };
    return this.#saveBackfill(id, { ...backfill, state: 'cancelled', finishedAtMs: Date.now() });
  }

  async #saveBackfill(id: string, backfill: Backfill): Promise<Backfill | ScoringRefusal> {
    const saved = await this.#table.saveBackfill(id, backfill);
    if (!('refused' in saved)) this.#runners.get(id)?.setBackfill(saved);
    return saved;
  }

  #progress(id: string, { startSeq, endSeq, state }: Backfill): number {
    if (state === 'done' || endSeq <= startSeq) return 1;
    const cursor = this.#cursors.get(backfillCursor(id)) ?? startSeq;
    return Math.min(1, Math.max(0, (cursor - startSeq) / (endSeq - startSeq)));
  }

  // ── Stored scorers ───────────────────────────────────────────────────────────────────────────────────────────────

  /** All stored scorers, the newest first. */
  get functions(): readonly StoredFunction[] {
    return this.#table.functions.toReversed();
  }

  function(id: string): StoredFunction | undefined {
    return this.#table.function(id);
  }

  /** Stores a scorer. The one with this slug in the project is returned as it is, or replaced if `replaces`. */
  async putFunction(
    projectId: string | null,
    scorer: StoredScorer,
    replaces: boolean,
  ): Promise<StoredFunction | ScoringRefusal> {
    const problem = await this.#thread.problem(scorer);
    if (problem !== '') return invalidScoring(problem);
    const stored = await this.#table.putFunction(projectId, scorer, replaces);
    if (!('refused' in stored)) this.#functionChanged(stored.id);
    return stored;
  }

  async changeFunction(id: string, scorer: StoredScorer): Promise<StoredFunction | ScoringRefusal> {
    const problem = await this.#thread.problem(scorer);
    if (problem !== '') return invalidScoring(problem);
    const stored = await this.#table.changeFunction(id, scorer);
    if (!('refused' in stored)) this.#functionChanged(id);
    return stored;
  }

  /** Removes a scorer that no rule uses. */
  removeFunction(id: string): Promise<StoredFunction | ScoringRefusal> {
    return this.#table.removeFunction(id);
  }

  #judgeFacts(): JudgeFacts {
    const { priceOf, forbiddenPorts } = this.#place;
    const prices = new Map<string, TokenPrice>();
    for (const { scorer } of this.#table.functions) {
      const price = scorer.kind === 'judge' ? priceOf(scorer.model) : undefined;
      if (scorer.kind === 'judge' && price) prices.set(scorer.model, price);
    }
    return { forbiddenPorts: forbiddenPorts(), prices };
  }

  #functionChanged(id: string): void {
    for (const { rule } of this.#table.rules)
      if (rule.config.scorers.some((scorer) => scorer.type === 'function' && scorer.id === id))
        this.#runners.get(rule.id)?.change(rule);
  }

  #changed(rule: ScoringRule): void {
    const runner = this.#runners.get(rule.id);
    if (runner === undefined) this.#run(rule, undefined);
    else if (runner.rule !== rule) runner.change(rule);
  }

  #run(rule: ScoringRule, backfill: Backfill | undefined): void {
    const runner = new RuleRunner(rule, this.#cursors.get(rule.id), backfill, this.#deps);
    this.#runners.set(rule.id, runner);
    if (!this.#options.enabled) return;
    this.#unsubscribe ??= this.#place.logs.onStored(() => {
      for (const one of this.#runners.values()) one.wake();
    });
    runner.start();
  }
}

const timesOf = ({ fromMs, toMs }: PastRange) => {
  const toNs = BigInt(Math.floor(toMs)) * NS_PER_MS + NS_PER_MS - 1n;
  return { fromNs: BigInt(Math.floor(fromMs)) * NS_PER_MS, toNs: toNs < LATEST_NS ? toNs : LATEST_NS };
};
