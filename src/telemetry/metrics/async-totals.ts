// Totals of asynchronous requests and webhook deliveries, in flat arrays by deployment.
// Invariant: memory is fixed by configuration. Events of an unknown deployment are not counted.
import { add, readAt, sizeOf, type HistogramReading } from './histogram.ts';

export const outcomes = ['SUCCEEDED', 'FAILED', 'EXPIRED', 'CANCELED'] as const;
export type AsyncOutcome = (typeof outcomes)[number];

/** Further bounds for the time in the queue, in seconds: 30 minutes to 72 hours, the longest time that is allowed. */
const LONG_WAITS = [1800, 3600, 7200, 14_400, 28_800, 43_200, 86_400, 172_800, 259_200];

/** Bounds for the time in the queue: the configured ones, then those of LONG_WAITS above the last of them. */
export const taskWaitBounds = (bounds: readonly number[]): number[] => [
  ...bounds,
  ...LONG_WAITS.filter((seconds) => seconds > bounds.at(-1)!),
];

export class AsyncTotals {
  readonly #bounds: Float64Array;
  readonly #waitBounds: Float64Array;
  readonly #waits: Float64Array;
  readonly #latencies: Float64Array;
  readonly #outcomes: Float64Array;
  readonly #indexOf: (deployment: string) => number;

  /** `indexOf`: id of a deployment → its index, or -1 if it is unknown. */
  constructor(deployments: number, bounds: readonly number[], indexOf: (deployment: string) => number) {
    this.#bounds = Float64Array.from(bounds);
    this.#waitBounds = Float64Array.from(taskWaitBounds(bounds));
    const histograms = (histogramBounds: Float64Array) =>
      new Float64Array(new SharedArrayBuffer(deployments * sizeOf(histogramBounds) * 8));
    this.#waits = histograms(this.#waitBounds);
    this.#latencies = histograms(this.#bounds);
    this.#outcomes = new Float64Array(new SharedArrayBuffer(deployments * outcomes.length * 8));
    this.#indexOf = indexOf;
  }

  /** Counts a task that left the queue for its first attempt. */
  started(deployment: string, waitedSeconds: number): void {
    this.#add(this.#waits, this.#waitBounds, deployment, waitedSeconds);
  }

  /** Counts a webhook delivery attempt that has ended. */
  delivered(deployment: string, seconds: number): void {
    this.#add(this.#latencies, this.#bounds, deployment, seconds);
  }

  /** Counts a task that has ended. */
  ended(deployment: string, outcome: AsyncOutcome): void {
    const index = this.#indexOf(deployment);
    if (index !== -1) this.#outcomes[index * outcomes.length + outcomes.indexOf(outcome)]!++;
  }

  /** Time in the queue, in seconds. */
  waited(deployment: number): HistogramReading {
    return readAt(this.#waits, deployment * sizeOf(this.#waitBounds), this.#waitBounds);
  }

  /** Duration of webhook delivery attempts, in seconds. */
  latency(deployment: number): HistogramReading {
    return readAt(this.#latencies, deployment * sizeOf(this.#bounds), this.#bounds);
  }

  outcome(deployment: number, outcome: AsyncOutcome): number {
    return this.#outcomes[deployment * outcomes.length + outcomes.indexOf(outcome)]!;
  }

  #add(values: Float64Array, bounds: Float64Array, deployment: string, seconds: number): void {
    const index = this.#indexOf(deployment);
    if (index !== -1) add(values, index * sizeOf(bounds), bounds, seconds);
  }
}
