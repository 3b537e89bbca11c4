// Whether a request is sent again, and after how long. Hot path: the two observer calls only.
// Must stay true: an outage is never amplified. What a replica has answered is repeated only as a share of the live
// traffic; a connection that failed brought no replica any work, so trying another one adds none.
// Source of the numbers: contracts/baseten.md 1.6.
import { backoffMs } from '../../core/backoff.ts';
import type { Exchange, Observer } from '../../core/exchange/exchange.ts';
import type { ProxyOptions } from './options.ts';

const FIRST_DELAY_MS = 500;
const FACTOR = 1.5;
const MAX_DELAY_MS = 60_000;
/** Repeats that may run at a time however little traffic there is. */
const ALWAYS_ALLOWED = 3;
/** Deployments that there is room for at the beginning; more find more. */
const ROOM = 8;

/** Answers that say: somebody else, or later. */
export const isRetryableStatus = (status: number): boolean => status >= 502 && status <= 504;

/** No more of it. */
export const GIVE_UP = -1;

/** What a deployment's repeats came to. */
export interface RetryCounts {
  /** Sent again because a replica could not be reached. */
  connect: number;
  /** Sent again because of an answer. */
  answer: number;
  /** Not sent again although it could have been: there were too many already. */
  overBudget: number;
}

interface Live extends RetryCounts {
  open: number;
  repeating: number;
}

export class RetryBudget implements Observer {
  readonly #options: ProxyOptions['retry'];
  readonly #totalMs: number;
  readonly #methods: ReadonlySet<string>;
  readonly #live: Live[] = [];

  constructor({ retry, total_timeout }: ProxyOptions) {
    this.#options = retry;
    this.#totalMs = total_timeout;
    this.#methods = new Set(retry.methods);
    for (let i = 0; i < ROOM; i++) this.#of(i);
  }

  routed(exchange: Exchange): void {
    this.#of(exchange.deployment).open++;
  }

  closed(exchange: Exchange): void {
    if (exchange.deployment < 0) return;
    const live = this.#of(exchange.deployment);
    live.open--;
    if (exchange.retries > 0) live.repeating--;
  }

  /** Milliseconds until it is sent again after a connection that failed, or GIVE_UP. `isWhole`: all that was sent is at hand. */
  afterConnectFailure(exchange: Exchange, isWhole: boolean): number {
    if (!isWhole || exchange.attempts - exchange.retries >= this.#options.connect_attempts) return GIVE_UP;
    // Another replica is tried at once; who fails there too waits a little longer each time.
    const delayMs = exchange.attempts === 1 ? 0 : this.#delay(exchange.attempts - 2);
    if (!this.#isInTime(exchange, delayMs, this.#totalMs)) return GIVE_UP;
    exchange.againFor = 'connect';
    return delayMs;
  }

  /** The same after an answer with a status that isRetryableStatus. `path`: what the replica saw. */
  afterAnswer(exchange: Exchange, isWhole: boolean, path: string): number {
    if (!isWhole || exchange.isAsync || !this.#methods.has(exchange.method)) return GIVE_UP;
    const { exclude_paths, max_time, budget } = this.#options;
    if (exclude_paths.some((one) => exchange.target.startsWith(one) || path.startsWith(one))) return GIVE_UP;
    const delayMs = this.#delay(exchange.retries);
    if (!this.#isInTime(exchange, delayMs, Math.min(max_time, this.#totalMs))) return GIVE_UP;
    const live = this.#of(exchange.deployment);
    const others = live.repeating - (exchange.retries > 0 ? 1 : 0);
    if (others >= Math.max(budget === 0 ? 0 : ALWAYS_ALLOWED, (live.open * budget) / 100)) {
      live.overBudget++;
      return GIVE_UP;
    }
    if (exchange.retries === 0) live.repeating++;
    exchange.retries++;
    exchange.againFor = 'answer';
    return delayMs;
  }

  /** It is sent: counted where that is once more. */
  sent(exchange: Exchange): void {
    if (exchange.againFor === '') return;
    this.#of(exchange.deployment)[exchange.againFor]++;
    exchange.againFor = '';
  }

  /** What has come of a deployment so far. */
  counts(deployment: number): RetryCounts {
    return this.#of(deployment);
  }

  #delay(attempt: number): number {
    return backoffMs(attempt, FIRST_DELAY_MS, MAX_DELAY_MS, FACTOR);
  }

  #isInTime(exchange: Exchange, delayMs: number, limitMs: number): boolean {
    return performance.now() + delayMs - exchange.startMs < limitMs;
  }

  #of(deployment: number): Live {
    return (this.#live[deployment] ??= { connect: 0, answer: 0, overBudget: 0, open: 0, repeating: 0 });
  }
}
