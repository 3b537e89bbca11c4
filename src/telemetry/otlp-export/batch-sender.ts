// Sends one batch of records to the receiver: retries, and splits a batch that is too large.
// Invariant: one request at a time; a batch is finished when the receiver accepted or rejected each of its records.
import { backoffMs } from '../../core/backoff.ts';
import { describe } from '../../core/errors.ts';
import type { LogRecord } from '../logs/logs.ts';
import type { ExportResult } from './delivery-result.ts';
import type { ExporterHealth } from './exporter-health.ts';
import type { ExporterCounts, ExporterTiming } from './exporter-state.ts';
import type { OtlpClient } from './otlp-client.ts';
import type { StopControl } from './stop-control.ts';

/** After this many connections in a row that the receiver closed without a response, a batch counts as too large. */
const MAX_CLOSED_CONNECTIONS = 4;

export interface BatchSenderDeps {
  readonly client: OtlpClient;
  readonly counts: ExporterCounts;
  readonly timing: ExporterTiming;
  readonly health: ExporterHealth;
  readonly control: StopControl;
  /** Called after each part of a split batch but the last, with the sequence number of the part's last record. */
  readonly partDone: (seq: number) => Promise<void>;
  /** Called before each retry. */
  readonly beforeRetry: () => Promise<void>;
}

export class BatchSender {
  readonly #deps: BatchSenderDeps;

  constructor(deps: BatchSenderDeps) {
    this.#deps = deps;
  }

  /** Returns false if the exporter was stopped before the batch was finished. */
  async send(records: readonly LogRecord[]): Promise<boolean> {
    const parts = [records];
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      const result = await this.#sendPart(part);
      if (result === 'stopped') return false;
      if (result?.kind === 'too_large' && part.length > 1) {
        const half = Math.ceil(part.length / 2);
        parts.unshift(part.slice(0, half), part.slice(half));
        continue;
      }
      if (result !== undefined) this.#count(result, part.length);
      if (parts.length > 0) await this.#deps.partDone(part.at(-1)!.seq);
    }
    return true;
  }

  /** Returns `undefined` if no request is needed for these records. */
  async #sendPart(part: readonly LogRecord[]): Promise<ExportResult | 'stopped' | undefined> {
    let request: Buffer | undefined;
    try {
      request = await this.#deps.client.prepare(part);
    } catch (error) {
      // Splitting isolates a record that cannot be encoded, so that later records are still sent.
      return { kind: 'too_large', problem: `cannot encode as OTLP: ${describe(error)}` };
    }
    return request && this.#deliver(request, part.length);
  }

  /** Sends one request until the receiver accepts or rejects it. */
  async #deliver(request: Buffer, count: number): Promise<ExportResult | 'stopped'> {
    const { client, health, control, beforeRetry } = this.#deps;
    let closed = 0;
    for (let attempt = 0; ; attempt++) {
      const isLast = control.isStopping;
      const result = await client.send(request, count, control.signal);
      if (control.isAborted) return 'stopped';
      health.isLockedOut = result.kind === 'locked_out';
      if (result.kind !== 'retry' && result.kind !== 'locked_out') {
        health.resumed();
        return result;
      }
      health.paused(result.problem);
      if (isLast) return 'stopped';
      closed = result.kind === 'retry' && result.wasClosed ? closed + 1 : 0;
      // A single record cannot be split, so it is retried.
      if (closed === MAX_CLOSED_CONNECTIONS && count > 1)
        return { kind: 'too_large', problem: result.problem };
      await health.retryAfter(this.#delayMs(result, attempt), control);
      if (control.isAborted) return 'stopped';
      await beforeRetry();
    }
  }

  #count(result: ExportResult, records: number): void {
    const { counts, health } = this.#deps;
    if (result.kind !== 'accepted') {
      counts.rejected += records;
      return health.failed(result.problem);
    }
    counts.sent += records - result.rejected;
    counts.rejected += result.rejected;
    health.succeeded();
    if (result.rejected > 0) health.failed(`${result.rejected} records were rejected: ${result.note}`);
    else if (result.note !== '') health.failed(`receiver warning: ${result.note}`);
  }

  #delayMs(result: ExportResult, attempt: number): number {
    const { firstRetry, lastRetry, lockedRetry } = this.#deps.timing;
    if (result.kind === 'locked_out') return backoffMs(attempt, firstRetry, lockedRetry);
    const requested = result.kind === 'retry' ? result.retryAfterMs : undefined;
    // A Retry-After of 0 does not retry at once, since the receiver is overloaded.
    return Math.max(requested ?? backoffMs(attempt, firstRetry, lastRetry), firstRetry / 2);
  }
}
