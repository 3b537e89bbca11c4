// Delivers results from the store to their webhooks, apart from the work: a receiver that is down, or slow, holds up
// neither a task nor a cancel, nor what others are to receive (receiver-limits.ts). Must stay true: a result leaves the outbox only when it was taken, or has been refused as
// often as the contract says; a process that dies in between delivers it again (at least once).
// Source: contracts/baseten.md 2.7: two attempts, about 2 s apart.
import { describe } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { receiverKey, ReceiverLimits } from './receiver-limits.ts';
import { settle } from './settle.ts';
import type { TaskStore } from './store.ts';
import type { ClaimedDelivery } from './task.ts';

/** What one delivery came to. */
export interface DeliveryResult {
  readonly isDelivered: boolean;
  /** Another attempt may go better. */
  readonly isRetryable: boolean;
  /** For the log; empty when it was taken. */
  readonly problem: string;
}

export interface OutboxDeps {
  readonly store: TaskStore;
  readonly log: Logger;
  readonly now: () => number;
  /** Something of the store is due after so many milliseconds. */
  readonly due: (delayMs: number) => void;
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
  #isWanted = false;
  #isStopped = false;

  constructor(deps: OutboxDeps, options: OutboxOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#receivers = new ReceiverLimits(options.concurrency);
  }

  /** There may be results to deliver. */
  wake(): void {
    this.#isWanted = true;
    if (!this.#isClaiming) void this.#work();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Resolves when no delivery is under way. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
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
        log.warn('results cannot be delivered now', { problem: describe(error) });
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
    const { log, now, due } = this.#deps;
    const { attempts, retryDelayMs, retentionMs } = this.#options;
    const { id } = delivery;
    const receiver = receiverKey(delivery.url);
    this.#receivers.began(receiver);
    const { isDelivered, isRetryable, problem } = await this.#attempt(delivery);
    this.#receivers.ended(receiver, isDelivered);
    const isLast = isDelivered || !isRetryable || delivery.attempts >= attempts;
    if (!isDelivered)
      log.warn('a webhook was not taken', {
        request_id: id,
        attempt: delivery.attempts,
        problem,
        is_last: isLast,
      });
    await this.#settle(id, (store) =>
      isLast
        ? store.delivered(id, isDelivered, now(), retentionMs)
        : store.deliverLater(id, now() + retryDelayMs),
    );
    if (!isLast) due(retryDelayMs);
  }

  /** What cannot even be sent will not be the next time either, and must not stand in the way of the others. */
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
      (problem) => log.error('a delivery cannot be written yet', { request_id: id, problem }),
      () => this.#isStopped,
    );
  }
}
