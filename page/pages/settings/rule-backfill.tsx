// The backfill of a scoring rule: scores of past records, which are stored.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { grouped, share, text } from '../../formats.ts';
import { Button } from '../../parts/basics.tsx';
import { change, Confirm } from '../../parts/form.tsx';
import { rulePath, type Rule } from './scoring-rule.ts';

const RANGES = [
  ['', 'all that is stored'],
  ['1', 'the last hour'],
  ['24', 'the last day'],
  ['168', 'the last 7 days'],
] as const;

/** Scores past records and stores the scores. */
export const Backfill = ({
  of,
  off,
  onChanged,
}: {
  readonly of: Rule;
  readonly off: string | undefined;
  readonly onChanged: () => void;
}): JSX.Element => {
  const [hours, setHours] = useState('24');
  const path = `${rulePath(of.id)}/backfill`;
  const running = of.status?.backfill;
  const isRunning = running?.state === 'running';
  return (
    <div class="formfoot">
      <label class="row">
        <span class="strong">Backfill</span>
        <select
          class="inp"
          value={hours}
          disabled={isRunning}
          onChange={(event) => setHours(event.currentTarget.value)}
        >
          {RANGES.map(([value, shown]) => (
            <option key={value} value={value}>
              {shown}
            </option>
          ))}
        </select>
      </label>
      <span class="dim num grow">
        {running && `${running.state}, ${text(share(running.progress))}, ${grouped(running.scored)} scored`}
      </span>
      {isRunning ? (
        <Button isSmall icon="stop" off={off} onClick={() => void change('DELETE', path).then(onChanged)}>
          Stop
        </Button>
      ) : (
        <Confirm
          off={off}
          effect="Scores are stored, and judges cost."
          onConfirm={() =>
            void change(
              'POST',
              path,
              hours === '' ? {} : { start: new Date(Date.now() - Number(hours) * 3_600_000).toISOString() },
            ).then(onChanged)
          }
        >
          Backfill…
        </Confirm>
      )}
    </div>
  );
};
