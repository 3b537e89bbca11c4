// Sends one batch of records to the receiver: retries, and splits a batch that is too large.
// Invariant: one request at a time; a batch is finished when the receiver accepted or rejected each of its records.
import { backoffMs } from '../../core/backoff.ts';
import type { BatchFacts, BatchSource } from './batch.ts';
import type { ExportResult } from './delivery-result.ts';
import type { ExporterHealth } from './exporter-health.ts';
import type { ExporterCounts, ExporterTiming } from './exporter-state.ts';
import type { OtlpClient } from './otlp-client.ts';
import type { StopControl } from '../../core/stop-control.ts';

/** After this many connections in a row that the receiver closed without a response, a batch counts as too large. */
const MAX_CLOSED_CONNECTIONS = 4;

export interface BatchSenderDeps {
  readonly batches: BatchSource;
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

/** Records of the batch, from one index up to another. */
interface Part {
  readonly from: number;
  readonly to: number;
}

export class BatchSender {
  readonly #deps: BatchSenderDeps;

  constructor(deps: BatchSenderDeps) {
    this.#deps = deps;
  }

  /** Sends the batch that was read last. Returns false if the exporter was stopped before it was finished. */
  async send({ seqs }: BatchFacts): Promise<boolean> {
    const parts: Part[] = [{ from: 0, to: seqs.length }];
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      const { from, to } = part;
      const result = await this.#sendPart(part);
      if (result === 'stopped') return false;
      if (result?.kind === 'too_large' && to - from > 1) {
        const half = from + Math.ceil((to - from) / 2);
        parts.unshift({ from, to: half }, { from: half, to });
        continue;
      }
      if (result !== undefined) this.#count(result, to - from);
      if (parts.length > 0) await this.#deps.partDone(seqs[to - 1]!);
    }
    return true;
  }

  /** Returns `undefined` if no request is needed for these records. */
  async #sendPart({ from, to }: Part): Promise<ExportResult | 'stopped' | undefined> {
    const request = await this.#deps.batches.encode(from, to);
    if (this.#deps.control.isAborted) return 'stopped';
    if (request === undefined) return undefined;
    // Splitting isolates a record that cannot be encoded, so that later records are still sent.
    if ('problem' in request) return { kind: 'too_large', problem: request.problem };
    return this.#deliver(request.body, to - from);
  }

  /** Sends one request until the receiver accepts or rejects it. */
  async #deliver(request: Uint8Array, count: number): Promise<ExportResult | 'stopped'> {
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
