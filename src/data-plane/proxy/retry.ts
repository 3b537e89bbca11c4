// Decides whether a request is sent again, and after how long. Hot path: the two observer calls only.
// Invariant: retries never amplify an outage. After a response only a share of the live traffic is sent again; a
// connection that failed gave no replica any work, so the attempt at another one adds none.
// Source of the numbers: docs/contracts/serving.md 1.6.
import { backoffMs } from '../../core/backoff.ts';
import type { Exchange, Observer } from '../../core/exchange/exchange.ts';
import type { RetryCounts, RetryLoad } from '../replicas/pool.ts';
import type { ProxyOptions } from './options.ts';

const FIRST_DELAY_MS = 500;
const FACTOR = 1.5;
const MAX_DELAY_MS = 60_000;
/** Retries after a response that a deployment may have at a time however little traffic it has. */
const ALWAYS_ALLOWED = 3;

/** Statuses of a response after which another replica, or a later attempt, may succeed. */
export const isRetryableStatus = (status: number): boolean => status >= 502 && status <= 504;

/** Returned instead of a delay: the request is not sent again. */
export const GIVE_UP = -1;

export class RetryBudget implements Observer {
  readonly #options: ProxyOptions['retry'];
  readonly #totalMs: number;
  readonly #methods: ReadonlySet<string>;
  /** By deployment, of all threads. */
  readonly #loads: readonly RetryLoad[];

  constructor({ retry, total_timeout }: ProxyOptions, loads: readonly RetryLoad[]) {
    this.#loads = loads;
    this.#options = retry;
    this.#totalMs = total_timeout;
    this.#methods = new Set(retry.methods);
  }

  routed(exchange: Exchange): void {
    this.#loads[exchange.deployment]!.opened();
  }

  closed(exchange: Exchange): void {
    if (exchange.deployment < 0) return;
    this.#loads[exchange.deployment]!.closed(exchange.retries > 0);
  }

  /**
   * Milliseconds until the request is sent again after a connection that failed, or GIVE_UP. `canResend`: everything
   * that was read of the request is kept.
   */
  afterConnectFailure(exchange: Exchange, canResend: boolean): number {
    // The queue retries its tasks itself.
    if (!canResend || exchange.isAsync) return GIVE_UP;
    if (exchange.attempts - exchange.retries >= this.#options.connect_attempts) return GIVE_UP;
    // The first retry goes to another replica at once; later ones wait longer each time.
    const delayMs = exchange.attempts === 1 ? 0 : this.#delay(exchange.attempts - 2);
    if (!this.#isInTime(exchange, delayMs, this.#totalMs)) return GIVE_UP;
    exchange.retrying('connect', delayMs);
    return delayMs;
  }

  /** The same after a response whose status `isRetryableStatus`. `path`: what the replica sees. */
  afterResponse(exchange: Exchange, canResend: boolean, path: string): number {
    if (!canResend || exchange.isAsync || !this.#methods.has(exchange.method)) return GIVE_UP;
    const { exclude_paths, max_time, budget } = this.#options;
    if (exclude_paths.some((one) => exchange.target.startsWith(one) || path.startsWith(one))) return GIVE_UP;
    const delayMs = this.#delay(exchange.retries);
    if (!this.#isInTime(exchange, delayMs, Math.min(max_time, this.#totalMs))) return GIVE_UP;
    const minimum = budget === 0 ? 0 : ALWAYS_ALLOWED;
    if (!this.#loads[exchange.deployment]!.allow(exchange.retries > 0, budget, minimum)) return GIVE_UP;
    exchange.retries++;
    exchange.retrying('answer', delayMs);
    return delayMs;
  }

  /** The request is sent: counted if this is a retry. */
  sent(exchange: Exchange): void {
    if (exchange.retryReason === '') return;
    this.#loads[exchange.deployment]!.sent(exchange.retryReason);
    exchange.retryReason = '';
  }

  /** The retries of a deployment since the start, in all threads. */
  counts(deployment: number): RetryCounts {
    return this.#loads[deployment]!.totals;
  }

  #delay(attempt: number): number {
    return backoffMs(attempt, FIRST_DELAY_MS, MAX_DELAY_MS, FACTOR);
  }

  #isInTime(exchange: Exchange, delayMs: number, limitMs: number): boolean {
    return performance.now() + delayMs - exchange.startMs < limitMs;
  }
}
