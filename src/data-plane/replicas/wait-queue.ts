// FIFO queue of requests that wait for a free replica, one per deployment. Hot path when replicas are full.
// Invariant: a waiting request is in the queue exactly once, and its buffered bytes are counted until it leaves.
import { Deadlines, type Expiring } from '../../core/deadlines.ts';
import type { Failure } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import type { Lease } from './lease.ts';
import type { Replica } from './replica.ts';

/** Receives the outcome of a wait. Exactly one method is called, once, unless the request leaves the queue first. */
export interface Waiter {
  granted(lease: Lease): void;
  refused(failure: Failure): void;
}

/** Limits the bytes of request bodies that all waiting requests may buffer together. */
export class BufferBudget {
  /** Bytes in use. */
  bytes = 0;
  readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }
}

/** One waiting request. */
export class WaitEntry {
  readonly exchange: Exchange;
  readonly waiter: Waiter;
  /** Replica that just failed this request; another one is preferred. */
  readonly avoid: Replica | undefined;
  /** When the wait began (performance.now()), minus earlier waits of the same request. */
  readonly queuedAtMs: number;
  next: WaitEntry | undefined;
  previous: WaitEntry | undefined;
  #bufferedBytes = 0;
  /** `undefined` after the entry has left. */
  #queue: WaitQueue | undefined;

  constructor(queue: WaitQueue, exchange: Exchange, waiter: Waiter, avoid: Replica | undefined) {
    this.#queue = queue;
    this.exchange = exchange;
    this.waiter = waiter;
    this.avoid = avoid;
    this.queuedAtMs = performance.now() - exchange.waitedMs;
  }

  /** Adds bytes to the budget. Returns false if the budget is exhausted. Call only while the entry is in the queue. */
  buffer(bytes: number): boolean {
    const { bufferBudget } = this.#queue!;
    if (bufferBudget.bytes + bytes > bufferBudget.limit) return false;
    bufferBudget.bytes += bytes;
    this.#bufferedBytes += bytes;
    return true;
  }

  /** Removes the entry, releases its bytes and sets `exchange.waitedMs`. Safe to call twice. */
  leave(): void {
    const queue = this.#queue;
    if (queue === undefined) return;
    this.#queue = undefined;
    queue.remove(this);
    queue.bufferBudget.bytes -= this.#bufferedBytes;
    this.exchange.waitedMs = performance.now() - this.queuedAtMs;
  }
}

export class WaitQueue implements Expiring {
  watchSlot = -1;
  length = 0;
  first: WaitEntry | undefined;
  readonly bufferBudget: BufferBudget;
  /** Longest wait, in milliseconds. */
  timeoutMs: number;
  #last: WaitEntry | undefined;
  readonly #deadlines: Deadlines;

  constructor(timeoutMs: number, bufferBudget: BufferBudget, deadlines: Deadlines) {
    this.timeoutMs = timeoutMs;
    this.bufferBudget = bufferBudget;
    this.#deadlines = deadlines;
  }

  /** Adds a request at the end. A retry goes to the front, since it has waited before. */
  enqueue(exchange: Exchange, waiter: Waiter, avoid: Replica | undefined): WaitEntry {
    const entry = new WaitEntry(this, exchange, waiter, avoid);
    if (exchange.attempts > 0 && this.first !== undefined) {
      entry.next = this.first;
      this.first.previous = entry;
      this.first = entry;
    } else {
      entry.previous = this.#last;
      if (this.#last === undefined) this.first = entry;
      else this.#last.next = entry;
      this.#last = entry;
    }
    if (this.length++ === 0) this.#deadlines.watch(this);
    return entry;
  }

  /** Unlinks an entry. Called only by `WaitEntry.leave`. */
  remove(entry: WaitEntry): void {
    if (entry.previous === undefined) this.first = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === undefined) this.#last = entry.previous;
    else entry.next.previous = entry.previous;
    entry.next = entry.previous = undefined;
    if (--this.length === 0) this.#deadlines.unwatch(this);
  }

  /** Refuses requests that have waited longer than `timeoutMs`. The oldest are first, so this stops early. */
  expire(nowMs: number): void {
    for (let entry = this.first; entry !== undefined; entry = this.first) {
      if (nowMs - entry.queuedAtMs <= this.timeoutMs) return;
      this.#refuse(entry, 'queue_timeout');
    }
  }

  /** Refuses every waiting request, for example when the deployment is removed. */
  refuseAll(failure: Failure): void {
    while (this.first !== undefined) this.#refuse(this.first, failure);
  }

  #refuse(entry: WaitEntry, failure: Failure): void {
    entry.leave();
    entry.waiter.refused(failure);
  }
}
