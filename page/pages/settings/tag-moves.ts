// The order of the tags as one moves them: shown at once, then sent, one change after the other.
// Invariant: what weir refuses is taken back, and said.
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask } from '../../api/client.ts';
import type { Live } from '../../api/use-answer.ts';
import { toast } from '../../parts/floating.tsx';
import { changesOfMove, inOrder, type PlacedTag } from '../../parts/tag-order.ts';

export interface TagMoves<T> {
  /** The tags in their order, with the moves that are being sent. */
  readonly tags: readonly T[];
  readonly move: (from: number, to: number) => void;
}

export function useTagMoves<T extends PlacedTag>(
  live: Live<{ readonly objects: readonly T[] }>,
): TagMoves<T> {
  const { value, answeredMs } = live.asked.value;
  const [unsent, setUnsent] = useState<ReadonlyMap<string, string>>(new Map());
  const queue = useRef({ last: Promise.resolve(), length: 0 });
  const tags = inOrder(
    (value?.objects ?? []).map((tag) => ({ ...tag, position: unsent.get(tag.id) ?? tag.position })),
  );
  // The list that was asked for after the last change has it.
  useEffect(() => {
    if (queue.current.length === 0) setUnsent(new Map());
  }, [answeredMs]);

  const send = async (
    changes: readonly { readonly id: string; readonly position: string }[],
  ): Promise<void> => {
    for (const { id, position } of changes) {
      const answer = await ask('PATCH', `/v1/project_tag/${encodeURIComponent(id)}`, { body: { position } });
      if (answer.ok) continue;
      toast(`The order is not saved: ${answer.error.message}`, { isError: true });
      break;
    }
    if (--queue.current.length === 0) live.again();
  };
  const move = (from: number, to: number): void => {
    if (to < 0 || to >= tags.length || from === to) return;
    const changes = changesOfMove(tags, from, to);
    setUnsent(
      (before) => new Map([...before, ...changes.map(({ id, position }) => [id, position] as const)]),
    );
    queue.current.length++;
    queue.current.last = queue.current.last.then(() => send(changes));
  };
  return { tags, move };
}
