// What one client has used, over all keys of its name and in all threads, and whether a limit allows another request.
// Hot path.
// Invariant: `running` counts exactly the requests between a `begin` that allowed them and their `end`. A limit is
// checked and used up under the lock of the client, so that it is exact with several threads.
import type { SharedLocks } from '../shared-lock.ts';
import type { KeyLimits } from './api-key.ts';

/** Why a request with a key was refused. */
export const REFUSAL_REASONS = [
  'missing',
  'unknown',
  'expired',
  'scope',
  'requests',
  'concurrency',
  'tokens',
  'cost',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** A limit that is reached. */
export interface LimitReached {
  readonly reason: RefusalReason;
  /** What the client is told. */
  readonly detail: string;
  /** Whole seconds until the limit may allow a request again; at least 1. */
  readonly retryAfter: number;
}

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** Requests of two threads may be checked in another order than they came in, by less than this. */
const LATE_MS = 10_000;

/** The UTC day of a time, as a number. */
export const dayOf = (nowMs: number): number => Math.floor(nowMs / DAY_MS);

/** Elements of the row that each thread has: running requests, totals since the start, then refusals by reason. */
const RUNNING = 0;
const REQUESTS = 1;
const TOKENS = 2;
const COST = 3;
const REFUSED = 4;
export const THREAD_ROW = REFUSED + REFUSAL_REASONS.length;

/** Elements of the row of all threads: two buckets, each a level and when it was computed; the day, and its cost. */
const ALLOWED = 0;
const TOKENS_LEFT = 2;
const DAY = 4;
const COST_OF_DAY = 5;
export const LIMIT_ROW = 6;

/** Where the numbers of a client are. */
export interface KeyUseRows {
  /** Of each thread, THREAD_ROW elements. */
  readonly threads: readonly Float64Array[];
  /** Index of the row of this thread. */
  readonly thread: number;
  /** LIMIT_ROW elements. */
  readonly limits: Float64Array;
  /** `undefined` with one thread. */
  readonly locks?: SharedLocks | undefined;
  /** Index of the client's lock. */
  readonly lock?: number;
}

/** Buckets of a new client are full, whatever their limits will be. */
export function fillBuckets(limits: Float64Array): void {
  limits[ALLOWED] = limits[TOKENS_LEFT] = Infinity;
}

function rowsOfOneThread(): KeyUseRows {
  const limits = new Float64Array(LIMIT_ROW);
  fillBuckets(limits);
  return { threads: [new Float64Array(THREAD_ROW)], thread: 0, limits };
}

export class KeyUse {
  readonly name: string;
  readonly #threads: readonly Float64Array[];
  /** The row of this thread. Other threads only read it. */
  readonly #own: Float64Array;
  readonly #limits: Float64Array;
  readonly #locks: SharedLocks | undefined;
  readonly #lockIndex: number;

  constructor(name: string, rows: KeyUseRows = rowsOfOneThread()) {
    this.name = name;
    this.#threads = rows.threads;
    this.#own = rows.threads[rows.thread]!;
    this.#limits = rows.limits;
    this.#locks = rows.locks;
    this.#lockIndex = rows.lock ?? 0;
  }

  /** Requests under way. */
  get running(): number {
    return this.#sum(RUNNING);
  }

  /** Totals since the start, for metrics. */
  get requests(): number {
    return this.#sum(REQUESTS);
  }
  get tokens(): number {
    return this.#sum(TOKENS);
  }
  get cost(): number {
    return this.#sum(COST);
  }
  get refused(): ReadonlyMap<RefusalReason, number> {
    const counts = REFUSAL_REASONS.map((reason, i) => [reason, this.#sum(REFUSED + i)] as const);
    return new Map(counts.filter(([, count]) => count > 0));
  }

  /** A request of the client came. */
  came(): void {
    this.#own[REQUESTS]!++;
  }

  /**
   * A request of the client begins, unless a limit is reached. `nowMs`: Date.now(). The rate is checked last, since it
   * counts only requests that the other limits allow.
   */
  begin(limits: KeyLimits | undefined, nowMs: number): LimitReached | undefined {
    if (limits === undefined) {
      this.#own[RUNNING]!++;
      return undefined;
    }
    this.#lock();
    const reached = this.#check(limits, nowMs);
    if (reached === undefined) this.#own[RUNNING]!++;
    this.#unlock();
    return reached;
  }

  /** A request that had begun has ended. */
  end(): void {
    this.#own[RUNNING]!--;
  }

  /** Counts a refusal. */
  refuse(reason: RefusalReason): void {
    this.#own[REFUSED + REFUSAL_REASONS.indexOf(reason)]!++;
  }

  /** Adds what a request used. `tokens`, `cost`: 0 if that is not known. `nowMs`: Date.now(). */
  charge(tokens: number, cost: number, nowMs: number): void {
    this.#own[TOKENS]! += tokens;
    this.#own[COST]! += cost;
    this.#lock();
    this.#limits[TOKENS_LEFT]! -= tokens;
    this.#spend(cost, dayOf(nowMs));
    this.#unlock();
  }

  /** Adds a cost to those of a day (`dayOf`). */
  spend(cost: number, day: number): void {
    this.#lock();
    this.#spend(cost, day);
    this.#unlock();
  }

  /** Cost since midnight UTC. */
  costOn(day: number): number {
    this.#lock();
    const cost = this.#costOn(day);
    this.#unlock();
    return cost;
  }

  /** A thread is gone, and its requests with it. */
  lost(thread: number): void {
    this.#threads[thread]![RUNNING] = 0;
  }

  #check(limits: KeyLimits, nowMs: number): LimitReached | undefined {
    const { concurrency, cost_per_day, tokens_per_minute, requests_per_second } = limits;
    if (concurrency !== undefined && this.#sum(RUNNING) >= concurrency)
      return reached('concurrency', `${concurrency} requests run at the same time`, 1);
    if (cost_per_day !== undefined && this.#costOn(dayOf(nowMs)) >= cost_per_day)
      return reached('cost', `cost of ${cost_per_day} a day (UTC)`, (DAY_MS - (nowMs % DAY_MS)) / 1000);
    if (tokens_per_minute !== undefined) {
      const left = this.#fill(TOKENS_LEFT, nowMs, tokens_per_minute / MINUTE_MS, tokens_per_minute);
      if (left <= 0)
        return reached(
          'tokens',
          `${tokens_per_minute} tokens a minute`,
          (60 * (1 - left)) / tokens_per_minute,
        );
    }
    if (requests_per_second === undefined) return undefined;
    const most = Math.max(1, requests_per_second);
    const allowed = this.#fill(ALLOWED, nowMs, requests_per_second / 1000, most);
    if (allowed < 1)
      return reached(
        'requests',
        `${requests_per_second} requests a second`,
        (1 - allowed) / requests_per_second,
      );
    this.#limits[ALLOWED]!--;
    return undefined;
  }

  /** Adds to a bucket what it gained until now, up to `most`. Returns its level. */
  #fill(bucket: number, nowMs: number, perMs: number, most: number): number {
    const limits = this.#limits;
    const passedMs = nowMs - limits[bucket + 1]!;
    let level = limits[bucket]!;
    if (passedMs > 0) level += passedMs * perMs;
    if (passedMs > 0 || passedMs < -LATE_MS) limits[bucket + 1] = nowMs;
    if (level > most) level = most;
    return (limits[bucket] = level);
  }

  #spend(cost: number, day: number): void {
    const limits = this.#limits;
    if (day > limits[DAY]!) {
      limits[DAY] = day;
      limits[COST_OF_DAY] = 0;
    }
    if (day === limits[DAY]) limits[COST_OF_DAY]! += cost;
  }

  #costOn(day: number): number {
    return day === this.#limits[DAY] ? this.#limits[COST_OF_DAY]! : 0;
  }

  #sum(column: number): number {
    if (this.#locks === undefined) return this.#own[column]!;
    let sum = 0;
    for (let i = 0; i < this.#threads.length; i++) sum += this.#threads[i]![column]!;
    return sum;
  }

  #lock(): void {
    if (this.#locks !== undefined) this.#locks.lock(this.#lockIndex);
  }

  #unlock(): void {
    if (this.#locks !== undefined) this.#locks.unlock(this.#lockIndex);
  }
}

const reached = (reason: RefusalReason, detail: string, seconds: number): LimitReached => ({
  reason,
  detail,
  retryAfter: Math.max(1, Math.ceil(seconds)),
});
