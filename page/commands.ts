// What keys, buttons and the list of commands do to the whole page.
// Invariant: each command works the same from everywhere.
import { copyText } from './parts/basics.tsx';
import { toast } from './parts/floating.tsx';
import { rangeOf } from './parts/time-range.ts';
import { print } from './routes.ts';
import { isDark, params, place, theme, zone } from './state.ts';

/** Environment and deployment go along from page to page. */
export const carried = (): Record<string, string> => {
  const { env = '', dep = '' } = params.value;
  return { env, dep };
};

/** Times are shown in UTC or in the zone of the browser. */
export const switchZone = (): void => void (zone.value = zone.value === 'UTC' ? 'local' : 'UTC');

/** A theme that the system has as well is not kept. */
export function switchTheme(): void {
  const next = isDark.value ? 'light' : 'dark';
  const system = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  theme.value = next === system ? undefined : next;
}

let linkCopiedAtMs = 0;

/** Copies the address with absolute times; a second time within 2 s as it is. */
export function copyLink(): void {
  const isAgain = performance.now() - linkCopiedAtMs < 2000;
  linkCopiedAtMs = isAgain ? 0 : performance.now();
  const { route: where, params: its } = place.value;
  const isTimed = where.page === 'logs' || where.page === 'monitor';
  let address = print(place.value);
  if (isTimed && !isAgain) {
    const { fromMs, toMs, since } = rangeOf(its, Date.now(), where.page === 'monitor' ? '24h' : '1h');
    if (since !== undefined) {
      const { since: _since, live: _live, ...rest } = its;
      const times = { start: new Date(fromMs).toISOString(), end: new Date(toMs).toISOString() };
      address = print({ route: where, params: { ...rest, ...times } });
    }
  }
  void copyText(location.origin + address).then((isCopied) =>
    toast(
      isCopied
        ? isTimed && !isAgain
          ? 'Link copied, with absolute times'
          : 'Link copied'
        : 'The browser does not allow copying',
      { isError: !isCopied },
    ),
  );
}
