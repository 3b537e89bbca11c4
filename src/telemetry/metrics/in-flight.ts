// Counts of running exchanges, and totals that are added when an exchange closes. Hot path.
// Invariant: an exchange that raised a count lowers it exactly once, since both happen in observer calls that an
// exchange makes once.
import { causes, type Cause } from '../../core/errors.ts';
import type { Exchange, Observer } from '../../core/exchange/exchange.ts';
import { privateArrays, type ArraySource } from '../../core/shared-arrays.ts';
import type { RequestTotals } from './request-totals.ts';
import { add, readAt, sizeOf, type HistogramReading } from './histogram.ts';

const causeIndex = Object.fromEntries(causes.map((cause, index) => [cause, index])) as Record<Cause, number>;

export class InFlight implements Observer {
  /** deployment → synchronous exchanges that wait or are served. Asynchronous requests do not count. */
  readonly concurrent: Int32Array;
  /** deployment → open WebSocket connections. */
  readonly websockets: Int32Array;
  /** (deployment + 1, cause) → exchanges that ended with the cause. Row 0: exchanges without a known deployment. */
  readonly ended: Float64Array;
  readonly #totals: RequestTotals;
  /** deployment → histogram of the seconds in the wait queue. */
  readonly #waits: Float64Array;
  readonly #waitBounds: Float64Array;

  /** `arrays`: memory that another thread shares, if one reads or writes these counts. */
  constructor(
    deployments: number,
    totals: RequestTotals,
    durationBounds: readonly number[],
    arrays: ArraySource = privateArrays,
  ) {
    this.concurrent = arrays.int32(deployments);
    this.websockets = arrays.int32(deployments);
    this.ended = arrays.float64((deployments + 1) * causes.length);
    this.#totals = totals;
    this.#waitBounds = Float64Array.from(durationBounds);
    this.#waits = arrays.float64(deployments * sizeOf(this.#waitBounds));
  }

  routed(exchange: Exchange): void {
    if (!exchange.isAsync) this.concurrent[exchange.deployment]!++;
  }

  upgraded(exchange: Exchange): void {
    this.websockets[exchange.deployment]!++;
  }

  closed(exchange: Exchange): void {
    const { deployment } = exchange;
    this.ended[(exchange.recordedAs + 1) * causes.length + causeIndex[exchange.cause!]]!++;
    if (deployment < 0) return;
    if (!exchange.isAsync) this.concurrent[deployment]!--;
    if (exchange.protocol === 'websocket') this.websockets[deployment]!--;
    add(this.#waits, deployment * sizeOf(this.#waitBounds), this.#waitBounds, exchange.waitedMs / 1000);
    this.#totals.observe(exchange);
  }

  /** Exchanges that ended with a cause. `row`: deployment + 1; 0: without a known deployment. */
  endedWith(row: number, cause: Cause): number {
    return this.ended[row * causes.length + causeIndex[cause]]!;
  }

  /** The thread is gone. Its running exchanges end as `internal`; `open`: how many there were. */
  lost(open: number): void {
    let routed = 0;
    for (const [deployment, running] of this.concurrent.entries()) {
      this.ended[(deployment + 1) * causes.length + causeIndex.internal]! += running;
      routed += running;
    }
    this.ended[causeIndex.internal]! += Math.max(0, open - routed);
    this.concurrent.fill(0);
    this.websockets.fill(0);
  }

  /** Time of a deployment's exchanges in the wait queue, in seconds. */
  waited(deployment: number): HistogramReading {
    return readAt(this.#waits, deployment * sizeOf(this.#waitBounds), this.#waitBounds);
  }
}
