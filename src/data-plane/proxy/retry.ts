// Decides whether a request is sent again, and after how long. Hot path: the two observer calls only.
// Invariant: retries never amplify an outage. After a response only a share of the live traffic is sent again; a
// connection that failed gave no replica any work, so the attempt at another one adds none.
// Source of the numbers: docs/contracts/serving.md 1.6.
import { backoffMs } from '../../core/backoff.ts';
import type { Exchange, Observer } from '../../core/exchange/exchange.ts';
import type { ProxyOptions } from './options.ts';

const FIRST_DELAY_MS = 500;
const FACTOR = 1.5;
const MAX_DELAY_MS = 60_000;
/** Retries after a response that a deployment may have at a time however little traffic it has. */
const ALWAYS_ALLOWED = 3;
/** Deployments with counts from the start; more are added when they are first used. */
const INITIAL_DEPLOYMENTS = 8;

/** Statuses of a response after which another replica, or a later attempt, may succeed. */
export const isRetryableStatus = (status: number): boolean => status >= 502 && status <= 504;

/** Returned instead of a delay: the request is not sent again. */
export const GIVE_UP = -1;

/** The retries of one deployment since the start. */
export interface RetryCounts {
  /** Sent again since no connection to the replica could be made. */
  connect: number;
  /** Sent again since the replica responded 502, 503 or 504. */
  answer: number;
  /** Not sent again after such a response, since too many others were. */
  overBudget: number;
}

interface LiveCounts extends RetryCounts {
  /** Open exchanges. */
  open: number;
  /** Open exchanges that were sent again after a response. */
  retrying: number;
}

export class RetryBudget implements Observer {
  readonly #options: ProxyOptions['retry'];
  readonly #totalMs: number;
  readonly #methods: ReadonlySet<string>;
  readonly #counts: LiveCounts[] = [];

  constructor({ retry, total_timeout }: ProxyOptions) {
    this.#options = retry;
    this.#totalMs = total_timeout;
    this.#methods = new Set(retry.methods);
    for (let i = 0; i < INITIAL_DEPLOYMENTS; i++) this.#of(i);
  }

  routed(exchange: Exchange): void {
    this.#of(exchange.deployment).open++;
  }

  closed(exchange: Exchange): void {
    if (exchange.deployment < 0) return;
    const counts = this.#of(exchange.deployment);
    counts.open--;
    if (exchange.retries > 0) counts.retrying--;
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
    const counts = this.#of(exchange.deployment);
    const others = counts.retrying - (exchange.retries > 0 ? 1 : 0);
    if (others >= Math.max(budget === 0 ? 0 : ALWAYS_ALLOWED, (counts.open * budget) / 100)) {
      counts.overBudget++;
      return GIVE_UP;
    }
    if (exchange.retries === 0) counts.retrying++;
    exchange.retries++;
    exchange.retrying('answer', delayMs);
    return delayMs;
  }

  /** The request is sent: counted if this is a retry. */
  sent(exchange: Exchange): void {
    if (exchange.retryReason === '') return;
    this.#of(exchange.deployment)[exchange.retryReason]++;
    exchange.retryReason = '';
  }

  counts(deployment: number): RetryCounts {
    return this.#of(deployment);
  }

  #delay(attempt: number): number {
    return backoffMs(attempt, FIRST_DELAY_MS, MAX_DELAY_MS, FACTOR);
  }

  #isInTime(exchange: Exchange, delayMs: number, limitMs: number): boolean {
    return performance.now() + delayMs - exchange.startMs < limitMs;
  }

  #of(deployment: number): LiveCounts {
    return (this.#counts[deployment] ??= { connect: 0, answer: 0, overBudget: 0, open: 0, retrying: 0 });
  }
}
