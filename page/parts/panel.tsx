// A panel and the states that its content can have: loading, empty, failed, partial, stale.
// Invariant: what was there stays until the new is there; a panel fails alone, with weir's own sentence.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ApiError } from '../api/client.ts';
import type { Live } from '../api/use-answer.ts';
import { duration, text } from '../formats.ts';
import { Button } from './basics.tsx';
import { Icon } from './icons.tsx';

/** Before this nothing moves; after the second time words say what is awaited. Milliseconds. */
const QUIET_MS = 150;
const WORDS_MS = 1000;

export const Panel = ({
  title,
  sub,
  side,
  children,
  class: extra = '',
}: {
  readonly title: ComponentChildren;
  readonly sub?: ComponentChildren;
  readonly side?: ComponentChildren;
  readonly children: ComponentChildren;
  readonly class?: string;
}): JSX.Element => (
  <section class={`panel ${extra}`}>
    <div class="ph">
      <h2>{title}</h2>
      {sub !== undefined && <span class="sub el">{sub}</span>}
      <span class="grow" />
      {side}
    </div>
    {children}
  </section>
);

/** Milliseconds since `sinceMs`, told every 100 ms while it is running. */
export function useElapsed(sinceMs: number, isRunning: boolean): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!isRunning) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 100);
    return () => clearInterval(timer);
  }, [isRunning, sinceMs]);
  return isRunning ? Math.max(0, now - sinceMs) : 0;
}

/** The bar of a panel that waits, and after a second what it waits for, with a button that stops it. */
export const Loading = ({
  of,
  words,
}: {
  readonly of: Live<unknown>;
  readonly words: string;
}): JSX.Element | null => {
  const { isAsking, askedMs } = of.asked.value;
  const elapsed = useElapsed(askedMs, isAsking);
  if (!isAsking || elapsed < QUIET_MS) return null;
  return (
    <div class="loading" role="status">
      {elapsed > WORDS_MS && (
        <p>
          {words} <span class="num">{text(duration(elapsed))}</span>
          <Button kind="quiet" isSmall onClick={of.stop}>
            Stop
          </Button>
        </p>
      )}
    </div>
  );
};

/** weir's sentence, what may help, and the id of the refused request. */
export const Failed = ({
  error,
  onAgain,
  help,
}: {
  readonly error: ApiError;
  readonly onAgain?: (() => void) | undefined;
  readonly help?: ComponentChildren;
}): JSX.Element => (
  <div class="empty" role="alert">
    <Icon name={error.status === 403 ? 'key' : 'error'} />
    <p>{error.message}</p>
    {help}
    {error.problems.length > 1 && (
      <ul>
        {error.problems.map(({ problem }) => (
          <li key={problem}>{problem}</li>
        ))}
      </ul>
    )}
    <p class="row">
      {onAgain && error.status !== 403 && (
        <Button isSmall icon="refresh" onClick={onAgain}>
          Again
        </Button>
      )}
      {error.requestId !== undefined && (
        <span class="dim">
          request <code>{error.requestId}</code>
        </span>
      )}
    </p>
  </div>
);

/** Nothing to show, and why. */
export const Empty = ({ children }: { readonly children: ComponentChildren }): JSX.Element => (
  <div class="empty">{children}</div>
);

/** The age of a value that has an error, or that is older than three intervals. */
const Stale = ({
  live,
  everyMs,
}: {
  readonly live: Live<unknown>;
  readonly everyMs: number;
}): JSX.Element | null => {
  const { error, answeredMs } = live.asked.value;
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [answeredMs]);
  const ageMs = Math.max(0, now - answeredMs);
  if (error === undefined && ageMs <= 3 * everyMs) return null;
  return (
    <p class="stale">
      <Icon name="warn" isSmall />
      <span role="status">{error === undefined ? 'No newer figures' : error.message}</span>
      <span>these are {text(duration(ageMs < 1000 ? ageMs : Math.round(ageMs / 1000) * 1000))} old</span>
    </p>
  );
};

/** The content of a panel for an answer: the value, or why there is none; loading and staleness beside it. */
export const Answered = <T,>({
  live,
  words,
  children,
  everyMs = 0,
}: {
  readonly live: Live<T>;
  /** What is read, for waits: "Reading the spans…". */
  readonly words: string;
  readonly children: (value: T) => ComponentChildren;
  /** Interval at which the answer should be new; 0: it does not age. */
  readonly everyMs?: number;
}): JSX.Element => {
  const { value, error } = live.asked.value;
  return (
    <>
      {/* A value that is asked for at intervals says its age when it is old, and nothing before. */}
      {(value === undefined || everyMs === 0) && <Loading of={live} words={words} />}
      {value === undefined && error !== undefined && <Failed error={error} onAgain={live.again} />}
      {value !== undefined && (error !== undefined || everyMs > 0) && <Stale live={live} everyMs={everyMs} />}
      {value !== undefined && children(value)}
    </>
  );
};
