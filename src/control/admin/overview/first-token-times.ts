// Times to the first token of each replica in the last one to two minutes. Hot path: `add`.
// Invariant: a replica without a streamed response for two minutes has no entry.
import { bucketOf, BUCKETS, percentileMs } from './duration-buckets.ts';

interface Counts {
  now: Uint32Array;
  before: Uint32Array;
  isUsed: boolean;
}

export class FirstTokenTimes {
  /** By the index of the deployment, then by replica, since making a joint key for each request costs. */
  readonly #deployments: Map<string, Counts>[] = [];

  add(deployment: number, replica: string, ms: number): void {
    const replicas = (this.#deployments[deployment] ??= new Map());
    let counts = replicas.get(replica);
    if (counts === undefined) {
      counts = { now: new Uint32Array(BUCKETS), before: new Uint32Array(BUCKETS), isUsed: true };
      replicas.set(replica, counts);
    }
    counts.isUsed = true;
    counts.now[bucketOf(ms)]!++;
  }

  /** Called once a minute. */
  rotate(): void {
    for (const replicas of this.#deployments)
      for (const [replica, counts] of replicas ?? []) {
        if (!counts.isUsed) replicas.delete(replica);
        const oldest = counts.before;
        counts.before = counts.now;
        counts.now = oldest.fill(0);
        counts.isUsed = false;
      }
  }

  /** p95 in milliseconds; null without a streamed response. */
  p95(deployment: number, replica: string): number | null {
    const counts = this.#deployments[deployment]?.get(replica);
    return counts === undefined
      ? null
      : percentileMs(
          counts.now.map((n, i) => n + counts.before[i]!),
          0.95,
        );
  }
}
