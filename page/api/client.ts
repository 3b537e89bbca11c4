// Requests to weir's admin API: the key, answers as values, and whether weir can be reached.
// Invariant: a key is sent to this origin only, in a header, and is kept in memory or, if wanted, for this tab.
import { computed, signal } from '@preact/signals';

/** One problem of a request, at its place (from 0) in the text of a parameter. */
export interface Problem {
  readonly param: string;
  readonly problem: string;
  readonly at?: number;
  readonly length?: number;
  readonly suggestion?: string;
}

/** Why there is no answer. `status` 0: weir did not answer. */
export interface ApiError {
  readonly status: number;
  /** weir's own sentence. */
  readonly message: string;
  readonly code: string;
  /** Id of the refused request, for its search in weir's own log. */
  readonly requestId: string | undefined;
  readonly problems: readonly Problem[];
  /** All fields of the answer, for errors that say more. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

export type Answer<T> =
  | { readonly ok: true; readonly value: T; readonly headers: Headers; readonly tookMs: number }
  | { readonly ok: false; readonly error: ApiError };

export interface AskOptions {
  readonly query?: Readonly<Record<string, string | number | undefined>> | URLSearchParams;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

const KEY = 'weir key';

function keptKey(): string {
  try {
    return sessionStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}

const keySignal = signal(keptKey());
/** True if a key has been given. */
export const hasKey = computed(() => keySignal.value !== '');

/** Sets the key. `isKept`: until this tab is closed. An empty one is forgotten. */
export function setKey(key: string, isKept: boolean): void {
  keySignal.value = key;
  refusal.value = undefined;
  try {
    if (key !== '' && isKept) sessionStorage.setItem(KEY, key);
    else sessionStorage.removeItem(KEY);
  } catch {
    // The browser forbids it: the key holds until the page is loaded anew.
  }
}

/** Why weir wants a key, if it does: the page to enter it is shown. */
export const refusal = signal<ApiError | undefined>(undefined);

/** Since when weir does not answer, in milliseconds since the epoch, and when it is asked again. */
export const outage = signal<{ readonly sinceMs: number; readonly nextMs: number } | undefined>(undefined);

const authorization = (): Record<string, string> =>
  keySignal.peek() === '' ? {} : { Authorization: `Bearer ${keySignal.peek()}` };

const urlOf = (path: string, query: AskOptions['query'] = {}): string => {
  const search =
    query instanceof URLSearchParams
      ? query
      : new URLSearchParams(
          Object.entries(query).flatMap(([name, value]) =>
            value === undefined || value === '' ? [] : [[name, String(value)]],
          ),
        );
  const text = search.toString();
  return text === '' ? path : `${path}?${text}`;
};

/** True if the request was stopped by its own signal. */
export const isStopped = (error: ApiError): boolean => error.code === 'stopped';

const noAnswer = (code: string, message: string): ApiError => ({
  status: 0,
  message,
  code,
  requestId: undefined,
  problems: [],
});

async function errorOf(res: Response): Promise<ApiError> {
  const text = await res.text();
  let body: Record<string, unknown> = {};
  try {
    body = JSON.parse(text) as Record<string, unknown>;
  } catch {
    // Not of weir: a proxy in between, perhaps. Its status is all there is to say.
  }
  // Routes of other APIs answer in their forms: `message`, or an object with one.
  const said = [
    body['error'],
    body['message'],
    (body['error'] as Record<string, unknown> | null | undefined)?.['message'],
  ].find((one) => typeof one === 'string');
  return {
    status: res.status,
    message: typeof said === 'string' ? said : `Status ${res.status}, from a server before weir`,
    code: typeof body['error_code'] === 'string' ? body['error_code'] : '',
    requestId: typeof body['request_id'] === 'string' ? body['request_id'] : undefined,
    problems: Array.isArray(body['problems']) ? (body['problems'] as Problem[]) : [],
    fields: body,
  };
}

/** Forgets a key that weir refuses, and keeps the reason: requests without a key that follow have none to tell. */
function refused(sent: string, error: ApiError): void {
  // The answer to an older key says nothing about the present one.
  if (sent !== keySignal.peek()) return;
  if (sent !== '') setKey('', false);
  if (sent !== '' || refusal.peek() === undefined) refusal.value = error;
}

/** Sends a request and returns its response as it is, for streams; an error has been read. */
export async function open(
  method: string,
  path: string,
  { query, body, headers = {}, signal: stop }: AskOptions = {},
): Promise<{ readonly ok: true; readonly res: Response } | { readonly ok: false; readonly error: ApiError }> {
  const sent = keySignal.peek();
  let res: Response;
  try {
    res = await fetch(urlOf(path, query), {
      method,
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
        ...authorization(),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: stop ?? null,
      cache: 'no-cache',
      credentials: 'omit',
      redirect: 'error',
    });
  } catch {
    if (stop?.aborted === true) return { ok: false, error: noAnswer('stopped', 'Stopped') };
    wentAway();
    return { ok: false, error: noAnswer('no_answer', 'weir does not answer') };
  }
  cameBack();
  if (res.ok) return { ok: true, res };
  const error = await errorOf(res);
  if (error.status === 401) refused(sent, error);
  return { ok: false, error };
}

/** Sends a request and reads its JSON. */
export async function ask<T>(method: string, path: string, options: AskOptions = {}): Promise<Answer<T>> {
  const began = performance.now();
  const opened = await open(method, path, options);
  if (!opened.ok) return opened;
  const { res } = opened;
  try {
    const text = await res.text();
    const value = (text === '' ? undefined : JSON.parse(text)) as T;
    return { ok: true, value, headers: res.headers, tookMs: performance.now() - began };
  } catch (error) {
    if (options.signal?.aborted === true) return { ok: false, error: noAnswer('stopped', 'Stopped') };
    const isCut = !(error instanceof SyntaxError);
    return {
      ok: false,
      error: noAnswer(
        isCut ? 'cut' : 'no_json',
        isCut ? 'The connection broke before the answer was complete' : 'The answer is not valid JSON',
      ),
    };
  }
}

export const get = <T>(path: string, options: AskOptions = {}): Promise<Answer<T>> =>
  ask<T>('GET', path, options);

/** Pauses between attempts while weir does not answer, in milliseconds. */
const LONGEST_PAUSE_MS = 30_000;
let attempts = 0;
let timer: ReturnType<typeof setTimeout> | undefined;
/** Counts the returns of weir: what is shown is asked anew when it changes. */
export const returns = signal(0);

function wentAway(): void {
  if (timer !== undefined) return;
  const pause = Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** attempts++) * (0.8 + Math.random() * 0.4);
  const now = Date.now();
  outage.value = { sinceMs: outage.peek()?.sinceMs ?? now, nextMs: now + pause };
  timer = setTimeout(probe, pause);
}

/** Asks whether weir is back, as soon as the tab is seen. */
function probe(): void {
  clearTimeout(timer);
  timer = undefined;
  if (document.visibilityState === 'hidden') return;
  void open('GET', '/livez');
}

function cameBack(): void {
  attempts = 0;
  if (outage.peek() === undefined) return;
  clearTimeout(timer);
  timer = undefined;
  outage.value = undefined;
  returns.value++;
}

/** Asks now, if weir does not answer. */
export const askAgain = (): void => {
  if (outage.peek() !== undefined) probe();
};
addEventListener('online', askAgain);
addEventListener('focus', askAgain);
document.addEventListener('visibilitychange', askAgain);
