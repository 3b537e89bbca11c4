// What is going on right now, as counts that every exchange raises and lowers. Hot path.
// Must stay true: an exchange that raised a count lowers it exactly once, whatever way it ends, because both happen
// in the exchange's own two moments and nowhere else.
import { causes, type Cause } from '../../core/errors.ts';
import type { Exchange, Observer } from '../../core/exchange/exchange.ts';
import type { RequestTotals } from './request-totals.ts';
import { add, readAt, sizeOf, type HistogramReading } from './histogram.ts';

const causeIndex = Object.fromEntries(causes.map((cause, index) => [cause, index])) as Record<Cause, number>;

export class InFlight implements Observer {
  /** deployment → synchronous exchanges that wait or are served (contract C8: asynchronous ones are not counted). */
  readonly concurrent: Int32Array;
  readonly websockets: Int32Array;
  /** (deployment + 1, cause) → exchanges that ended with it; row 0: exchanges that asked for no known deployment. */
  readonly ended: Float64Array;
  readonly #blocks: RequestTotals;
  /** deployment → histogram of the seconds waited in line. */
  readonly #waits: Float64Array;
  readonly #waitBounds: Float64Array;

  constructor(deployments: number, blocks: RequestTotals, durationBounds: readonly number[]) {
    this.concurrent = new Int32Array(new SharedArrayBuffer(deployments * 4));
    this.websockets = new Int32Array(new SharedArrayBuffer(deployments * 4));
    this.ended = new Float64Array(new SharedArrayBuffer((deployments + 1) * causes.length * 8));
    this.#blocks = blocks;
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
    this.#blocks.observe(exchange);
  }

  /** How long a deployment's exchanges waited in line. */
  waited(deployment: number): HistogramReading {
    return readAt(this.#waits, deployment * sizeOf(this.#waitBounds), this.#waitBounds);
  }
}
