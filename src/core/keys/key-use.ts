// What one client has used, over all keys of its name, and whether a limit allows another request. Hot path.
// Invariant: `running` counts exactly the requests between `begin` and `end`, refused ones included.
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

/** The UTC day of a time, as a number. */
export const dayOf = (nowMs: number): number => Math.floor(nowMs / DAY_MS);

export class KeyUse {
  readonly name: string;
  /** Requests under way. */
  running = 0;
  /** Totals since the start, for metrics. */
  requests = 0;
  tokens = 0;
  cost = 0;
  readonly refused = new Map<RefusalReason, number>();
  /** Requests that may begin now, and when that was computed (Date.now()). */
  #allowed = Infinity;
  #allowedAtMs = 0;
  /** Tokens that may be used now; below 0 if the last requests used more. */
  #tokensLeft = Infinity;
  #tokensAtMs = 0;
  #day = 0;
  #costOfDay = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** A request of the client begins. */
  begin(): void {
    this.running++;
    this.requests++;
  }

  /** It has ended. */
  end(): void {
    this.running--;
  }

  /** Adds what a request used. `tokens`, `cost`: 0 if that is not known. `nowMs`: Date.now(). */
  charge(tokens: number, cost: number, nowMs: number): void {
    this.tokens += tokens;
    this.cost += cost;
    this.#tokensLeft -= tokens;
    this.spend(cost, dayOf(nowMs));
  }

  /** Adds a cost to those of a day (`dayOf`). */
  spend(cost: number, day: number): void {
    if (day > this.#day) {
      this.#day = day;
      this.#costOfDay = 0;
    }
    if (day === this.#day) this.#costOfDay += cost;
  }

  /** Cost since midnight UTC. */
  costOn(day: number): number {
    return day === this.#day ? this.#costOfDay : 0;
  }

  /**
   * Checks the limits for a request that has begun. `nowMs`: Date.now(). The rate is the last one, since it counts only
   * requests that the others allow.
   */
  check(limits: KeyLimits, nowMs: number): LimitReached | undefined {
    const { concurrency, cost_per_day, tokens_per_minute, requests_per_second } = limits;
    if (concurrency !== undefined && this.running > concurrency)
      return reached('concurrency', `${concurrency} requests run at the same time`, 1);
    if (cost_per_day !== undefined && this.costOn(dayOf(nowMs)) >= cost_per_day)
      return reached('cost', `cost of ${cost_per_day} a day (UTC)`, (DAY_MS - (nowMs % DAY_MS)) / 1000);
    if (tokens_per_minute !== undefined) {
      const gained = ((nowMs - this.#tokensAtMs) * tokens_per_minute) / MINUTE_MS;
      this.#tokensLeft = Math.min(tokens_per_minute, this.#tokensLeft + Math.max(0, gained));
      this.#tokensAtMs = nowMs;
      if (this.#tokensLeft <= 0)
        return reached(
          'tokens',
          `${tokens_per_minute} tokens a minute`,
          (60 * (1 - this.#tokensLeft)) / tokens_per_minute,
        );
    }
    if (requests_per_second === undefined) return undefined;
    const gained = ((nowMs - this.#allowedAtMs) * requests_per_second) / 1000;
    this.#allowed = Math.min(Math.max(1, requests_per_second), this.#allowed + Math.max(0, gained));
    this.#allowedAtMs = nowMs;
    if (this.#allowed < 1)
      return reached(
        'requests',
        `${requests_per_second} requests a second`,
        (1 - this.#allowed) / requests_per_second,
      );
    this.#allowed--;
    return undefined;
  }

  /** Counts a refusal. */
  refuse(reason: RefusalReason): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
  }
}

const reached = (reason: RefusalReason, detail: string, seconds: number): LimitReached => ({
  reason,
  detail,
  retryAfter: Math.max(1, Math.ceil(seconds)),
});
