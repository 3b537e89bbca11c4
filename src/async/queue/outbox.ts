// Delivers results from the store to their webhooks: two attempts, about 2 s apart (docs/contracts/serving.md 2.7).
// Invariant: a result is delivered at least once or fails all its attempts; a crash in between repeats the attempt.
// A slow receiver delays neither tasks nor deliveries to other receivers (receiver-limits.ts).
import { describe } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { receiverKey, ReceiverLimits } from './receiver-limits.ts';
import { settle } from './settle.ts';
import type { TaskStore } from './store.ts';
import type { ClaimedDelivery } from './task.ts';

/** Result of one attempt to deliver. */
export interface DeliveryResult {
  readonly isDelivered: boolean;
  /** True if another attempt may succeed. */
  readonly isRetryable: boolean;
  /** For the log; '' if it was delivered. */
  readonly problem: string;
}

export interface OutboxDeps {
  readonly store: TaskStore;
  readonly log: Logger;
  readonly now: () => number;
  /** Requests a sweep of the store after a delay. */
  readonly sweepAfter: (delayMs: number) => void;
  readonly deliver: (delivery: ClaimedDelivery) => Promise<DeliveryResult>;
}

export interface OutboxOptions {
  readonly attempts: number;
  readonly retryDelayMs: number;
  readonly concurrency: number;
  readonly retentionMs: number;
}

export class Outbox {
  readonly #deps: OutboxDeps;
  readonly #options: OutboxOptions;
  readonly #running = new Set<Promise<void>>();
  readonly #receivers: ReceiverLimits;
  #isClaiming = false;
  #claims = Promise.resolve();
  #isWanted = false;
  #isStopped = false;

  constructor(deps: OutboxDeps, options: OutboxOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#receivers = new ReceiverLimits(options.concurrency);
  }

  /** Starts deliveries, if there are any. */
  wake(): void {
    this.#isWanted = true;
    if (!this.#isClaiming) this.#claims = this.#work();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Resolves when no delivery is running or being claimed. */
  async settled(): Promise<void> {
    do {
      await this.#claims;
      await Promise.all(this.#running);
    } while (this.#running.size > 0 || this.#isClaiming);
  }

  async #work(): Promise<void> {
    this.#isClaiming = true;
    const { store, log, now } = this.#deps;
    while (this.#isWanted && !this.#isStopped && this.#running.size < this.#options.concurrency) {
      this.#isWanted = false;
      let delivery: ClaimedDelivery | undefined;
      try {
        delivery = await store.claimDelivery(now(), this.#receivers.busy);
      } catch (error) {
        log.warn('queue store failed; no result is delivered', { problem: describe(error) });
      }
      if (delivery === undefined) continue;
      this.#isWanted = true;
      const run = this.#deliver(delivery).finally(() => {
        this.#running.delete(run);
        this.wake();
      });
      this.#running.add(run);
    }
    this.#isClaiming = false;
  }

  async #deliver(delivery: ClaimedDelivery): Promise<void> {
    const { log, now, sweepAfter } = this.#deps;
    const { attempts, retryDelayMs, retentionMs } = this.#options;
    const { id } = delivery;
    const receiver = receiverKey(delivery.url);
    this.#receivers.began(receiver);
    const { isDelivered, isRetryable, problem } = await this.#attempt(delivery);
    this.#receivers.ended(receiver, isDelivered);
    const isLast = isDelivered || !isRetryable || delivery.attempts >= attempts;
    if (!isDelivered)
      log.warn('webhook delivery failed', {
        request_id: id,
        attempt: delivery.attempts,
        problem,
        is_last: isLast,
      });
    await this.#settle(id, (store) =>
      isLast
        ? store.finishDelivery(id, isDelivered, now(), retentionMs)
        : store.deliverLater(id, now() + retryDelayMs),
    );
    if (!isLast) sweepAfter(retryDelayMs);
  }

  /** Makes one attempt. An unexpected error is final, so that it does not block other deliveries. */
  async #attempt(delivery: ClaimedDelivery): Promise<DeliveryResult> {
    try {
      return await this.#deps.deliver(delivery);
    } catch (error) {
      return { isDelivered: false, isRetryable: false, problem: describe(error) };
    }
  }

  #settle(id: string, write: (store: TaskStore) => Promise<void>): Promise<void> {
    const { store, log } = this.#deps;
    return settle(
      () => write(store),
      (problem) => log.error('webhook result not stored yet; trying again', { request_id: id, problem }),
      () => this.#isStopped,
    );
  }
}
