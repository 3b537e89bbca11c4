// The keys of the page: one table, from which the help is made, and the parts that act on them.
// Invariant: single keys do nothing while a text is typed, and can be switched off (WCAG 2.1.4).
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { store, storedValue } from './state.ts';

export type KeyPlace = 'everywhere' | 'logs' | 'request' | 'monitor' | 'lists';

/** A key. `keys`: names as in `KeyboardEvent.key`, `Ctrl+` and `Shift+` before it; two names with a space are typed one after the other. */
export interface KeyRow {
  readonly id: string;
  readonly where: KeyPlace;
  readonly keys: readonly string[];
  readonly does: string;
}

const row = (where: KeyPlace, id: string, does: string, ...keys: readonly string[]): KeyRow => ({
  id,
  where,
  keys,
  does,
});

export const KEY_ROWS: readonly KeyRow[] = [
  row('everywhere', 'goTo', 'Go to an id, a page or a command', 'Ctrl+k'),
  row('everywhere', 'query', 'Query', '/'),
  row('everywhere', 'overview', 'Overview', 'g o'),
  row('everywhere', 'logs', 'Logs', 'g l'),
  row('everywhere', 'monitor', 'Monitor', 'g m'),
  row('everywhere', 'exports', 'Exports', 'g e'),
  row('everywhere', 'settings', 'Settings', 'g s'),
  row('everywhere', 'zone', 'Time zone: UTC or local', 'u'),
  row('everywhere', 'link', 'Copy the link with absolute times; again: with relative ones', 'Shift+L'),
  row('everywhere', 'again', 'Ask again', 'r'),
  row('everywhere', 'help', 'Keys', '?'),
  row('logs', 'next', 'Next row', 'j', 'ArrowDown'),
  row('logs', 'previous', 'Previous row', 'k', 'ArrowUp'),
  row('logs', 'extendDown', 'Also select the next row', 'Shift+ArrowDown'),
  row('logs', 'extendUp', 'Also select the previous row', 'Shift+ArrowUp'),
  row('logs', 'detail', 'Details of the row', 'Enter'),
  row('logs', 'request', 'Open its request', 'o'),
  row('logs', 'context', 'Show in context', 'x'),
  row('logs', 'only', 'Only this value', '='),
  row('logs', 'not', 'Not this value', '-'),
  row('logs', 'live', 'Live on or off', ' '),
  row('logs', 'catchUp', 'Catch up', 'End'),
  row('logs', 'newest', 'Newest', 'Home'),
  row('logs', 'facets', 'Facets', 'f'),
  row('logs', 'wrap', 'Wrap lines of the details', 'w'),
  row('logs', 'copyId', 'Copy the request id', 'c'),
  row('logs', 'copyLines', 'Copy the rows', 'y'),
  row('logs', 'curl', 'Copy as curl', 'Shift+C'),
  row('logs', 'narrower', 'Halve the time range', '['),
  row('logs', 'wider', 'Double the time range', ']'),
  row('logs', 'nextError', 'Next error', 'n'),
  row('logs', 'previousError', 'Previous error', 'p'),
  row('logs', 'close', 'Close what is on top, then clear the selected time', 'Escape'),
  row('request', 'next', 'Next in the list', 'j'),
  row('request', 'previous', 'Previous in the list', 'k'),
  row('request', 'spanDown', 'Next span', 'ArrowDown'),
  row('request', 'spanUp', 'Previous span', 'ArrowUp'),
  row('request', 'fold', 'Fold', 'ArrowLeft'),
  row('request', 'unfold', 'Unfold', 'ArrowRight'),
  row('request', 'chat', 'Conversation', '1'),
  row('request', 'json', 'JSON', '2'),
  row('request', 'raw', 'As sent', '3'),
  row('request', 'headers', 'Headers', '4'),
  row('request', 'score', 'Score', 's'),
  row('request', 'tag', 'Tag', 't'),
  row('request', 'comment', 'Comment', 'm'),
  row('request', 'good', 'Feedback: good', '+'),
  row('request', 'bad', 'Feedback: bad', '-'),
  row('monitor', 'left', 'Previous point', 'ArrowLeft'),
  row('monitor', 'right', 'Next point', 'ArrowRight'),
  row('monitor', 'point', 'Requests of the point in Logs', 'Enter'),
  row('monitor', 'zoomOut', 'Zoom out', 'Backspace'),
  row('monitor', 'groupBy', 'Group by', 'b'),
  row('lists', 'new', 'New', 'n'),
  row('lists', 'save', 'Save', 'Ctrl+Enter'),
];

/** True if single keys act. */
export const hasSingleKeys = signal(storedValue('keys') !== 'off');
export function setSingleKeys(isOn: boolean): void {
  hasSingleKeys.value = isOn;
  store('keys', isOn ? undefined : 'off');
}

/** Name of a pressed key as the table has it. */
export function keyName({ key, ctrlKey, metaKey, shiftKey }: KeyboardEvent): string {
  const isLetter = /^[A-Za-z]$/.test(key);
  return (
    (ctrlKey || metaKey ? 'Ctrl+' : '') +
    (shiftKey && (isLetter || key.length > 1) ? 'Shift+' : '') +
    (isLetter && !shiftKey ? key.toLowerCase() : key)
  );
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) &&
  !(target instanceof HTMLInputElement && /^(?:checkbox|radio|button|range)$/.test(target.type));

/** Handlers of a place: id of the key → what it does; one that returns false leaves the key to the browser. */
export type KeyHandlers = Readonly<Record<string, (event: KeyboardEvent) => void | boolean>>;

interface Listener {
  readonly where: KeyPlace;
  readonly handlers: { current: KeyHandlers };
}

/** The parts that listen; the last one added is asked first. */
const listeners: Listener[] = [];
/** First key of two, until the second or for a second. */
let prefix = '';
let prefixAtMs = 0;

addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.isComposing || event.altKey) return;
  const name = keyName(event);
  const isSingle = !name.startsWith('Ctrl+');
  if (isSingle && (isTyping(event.target) || !hasSingleKeys.peek())) return;
  // A dialog has its own keys.
  if (document.querySelector('dialog[open]') !== null && isSingle) return;
  const typed = prefix !== '' && performance.now() - prefixAtMs < 1000 ? `${prefix} ${name}` : name;
  prefix = '';
  for (const { where, handlers } of [...listeners].reverse())
    for (const { id, keys, where: of } of KEY_ROWS) {
      const handler = handlers.current[id];
      if (of !== where || handler === undefined || !keys.includes(typed)) continue;
      // Enter and Space belong to the button or link that has the focus.
      if ((name === 'Enter' || name === ' ') && isControl(event.target)) continue;
      if (handler(event) !== false) event.preventDefault();
      return;
    }
  if (KEY_ROWS.some(({ keys }) => keys.some((key) => key.startsWith(`${name} `)))) {
    prefix = name;
    prefixAtMs = performance.now();
  }
});

const isControl = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  target.closest('button, a, summary, select, [role=option], [role=menuitem]') !== null;

/** Acts on the keys of a place while the part is shown. */
export function useKeys(where: KeyPlace, handlers: KeyHandlers): void {
  const latest = useRef(handlers);
  latest.current = handlers;
  useEffect(() => {
    const listener: Listener = { where, handlers: latest };
    listeners.push(listener);
    return () => void listeners.splice(listeners.indexOf(listener), 1);
  }, [where]);
}

const SHOWN: Readonly<Record<string, string>> = {
  ArrowDown: '↓',
  ArrowUp: '↑',
  ArrowLeft: '←',
  ArrowRight: '→',
  ' ': 'Space',
};

/** One of the keys that are pressed together. */
const shownPart = (part: string, hasCtrl: boolean): string =>
  SHOWN[part] ?? (hasCtrl && part.length === 1 ? part.toUpperCase() : part);

/** A key as it is shown: `Ctrl K`, `g o`, `+`. */
export const shownKey = (keys: string): string =>
  keys.trim() === ''
    ? 'Space'
    : keys
        .split(' ')
        .flatMap((one) =>
          one === '+' ? ['+'] : one.split('+').map((part) => shownPart(part, one.startsWith('Ctrl+'))),
        )
        .join(' ');
