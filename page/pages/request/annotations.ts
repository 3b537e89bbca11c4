// What the user adds to a request: scores, comments, tags, feedback. It is shown at once and sent meanwhile.
// Invariant: what weir refuses is taken back with its sentence; what was saved stays until the request was read anew.
import { useSignal, type ReadonlySignal } from '@preact/signals';
import type { RequestJson } from '../../../src/control/admin/records/request-json.ts';
import { ask, type Answer } from '../../api/client.ts';
import type { Live } from '../../api/use-answer.ts';
import { me } from '../../me.ts';
import { toast } from '../../parts/floating.tsx';
import { withChanges, type Addition, type Attached, type Change } from './attached.ts';

export interface Annotations {
  readonly attached: Attached;
  /** Returns true when it is saved. */
  readonly add: (addition: Addition) => Promise<boolean>;
  /** Takes an annotation (`annotation`) or a feedback back. */
  readonly remove: (kind: 'annotation' | 'feedback', id: string) => Promise<boolean>;
}

const WORDS: Readonly<Record<Addition['kind'], string>> = {
  score: 'score',
  comment: 'comment',
  tag: 'tag',
  feedback: 'feedback',
};

/** The call that saves an addition to the request with an id. */
function save(requestId: string, addition: Addition): Promise<Answer<unknown>> {
  if (addition.kind === 'feedback')
    return ask('POST', '/v1/feedback', { body: { trace_id: requestId, value: addition.value } });
  const body =
    addition.kind === 'score'
      ? { scores: { [addition.name]: addition.value } }
      : addition.kind === 'comment'
        ? { comment: addition.text }
        : { tags: [addition.tag] };
  return ask('POST', `/v1/logs/${encodeURIComponent(requestId)}/annotations`, { body });
}

let nextId = 1;

/** Adds to the request with an id, whose details `live` has. */
export function useAnnotations(
  requestId: string,
  details: RequestJson,
  live: Pick<Live<RequestJson>, 'again'> & {
    readonly asked: ReadonlySignal<{ readonly askedMs: number; readonly answeredMs: number }>;
  },
): Annotations {
  const changes = useSignal<readonly (Change & { readonly of: string })[]>([]);
  const { answeredMs, askedMs } = live.asked.value;
  // An answer to a question that was asked after the change was saved has the change in it.
  const pending = changes.value.filter(
    ({ of, savedMs }) =>
      of === requestId && !(savedMs !== undefined && askedMs >= savedMs && answeredMs >= askedMs),
  );
  const change = async (
    one: Pick<Change, 'added' | 'removed'>,
    call: Promise<Answer<unknown>>,
    refused: string,
  ): Promise<boolean> => {
    const id = nextId++;
    changes.value = [...changes.peek(), { ...one, id, of: requestId, atMs: Date.now(), savedMs: undefined }];
    const answer = await call;
    if (!answer.ok) {
      changes.value = changes.peek().filter((other) => other.id !== id);
      toast(`${refused}: ${answer.error.message}`, { isError: true });
      return false;
    }
    changes.value = changes
      .peek()
      .map((other) => (other.id === id ? { ...other, savedMs: Date.now() } : other));
    live.again();
    return true;
  };
  return {
    attached: withChanges(details, pending, me.value?.key.name ?? undefined),
    add: (addition) =>
      change(
        { added: addition, removed: undefined },
        save(requestId, addition),
        `The ${WORDS[addition.kind]} was not saved`,
      ),
    remove: (kind, id) =>
      change(
        { added: undefined, removed: id },
        ask(
          'DELETE',
          kind === 'feedback'
            ? `/v1/feedback/${encodeURIComponent(id)}`
            : `/v1/logs/${encodeURIComponent(requestId)}/annotations/${encodeURIComponent(id)}`,
        ),
        'It was not removed',
      ),
  };
}
