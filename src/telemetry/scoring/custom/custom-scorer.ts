// A custom scorer: calls code of a user in a process of its own, one call at a time.
// Invariant: a call has one result, whatever the code does; a process that took too long, used too much memory, or wrote
// something else than an answer is never asked again.
import { backoffMs } from '../../../core/backoff.ts';
import { describe } from '../../../core/errors.ts';
import { textOfJson } from '../../../protocol/llm/json-values.ts';
import type { CodeScorer } from '../scorer-definition.ts';
import type { Score, Scorer, ScorerInput, ScorerResult } from '../scorer.ts';
import { CodeRunner, type CodeAnswer } from './code-runner.ts';
import type { ProcessSlots, SlotHolder } from './process-slots.ts';
import type { RunnerOutcome } from './runner-messages.ts';
import { scoresOf } from './scorer-answer.ts';

const MAX_SPAN = 1024 * 1024;
const MAX_WAITING = 100;
/** To start Node on a busy machine. */
const START_MS = 10_000;
const IDLE_MS = 60_000;
/** A process with calls that wait is kept for so long, since a start takes as long as hundreds of calls. */
const KEEP_MS = 1000;
/** Failures in a row after which the process is replaced, since the code may have changed what it needs itself. */
const FAILURES_OF_CODE = 3;
/** Processes in a row that had to be ended, after which the next one has to wait. */
const LOST_PROCESSES = 3;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
const MAX_CONSOLE = 300;

type Failed = Extract<ScorerResult, { kind: 'failed' }>;

/** The result of a call, and what becomes of the process. */
interface CallEnd {
  readonly result: ScorerResult;
  /** It is to be replaced. */
  readonly isLost: boolean;
}

export class CustomScorer implements Scorer, SlotHolder {
  readonly name: string;
  readonly #scorer: CodeScorer;
  readonly #slots: ProcessSlots;
  #runner: CodeRunner | undefined;
  /** Resolves when the process that was ended last is gone. */
  #ended: Promise<void> = Promise.resolve();
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #isBusy = false;
  /** performance.now() when the process was started. */
  #startedMs = 0;
  #isClosed = false;
  #idle: NodeJS.Timeout | undefined;
  #failures = 0;
  #lost = 0;
  /** performance.now() before which no process is started. */
  #notBeforeMs = 0;

  constructor(scorer: CodeScorer, slots: ProcessSlots) {
    this.name = scorer.name;
    this.#scorer = scorer;
    this.#slots = slots;
  }

  score(
    { input, output, expected, metadata }: ScorerInput,
    signal: AbortSignal,
  ): Promise<ScorerResult> | ScorerResult {
    const span = textOfJson({ input, output, expected, metadata });
    if (span === undefined) return this.#noScore('the span is nested too deeply');
    if (span.length > MAX_SPAN)
      return this.#noScore(`the span has ${span.length} characters; custom scorers get at most ${MAX_SPAN}`);
    return this.#inTurn(signal, () => this.#call(span, signal));
  }

  /** Loads the code without calling it. Returns why it cannot be used, or ''. */
  async problem(signal: AbortSignal): Promise<string> {
    const result = await this.#inTurn(signal, async () => (await this.#start(signal)) ?? this.#noScore(''));
    return result.kind === 'failed' ? result.reason : '';
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#idle);
    this.#endRunner();
    await this.#ended;
  }

  giveUp(): boolean {
    const isNeeded = this.#waiting > 0 && performance.now() - this.#startedMs < KEEP_MS;
    if (this.#isBusy || isNeeded) return false;
    this.#endRunner();
    return true;
  }

  /** Process id, while there is a process. */
  get pid(): number | undefined {
    return this.#runner?.pid;
  }

  /** One call after the other. */
  async #inTurn(signal: AbortSignal, call: () => Promise<ScorerResult>): Promise<ScorerResult> {
    if (this.#waiting >= MAX_WAITING) return temporary(`it has ${MAX_WAITING} calls that wait`);
    this.#waiting++;
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    try {
      if (signal.aborted || this.#isClosed) return temporary('it was stopped');
      const leftMs = this.#notBeforeMs - performance.now();
      if (leftMs > 0)
        return temporary(`it failed ${this.#lost} times in a row; it waits before the next call`, leftMs);
      this.#isBusy = true;
      clearTimeout(this.#idle);
      return await call();
    } finally {
      this.#isBusy = false;
      this.#waiting--;
      this.#idle = setTimeout(() => this.giveUp(), IDLE_MS).unref();
      this.#slots.used(this);
      resolve();
    }
  }

  async #call(span: string, signal: AbortSignal): Promise<ScorerResult> {
    const failure = await this.#start(signal);
    if (failure !== undefined) return failure;
    const { timeout_ms: timeoutMs } = this.#scorer;
    const answer = await this.#runner!.ask({ span }, timeoutMs, signal);
    if (signal.aborted) return this.#stopped();
    return this.#note(this.#endOf(answer));
  }

  /** Starts a process if there is none, and loads the code. Returns why that failed. */
  async #start(signal: AbortSignal): Promise<Failed | undefined> {
    if (this.#runner?.isUsable) return undefined;
    await this.#slots.take(this);
    if (this.#isClosed || signal.aborted) return this.#stopped();
    let runner: CodeRunner;
    try {
      runner = new CodeRunner(this.#scorer.memory_mb, () => {
        // A call that is open has its answer before this.
        if (this.#runner === runner) this.#endRunner();
      });
    } catch (error) {
      // Node throws if there are too many open files.
      this.#slots.give(this);
      return temporary(`it could not be started: ${describe(error)}`);
    }
    this.#runner = runner;
    this.#startedMs = performance.now();
    const { code, timeout_ms: timeoutMs } = this.#scorer;
    const answer = await runner.ask({ code, timeoutMs }, timeoutMs + START_MS, signal);
    if (signal.aborted) return this.#stopped();
    const outcome = 'text' in answer ? outcomeIn(answer.text) : undefined;
    // Nothing has been called, so there is nothing to answer.
    if (outcome?.outcome === 'waiting') return undefined;
    const { result } = this.#endOf(answer);
    const failure = result.kind === 'failed' ? result : permanent('it cannot be loaded');
    this.#note({ result: failure, isLost: true });
    return failure;
  }

  #endOf(answer: CodeAnswer): CallEnd {
    if ('ended' in answer)
      return answer.isForeign
        ? { result: temporary(`it ${answer.ended}`), isLost: true }
        : this.#lostWith(answer.ended);
    if ('timeoutCpuMs' in answer) return this.#timedOut(answer.timeoutCpuMs);
    if ('problem' in answer) return this.#lostWith(`cannot be used: ${answer.problem}`);
    const outcome = outcomeIn(answer.text);
    if (outcome === undefined)
      return this.#lostWith('changed the language so that its answer cannot be read');
    const { text, lines } = outcome;
    if (outcome.outcome === 'waiting')
      return this.#failedWith('returned a promise that never settles', lines);
    if (outcome.outcome === 'failed') return this.#failedWith(`failed: ${text}`, lines);
    const scores = scoresOf(text === '' ? undefined : JSON.parse(text), this.name);
    if (typeof scores === 'string') return this.#failedWith(scores, lines);
    return { result: { kind: 'scored', scores: withConsole(scores, lines) }, isLost: false };
  }

  /** Counts failures, and ends the process if it cannot be used again. */
  #note({ result, isLost }: CallEnd): ScorerResult {
    this.#failures = result.kind === 'failed' ? this.#failures + 1 : 0;
    this.#lost = isLost ? this.#lost + 1 : 0;
    if (this.#lost >= LOST_PROCESSES)
      this.#notBeforeMs =
        performance.now() + backoffMs(this.#lost - LOST_PROCESSES, FIRST_WAIT_MS, LONGEST_WAIT_MS);
    if (isLost || (this.#failures > 0 && this.#failures % FAILURES_OF_CODE === 0)) this.#endRunner();
    return result;
  }

  #stopped(): Failed {
    this.#endRunner();
    return temporary('it was stopped');
  }

  #endRunner(): void {
    const runner = this.#runner;
    this.#runner = undefined;
    if (runner !== undefined) this.#ended = runner.end();
    this.#slots.give(this);
  }

  #noScore(reason: string): ScorerResult {
    return { kind: 'scored', scores: [{ name: this.name, score: null, metadata: { reason } }] };
  }

  /** Code that hardly ran had to wait for a processor, and may do better later. */
  #timedOut(cpuMs: number): CallEnd {
    const { timeout_ms: timeoutMs } = this.#scorer;
    const why = `it took longer than ${timeoutMs} ms`;
    if (cpuMs >= timeoutMs / 2) return { result: permanent(why), isLost: true };
    return { result: temporary(`${why}, of which it ran ${Math.round(cpuMs)} ms`), isLost: true };
  }

  #lostWith(why: string): CallEnd {
    return { result: permanent(`it ${why}`), isLost: true };
  }

  #failedWith(why: string, lines: readonly string[]): CallEnd {
    const console = lines.length === 0 ? '' : `; console: ${lines.join(' | ').slice(0, MAX_CONSOLE)}`;
    return { result: permanent(`it ${why}${console}`), isLost: false };
  }
}

const permanent = (reason: string): Failed => ({ kind: 'failed', reason, isTemporary: false });
const temporary = (reason: string, retryAfterMs?: number): Failed => ({
  kind: 'failed',
  reason,
  isTemporary: true,
  ...(retryAfterMs !== undefined && { retryAfterMs: Math.ceil(retryAfterMs) }),
});

/** The first score says what the code wrote to `console`. */
function withConsole(scores: readonly Score[], lines: readonly string[]): readonly Score[] {
  const [first, ...rest] = scores;
  if (first === undefined || lines.length === 0) return scores;
  return [{ ...first, metadata: { ...first.metadata, console: lines } }, ...rest];
}

/** The code may have changed how its context writes JSON, so nothing is taken for granted. */
function outcomeIn(text: string): RunnerOutcome | undefined {
  try {
    const { outcome, text: inner, lines } = JSON.parse(text) as RunnerOutcome;
    const isOne =
      ['waiting', 'answered', 'failed'].includes(outcome) &&
      typeof inner === 'string' &&
      Array.isArray(lines) &&
      lines.every((line) => typeof line === 'string');
    if (isOne && outcome === 'answered' && inner !== '') JSON.parse(inner);
    return isOne ? { outcome, text: inner, lines } : undefined;
  } catch {
    return undefined;
  }
}
