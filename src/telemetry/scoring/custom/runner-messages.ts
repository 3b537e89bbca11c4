// Messages between weir and the process of a custom scorer: a line of JSON each way. Types only.

/** `code`: loads it, before any span. `span`: calls the handler with JSON of a span. */
export type RunnerRequest = { readonly code: string; readonly timeoutMs: number } | { readonly span: string };

/**
 * `text`: JSON of a RunnerOutcome, written by code in the context of the scorer, so it may be anything. `timeoutCpuMs`: it
 * took too long, of which it ran so long; less than the limit on a busy machine.
 */
export type RunnerAnswer =
  { readonly text: string } | { readonly timeoutCpuMs: number } | { readonly problem: string };

/** What came of a call. */
export interface RunnerOutcome {
  /** `waiting`: the promise of the handler never settles. */
  readonly outcome: 'waiting' | 'answered' | 'failed';
  /** JSON of the answer, or why it failed. */
  readonly text: string;
  /** What the code wrote to `console`. */
  readonly lines: readonly string[];
}
