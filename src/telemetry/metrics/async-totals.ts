// The figures of asynchronous requests, in flat arrays by deployment.
// Must stay true: memory is fixed by configuration; a deployment that is not known any more is not counted.
import { add, readAt, sizeOf, type HistogramReading } from './histogram.ts';

export const outcomes = ['SUCCEEDED', 'FAILED', 'EXPIRED', 'CANCELED'] as const;
export type AsyncOutcome = (typeof outcomes)[number];

/** Bounds of the wait in the queue above those of other times, in seconds: 30 minutes to 72 hours, the longest wait. */
const LONG_WAITS = [1800, 3600, 7200, 14_400, 28_800, 43_200, 86_400, 172_800, 259_200];

/** Bounds of the wait in the queue: the configured ones, and above the last of these the long waits. */
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

  /** `indexOf` gives the index of a deployment's id, -1 for one that is not known. */
  constructor(deployments: number, bounds: readonly number[], indexOf: (deployment: string) => number) {
    this.#bounds = Float64Array.from(bounds);
    this.#waitBounds = Float64Array.from(taskWaitBounds(bounds));
    const histograms = (of: Float64Array) =>
      new Float64Array(new SharedArrayBuffer(deployments * sizeOf(of) * 8));
    this.#waits = histograms(this.#waitBounds);
    this.#latencies = histograms(this.#bounds);
    this.#outcomes = new Float64Array(new SharedArrayBuffer(deployments * outcomes.length * 8));
    this.#indexOf = indexOf;
  }

  /** A task has left the queue for its first run. */
  started(deployment: string, waitedSeconds: number): void {
    this.#add(this.#waits, this.#waitBounds, deployment, waitedSeconds);
  }

  /** One attempt to deliver a webhook has ended. */
  delivered(deployment: string, seconds: number): void {
    this.#add(this.#latencies, this.#bounds, deployment, seconds);
  }

  ended(deployment: string, outcome: AsyncOutcome): void {
    const index = this.#indexOf(deployment);
    if (index !== -1) this.#outcomes[index * outcomes.length + outcomes.indexOf(outcome)]!++;
  }

  waited(deployment: number): HistogramReading {
    return readAt(this.#waits, deployment * sizeOf(this.#waitBounds), this.#waitBounds);
  }

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
