// Requests in flight of another thread than the main one, for the autoscaler, which is in the main thread. Hot path.
// Invariant: each change is reported once, with its time, so that means are those of one thread that sees all requests.
import type { Exchange, Observer } from '../../core/exchange/exchange.ts';

/** Requests of a deployment that began and ended since the report before. Times are of performance.now(). */
export interface LoadChange {
  readonly deployment: number;
  /** Requests that began, less those that ended. */
  readonly by: number;
  /** Sum of the times at which they began, less that of the times at which they ended. */
  readonly weightedMs: number;
  /** When the last one ended; 0: none did. */
  readonly endedMs: number;
}

interface Counted {
  running: number;
  by: number;
  weightedMs: number;
  endedMs: number;
  isChanged: boolean;
}

export class LoadTally implements Observer {
  readonly #urgent: () => void;
  readonly #now: () => number;
  /** By the deployment's index. */
  readonly #counted: Counted[] = [];
  #isChanged = false;

  /**
   * `urgent`: a report must not wait, since a deployment may have to be scaled up for its first request. `now`: a clock in
   * milliseconds, for tests.
   */
  constructor(urgent: () => void, now = () => performance.now()) {
    this.#urgent = urgent;
    this.#now = now;
  }

  routed({ deployment, isAsync }: Exchange): void {
    if (isAsync) return;
    const counted = this.#of(deployment);
    counted.running++;
    counted.by++;
    counted.weightedMs += this.#now();
    if (counted.running === 1) this.#urgent();
  }

  closed({ deployment, isAsync, endMs }: Exchange): void {
    if (isAsync || deployment < 0) return;
    const counted = this.#of(deployment);
    counted.running--;
    counted.by--;
    counted.weightedMs -= endMs;
    counted.endedMs = endMs;
  }

  /** What changed since the last call; `undefined`: nothing. */
  take(): readonly LoadChange[] | undefined {
    if (!this.#isChanged) return undefined;
    const changes: LoadChange[] = [];
    for (const [deployment, counted] of this.#counted.entries()) {
      if (!counted?.isChanged) continue;
      const { by, weightedMs, endedMs } = counted;
      changes.push({ deployment, by, weightedMs, endedMs });
      Object.assign(counted, { by: 0, weightedMs: 0, endedMs: 0, isChanged: false });
    }
    this.#isChanged = false;
    return changes;
  }

  #of(deployment: number): Counted {
    const counted = (this.#counted[deployment] ??= {
      running: 0,
      by: 0,
      weightedMs: 0,
      endedMs: 0,
      isChanged: false,
    });
    counted.isChanged = this.#isChanged = true;
    return counted;
  }
}
