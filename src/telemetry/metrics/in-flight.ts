// Counts of running exchanges, and totals that are added when an exchange closes. Hot path.
// Invariant: an exchange that raised a count lowers it exactly once, since both happen in observer calls that an
// exchange makes once.
import { causes, type Cause } from '../../core/errors.ts';
import type { Exchange, Observer } from '../../core/exchange/exchange.ts';
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

  constructor(deployments: number, totals: RequestTotals, durationBounds: readonly number[]) {
    this.concurrent = new Int32Array(new SharedArrayBuffer(deployments * 4));
    this.websockets = new Int32Array(new SharedArrayBuffer(deployments * 4));
    this.ended = new Float64Array(new SharedArrayBuffer((deployments + 1) * causes.length * 8));
    this.#totals = totals;
    this.#waitBounds = Float64Array.from(durationBounds);
    this.#waits = new Float64Array(new SharedArrayBuffer(deployments * sizeOf(this.#waitBounds) * 8));
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

  /** Time of a deployment's exchanges in the wait queue, in seconds. */
  waited(deployment: number): HistogramReading {
    return readAt(this.#waits, deployment * sizeOf(this.#waitBounds), this.#waitBounds);
  }
}
