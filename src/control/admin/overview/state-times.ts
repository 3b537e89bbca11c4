// Since when something is in its state: exporters, and whether the desired replicas run.
// Invariant: times are exact to the interval at which `see` is called, and at the earliest the first call.

export class StateTimes {
  readonly #states = new Map<string, { readonly state: string; readonly sinceMs: number }>();

  /** Notes the state of a thing. Returns since when it has it. */
  see(id: string, state: string, nowMs: number): number {
    const known = this.#states.get(id);
    if (known?.state === state) return known.sinceMs;
    this.#states.set(id, { state, sinceMs: nowMs });
    return nowMs;
  }

  /** Forgets all things but these. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#states.keys()) if (!ids.has(id)) this.#states.delete(id);
  }
}
