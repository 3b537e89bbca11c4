// Counts requests for the overview in another thread than the main one, which asks for them several times a second.
// Invariant: what was counted is reported once, and memory does not grow with traffic between two reports, but by a
// number for each stream of a model.
import type { Exchange, Observer } from '../../../core/exchange/exchange.ts';
import { countRequest, type RequestFigures } from './count-request.ts';
import { bucketOf, BUCKETS } from './duration-buckets.ts';
import { failedRequest, type FailedRequests } from './failure-table.ts';
import { COLUMNS } from './figure-slots.ts';
import type { OverviewClass } from './overview-json.ts';

/** Requests of a thread that have ended since its report before. */
export interface OverviewReport {
  /** By the number of a figure (`columnOf`). */
  readonly counts: Float64Array;
  /** By bucket (duration-buckets.ts). */
  readonly latency: Uint32Array;
  readonly failures: readonly FailedRequests[];
  /** Of each stream. */
  readonly firstTokens: readonly FirstTokenTime[];
}

export interface FirstTokenTime {
  /** Index of the deployment, or -1. */
  readonly deployment: number;
  readonly replica: string;
  readonly ms: number;
}

export class OverviewTally implements Observer, RequestFigures {
  readonly #now: () => number;
  #counts = new Float64Array(COLUMNS);
  #latency = new Uint32Array(BUCKETS);
  /** Cause and replica → failed requests. */
  #failures = new Map<string, FailedRequests>();
  #firstTokens: FirstTokenTime[] = [];
  #hasCounted = false;

  /** `now`: milliseconds since 1970, for tests. */
  constructor(now = () => Date.now()) {
    this.#now = now;
  }

  closed(exchange: Exchange): void {
    this.#hasCounted = true;
    countRequest(exchange, this);
  }

  /** What was counted since the last call; `undefined`: nothing. */
  take(): OverviewReport | undefined {
    if (!this.#hasCounted) return undefined;
    const report = {
      counts: this.#counts,
      latency: this.#latency,
      failures: Array.from(this.#failures.values()),
      firstTokens: this.#firstTokens,
    };
    this.#counts = new Float64Array(COLUMNS);
    this.#latency = new Uint32Array(BUCKETS);
    this.#failures = new Map();
    this.#firstTokens = [];
    this.#hasCounted = false;
    return report;
  }

  add(column: number, amount: number): void {
    this.#counts[column]! += amount;
  }

  addLatency(ms: number): void {
    this.#latency[bucketOf(ms)]!++;
  }

  addFirstToken(ms: number, deployment: number, replica: string): void {
    this.#firstTokens.push({ deployment, replica, ms });
  }

  addFailure(exchange: Exchange, outcome: OverviewClass): void {
    const failed = failedRequest(exchange, outcome, this.#now());
    const key = `${failed.kind.cause} ${failed.outcome} ${failed.deployment} ${failed.replica}`;
    const count = (this.#failures.get(key)?.count ?? 0) + 1;
    this.#failures.set(key, { ...failed, count });
  }
}
