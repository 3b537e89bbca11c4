// The attempts of one request, one after the other: reserves a replica, waits for one, decides on retries, applies the
// time limits, and releases the replica at the end. The forwarders move the bytes. Hot path.
// Invariant: an open request has exactly one of a lease, an entry in the wait queue, or a time of its next attempt; one
// that weir answers itself has none.
//
//   start ─► (wait queue) ─► send ─► finish, fail
//     ▲                        │ no connection, or a response with 502, 503 or 504
//     └────── (backoff) ◄──────┘
import { describe, type Failure } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange/exchange.ts';
import { REPLICA_ERROR } from '../../protocol/http2/http1/shared-connection.ts';
import { Lease, type Replica, type ReplicaPool, type WaitEntry, type Waiter } from '../replicas/pool.ts';
import { connectionProblem, failureOf, reportConnectFailure } from './connection-error.ts';
import type { ProxyOptions } from './options.ts';
import { GIVE_UP, isRetryableStatus, type RetryBudget } from './retry.ts';
import { TimeoutTracker, type Progress } from './timeout-tracker.ts';

/** What an Attempt needs from the proxy. */
export interface AttemptContext {
  readonly pool: ReplicaPool;
  readonly retries: RetryBudget;
  readonly options: ProxyOptions;
}

/** A forwarder: sends the request of an Attempt and receives its outcome. */
export interface AttemptListener {
  /** True if everything that was read of the request is kept, so that it can be sent again. */
  readonly canResend: boolean;
  /** A replica is reserved: sends the request. `isFresh`: on a new connection. May be called inside `start`. */
  send(lease: Lease, isFresh: boolean): void;
  /** No replica is free: the request is in the wait queue now. */
  queued(): void;
  /** The current attempt is over, and another one follows: drops what belongs to the current one. */
  retrying(): void;
  /** There are no more attempts: tells the client, and calls `Attempt.fail`. */
  fail(failure: Failure, detail: string): void;
  /** The exchange is closed: drops everything that belongs to it. The replica is released afterwards. */
  closed(exchange: Exchange): void;
}

/** Serves one request at a time and may be used again for the next one. */
export class Attempt implements Waiter {
  /** The open exchange; undefined before `start` and after the end. */
  exchange: Exchange | undefined;
  /** The reserved slot at a replica, while there is one. */
  lease: Lease | undefined;
  /** Bytes of a response came during the current attempt, so the replica has the request. */
  hasResponseBytes = false;
  /** The client got an interim response (1xx), so the final one is passed on, whatever its status. */
  hasInterim = false;
  readonly #pool: ReplicaPool;
  readonly #retries: RetryBudget;
  readonly #options: ProxyOptions;
  readonly #listener: AttemptListener;
  readonly #timeouts: TimeoutTracker;
  /** Path that the replica sees. */
  #path = '';
  #entry: WaitEntry | undefined;
  /** Replica of the last attempt; another one is preferred. */
  #avoid: Replica | undefined;
  /** performance.now() when the current attempt began. */
  #sentMs = 0;
  /** The request was sent again since a kept connection was closed by the replica. */
  #hasResent = false;
  /** Milliseconds before the next attempt. */
  #backoffMs = 0;
  /** performance.now() of the next attempt; 0 if none is scheduled. */
  #retryAtMs = 0;

  constructor({ pool, retries, options }: AttemptContext, listener: AttemptListener) {
    this.#pool = pool;
    this.#retries = retries;
    this.#options = options;
    this.#listener = listener;
    this.#timeouts = new TimeoutTracker(options);
  }

  /** Reserves a replica and sends the request there, or puts it into the wait queue. `path`: what the replica sees. */
  start(exchange: Exchange, path: string): void {
    this.#begin(exchange, path);
    this.#acquire();
  }

  /** The same with a replica that is reserved already. */
  startAt(lease: Lease, exchange: Exchange, path: string): void {
    this.#begin(exchange, path);
    exchange.leased(lease.replica.id);
    this.granted(lease);
  }

  /** Begins with a request that weir answers itself. It needs no replica and has no time limits. */
  startHere(exchange: Exchange): void {
    this.#begin(exchange, '');
  }

  /** True while no replica has the request: it is in the wait queue, or waits for its next attempt. */
  get isWaiting(): boolean {
    return this.#entry !== undefined || this.#retryAtMs !== 0;
  }

  get isQueued(): boolean {
    return this.#entry !== undefined;
  }

  /** Counts body bytes that come while no replica has the request. Returns true if the client must be paused. */
  buffer(bytes: number): boolean {
    // During a backoff the limit is the one for kept bodies.
    if (this.#entry === undefined) return this.exchange!.requestBytes > this.#options.retry.max_body;
    this.#countBuffered(bytes);
    return false;
  }

  // ── The outcome of an attempt ────────────────────────────────────────────────────────────────────────────────────

  /** The connection failed before the head of a response came. `isReused`: it had served another request before. */
  connectionFailed(error: NodeJS.ErrnoException, isReused: boolean): void {
    const failure = failureOf(error);
    if (error.code === REPLICA_ERROR.unread) this.#refusedUnread(describe(error));
    else if (failure === 'connect_failed') this.unreachable(connectionProblem(error), error);
    else if (failure === 'reset_midway') this.connectionLost(describe(error), isReused, false);
    else this.#listener.fail(failure, describe(error));
  }

  /** No connection was made: tries another replica, or fails. `error`: undefined after a timeout. */
  unreachable(detail: string, error?: NodeJS.ErrnoException): void {
    reportConnectFailure(this.lease!, error);
    // A request that broke a kept connection before may be what ended the replica, so no other replica gets it.
    const canResend = !this.#hasResent && this.#listener.canResend;
    if (this.#mayRetry(this.#retries.afterConnectFailure(this.exchange!, canResend))) this.retry();
    else this.#listener.fail('connect_failed', detail);
  }

  /**
   * A connection was lost: sends the request again if the replica closed a kept connection before it read the request,
   * or fails. `isRefusal`: see `isRefusal` in connection-error.ts.
   */
  connectionLost(detail: string, isReused: boolean, isRefusal: boolean): void {
    if (isReused && !this.hasResponseBytes && !this.#hasResent && this.#listener.canResend) {
      this.#hasResent = true;
      this.#send(true);
      return;
    }
    if (!isRefusal) this.lease?.reportBroken();
    this.#listener.fail('reset_midway', detail);
  }

  #refusedUnread(detail: string): void {
    if (!this.hasResponseBytes && this.retriesUnread()) this.retry();
    else this.#listener.fail('reset_midway', detail);
  }

  /** True if a request that the replica refused before it read any of it is to be sent again with `retry`. */
  retriesUnread(): boolean {
    return this.#mayRetry(this.#retries.afterConnectFailure(this.exchange!, this.#listener.canResend));
  }

  /** True if a response with this status is not passed on, since the request is to be sent again with `retry`. */
  retriesResponse(status: number): boolean {
    if (!isRetryableStatus(status) || this.hasInterim) return false;
    const { canResend } = this.#listener;
    if (!this.#mayRetry(this.#retries.afterResponse(this.exchange!, canResend, this.#path))) return false;
    this.lease!.reportCompleted();
    return true;
  }

  /** Releases the replica and begins the next attempt, after its backoff. */
  retry(): void {
    this.hasResponseBytes = false;
    this.#hasResent = false;
    this.#listener.retrying();
    const lease = this.lease!;
    this.#avoid = lease.replica;
    this.lease = undefined;
    if (this.#backoffMs > 0) this.#retryAtMs = performance.now() + this.#backoffMs;
    lease.release();
    if (this.#backoffMs === 0) this.#acquire();
  }

  // ── Time limits, checked on every sweep of Deadlines ─────────────────────────────────────────────────────────────

  /** Begins the next attempt if its backoff is over; returns true then. */
  retryIfDue(nowMs: number): boolean {
    if (this.#retryAtMs === 0 || nowMs < this.#retryAtMs) return false;
    this.#retryAtMs = 0;
    this.#acquire();
    return true;
  }

  /** Begins the next attempt if its backoff is over, or fails the request if a time limit has passed. */
  expire(nowMs: number, progress: Progress): void {
    if (this.retryIfDue(nowMs)) return;
    const expired = this.#timeouts.check(nowMs, this.exchange!, !this.isWaiting, progress);
    if (this.#timeouts.isMoving) this.lease?.reportProgress();
    if (expired) this.#listener.fail(expired.failure, expired.detail);
  }

  /** True if the connection of the current attempt, which is not made yet, has taken too long. */
  isConnectOverdue(nowMs: number): boolean {
    return nowMs - this.#sentMs > this.#options.connect_timeout;
  }

  /** The connection of the current attempt took too long, and is destroyed. */
  connectTimedOut(): void {
    this.unreachable(`no connection within ${this.#options.connect_timeout} ms (proxy.connect_timeout)`);
  }

  // ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Leaves the wait queue, so that the waited time is final. */
  leaveQueue(): void {
    this.#entry?.leave();
    this.#entry = undefined;
  }

  /** Closes the exchange: the client has the whole response. `status`: see `Exchange.status`. */
  finish(status: number, detail = ''): void {
    const { exchange } = this;
    if (exchange !== undefined && exchange.close('ok', status, detail)) this.#end(exchange);
  }

  /** Closes the exchange with a failure. `status`: see `Exchange.fail`. */
  fail(failure: Failure, detail = '', status?: number): void {
    const { exchange } = this;
    if (exchange === undefined) return;
    this.leaveQueue();
    if (exchange.fail(failure, detail, status)) this.#end(exchange);
  }

  #end(exchange: Exchange): void {
    this.exchange = undefined;
    this.#retryAtMs = 0;
    this.#avoid = undefined;
    this.#listener.closed(exchange);
    const { lease } = this;
    this.lease = undefined;
    lease?.release();
  }

  // ── From the pool ────────────────────────────────────────────────────────────────────────────────────────────────

  granted(lease: Lease): void {
    this.#entry = undefined;
    this.lease = lease;
    this.#send(false);
  }

  refused(failure: Failure): void {
    this.#entry = undefined;
    this.#listener.fail(failure, '');
  }

  // ── Inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #begin(exchange: Exchange, path: string): void {
    this.exchange = exchange;
    this.#path = path;
    this.hasResponseBytes = false;
    this.hasInterim = false;
    this.#hasResent = false;
  }

  #acquire(): void {
    const exchange = this.exchange!;
    const reserved = this.#pool.reserve(exchange, this, this.#avoid);
    if (typeof reserved === 'string') this.#listener.fail(reserved, '');
    else if (reserved instanceof Lease) this.granted(reserved);
    else {
      this.#entry = reserved;
      if (this.#countBuffered(exchange.requestBytes)) this.#listener.queued();
    }
  }

  #send(isFresh: boolean): void {
    const exchange = this.exchange!;
    if (exchange.sent() > 1) this.#retries.sent(exchange);
    this.#sentMs = isFresh ? performance.now() : exchange.leasedMs;
    this.#listener.send(this.lease!, isFresh);
  }

  #mayRetry(backoffMs: number): boolean {
    this.#backoffMs = backoffMs;
    return backoffMs !== GIVE_UP;
  }

  /**
   * Counts body bytes of a request in the wait queue. Fails the request, and returns false, if all requests buffer too
   * much.
   */
  #countBuffered(bytes: number): boolean {
    if (this.#entry!.buffer(bytes)) return true;
    this.#listener.fail('queue_full', 'the request bodies in the wait queue exceed pool.max_queue_bytes');
    return false;
  }
}
