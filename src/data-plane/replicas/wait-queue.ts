// FIFO queue of requests that wait for a free replica, one per deployment, of all data threads. Hot path when replicas are
// full.
// Invariant: a waiting request is in the queue exactly once, and its buffered bytes are counted until it leaves.
import { Deadlines, type Expiring } from '../../core/deadlines.ts';
import type { Failure } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import type { BufferBudget } from './buffer-budget.ts';
import type { Lease } from './lease.ts';
import type { Replica } from './replica.ts';
import type { WaitGate } from './wait-gate.ts';

/** Receives the outcome of a wait. Exactly one method is called, once, unless the request leaves the queue first. */
export interface Waiter {
  granted(lease: Lease): void;
  refused(failure: Failure): void;
}

/** What the queue needs to know of a request. `waitedMs`: earlier waits; an entry that leaves adds its own. */
export type WaitingRequest = Pick<Exchange, 'attempts' | 'waitedMs' | 'leased'>;

/** Where an entry is: the wait queue, or a thread that has asked the main thread for a place in it. */
export interface WaitLine {
  readonly bufferBudget: BufferBudget;
  /** Called only by `WaitEntry.leave`. */
  remove(entry: WaitEntry): void;
}

/** One waiting request. */
export class WaitEntry {
  readonly request: WaitingRequest;
  readonly waiter: Waiter;
  /** Replica that just failed this request; another one is preferred. */
  readonly avoid: Replica | undefined;
  /** The thread of the request. */
  readonly thread: number;
  /** Names it in messages to the main thread; 0 in the main thread. */
  readonly ticket: number;
  /** When the wait began (performance.now()), minus earlier waits of the same request. */
  readonly queuedAtMs: number;
  next: WaitEntry | undefined;
  previous: WaitEntry | undefined;
  #bufferedBytes = 0;
  /** `undefined` after the entry has left. */
  #line: WaitLine | undefined;

  constructor(
    line: WaitLine,
    request: WaitingRequest,
    waiter: Waiter,
    avoid: Replica | undefined,
    thread: number,
    ticket = 0,
  ) {
    this.#line = line;
    this.request = request;
    this.waiter = waiter;
    this.avoid = avoid;
    this.thread = thread;
    this.ticket = ticket;
    this.queuedAtMs = performance.now() - request.waitedMs;
  }

  /** Adds bytes to the budget. Returns false if the budget is exhausted. Call only while the entry is in the queue. */
  buffer(bytes: number): boolean {
    if (!this.#line!.bufferBudget.add(bytes)) return false;
    this.#bufferedBytes += bytes;
    return true;
  }

  /** Removes the entry, releases its bytes and sets `waitedMs` of the request. Safe to call twice. */
  leave(): void {
    const line = this.#line;
    if (line === undefined) return;
    this.#line = undefined;
    line.remove(this);
    if (this.#bufferedBytes > 0) line.bufferBudget.release(this.#bufferedBytes);
    this.request.waitedMs = performance.now() - this.queuedAtMs;
  }

  /** Leaves, and tells the waiter. */
  refuse(failure: Failure): void {
    this.leave();
    this.waiter.refused(failure);
  }
}

export class WaitQueue implements Expiring, WaitLine {
  watchSlot = -1;
  first: WaitEntry | undefined;
  readonly bufferBudget: BufferBudget;
  /** Longest wait, in milliseconds. */
  timeoutMs: number;
  readonly #gate: WaitGate;
  /** Called when the last entry has left. */
  readonly #emptied: () => void;
  #last: WaitEntry | undefined;
  readonly #deadlines: Deadlines;

  constructor(
    timeoutMs: number,
    gate: WaitGate,
    bufferBudget: BufferBudget,
    deadlines: Deadlines,
    emptied: () => void,
  ) {
    this.timeoutMs = timeoutMs;
    this.#gate = gate;
    this.bufferBudget = bufferBudget;
    this.#deadlines = deadlines;
    this.#emptied = emptied;
  }

  /** Number of waiting requests, those included that another thread has counted and whose message is on its way. */
  get length(): number {
    return this.#gate.count;
  }

  /**
   * Adds a request, which the gate counts already, at the end. A retry goes to the front, since it has waited before.
   */
  enqueue(request: WaitingRequest, waiter: Waiter, avoid: Replica | undefined, thread: number): WaitEntry {
    const entry = new WaitEntry(this, request, waiter, avoid, thread);
    if (this.first === undefined) this.#deadlines.watch(this);
    if (request.attempts > 0 && this.first !== undefined) {
      entry.next = this.first;
      this.first.previous = entry;
      this.first = entry;
    } else {
      entry.previous = this.#last;
      if (this.#last === undefined) this.first = entry;
      else this.#last.next = entry;
      this.#last = entry;
    }
    return entry;
  }

  remove(entry: WaitEntry): void {
    if (entry.previous === undefined) this.first = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === undefined) this.#last = entry.previous;
    else entry.next.previous = entry.previous;
    entry.next = entry.previous = undefined;
    this.#gate.give(entry.thread);
    if (this.first !== undefined) return;
    this.#deadlines.unwatch(this);
    this.#emptied();
  }

  /** Refuses requests that have waited longer than `timeoutMs`. The oldest are first, so this stops early. */
  expire(nowMs: number): void {
    for (let entry = this.first; entry !== undefined; entry = this.first) {
      if (nowMs - entry.queuedAtMs <= this.timeoutMs) return;
      entry.refuse('queue_timeout');
    }
  }

  /** Refuses every waiting request, for example when the deployment is removed. */
  refuseAll(failure: Failure): void {
    while (this.first !== undefined) this.first.refuse(failure);
  }
}
