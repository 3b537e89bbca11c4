// The details of a record that a link opens and that is not among the rows that are loaded.
// Invariant: a record that is gone is said to be gone.
import type { JSX } from 'preact';
import { useAnswer } from '../../api/use-answer.ts';
import { Time } from '../../parts/basics.tsx';
import { Failed, Loading } from '../../parts/panel.tsx';
import { Detail } from './detail.tsx';
import { msOf, type LogJson } from './record.ts';

export const PinnedDetail = ({
  seq,
  marked,
  onContext,
  onClose,
}: {
  readonly seq: number;
  readonly marked: RegExp | undefined;
  readonly onContext: () => void;
  readonly onClose: () => void;
}): JSX.Element => {
  const live = useAnswer<{ readonly log: LogJson }>({
    path: `/v1/logs/${seq}/context`,
    query: { before: 0, after: 0, scope: 'all' },
  });
  const { value, error } = live.asked.value;
  return (
    <div class="pinned">
      <Loading of={live} words="Reading the record…" />
      {error !== undefined && value === undefined && (
        <Failed
          error={error}
          onAgain={live.again}
          help={
            error.status === 404 && (
              <p>The record may have been deleted: records are kept for a limited time.</p>
            )
          }
        />
      )}
      {value !== undefined && (
        <>
          <p class="pinhead">
            The record of the link, <Time ms={msOf(value.log)} digits="ms" />, is not among the rows that are
            loaded.
          </p>
          <Detail record={value.log} marked={marked} onContext={onContext} onClose={onClose} />
        </>
      )}
    </div>
  );
};
