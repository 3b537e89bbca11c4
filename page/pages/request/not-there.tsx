// Why there is no record of a request: it has not ended yet, it was deleted, or weir never had it.
// Invariant: a request that may end soon is asked for each second, for ten seconds, and then on demand.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { UnknownRequestJson } from '../../../src/control/admin/records/request-json.ts';
import type { ApiError } from '../../api/client.ts';
import { count, text } from '../../formats.ts';
import { me } from '../../me.ts';
import { Button, Time } from '../../parts/basics.tsx';
import { Failed } from '../../parts/panel.tsx';
import { Icon } from '../../parts/icons.tsx';
import { addressOf } from '../../routes.ts';
import { isVisible } from '../../state.ts';

const EVERY_MS = 1000;
const TIMES = 10;

export const NotThere = ({
  id,
  error,
  onAgain,
}: {
  readonly id: string;
  readonly error: ApiError;
  readonly onAgain: () => void;
}): JSX.Element => {
  const {
    reason,
    id_time: idTime,
    oldest,
    lines_count: lines = 0,
  } = (error.fields ?? {}) as Partial<UnknownRequestJson>;
  if (error.status !== 404 || reason === undefined) return <Failed error={error} onAgain={onAgain} />;
  return (
    <div class="empty">
      {reason === 'deleted_by_retention' ? (
        <>
          <Icon name="error" />
          <p>
            Deleted by retention: the request is of {idTime !== undefined && <Time ms={Date.parse(idTime)} />}
            {oldest !== undefined && (
              <>
                , and the oldest request that is stored of <Time ms={Date.parse(oldest)} />
              </>
            )}
            . <Retention />
          </p>
        </>
      ) : reason === 'not_recorded_yet' ? (
        <Waiting idTime={idTime} onAgain={onAgain} />
      ) : (
        <>
          <Icon name="error" />
          <p>No request with this id is recorded.</p>
          <p>
            <Button isSmall icon="refresh" onClick={onAgain}>
              Again
            </Button>
          </p>
        </>
      )}
      {lines > 0 && (
        <p>
          <a href={addressOf({ page: 'logs' }, { q: `requestId:${id}`, since: '7d' })}>
            {text(count(lines))} log {lines === 1 ? 'line has' : 'lines have'} its id
          </a>
        </p>
      )}
    </div>
  );
};

const Retention = (): JSX.Element | null => {
  const store = me.value?.store;
  return store == null ? null : (
    <>Records are kept for {Math.round(store.retention_ms / 86_400_000)} days at most.</>
  );
};

const Waiting = ({
  idTime,
  onAgain,
}: {
  readonly idTime: string | undefined;
  readonly onAgain: () => void;
}): JSX.Element => {
  const [left, setLeft] = useState(TIMES);
  useEffect(() => {
    if (left === 0 || !isVisible.value) return undefined;
    const timer = setTimeout(() => {
      setLeft(left - 1);
      onAgain();
    }, EVERY_MS);
    return () => clearTimeout(timer);
  }, [left, isVisible.value]);
  return (
    <>
      <p>
        Not recorded yet; a request is recorded when it ends.
        {idTime !== undefined && (
          <>
            {' '}
            It began at <Time ms={Date.parse(idTime)} />.
          </>
        )}
      </p>
      <p role="status">
        {left > 0 ? (
          `Asked again each second, ${left} more ${left === 1 ? 'time' : 'times'}`
        ) : (
          <Button isSmall icon="refresh" onClick={() => setLeft(TIMES)}>
            Ask for another 10 s
          </Button>
        )}
      </p>
    </>
  );
};
