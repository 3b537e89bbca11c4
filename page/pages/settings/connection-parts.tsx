// Parts of the form of a connection: why nothing is accepted, how many records its filter finds, and a test.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type {
  ConnectionAnswer,
  ConnectionCount,
  ConnectionTest,
} from '../../../src/control/admin/answers/settings-answers.ts';
import { ask, isStopped, type Answer } from '../../api/client.ts';
import { ago, duration, grouped, text, visible } from '../../formats.ts';
import { Button, Time } from '../../parts/basics.tsx';
import { Icon } from '../../parts/icons.tsx';
import { addressOf } from '../../routes.ts';

const countText = ({ count, is_exact: isExact }: ConnectionCount): string =>
  `${isExact ? '' : 'at least '}${grouped(count)}`;

/** How many records wait: those that it wants, if they were counted; else all that it has not looked at. */
function waitingText({ waiting, status }: ConnectionAnswer): string {
  if (waiting !== undefined && (waiting.is_exact || waiting.count > 0)) return countText(waiting);
  return status === undefined ? 'Some' : `up to ${grouped(status.queue_records)}`;
}

/** Why nothing is accepted, if so. */
export const Trouble = ({ of }: { readonly of: ConnectionAnswer }): JSX.Element | null => {
  const { status } = of;
  if (
    status === undefined ||
    (status.state !== 'paused' && status.state !== 'retrying' && status.state !== 'failed')
  )
    return null;
  const { last_response: response, paused_since: since, next_try_at: next } = status;
  const nextMs = Date.parse(next);
  return (
    <div class="trouble">
      <div class="banner warn">
        <Icon name="warn" />
        <div class="grow wrap">
          <b>
            {status.state === 'failed'
              ? 'Nothing is sent'
              : response === null || response.status === 0
                ? `The receiver does not respond`
                : `The receiver responds with ${response.status}`}
            {since !== '' && (
              <>
                {' '}
                since <Time ms={Date.parse(since)} />
              </>
            )}
            .
          </b>{' '}
          {status.state !== 'failed' && (
            <>
              {waitingText(of)} records wait; none is lost.{' '}
              {next === ''
                ? ''
                : nextMs > Date.now()
                  ? `It is tried again ${ago(nextMs, Date.now())}.`
                  : 'It is being tried now.'}
            </>
          )}
          <div class="s2 mono">{visible(response?.text || status.last_error)}</div>
        </div>
      </div>
    </div>
  );
};

/** Counts the stored records that a filter finds, half a second after its last change; `undefined`: not known yet. */
export function useFitting(
  query: string,
  signal: 'logs' | 'traces',
  hasProblem: boolean,
): Answer<ConnectionCount> | undefined {
  const [answer, setAnswer] = useState<Answer<ConnectionCount>>();
  useEffect(() => {
    if (hasProblem) {
      setAnswer(undefined);
      return undefined;
    }
    const stop = new AbortController();
    const timer = setTimeout(() => {
      void ask<ConnectionCount>('POST', '/v1/otel/connections/count', {
        body: { query, signal },
        signal: stop.signal,
      }).then((got) => {
        if (got.ok || !isStopped(got.error)) setAnswer(got);
      });
    }, 500);
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [query, signal, hasProblem]);
  return answer;
}

export const Fitting = ({
  query,
  fitting,
}: {
  readonly query: string;
  readonly fitting: Answer<ConnectionCount> | undefined;
}): JSX.Element => (
  <span class="fitting" aria-live="polite">
    {fitting?.ok === true && (
      <>
        {countText(fitting.value)} stored records match.{' '}
        <a href={addressOf({ page: 'logs' }, { q: query })}>See them</a>
      </>
    )}
    {fitting?.ok === false && <span class="err">{fitting.error.message}</span>}
  </span>
);

/** What a new place to start from means. */
export const MovedStart = ({
  to,
  of,
  fitting,
}: {
  readonly to: string;
  readonly of: ConnectionAnswer;
  readonly fitting: Answer<ConnectionCount> | undefined;
}): JSX.Element => (
  <p class="hint warn" role="status">
    {to === 'earliest'
      ? `All records that the store keeps are sent again${fitting?.ok === true ? `: ${countText(fitting.value)} now` : ''}.`
      : `Records that wait are left out${of.waiting === undefined ? '' : `: ${countText(of.waiting)} now`}.`}
  </p>
);

/** Sends one record, and says what came of it. */
export const ConnectionTester = ({ path }: { readonly path: string }): JSX.Element => {
  const [result, setResult] = useState<ConnectionTest | string>();
  const [isTesting, setTesting] = useState(false);
  const test = async (): Promise<void> => {
    setTesting(true);
    const answer = await ask<ConnectionTest>('POST', `${path}/test`);
    setTesting(false);
    setResult(answer.ok ? answer.value : answer.error.message);
  };
  return (
    <>
      <Button icon="bolt" onClick={() => void test()} off={isTesting ? 'It is being tested.' : undefined}>
        Test
      </Button>
      <span role="status" class={`wrap ${typeof result === 'object' && result.ok ? 'ok' : 'err'}`}>
        {typeof result === 'object'
          ? `${result.status === 0 ? 'no response' : result.status} in ${text(duration(result.duration_ms))}${result.ok ? '' : `: ${visible(result.message).slice(0, 120)}`}`
          : result}
      </span>
    </>
  );
};
