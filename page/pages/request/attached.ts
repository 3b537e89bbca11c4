// What is attached to a request, together with what the user has added or taken back and weir has not confirmed yet.
// Invariant: pure; a change is shown once, before and after weir has it.
import type {
  RequestJson,
  ShownComment,
  ShownFeedback,
  ShownScore,
  ShownTag,
} from '../../../src/control/admin/records/request-json.ts';

export type Addition =
  | { readonly kind: 'score'; readonly name: string; readonly value: number }
  | { readonly kind: 'comment'; readonly text: string }
  | { readonly kind: 'tag'; readonly tag: string }
  /** -10 to 10. */
  | { readonly kind: 'feedback'; readonly value: number };

/** An addition or a removal that is not in the request's details yet. */
export interface Change {
  readonly id: number;
  readonly added: Addition | undefined;
  /** Id of the annotation or feedback that is taken back. */
  readonly removed: string | undefined;
  readonly atMs: number;
  /** When weir had saved it; `undefined`: it is on its way. */
  readonly savedMs: number | undefined;
}

export type Saving<T> = T & { readonly isSaving?: boolean };

/** What is attached to a request, with what is on its way. */
export interface Attached {
  readonly scores: readonly Saving<ShownScore>[];
  readonly comments: readonly Saving<ShownComment>[];
  readonly tags: readonly Saving<ShownTag>[];
  readonly feedback: readonly Saving<ShownFeedback>[];
}

/** Details with changes that they do not have yet. */
export function withChanges(
  details: RequestJson,
  changes: readonly Change[],
  by: string | undefined,
): Attached {
  const removed = new Set(changes.flatMap(({ removed: id }) => id ?? []));
  const isLeft = ({ annotation_id: id }: { readonly annotation_id?: string }): boolean =>
    id === undefined || !removed.has(id);
  const added = changes.flatMap(({ added: one, atMs, savedMs }) =>
    one === undefined
      ? []
      : [
          {
            ...one,
            timestamp: new Date(atMs).toISOString(),
            isSaving: savedMs === undefined,
            ...(by === undefined ? {} : { by }),
          },
        ],
  );
  const scores = added.filter((one) => one.kind === 'score');
  const tags = added.filter((one) => one.kind === 'tag');
  return {
    scores: [
      ...details.scores.filter((one) => isLeft(one) && !scores.some(({ name }) => name === one.name)),
      ...scores,
    ],
    comments: [...details.comments.filter(isLeft), ...added.filter((one) => one.kind === 'comment')],
    tags: [
      ...details.tags.filter(isLeft),
      ...tags.filter(({ tag }) => !details.tags.some((one) => one.tag === tag)),
    ],
    feedback: [
      ...details.feedback.filter(({ id }) => !removed.has(id)),
      ...added.filter((one) => one.kind === 'feedback').map((one) => ({ ...one, id: '', weight: 1 })),
    ],
  };
}
