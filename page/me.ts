// What weir says of itself and of the key: for the status bar, the scope lists and what a key cannot use.
// Invariant: one request for the whole page, every 15 s while it is seen.
import { effect, signal } from '@preact/signals';
import type { MeJson } from '../src/control/admin/overview/me-json.ts';
import { get, hasKey, refusal, returns } from './api/client.ts';
import { isVisible } from './state.ts';

const EVERY_MS = 15_000;

/** `undefined` until the first answer. */
export const me = signal<MeJson | undefined>(undefined);

let isAsking = false;

async function refresh(): Promise<void> {
  if (isAsking) return;
  isAsking = true;
  const answer = await get<MeJson>('/v1/me');
  isAsking = false;
  if (answer.ok) me.value = answer.value;
}

/** Asks for it anew: after a change of what it tells. */
export const refreshMe = (): void => void refresh();

export function startMe(): void {
  effect(() => {
    void hasKey.value;
    void returns.value;
    if (!isVisible.value) return undefined;
    void refresh();
    const timer = setInterval(() => {
      if (refusal.peek() === undefined) void refresh();
    }, EVERY_MS);
    return () => clearInterval(timer);
  });
}

/** Why the key cannot do what needs this scope; `undefined` if it can. */
export function missing(scope: string): string | undefined {
  const key = me.value?.key;
  if (key === undefined || key.scopes.includes('admin') || key.scopes.includes(scope)) return undefined;
  return `This needs the scope ${scope}. The key ${key.name ?? ''} has ${key.scopes.join(', ')}.`;
}
