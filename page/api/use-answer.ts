// An answer of the admin API as a part of the page uses it: asked anew when its question changes, and at intervals.
// Invariant: a newer question stops the older one; the old answer stays until the new one is there; a hidden tab asks nothing.
import { useSignal, type Signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { isVisible } from '../state.ts';
import { ask, hasKey, isStopped, refusal, returns, type AskOptions, type ApiError } from './client.ts';

/** What is known of an answer. */
export interface Asked<T> {
  /** The last good answer; `undefined`: there was none. */
  readonly value: T | undefined;
  /** Why the last question has no answer. */
  readonly error: ApiError | undefined;
  readonly isAsking: boolean;
  /** When the question that runs was sent, and when the value came; milliseconds since the epoch. */
  readonly askedMs: number;
  readonly answeredMs: number;
  /** How long the answer took, in milliseconds. */
  readonly tookMs: number;
}

/** A question. Equal questions have equal JSON. */
export interface Question extends Pick<AskOptions, 'query' | 'body'> {
  readonly path: string;
  /** Default GET. */
  readonly method?: string;
}

export interface Live<T> {
  readonly asked: Signal<Asked<T>>;
  /** Asks again now. */
  readonly again: () => void;
  /** Stops the question that runs. */
  readonly stop: () => void;
}

const NOTHING = {
  value: undefined,
  error: undefined,
  isAsking: false,
  askedMs: 0,
  answeredMs: 0,
  tookMs: 0,
};

/** `question`: `undefined` asks nothing. `everyMs`: 0 asks once. `isKept`: the old value is shown for a new question. */
export function useAnswer<T>(
  question: Question | undefined,
  { everyMs = 0, isKept = true }: { readonly everyMs?: number; readonly isKept?: boolean } = {},
): Live<T> {
  const asked = useSignal<Asked<T>>(NOTHING);
  const running = useRef<AbortController | undefined>(undefined);
  const key = question === undefined ? '' : JSON.stringify(question);

  const again = (): void => {
    if (question === undefined) return;
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    asked.value = { ...asked.peek(), isAsking: true, askedMs: Date.now() };
    const { path, method = 'GET', ...options } = question;
    void ask<T>(method, path, { ...options, signal: controller.signal }).then((answer) => {
      if (running.current !== controller) return;
      running.current = undefined;
      const before = asked.peek();
      if (answer.ok)
        asked.value = {
          value: answer.value,
          error: undefined,
          isAsking: false,
          askedMs: before.askedMs,
          answeredMs: Date.now(),
          tookMs: answer.tookMs,
        };
      else
        asked.value = {
          ...before,
          isAsking: false,
          error: isStopped(answer.error) ? before.error : answer.error,
        };
    });
  };

  const stop = (): void => {
    running.current?.abort();
    running.current = undefined;
    asked.value = { ...asked.peek(), isAsking: false };
  };

  // A new question, a key, or weir's return.
  useEffect(() => {
    if (!isKept) asked.value = NOTHING;
    again();
    return () => {
      running.current?.abort();
      running.current = undefined;
    };
  }, [key, hasKey.value, returns.value]);

  useEffect(() => {
    if (everyMs === 0 || key === '' || !isVisible.value) return undefined;
    const timer = setInterval(() => {
      if (running.current === undefined && refusal.peek() === undefined) again();
    }, everyMs);
    // A tab that was hidden may show old figures.
    if (Date.now() - asked.peek().answeredMs > everyMs && running.current === undefined) again();
    return () => clearInterval(timer);
  }, [key, everyMs, isVisible.value]);

  return { asked, again, stop };
}
