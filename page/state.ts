// What all parts of the page share: the place, the theme, the time zone, and the announcements for screen readers.
// Invariant: the place is what the address bar shows. Nothing here is kept beyond the tab but theme, zone and keys switch.
import { batch, computed, effect, signal } from '@preact/signals';
import { parse, print, type Params, type Place, type Route } from './routes.ts';

const here = (): string => location.pathname + location.search;

const placeSignal = signal<Place>(parse(here()));
/** Where the page is. */
export const place = computed(() => placeSignal.value);
export const route = computed(() => placeSignal.value.route);
export const params = computed(() => placeSignal.value.params);

/** What was kept with the entry of the history that is shown: scroll and focus of the page that wrote it. */
export const kept = signal<Readonly<Record<string, unknown>>>(
  (history.state ?? {}) as Record<string, unknown>,
);

addEventListener('popstate', () => {
  batch(() => {
    kept.value = (history.state ?? {}) as Record<string, unknown>;
    placeSignal.value = parse(here());
  });
});

/** Keeps a value with the present entry of the history; Back brings it again in `kept`. */
export function keepHere(name: string, value: unknown): void {
  history.replaceState({ ...(history.state as object | null), [name]: value }, '');
}

/** Goes to an address of the page. `isReplaced`: Back skips the present one. */
export function go(address: string, isReplaced = false): void {
  if (address === here()) return;
  if (isReplaced) history.replaceState(history.state, '', address);
  else history.pushState({}, '', address);
  batch(() => {
    if (!isReplaced) kept.value = {};
    placeSignal.value = parse(address);
  });
}

/** Goes to a route. */
export const goTo = (to: Route, its: Params = {}): void => go(print({ route: to, params: its }));

/** Changes parameters of the present place; `undefined` and '' take one away. */
export function setParams(changes: Readonly<Record<string, string | undefined>>, isReplaced = false): void {
  const next: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...params.peek(), ...changes }))
    if (value !== undefined && value !== '') next[name] = value;
  go(print({ route: route.peek(), params: next }), isReplaced);
}

/** Follows clicks on links of the page without loading it anew. */
addEventListener('click', (event) => {
  if (
    event.defaultPrevented ||
    event.button !== 0 ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    event.altKey
  )
    return;
  const link = (event.target as Element | null)?.closest('a');
  if (!link || link.origin !== location.origin || link.target !== '' || link.hasAttribute('download')) return;
  if (!link.pathname.startsWith('/ui/')) return;
  event.preventDefault();
  go(link.pathname + link.search);
});

/** Reads a value of localStorage; a browser that forbids it has none. */
function stored(name: string): string | undefined {
  try {
    return localStorage.getItem(name) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a value in localStorage; `undefined` takes it away. */
export function store(name: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // The browser forbids it: the value holds for this tab.
  }
}

export const storedValue = stored;

/** `undefined`: as the system has it. */
export const theme = signal(stored('theme') as 'light' | 'dark' | undefined);
effect(() => {
  const { dataset } = document.documentElement;
  if (theme.value === undefined) delete dataset['theme'];
  else dataset['theme'] = theme.value;
  store('theme', theme.value);
});

/** True while the page is dark. Charts draw with the colours of the tokens when it changes. */
const systemDark = matchMedia('(prefers-color-scheme: dark)');
const isSystemDark = signal(systemDark.matches);
systemDark.addEventListener('change', ({ matches }) => (isSystemDark.value = matches));
export const isDark = computed(() => (theme.value ?? (isSystemDark.value ? 'dark' : 'light')) === 'dark');

/** The zone in which times are shown. */
export const zone = signal<'UTC' | 'local'>(stored('zone') === 'local' ? 'local' : 'UTC');
effect(() => store('zone', zone.value === 'local' ? 'local' : undefined));

/** True while the tab can be seen. Nothing is asked while it is hidden. */
export const isVisible = signal(document.visibilityState === 'visible');
document.addEventListener('visibilitychange', () => {
  isVisible.value = document.visibilityState === 'visible';
});

/** What screen readers say next. */
export const announcement = signal('');
export const announce = (text: string): void => void (announcement.value = text);

/** True while the list of places to go to, or the help of keys, is open. */
export const isGoToOpen = signal(false);
export const isHelpOpen = signal(false);

/** What a page has to say in the status bar: how long its last answer took, for instance. */
export const status = signal('');
