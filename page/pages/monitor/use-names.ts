// Names that recent requests have: scores, feedback, and members of the metadata.
// Invariant: they are read from the newest hundred requests that have any; a name that these lack can still be typed.
import { useMemo } from 'preact/hooks';
import { useAnswer } from '../../api/use-answer.ts';
import { params } from '../../state.ts';
import { sampleQuestion } from './monitor-question.ts';

interface SampleJson {
  readonly logs: readonly { readonly attributes?: Readonly<Record<string, unknown>> }[];
}

export interface RecentNames {
  readonly scores: readonly string[];
  readonly feedback: readonly string[];
  readonly metadata: readonly string[];
  /** True when it is known which there are. */
  readonly isKnown: boolean;
}

const membersOf = (value: unknown): string[] =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : [];

/** Names of all records, the most frequent first. */
function names(
  sample: SampleJson | undefined,
  of: (attributes: Readonly<Record<string, unknown>>) => unknown,
): string[] {
  const counts = new Map<string, number>();
  for (const { attributes = {} } of sample?.logs ?? [])
    for (const name of membersOf(of(attributes))) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([name]) => name);
}

const annotationsOf = ({
  annotations,
}: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  typeof annotations === 'object' && annotations !== null ? (annotations as Record<string, unknown>) : {};

/** `isWanted`: false asks nothing yet. */
export function useNames(isWanted: boolean): RecentNames {
  const annotated = useAnswer<SampleJson>(isWanted ? sampleQuestion(params.value, true) : undefined).asked
    .value;
  const usual = useAnswer<SampleJson>(isWanted ? sampleQuestion(params.value, false) : undefined).asked.value;
  return useMemo(
    () => ({
      scores: names(annotated.value, (one) => annotationsOf(one)['scores']),
      feedback: names(annotated.value, (one) => annotationsOf(one)['feedback']),
      metadata: names(usual.value, (one) => one['metadata']),
      isKnown: annotated.value !== undefined && usual.value !== undefined,
    }),
    [annotated.value, usual.value],
  );
}
