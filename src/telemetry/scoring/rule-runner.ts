// Runs one rule: reads the records behind its cursor in batches, stores their scores, and moves the cursor. Between these
// batches it works on the backfill of the rule, so that the two never score at the same time.
// Invariant: the cursor moves past a record after its scores are stored, or were given up. A record that is read again has
// a mark, or an annotation, by which it is known.
import { describe } from '../../core/errors.ts';
import type { Cursors } from '../../core/cursors.ts';
import type { Logger } from '../../core/logger.ts';
import { StopControl } from '../../core/stop-control.ts';
import type { Logs } from '../logs/logs.ts';
import type { Backfill } from './backfill.ts';
import { RuleCounts } from './rule-figures.ts';
import { RuleHealth, type ScoringPace } from './rule-health.ts';
import type { ScoringRule } from './rule.ts';
import type { BatchRequest, ScoredBatch } from './scored-batch.ts';
import type { ScoringThread } from './scoring-client.ts';
import type { Turns } from './turns.ts';

/** What rules share. */
export interface RunnerDeps {
  readonly thread: ScoringThread;
  readonly logs: Pick<Logs, 'post' | 'postRows'>;
  readonly cursors: Cursors;
  readonly turns: Turns;
  readonly pace: ScoringPace;
  readonly limits: Pick<BatchRequest, 'concurrency' | 'timeoutMs'>;
  readonly log: Logger;
  /** Stores what has become of a backfill. */
  readonly saveBackfill: (ruleId: string, backfill: Backfill) => Promise<void>;
}

/** Rows that a batch stores at most, so that the recorder has them quickly done. */
const BATCH_ROWS = 512;
/** Records without scores after which the cursor is saved. */
const SAVE_RECORDS = 10_000;
const ALL_RECORDS = { endSeq: Number.MAX_SAFE_INTEGER, times: undefined };
const NS_PER_MS = 1_000_000n;

/** Key of the cursor of a backfill. */
export const backfillCursor = (ruleId: string): string => `backfill:${ruleId}`;

export class RuleRunner {
  readonly counts = new RuleCounts();
  #rule: ScoringRule;
  #backfill: Backfill | undefined;
  readonly #deps: RunnerDeps;
  readonly #control = new StopControl();
  readonly #health: RuleHealth;
  /** Of the backfill, whose failures do not delay new records. */
  readonly #pastHealth: RuleHealth;
  /** performance.now() when the backfill goes on after a failure; 0: at once. */
  #pastAtMs = 0;
  /** `undefined`: not known yet; the rule begins at the end of the store. */
  #cursor: number | undefined;
  /** The cursor as it is on disk. */
  #savedSeq: number;
  #head = 0;
  /** Requests up to this one may be scored already. */
  #checkSeq = Number.MAX_SAFE_INTEGER;
  /** Time of the last record that was examined, while there are more; 0: there are none. */
  #reachedMs = 0;
  #retryAtMs = 0;
  #hasNew = false;
  #isOpen = false;
  /** How often the rule, or a scorer of it, was changed. */
  #changes = 0;
  #running: Promise<void> | undefined;

  constructor(
    rule: ScoringRule,
    cursor: number | undefined,
    backfill: Backfill | undefined,
    deps: RunnerDeps,
  ) {
    this.#rule = rule;
    this.#cursor = cursor;
    this.#savedSeq = cursor ?? 0;
    this.#backfill = backfill;
    this.#deps = deps;
    this.#health = new RuleHealth(deps.pace);
    this.#pastHealth = new RuleHealth(deps.pace);
  }

  get rule(): ScoringRule {
    return this.#rule;
  }

  get backfill(): Backfill | undefined {
    return this.#backfill;
  }

  get behindRecords(): number {
    return this.#cursor === undefined ? 0 : Math.max(0, this.#head - this.#cursor);
  }

  /** Age of the record that the rule has come to, in seconds; 0: there are no further ones. */
  behindSeconds(nowMs: number): number {
    return this.behindRecords === 0 || this.#reachedMs === 0
      ? 0
      : Math.max(0, (nowMs - this.#reachedMs) / 1000);
  }

  /** Why the rule is paused; empty: it is not. */
  get pauseReason(): string {
    return this.#health.pauseReason || this.#pastHealth.pauseReason;
  }

  /** When a record that failed is tried again, in milliseconds since the epoch; 0: none waits. */
  get retryAtMs(): number {
    if (this.#retryAtMs > 0 || this.#pastWaitMs === 0) return this.#retryAtMs;
    return Date.now() + this.#pastWaitMs;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Records were stored, or there is other work. */
  wake(): void {
    this.#hasNew = true;
    this.#control.recordStored();
  }

  /** Goes on with a changed rule, or with changed scorers. */
  change(rule: ScoringRule): void {
    this.#rule = rule;
    this.#changes++;
    this.#isOpen = false;
    // A batch that runs ends, and its records are scored with what the rule is now.
    void this.#close();
    this.#health.reset();
    this.#pastHealth.reset();
    this.#retryAtMs = 0;
    this.#pastAtMs = 0;
    this.#control.interrupt();
    this.wake();
  }

  /** Begins a backfill, or replaces it by what has become of it. */
  setBackfill(backfill: Backfill): void {
    if (this.#backfill?.id !== backfill.id) this.#pastHealth.reset();
    this.#pastAtMs = 0;
    this.#backfill = backfill;
    this.wake();
  }

  /** Ends the batch that runs, and stores what is scored. */
  async stop(): Promise<void> {
    this.#control.stop();
    const { cursors } = this.#deps;
    await this.#close();
    await this.#running;
    if (this.#cursor !== undefined && this.#cursor !== this.#savedSeq)
      await cursors.save(this.#rule.id, this.#cursor);
  }

  async #close(): Promise<void> {
    if (this.#running === undefined) return;
    // It fails if the thread has ended. Then there is nothing to close.
    await this.#deps.thread.closeRule(this.#rule.id).catch(() => undefined);
  }

  async #run(): Promise<void> {
    while (!this.#control.isStopping) {
      this.#hasNew = false;
      const waitMs = await this.#deps.turns.run(() => this.#turn());
      if (this.#control.isStopping) return;
      if (waitMs > 0) {
        this.#retryAtMs = Date.now() + waitMs;
        await this.#control.wait(waitMs);
        this.#retryAtMs = 0;
      } else if (this.behindRecords === 0 && !this.#hasPastWork) {
        if (!this.#hasNew && this.#pastWaitMs === 0) await this.#control.waitForRecord();
        await this.#control.wait(this.#deps.pace.idleMs);
      }
    }
  }

  /** Time until the backfill goes on after a failure; 0: it is not waiting. */
  get #pastWaitMs(): number {
    return this.#backfill?.state === 'running' ? Math.max(0, this.#pastAtMs - performance.now()) : 0;
  }

  get #hasPastWork(): boolean {
    return this.#backfill?.state === 'running' && this.#pastWaitMs === 0;
  }

  /** One batch of new records and one of the backfill. Returns how long to wait before the next turn. */
  async #turn(): Promise<number> {
    if (this.#control.isStopping) return 0;
    try {
      await this.#open();
      // It was changed or stopped meanwhile.
      if (!this.#isOpen || this.#control.isStopping) return 0;
      const waitMs = await this.#live();
      if (waitMs === 0 && this.#hasPastWork) await this.#past(this.#backfill!);
      return waitMs;
    } catch (error) {
      // The thread ended, or the store cannot be read or written. It may recover.
      if (this.#control.isStopping) return 0;
      this.#isOpen = false;
      this.counts.error(describe(error));
      return this.#health.afterStoreProblem();
    }
  }

  async #open(): Promise<void> {
    if (this.#isOpen) return;
    const rule = this.#rule;
    const changes = this.#changes;
    const { thread, log } = this.#deps;
    await thread.open(rule);
    const { headSeq } = await thread.head();
    // Sequence numbers only grow, so this store is another one, or lost its end in a crash.
    if (this.#cursor !== undefined && this.#cursor > headSeq)
      log.warn('the log store ends before the cursor of a scoring rule, which goes on at its end', {
        rule: rule.name,
        scored_seq: this.#cursor,
        stored_seq: headSeq,
      });
    this.#cursor = Math.min(this.#cursor ?? headSeq, headSeq);
    this.#head = headSeq;
    this.#isOpen = changes === this.#changes;
  }

  #request(
    { isProbing, isLastTry }: RuleHealth,
    more: Pick<BatchRequest, 'afterSeq' | 'endSeq' | 'times' | 'checkSeq'>,
  ): BatchRequest {
    // A row for each scorer, and the scored one.
    const most = Math.floor(BATCH_ROWS / (this.#rule.config.scorers.length + 1));
    return { ...this.#deps.limits, ...more, limit: isProbing ? 1 : most, isLastTry };
  }

  async #live(): Promise<number> {
    const afterSeq = this.#cursor!;
    // A backfill may have come to them before.
    const checkSeq = Math.max(this.#checkSeq, this.#backfill?.endSeq ?? 0);
    const request = this.#request(this.#health, { ...ALL_RECORDS, afterSeq, checkSeq });
    const batch = await this.#deps.thread.score(this.#rule.id, request);
    if (this.#checkSeq === Number.MAX_SAFE_INTEGER) this.#checkSeq = batch.headSeq;
    // Those that are read again may be scored already.
    this.#checkSeq = Math.max(this.#checkSeq, batch.readSeq);
    this.#head = batch.headSeq;
    await this.#store(batch);
    this.#countDeleted(batch, afterSeq);
    this.counts.add(batch);
    const isAtEnd = batch.lastSeq >= batch.headSeq;
    this.#reachedMs = isAtEnd ? 0 : batch.reachedMs || this.#reachedMs;
    await this.#advance(batch);
    // If it was changed meanwhile, the batch was ended, and its failures say nothing.
    return this.#isOpen ? this.#afterBatch(this.#health, batch, request) : 0;
  }

  #afterBatch(health: RuleHealth, batch: ScoredBatch, { isLastTry }: BatchRequest): number {
    const wasPaused = health.isPaused;
    const waitMs = health.after(batch, isLastTry);
    const { isPaused, pauseReason } = health;
    const { id, name } = this.#rule;
    if (isPaused && !wasPaused)
      this.#deps.log.warn('scoring rule paused', { rule: name, id, problem: pauseReason });
    if (wasPaused && !isPaused) this.#deps.log.info('scoring rule goes on', { rule: name, id });
    return waitMs;
  }

  /** Records that the store removed before they were read. */
  #countDeleted({ oldestSeq, headSeq }: ScoredBatch, afterSeq: number): void {
    if (oldestSeq > afterSeq + 1 && oldestSeq <= headSeq)
      this.counts.skip('deleted', oldestSeq - 1 - afterSeq);
  }

  /** Stores the scores of a batch. Rejects if they are not stored. */
  async #store({ rows, annotations }: ScoredBatch): Promise<void> {
    const { logs } = this.#deps;
    const results = [
      rows && (await logs.postRows({ bytes: rows, isOwn: true })),
      annotations.length > 0 ? await logs.post(annotations) : undefined,
    ];
    for (const result of results) {
      if (result === undefined) continue;
      if ('invalid' in result) throw new Error(`the scores cannot be stored: ${result.invalid}`);
      if ('problem' in result) throw new Error(`the scores cannot be stored (${result.problem})`);
    }
  }

  /** A cursor that moves past records without scores is saved from time to time only, since reading them again is cheap. */
  async #advance({ rows, annotations, failed, lastSeq }: ScoredBatch): Promise<void> {
    const cursor = Math.max(this.#cursor!, lastSeq);
    this.#cursor = cursor;
    const hasStored = rows !== undefined || annotations.length > 0 || failed > 0;
    if (cursor === this.#savedSeq || (!hasStored && cursor < this.#savedSeq + SAVE_RECORDS)) return;
    await this.#deps.cursors.save(this.#rule.id, cursor);
    this.#savedSeq = cursor;
  }

  async #past(backfill: Backfill): Promise<void> {
    const { cursors, thread } = this.#deps;
    const key = backfillCursor(this.#rule.id);
    const afterSeq = Math.max(backfill.startSeq, cursors.get(key) ?? 0);
    const times = {
      fromNs: BigInt(backfill.fromMs) * NS_PER_MS,
      toNs: BigInt(backfill.toMs) * NS_PER_MS + NS_PER_MS - 1n,
    };
    const range = { afterSeq, endSeq: backfill.endSeq, times };
    const request = this.#request(this.#pastHealth, { ...range, checkSeq: Number.MAX_SAFE_INTEGER });
    const batch = await thread.score(this.#rule.id, request);
    await this.#store(batch);
    this.counts.add(batch);
    // It may have been cancelled meanwhile, and then the cursor may be that of the next one.
    if (this.#backfill?.id !== backfill.id || this.#backfill.state !== 'running') return;
    const isDone = !batch.mustRetry && (batch.lastSeq >= backfill.endSeq || batch.lastSeq >= batch.headSeq);
    const skipped = Object.values(batch.skipped).reduce((sum, count) => sum + count, 0);
    const now: Backfill = {
      ...backfill,
      scored: backfill.scored + batch.scored,
      failed: backfill.failed + batch.failed,
      skipped: backfill.skipped + skipped,
      ...(isDone ? { state: 'done', finishedAtMs: Date.now() } : {}),
    };
    this.#backfill = now;
    if (this.#isOpen) this.#pastAtMs = performance.now() + this.#afterBatch(this.#pastHealth, batch, request);
    await cursors.save(key, batch.lastSeq);
    await this.#deps.saveBackfill(this.#rule.id, now);
  }
}
