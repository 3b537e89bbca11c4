// Reads the log store from the cursor of one destination on, and sends the records in batches.
// Invariant: the cursor moves past a record after the receiver accepted or rejected it, and is on disk before the next
// request. So no stored record is lost, and a restart repeats at most one request.
import { backoffMs } from '../../core/backoff.ts';
import { describe } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { TIMED_OUT, waitAtMost } from '../../core/wait.ts';
import { BatchSender } from './batch-sender.ts';
import type { BatchFacts, BatchSource } from './batch.ts';
import type { Cursors } from '../../core/cursors.ts';
import type { Destination } from './destination.ts';
import { ExporterHealth } from './exporter-health.ts';
import type { ExporterCounts, ExporterStatus, ExporterTiming } from './exporter-state.ts';
import { OtlpClient, type TestResult } from './otlp-client.ts';
import type { ExportOrigin } from './otlp-logs.ts';
import { StopControl } from '../../core/stop-control.ts';

export interface ExporterDeps {
  readonly batches: BatchSource;
  readonly cursors: Cursors;
  readonly counts: ExporterCounts;
  readonly sender: ExportOrigin;
  readonly log: Logger;
  readonly timing: ExporterTiming;
}

/** Time for an aborted exporter to end, in milliseconds. A store or disk that hangs is not waited for longer. */
const GRACE_MS = 200;

const iso = (ms: number): string => (ms === 0 ? '' : new Date(ms).toISOString());

export class Exporter {
  readonly #destination: Destination;
  readonly #deps: ExporterDeps;
  readonly #client: OtlpClient;
  readonly #sender: BatchSender;
  readonly #health: ExporterHealth;
  readonly #control = new StopControl();
  /** Sequence number of the last record that is finished. */
  #cursor = 0;
  /** Highest sequence number in the store at the last read. */
  #head = 0;
  /** Time of the oldest record that was read and not sent, in milliseconds since the epoch. 0: there is none. */
  #oldestMs = 0;
  #lastSendMs = -Infinity;
  /** True if a record was stored since the last read. */
  #hasNew = false;
  #unsubscribe: (() => void) | undefined;
  #running: Promise<void> | undefined;

  constructor(destination: Destination, deps: ExporterDeps) {
    const { batches, cursors, sender, counts, timing, log } = deps;
    this.#destination = destination;
    this.#deps = deps;
    this.#cursor = cursors.get(destination.id) ?? 0;
    this.#client = new OtlpClient(destination, sender, counts.requests, timing.timeout);
    this.#health = new ExporterHealth(destination, log);
    this.#sender = new BatchSender({
      batches,
      client: this.#client,
      counts,
      timing,
      health: this.#health,
      control: this.#control,
      partDone: (seq) => this.#advance(seq),
      beforeRetry: () => this.#readHead(),
    });
  }

  /** Starts to export. Resolves when the first record to send is determined. */
  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    this.#unsubscribe = this.#deps.batches.onStored(() => {
      this.#hasNew = true;
      this.#control.recordStored();
    });
    const begun = Promise.withResolvers<void>();
    this.#running = this.#run(() => begun.resolve()).finally(() => begun.resolve());
    await begun.promise;
  }

  /** Sends what is stored, then ends. At `deadlineMs` (performance.now()) it aborts the request and ends. */
  async stop(deadlineMs: number): Promise<void> {
    this.#control.stop();
    const running = Promise.resolve(this.#running);
    if ((await waitAtMost(deadlineMs - performance.now(), running)) === TIMED_OUT) {
      this.#control.abort();
      // It ends by itself now, unless a store or a disk hangs.
      await waitAtMost(GRACE_MS, running);
    }
    this.#unsubscribe?.();
    this.#deps.batches.close();
    this.#client.close();
  }

  /** Sends one test record. Does not change the cursor or the counts. */
  test(nowMs: number, deployment: string): Promise<TestResult> {
    return this.#client.test(nowMs, deployment);
  }

  status(nowMs: number): ExporterStatus {
    const { sent, rejected, dropped } = this.#deps.counts;
    const { error, errorMs, successMs, retryAtMs, pausedSinceMs, isLockedOut } = this.#health;
    const active = isLockedOut ? 'paused' : retryAtMs > 0 ? 'retrying' : 'running';
    return {
      state: this.#running === undefined ? 'disabled' : active,
      paused_since: iso(pausedSinceMs),
      next_try_at: iso(retryAtMs),
      retry_at: iso(retryAtMs),
      cursor: this.#cursor,
      head: this.#head,
      queue_records: Math.max(0, this.#head - this.#cursor),
      lag_seconds: this.#oldestMs === 0 ? 0 : Math.max(0, (nowMs - this.#oldestMs) / 1000),
      sent,
      rejected,
      dropped,
      last_error: error,
      last_error_at: iso(errorMs),
      last_success_at: iso(successMs),
      last_response: this.#client.lastResponse,
    };
  }

  /** Time of the oldest record that was read and not sent, in milliseconds since the epoch. 0: there is none. */
  get oldestMs(): number {
    return this.#oldestMs;
  }

  async #run(begun: () => void): Promise<void> {
    const { firstRetry, lastRetry } = this.#deps.timing;
    let hasCursor = false;
    for (let failures = 0; !this.#control.isAborted;) {
      try {
        if (!hasCursor) {
          await this.#findCursor();
          hasCursor = true;
          begun();
        }
        if (!(await this.#step())) return;
        failures = 0;
      } catch (error) {
        // The store could not be read. It may recover, so the read is retried.
        this.#health.failed(describe(error));
        begun();
        if (this.#control.isStopping) return;
        await this.#health.retryAfter(backoffMs(failures++, firstRetry, lastRetry), this.#control);
      }
    }
  }

  /** Sets the cursor: to the saved one, or for a new destination according to `start_from`. */
  async #findCursor(): Promise<void> {
    const { batches, cursors, log } = this.#deps;
    const { id, name, start_from: from } = this.#destination;
    const { headSeq, oldestSeq } = await batches.head();
    this.#head = headSeq;
    const saved = cursors.get(id);
    if (saved === undefined) {
      const first = from === 'earliest' ? oldestSeq : Math.max(oldestSeq, Number(from));
      await this.#advance(from === 'now' ? headSeq : Math.max(0, Math.min(first - 1, headSeq)));
      return;
    }
    this.#cursor = Math.min(saved, headSeq);
    // Sequence numbers only grow, so this store is another one, or lost its end in a crash.
    if (saved > headSeq)
      log.warn('the log store ends before the export cursor: export continues at its end', {
        destination: name || id,
        exported_seq: saved,
        stored_seq: headSeq,
      });
  }

  /** Reads the next records and sends them. Returns false when the exporter has to end. */
  async #step(): Promise<boolean> {
    const { batches, timing } = this.#deps;
    this.#hasNew = false;
    const batch = await batches.read(this.#cursor);
    if (this.#control.isAborted) return false;
    this.#head = batch.headSeq;
    this.#countExpired(batch);
    if (batch.seqs.length === 0) return this.#skip(batch);
    this.#oldestMs = batch.firstMs;
    const { isFull } = batch;
    const waitMs = this.#lastSendMs + (isFull ? timing.pace : timing.interval) - performance.now();
    if (waitMs > 0 && !this.#control.isStopping) {
      await this.#control.wait(waitMs);
      // More records may be stored by now, so a batch that was not full is read again.
      if (!isFull) return !this.#control.isAborted;
    }
    this.#lastSendMs = performance.now();
    if (!(await this.#sender.send(batch))) return false;
    this.#oldestMs = 0;
    await this.#advance(batch.lastSeq);
    return true;
  }

  /** Moves the cursor past records that the store removed before they were sent, and counts them as dropped. */
  #countExpired({ oldestSeq, headSeq }: BatchFacts): void {
    if (oldestSeq <= this.#cursor + 1 || oldestSeq > headSeq) return;
    const expired = oldestSeq - 1 - this.#cursor;
    this.#deps.counts.dropped += expired;
    this.#health.failed(`${expired} records expired before they were sent`);
    this.#cursor = oldestSeq - 1;
  }

  /** Moves the cursor past unwanted records, or waits for new ones at the end of the store. */
  async #skip(page: BatchFacts): Promise<boolean> {
    this.#oldestMs = 0;
    const isAtEnd = page.lastSeq >= page.headSeq || page.lastSeq <= this.#cursor;
    if (page.lastSeq > this.#cursor) {
      this.#cursor = page.lastSeq;
      // Saved only after many records, so that a restart reads few of them again without a write for each.
      if (!isAtEnd || this.#control.isStopping) await this.#advance(page.lastSeq);
    }
    if (!isAtEnd) return true;
    if (this.#control.isStopping) return false;
    if (!this.#hasNew) await this.#control.waitForRecord();
    return true;
  }

  async #readHead(): Promise<void> {
    this.#head = Math.max(this.#head, (await this.#deps.batches.head()).headSeq);
  }

  async #advance(seq: number): Promise<void> {
    this.#cursor = seq;
    try {
      await this.#deps.cursors.save(this.#destination.id, seq);
    } catch (error) {
      // Export continues without a saved cursor, for example while the disk is full.
      this.#health.failed(`cannot save the cursor: ${describe(error)}`);
    }
  }
}
