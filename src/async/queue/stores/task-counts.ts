// Number of queued and running tasks per deployment, kept in memory since counting many rows is slow.
import type { QueueDepth } from '../task.ts';

interface MutableDepth {
  queued: number;
  inProgress: number;
}

export class TaskCounts {
  #counts = new Map<string, MutableDepth>();

  of(deployment: string): MutableDepth {
    let count = this.#counts.get(deployment);
    if (count === undefined) this.#counts.set(deployment, (count = { queued: 0, inProgress: 0 }));
    return count;
  }

  /** Adds to both numbers of a deployment; negative values subtract. */
  add(deployment: string, queued: number, inProgress: number): void {
    const count = this.of(deployment);
    count.queued += queued;
    count.inProgress += inProgress;
  }

  all(): Record<string, QueueDepth> {
    return Object.fromEntries(this.#counts);
  }

  /** Returns a function that restores the present counts, for a transaction that fails. */
  snapshot(): () => void {
    const before = new Map(Array.from(this.#counts, ([key, count]) => [key, { ...count }]));
    return () => (this.#counts = before);
  }
}
