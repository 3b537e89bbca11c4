// The waiting line of a deployment: first come, first served. Hot path where replicas are full.
// Must stay true: whoever waits is in the line exactly once, and whoever leaves, for whatever reason, leaves it at once
// with every byte that was counted for him.
import { Deadlines, type Watched } from '../../core/deadlines.ts';
import type { Failure } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import type { Lease } from './lease.ts';
import type { Replica } from './replica.ts';

/** Who asks for a replica. One of the two is called, once, unless the place is left first. */
export interface Waiter {
  leased(lease: Lease): void;
  refused(failure: Failure): void;
}

/** Request bodies held for all who wait, and how much that may be. */
export class BufferBudget {
  bytes = 0;
  readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }
}

/** A place in a line. */
export class WaitEntry {
  readonly exchange: Exchange;
  readonly applicant: Waiter;
  /** The replica that has just failed this exchange. */
  readonly avoid: Replica | undefined;
  /** performance.now() of its joining, as if it had waited before that for as long as it had in all. */
  readonly joinedMs: number;
  next: WaitEntry | undefined;
  previous: WaitEntry | undefined;
  heldBytes = 0;
  #line: WaitQueue | undefined;

  constructor(line: WaitQueue, exchange: Exchange, applicant: Waiter, avoid: Replica | undefined) {
    this.#line = line;
    this.exchange = exchange;
    this.applicant = applicant;
    this.avoid = avoid;
    this.joinedMs = performance.now() - exchange.waitedMs;
  }

  /** Counts bytes of the body that are held while it waits. False: there is no room for them. */
  hold(bytes: number): boolean {
    const { holding } = this.#line!;
    if (holding.bytes + bytes > holding.limit) return false;
    holding.bytes += bytes;
    this.heldBytes += bytes;
    return true;
  }

  /** Leaves the line; a second call changes nothing. */
  leave(): void {
    const line = this.#line;
    if (line === undefined) return;
    this.#line = undefined;
    line.remove(this);
    line.holding.bytes -= this.heldBytes;
    this.exchange.waitedMs = performance.now() - this.joinedMs;
  }
}

export class WaitQueue implements Watched {
  watchSlot = -1;
  length = 0;
  first: WaitEntry | undefined;
  readonly holding: BufferBudget;
  /** How long anyone may wait, milliseconds. */
  timeoutMs: number;
  #last: WaitEntry | undefined;
  readonly #deadlines: Deadlines;

  constructor(timeoutMs: number, holding: BufferBudget, deadlines: Deadlines) {
    this.timeoutMs = timeoutMs;
    this.holding = holding;
    this.#deadlines = deadlines;
  }

  /** Joins at the end; who has had a replica already, and it failed, goes before all who have not. */
  join(exchange: Exchange, applicant: Waiter, avoid: Replica | undefined): WaitEntry {
    const place = new WaitEntry(this, exchange, applicant, avoid);
    if (exchange.attempts > 0 && this.first !== undefined) {
      place.next = this.first;
      this.first.previous = place;
      this.first = place;
    } else {
      place.previous = this.#last;
      if (this.#last === undefined) this.first = place;
      else this.#last.next = place;
      this.#last = place;
    }
    if (this.length++ === 0) this.#deadlines.watch(this);
    return place;
  }

  /** Called by the place that leaves, alone. */
  remove(place: WaitEntry): void {
    if (place.previous === undefined) this.first = place.next;
    else place.previous.next = place.next;
    if (place.next === undefined) this.#last = place.previous;
    else place.next.previous = place.previous;
    place.next = place.previous = undefined;
    if (--this.length === 0) this.#deadlines.unwatch(this);
  }

  /** Whoever came first has waited longest: those whose time is over stand at the front. */
  sweep(nowMs: number): void {
    for (let place = this.first; place !== undefined; place = this.first) {
      if (nowMs - place.joinedMs <= this.timeoutMs) return;
      this.#refuse(place, 'queue_timeout');
    }
  }

  /** Sends everybody away. */
  refuseAll(failure: Failure): void {
    while (this.first !== undefined) this.#refuse(this.first, failure);
  }

  #refuse(place: WaitEntry, failure: Failure): void {
    place.leave();
    place.applicant.refused(failure);
  }
}
