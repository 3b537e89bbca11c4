// The bar above the list while it is live: whether it moves, what waits, and why it stopped.
// Invariant: a list that is held says so, with the number of records that wait.
import type { JSX } from 'preact';
import { grouped } from '../../formats.ts';
import { Button } from '../../parts/basics.tsx';
import type { LiveTail } from './live.ts';

export const LiveBar = ({
  tail,
  onCatchUp,
  onStop,
  onAgain,
}: {
  readonly tail: LiveTail;
  readonly onCatchUp: () => void;
  readonly onStop: () => void;
  readonly onAgain: () => void;
}): JSX.Element | null => {
  const { phase, held, waiting, reason, leftOut } = tail.state.value;
  if (phase === 'off') return null;
  const isWrong = phase === 'broken' || phase === 'ended';
  return (
    <div class={isWrong ? 'live wrong' : 'live'} role={isWrong ? 'alert' : 'status'}>
      <span class={held === '' && phase === 'on' ? 'pulse' : 'pulse still'} aria-hidden="true" />
      <span class="el">
        {phase === 'ended' ? (
          <>
            <b>Live ended.</b> {reason}
          </>
        ) : phase === 'broken' ? (
          <>
            <b>Live broke.</b> {reason}. It goes on from the same record when weir answers again.
          </>
        ) : phase === 'connecting' ? (
          'Live: connecting…'
        ) : phase === 'paused' ? (
          'Live, paused while the tab is hidden.'
        ) : held !== '' ? (
          <>
            <b>Live, held.</b> {held}, so the list stands still; records go on arriving.
          </>
        ) : (
          <b>Live</b>
        )}
      </span>
      <span class="grow" />
      {leftOut > 0 && <span class="warn num nw">{grouped(leftOut)} left out</span>}
      {held !== '' && phase !== 'ended' && (
        <>
          <span class="mid num nw" aria-hidden="true">
            {grouped(waiting)} new
          </span>
          <Button kind="primary" isSmall onClick={onCatchUp}>
            Catch up <kbd>End</kbd>
          </Button>
        </>
      )}
      {phase === 'ended' && (
        <Button isSmall icon="refresh" onClick={onAgain}>
          Again
        </Button>
      )}
      <Button isSmall onClick={onStop}>
        Stop
      </Button>
    </div>
  );
};
