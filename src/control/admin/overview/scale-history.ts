// Changes of the desired and the active replicas of each deployment in the last 90 minutes.
// Invariant: memory is bounded: at most MAX_CHANGES for each deployment, and nothing of deployments that are gone.

const KEPT_MS = 90 * 60_000;
const MAX_CHANGES = 120;

/** Numbers of replicas from a time on, in milliseconds since 1970; null: not known. */
export interface ScaleChange {
  readonly atMs: number;
  readonly desired: number | null;
  readonly active: number | null;
}

export class ScaleHistory {
  readonly #changes = new Map<string, ScaleChange[]>();

  /** Notes the numbers of a deployment, if they have changed. */
  see(deployment: string, desired: number | null, active: number | null, nowMs: number): void {
    const changes = this.#changes.get(deployment) ?? [];
    this.#changes.set(deployment, changes);
    const last = changes.at(-1);
    if (last === undefined || last.desired !== desired || last.active !== active)
      changes.push({ atMs: nowMs, desired, active });
    // The newest change before the time that is shown says how that time begins.
    while (changes.length > MAX_CHANGES || (changes.length > 1 && changes[1]!.atMs < nowMs - KEPT_MS))
      changes.shift();
  }

  /** The oldest first; the first one may be from before the last 90 minutes. */
  of(deployment: string): readonly ScaleChange[] {
    return this.#changes.get(deployment) ?? [];
  }

  /** Since when desired and active replicas differ; `undefined` if they do not, or one is not known. */
  unmetSince(deployment: string): number | undefined {
    let sinceMs: number | undefined;
    for (const { atMs, desired, active } of this.of(deployment).toReversed()) {
      if (desired === null || active === null || desired === active) break;
      sinceMs = atMs;
    }
    return sinceMs;
  }

  /** Forgets all deployments but these. */
  keep(deployments: ReadonlySet<string>): void {
    for (const id of this.#changes.keys()) if (!deployments.has(id)) this.#changes.delete(id);
  }
}
