// When a step of a query has to pause.
// Invariant: a query whose rows take long to test pauses after the row at which its time is over.

/** Time between two pauses, in milliseconds. */
const STEP_MS = 20;

export class StepClock {
  #endMs = performance.now() + STEP_MS;

  /** True once for each step that has taken its time. */
  get isOver(): boolean {
    const nowMs = performance.now();
    if (nowMs < this.#endMs) return false;
    this.#endMs = nowMs + STEP_MS;
    return true;
  }
}
