// Go to (Ctrl K): opens what an id names, a page, a setting, a question of before, or runs a command.
// Invariant: a combobox with a list: the focus stays in the field, and Enter acts on the chosen item.
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { FindJson, FoundJson } from '../../../src/control/admin/records/find-json.ts';
import type { SettingList } from '../../../src/control/admin/answers/settings-answers.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { carried, copyLink, switchTheme, switchZone } from '../../commands.ts';
import { duration, moment, text as inOneLine, visibleLine } from '../../formats.ts';
import { KEY_ROWS, shownKey } from '../../keys.ts';
import { missing } from '../../me.ts';
import { Icon } from '../../parts/icons.tsx';
import { questions } from '../../parts/questions.ts';
import { addressOf } from '../../routes.ts';
import { go, goTo, isDark, isGoToOpen, isHelpOpen, params, route, zone } from '../../state.ts';
import { askedDrain } from '../overview/drain.ts';
import { goToGroups, type GoToItem } from './go-to-items.ts';
import { asQuery, idOf, shapesOf } from './id-shape.ts';
import './find.css';

/** After the last key, before an id is looked up. */
const PAUSE_MS = 150;

interface ReplicaList {
  readonly deployments: readonly {
    readonly id: string;
    readonly replicas: readonly { readonly id: string; readonly state: string }[];
  }[];
}

/** The text as it was `PAUSE_MS` ago, so that not each key asks. */
function useSettled(text: string): string {
  const [settled, settle] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => settle(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

/** Status, duration, deployment and time of what was found. */
const describe = ({ status, duration_ms: ms, state, timestamp, text }: FoundJson): string =>
  [
    status === undefined ? (state ?? '') : String(status),
    ms === undefined ? '' : inOneLine(duration(ms)),
    moment(Date.parse(timestamp), zone.value, Date.now()),
    visibleLine(text).slice(0, 60),
  ]
    .filter((one) => one !== '')
    .join(', ');

const hintOf = ({ hint }: GoToItem): string | undefined => {
  const keys = KEY_ROWS.find(({ id, where }) => id === hint && where === 'everywhere')?.keys[0];
  return keys === undefined ? hint : shownKey(keys);
};

export default function GoTo(): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState('');
  const [chosen, setChosen] = useState(0);
  const id = idOf(useSettled(text));
  const isId = shapesOf(id).length > 0;
  const find = useAnswer<FindJson>(isId ? { path: '/v1/find', query: { id } } : undefined, { isKept: false });
  const settings = useAnswer<SettingList>(
    missing('admin') === undefined ? { path: '/v1/settings' } : undefined,
  );
  const replicas = useAnswer<ReplicaList>(
    missing('admin') === undefined ? { path: '/v1/replicas' } : undefined,
  );

  // Before the next key is typed.
  useLayoutEffect(() => {
    const element = dialog.current!;
    element.showModal();
    return () => element.close();
  }, []);
  useEffect(() => setChosen(0), [text]);

  const groups = goToGroups({
    text,
    found: isId && id === idOf(text) ? find.asked.value.value : undefined,
    describe,
    settings: (settings.asked.value.value?.settings ?? []).map(({ key }) => key),
    questions: questions(),
    replicas: (replicas.asked.value.value?.deployments ?? []).flatMap((deployment) =>
      deployment.replicas.map((replica) => ({ ...replica, deployment: deployment.id })),
    ),
    here: { route: route.value, params: params.value },
    zone: zone.value,
    localZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    isDark: isDark.value,
  });
  const items = groups.flatMap((group) => group.items);
  const current = Math.min(chosen, items.length - 1);

  /** The browser gives the focus back to what had it. */
  const close = (): void => {
    dialog.current?.close();
    isGoToOpen.value = false;
  };
  const open = (address: string, isNewTab: boolean): void => {
    close();
    if (isNewTab) window.open(address, '_blank', 'noopener');
    else go(address);
  };
  const command = ({ id: name }: GoToItem): void => {
    if (name === 'drain') {
      setText('drain ');
      return;
    }
    close();
    if (name === 'zone') switchZone();
    else if (name === 'theme') switchTheme();
    else if (name === 'link') copyLink();
    else if (name === 'help') isHelpOpen.value = true;
    else {
      askedDrain.value = name.slice('drain '.length);
      goTo({ page: 'overview' }, carried());
    }
  };
  const act = (
    item: GoToItem | undefined,
    { ctrlKey, metaKey, shiftKey }: MouseEvent | KeyboardEvent,
  ): void => {
    if ((ctrlKey || metaKey) && text.trim() !== '')
      open(addressOf({ page: 'logs' }, { q: item?.q ?? asQuery(text.trim()), ...carried() }), false);
    else if (item?.address !== undefined) open(item.address, shiftKey);
    else if (item !== undefined) command(item);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && items.length > 0) {
      event.preventDefault();
      setChosen((current + step + items.length) % items.length);
    } else if (event.key === 'Enter' && !event.isComposing) {
      event.preventDefault();
      act(items[current], event);
    }
  };
  useEffect(
    () => dialog.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' }),
    [current],
  );

  return (
    <dialog
      ref={dialog}
      class="dialog pal"
      aria-label="Go to"
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClick={(event) => event.target === dialog.current && close()}
    >
      <div class="in">
        <Icon name="search" />
        <input
          class="mono"
          role="combobox"
          aria-label="Id, page, setting or command"
          aria-expanded="true"
          aria-controls="goto-list"
          aria-autocomplete="list"
          aria-activedescendant={current >= 0 ? `goto-${current}` : undefined}
          placeholder="Id of a request, trace, span or export; page, setting or command"
          autofocus
          autocomplete="off"
          spellcheck={false}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={onKeyDown}
        />
      </div>
      <div class="list" role="listbox" id="goto-list" aria-label="Places and commands">
        {groups.map(({ title, items: own, says }) => (
          <div role="group" aria-label={title} key={title}>
            <h3 aria-hidden="true">{title}</h3>
            {own.map((item) => {
              const at = items.indexOf(item);
              return (
                <Row
                  key={item.id}
                  item={item}
                  at={at}
                  isChosen={at === current}
                  onClick={(event) => act(item, event)}
                />
              );
            })}
            {says !== undefined && <p class="says">{says}</p>}
          </div>
        ))}
      </div>
      <div class="ft">
        <span>
          <kbd>↑</kbd> <kbd>↓</kbd> choose
        </span>
        <span>
          <kbd>Enter</kbd> open
        </span>
        <span>
          <kbd>Ctrl Enter</kbd> in Logs
        </span>
        <span class="nmob">
          <kbd>Shift Enter</kbd> new tab
        </span>
      </div>
    </dialog>
  );
}

const Row = ({
  item,
  at,
  isChosen,
  onClick,
}: {
  readonly item: GoToItem;
  readonly at: number;
  readonly isChosen: boolean;
  readonly onClick: (event: MouseEvent) => void;
}): JSX.Element => {
  const { icon, shown, marked = '', isCode, note } = item;
  const from = marked === '' ? -1 : shown.lastIndexOf(marked);
  const hint = hintOf(item);
  return (
    <div id={`goto-${at}`} class="opt" role="option" aria-selected={isChosen} onClick={onClick}>
      <Icon name={icon} isSmall />
      <span class="el">
        <span class={isCode === true ? 'mono' : ''}>
          {from === -1 || marked === shown ? (
            visibleLine(shown)
          ) : (
            <>
              {shown.slice(0, from)}
              <mark>{marked}</mark>
              {shown.slice(from + marked.length)}
            </>
          )}
        </span>
        {note !== undefined && note !== '' && <span class="dim"> {note}</span>}
      </span>
      {hint !== undefined ? <kbd>{hint}</kbd> : isChosen ? <kbd>Enter</kbd> : null}
    </div>
  );
};
