// What a scorer gets of a span, and what it answers. Types only.
// Invariant: a score is a number from 0 to 1, or null if there is nothing to compare.

/** What a scorer sees of a span: JSON values. `undefined`: the span has none. */
export interface ScorerInput {
  readonly input?: unknown;
  readonly output?: unknown;
  readonly expected?: unknown;
  readonly metadata?: unknown;
}

/** One score of a span. */
export interface Score {
  readonly name: string;
  /** 0 to 1. `null`: no score; `metadata.reason` says why. */
  readonly score: number | null;
  /** JSON. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** Tokens of a judge, and what they cost. It is not part of the cost of the scored request. */
export interface ScorerCost {
  /** `undefined`: the response has no such count. */
  readonly inputTokens: number | undefined;
  readonly outputTokens: number | undefined;
  /** `undefined`: the price table has no price for the model, or a count is missing. */
  readonly amount: number | undefined;
  /** Of `amount`, such as USD. */
  readonly currency: string | undefined;
}

export type ScorerResult =
  | { readonly kind: 'scored'; readonly scores: readonly Score[]; readonly cost?: ScorerCost }
  | {
      readonly kind: 'failed';
      /** A sentence about the scorer, such as `it took longer than 1000 ms`. It has no secret. */
      readonly reason: string;
      /** The same call may succeed later: the judge is unreachable, or answered 429 or 5xx. */
      readonly isTemporary: boolean;
      /** The judge asked to wait so long (Retry-After), in milliseconds. */
      readonly retryAfterMs?: number;
      /** A judge may have answered something unusable, which costs too. */
      readonly cost?: ScorerCost;
    };

/** Scores spans. Built-in scorers answer at once; the others take time. */
export interface Scorer {
  readonly name: string;
  /** Scores one span. Never throws or rejects: failures are results. `signal` ends it early, with a temporary failure. */
  score(input: ScorerInput, signal: AbortSignal): Promise<ScorerResult> | ScorerResult;
  /** Ends the process or the connections of this scorer. */
  close(): Promise<void>;
}
