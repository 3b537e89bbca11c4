// Sends one destination what is stored, from where it stopped.
// Must stay true: the cursor moves over a record when its receiver has taken or refused it for good, and is on disk
// before the next request; one request is on its way at a time. So nothing is lost while the store holds it, and a
// restart sends at most one request again.
import { backoffMs } from '../../core/backoff.ts';
import { describe } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { FeedPage, LogRecord, RecordFeed } from '../logs/logs.ts';
import { fitting, MAX_RECORDS } from './batch.ts';
import { OtlpClient, type ProjectSpans, type TestResult } from './otlp-client.ts';
import type { Cursors } from './cursors.ts';
import { scrub, type Destination } from './destination.ts';
import type { ExportOrigin } from './otlp-logs.ts';
import type { ExporterCounts, ExporterStatus, ExporterTiming } from './exporter-state.ts';
import type { ExportResult } from './delivery-result.ts';

export interface ExporterDeps {
  readonly feed: RecordFeed;
  readonly cursors: Cursors;
  readonly counts: ExporterCounts;
  readonly sender: ExportOrigin;
  readonly spans: ProjectSpans;
  readonly log: Logger;
  readonly timing: ExporterTiming;
}

/** What a request that is cut needs to end. */
const GRACE_MS = 200;
/** So many connections closed without an answer, one after the other, are taken for what 413 says. */
const CUT_OFFS = 4;

const iso = (ms: number): string => (ms === 0 ? '' : new Date(ms).toISOString());

export class Exporter {
  readonly #destination: Destination;
  readonly #deps: ExporterDeps;
  readonly #client: OtlpClient;
  readonly #cutting = new AbortController();
  #cursor = 0;
  #head = 0;
  /** When the oldest record was written that is read and not sent; 0: there is none. */
  #oldestMs = 0;
  #lastSendMs = -Infinity;
  #retryAtMs = 0;
  /** performance.now() when a request failed that will be retried; `undefined`: the last one was accepted or finally rejected. */
  #pausedMs: number | undefined;
  /** The receiver takes nothing from us as we are. */
  #isLockedOut = false;
  #error = '';
  #errorMs = 0;
  #successMs = 0;
  #isStopping = false;
  #hasNew = false;
  #wake: (() => void) | undefined;
  #unsubscribe: (() => void) | undefined;
  #running: Promise<void> | undefined;

  constructor(destination: Destination, deps: ExporterDeps) {
    this.#destination = destination;
    this.#deps = deps;
    this.#cursor = deps.cursors.get(destination.id) ?? 0;
    this.#client = new OtlpClient(
      destination,
      deps.sender,
      deps.spans,
      deps.counts.requests,
      deps.timing.timeout,
    );
  }

  /** Finds where to begin, and begins. Resolves when it is known from where on records will be sent. */
  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    this.#unsubscribe = this.#deps.feed.onStored(() => {
      this.#hasNew = true;
      this.#wake?.();
    });
    const begun = Promise.withResolvers<void>();
    this.#running = this.#run(() => begun.resolve()).finally(() => begun.resolve());
    await begun.promise;
  }

  /** Sends what is stored now, and ends; at `deadlineMs` (performance.now()) it ends in any case. */
  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    this.#wake?.();
    const cut = () => this.#cutting.abort();
    const leftMs = deadlineMs - performance.now();
    const timer = leftMs > 0 ? setTimeout(cut, leftMs) : undefined;
    const over = Promise.withResolvers<void>();
    // It ends by itself then, unless a store or a disk hangs: nobody waits for those.
    const giveUp = () => setTimeout(over.resolve, GRACE_MS);
    if (this.#isCut) giveUp();
    else this.#cutting.signal.addEventListener('abort', giveUp);
    if (timer === undefined) cut();
    await Promise.race([this.#running, over.promise]);
    clearTimeout(timer);
    this.#unsubscribe?.();
    this.#client.close();
  }

  /** Sends one record that says that it is a test; nothing of the rest is touched. */
  test(nowMs: number, deployment: string): Promise<TestResult> {
    return this.#client.test(nowMs, deployment);
  }

  status(nowMs: number): ExporterStatus {
    const { sent, rejected, dropped } = this.#deps.counts;
    const isActive = this.#running !== undefined;
    return {
      state: !isActive
        ? 'disabled'
        : this.#isLockedOut
          ? 'paused'
          : this.#retryAtMs > 0
            ? 'retrying'
            : 'running',
      retry_at: iso(this.#retryAtMs),
      cursor: this.#cursor,
      head: this.#head,
      queue_records: Math.max(0, this.#head - this.#cursor),
      lag_seconds: this.#oldestMs === 0 ? 0 : Math.max(0, (nowMs - this.#oldestMs) / 1000),
      sent,
      rejected,
      dropped,
      last_error: this.#error,
      last_error_at: iso(this.#errorMs),
      last_success_at: iso(this.#successMs),
    };
  }

  get #isCut(): boolean {
    return this.#cutting.signal.aborted;
  }

  async #run(begun: () => void): Promise<void> {
    let isPlaced = false;
    for (let failures = 0; !this.#isCut;) {
      try {
        if (!isPlaced) {
          await this.#place();
          isPlaced = true;
          begun();
        }
        if (!(await this.#step())) return;
        failures = 0;
      } catch (error) {
        // The store does not answer: it may again.
        this.#failed(describe(error));
        begun();
        if (this.#isStopping) return;
        await this.#retryIn(this.#backoff(failures++));
      }
    }
  }

  /** From where on: where it stopped, or where its settings say. */
  async #place(): Promise<void> {
    const { feed, cursors, log } = this.#deps;
    const { id, name, start_from: from } = this.#destination;
    const { headSeq, oldestSeq } = await feed.read(Number.MAX_SAFE_INTEGER, 1);
    this.#head = headSeq;
    const saved = cursors.get(id);
    if (saved === undefined) {
      const first = from === 'earliest' ? oldestSeq : Math.max(oldestSeq, Number(from));
      await this.#advance(from === 'now' ? headSeq : Math.max(0, Math.min(first - 1, headSeq)));
      return;
    }
    this.#cursor = Math.min(saved, headSeq);
    // Seqs count up for good: a store that is behind is another one, or has lost its end in a crash.
    if (saved > headSeq)
      log.warn('the store ends before what was exported: exporting goes on at its end', {
        destination: name || id,
        exported_seq: saved,
        stored_seq: headSeq,
      });
  }

  /** Reads on, and sends what it finds. False: it is over. */
  async #step(): Promise<boolean> {
    const { feed, counts, timing } = this.#deps;
    this.#hasNew = false;
    const page = await feed.read(this.#cursor, MAX_RECORDS);
    if (this.#isCut) return false;
    this.#head = page.headSeq;
    if (page.oldestSeq > this.#cursor + 1 && page.oldestSeq <= page.headSeq) {
      // Retention came first.
      counts.dropped += page.oldestSeq - 1 - this.#cursor;
      this.#failed(`${page.oldestSeq - 1 - this.#cursor} records had expired before they could be sent`);
      this.#cursor = page.oldestSeq - 1;
    }
    if (page.records.length === 0) return this.#skip(page);
    this.#oldestMs = Number(page.records[0]!.timeNs / 1_000_000n);
    const count = fitting(page.records);
    const isFull = page.records.length === MAX_RECORDS || count < page.records.length;
    const waitMs = this.#lastSendMs + (isFull ? timing.pace : timing.interval) - performance.now();
    if (waitMs > 0 && !this.#isStopping) {
      await this.#pause(waitMs, false);
      // Until then there may be more, and it be full.
      if (!isFull) return !this.#isCut;
    }
    this.#lastSendMs = performance.now();
    const records = page.records.slice(0, count);
    if (!(await this.#send(records))) return false;
    this.#oldestMs = 0;
    await this.#advance(count === page.records.length ? page.lastSeq : records.at(-1)!.seq);
    return true;
  }

  /** Nothing of what was read is wanted: on, or, at the end, wait for more. */
  async #skip(page: FeedPage): Promise<boolean> {
    this.#oldestMs = 0;
    const isAtEnd = page.lastSeq >= page.headSeq || page.lastSeq <= this.#cursor;
    if (page.lastSeq > this.#cursor) {
      this.#cursor = page.lastSeq;
      // On disk, so that a restart need not look at all of them again; not for a few of them.
      if (!isAtEnd || this.#isStopping) await this.#advance(page.lastSeq);
    }
    if (!isAtEnd) return true;
    if (this.#isStopping) return false;
    if (!this.#hasNew) await this.#pause(undefined, true);
    return true;
  }

  /** Sends them, in parts where the receiver wants that. False: it was stopped before all of them were done with. */
  async #send(records: readonly LogRecord[]): Promise<boolean> {
    const { counts } = this.#deps;
    const parts = [records];
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      const verdict = await this.#sendPart(part);
      if (verdict === 'stopped') return false;
      if (verdict?.is === 'too_large' && part.length > 1) {
        const half = Math.ceil(part.length / 2);
        parts.unshift(part.slice(0, half), part.slice(half));
        continue;
      }
      if (verdict?.is === 'taken') {
        counts.sent += part.length - verdict.rejected;
        counts.rejected += verdict.rejected;
        this.#successMs = Date.now();
        if (verdict.rejected > 0) this.#failed(`${verdict.rejected} records were rejected: ${verdict.note}`);
        else if (verdict.note !== '') this.#failed(`the receiver warns: ${verdict.note}`);
      } else if (verdict !== undefined) {
        counts.rejected += part.length;
        this.#failed(verdict.problem);
      }
      if (parts.length > 0) await this.#advance(part.at(-1)!.seq);
    }
    return true;
  }

  /** `undefined`: there was nothing to send for them. */
  async #sendPart(part: readonly LogRecord[]): Promise<ExportResult | 'stopped' | undefined> {
    let request: Buffer | undefined;
    try {
      request = await this.#client.prepare(part);
    } catch (error) {
      // One record that cannot be written must not hold back all that come behind it.
      return { is: 'too_large', problem: `cannot be written as OTLP: ${describe(error)}` };
    }
    return request && this.#deliver(request, part.length);
  }

  /** One request, as often as it takes. */
  async #deliver(request: Buffer, count: number): Promise<ExportResult | 'stopped'> {
    let cutOffs = 0;
    for (let attempt = 0; ; attempt++) {
      const isLast = this.#isStopping;
      const verdict = await this.#client.send(request, count, this.#cutting.signal);
      if (this.#isCut) return 'stopped';
      this.#isLockedOut = verdict.is === 'locked_out';
      if (verdict.is !== 'again' && verdict.is !== 'locked_out') {
        this.#retryAtMs = 0;
        this.#resumed();
        return verdict;
      }
      this.#paused(verdict.problem);
      if (isLast) return 'stopped';
      cutOffs = verdict.is === 'again' && verdict.isCutOff ? cutOffs + 1 : 0;
      // One record alone is never given up for that.
      if (cutOffs === CUT_OFFS && count > 1) return { is: 'too_large', problem: verdict.problem };
      await this.#retryIn(this.#waitFor(verdict, attempt));
      if (this.#isCut) return 'stopped';
      this.#head = Math.max(this.#head, (await this.#deps.feed.read(this.#head, 1)).headSeq);
    }
  }

  /** Sending is paused: writes an event at the first failure, and a log line for each further reason. */
  #paused(problem: string): void {
    const { id, name } = this.#destination;
    if (this.#pausedMs !== undefined) return this.#failed(problem);
    this.#pausedMs = performance.now();
    this.#noted(scrub(problem, this.#destination));
    this.#deps.log.event('export_paused', { destination: name || id, problem: this.#error });
  }

  #resumed(): void {
    if (this.#pausedMs === undefined) return;
    const { id, name } = this.#destination;
    const paused_ms = Math.round(performance.now() - this.#pausedMs);
    this.#pausedMs = undefined;
    this.#deps.log.event('export_resumed', { destination: name || id, paused_ms });
  }

  #waitFor(verdict: ExportResult, attempt: number): number {
    const { firstRetry, lockedRetry } = this.#deps.timing;
    if (verdict.is === 'locked_out') return backoffMs(attempt, firstRetry, lockedRetry);
    // At once is what no receiver means that is not well.
    const asked = verdict.is === 'again' ? verdict.afterMs : undefined;
    return Math.max(asked ?? this.#backoff(attempt), firstRetry / 2);
  }

  #backoff(attempt: number): number {
    return backoffMs(attempt, this.#deps.timing.firstRetry, this.#deps.timing.lastRetry);
  }

  async #retryIn(ms: number): Promise<void> {
    this.#retryAtMs = Date.now() + ms;
    await this.#pause(ms, false);
    this.#retryAtMs = 0;
  }

  /** Waits so long, or until something is stored, or until it has to stop. */
  async #pause(ms: number | undefined, isForNew: boolean): Promise<void> {
    if (this.#isStopping) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
    this.#wake = () => {
      if (isForNew || this.#isStopping) resolve();
    };
    await promise;
    this.#wake = undefined;
    clearTimeout(timer);
  }

  async #advance(seq: number): Promise<void> {
    this.#cursor = seq;
    try {
      await this.#deps.cursors.save(this.#destination.id, seq);
    } catch (error) {
      // Sending goes on: a disk that is full is no reason to lose what could be sent.
      this.#failed(`how far it has come cannot be kept: ${describe(error)}`);
    }
  }

  #failed(problem: string): void {
    const { name, id } = this.#destination;
    const clean = scrub(problem, this.#destination);
    // Said once, not at every attempt.
    if (clean !== this.#error)
      this.#deps.log.warn('otlp export', { destination: name || id, problem: clean });
    this.#noted(clean);
  }

  /** The state as a client of the admin port sees it. */
  #noted(problem: string): void {
    this.#error = problem;
    this.#errorMs = Date.now();
  }
}
