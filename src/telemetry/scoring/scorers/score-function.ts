// What a built-in scorer is: a function of a span. Types only.
import type { ScorerInput } from '../scorer.ts';

/** `reason`: why there is no score, as a sentence without a full stop. */
export type MeasuredScore =
  | { readonly score: number; readonly metadata?: Readonly<Record<string, unknown>> }
  | { readonly reason: string };

export type ScoreFunction = (input: ScorerInput) => MeasuredScore;

/** Reads the options of a scorer. Returns the scorer, or problems as sentences. */
export type OpenScore = (
  options: Readonly<Record<string, unknown>>,
) => ScoreFunction | { readonly problems: readonly string[] };
