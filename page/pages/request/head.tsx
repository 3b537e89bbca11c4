// The head of a request: its id, what it was, its place in the list that it came from, and what can be done with it.
// Invariant: j and k follow the list of Logs in the address (`from`), not the time.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { RequestJson } from '../../../src/control/admin/records/request-json.ts';
import { copyLink } from '../../commands.ts';
import { count, text, visibleLine } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { Button, Copy, Pill } from '../../parts/basics.tsx';
import { Icon } from '../../parts/icons.tsx';
import { addressOf, print, type Place } from '../../routes.ts';
import { announce, goTo, params } from '../../state.ts';
import { curlOf } from './curl.ts';
import { listName, listPlace, standingIn } from './list-place.ts';
import type { Standing } from './list-walk.ts';

/** Hexadecimal digits of the time at the beginning of a request id. */
const TIME_DIGITS = 12;

/** The id of a request; ids that begin with a time have that part paler, since neighbours share it. */
const Id = ({ id }: { readonly id: string }): JSX.Element =>
  /^[0-9a-f]{37}$/.test(id) ? (
    <h1 class="id">
      <span class="dim">{id.slice(0, TIME_DIGITS)}</span>
      {id.slice(TIME_DIGITS)}
    </h1>
  ) : (
    <h1 class="id">{visibleLine(id)}</h1>
  );

/** Where weir's data server can be reached from here: the name of this page, and the usual port. */
const dataBase = (): string => `${location.protocol}//${location.hostname}:8080`;

export const Head = ({
  id,
  what,
  details,
}: {
  readonly id: string;
  readonly what: 'request' | 'trace';
  readonly details: RequestJson | undefined;
}): JSX.Element => {
  const list = listPlace(params.value['from']);
  const { method, path } = (details?.log.attributes ?? {}) as {
    readonly method?: string;
    readonly path?: string;
  };
  return (
    <div class="hd">
      <a class="btn quiet back" href={list === undefined ? addressOf({ page: 'logs' }) : print(list)}>
        <Icon name="left" isSmall />
        Logs
      </a>
      <Id id={id} />
      <Copy text={id} label={what === 'request' ? 'Copy the request id' : 'Copy the trace id'} isSmall />
      {/* It has its room before the request is read, so that nothing moves. */}
      <span class="what">
        {what === 'trace' && <Pill>trace</Pill>}
        {method !== undefined && (
          <span class="mid el">
            {visibleLine(method)} {visibleLine(path ?? '')}
          </span>
        )}
        {details !== undefined &&
          (details.task !== null || details.siblings.some(({ is_async }) => is_async)) && (
            <Pill tone="acc">async</Pill>
          )}
      </span>
      {list !== undefined && what === 'request' && <Neighbours id={id} list={list} />}
      <Button icon="link" label="Copy the link to this page (Shift L)" onClick={copyLink}>
        <span class="nmob">Copy link</span>
      </Button>
      <Copy
        kind="plain"
        icon="curl"
        label="Copy the request as a curl command"
        off={details === undefined ? 'The request is not read yet' : undefined}
        text={() => (details === undefined ? '' : curlOf(details, dataBase()))}
      >
        <span class="nmob">Copy curl</span>
      </Copy>
    </div>
  );
};

const Neighbours = ({ id, list }: { readonly id: string; readonly list: Place }): JSX.Element => {
  const [standing, setStanding] = useState<Standing & { readonly of: string }>();
  const [problem, setProblem] = useState('');
  const key = print(list);
  useEffect(() => {
    let isCurrent = true;
    setProblem('');
    void standingIn(list, id).then((found) => {
      if (!isCurrent) return;
      if (found === undefined) setProblem('not in the first 20 000 rows of');
      else if ('status' in found) setProblem(`${found.message}:`);
      else setStanding({ ...found, of: id });
    });
    return () => (isCurrent = false) as unknown as void;
  }, [id, key]);
  const current = standing?.of === id ? standing : undefined;
  const go = (to: string | undefined, end: string): void => {
    if (to === undefined) return announce(end);
    const { from, view, lines } = params.peek();
    goTo(
      { page: 'request', id: to },
      Object.fromEntries(
        Object.entries({ from, view, lines }).filter(([, value]) => value !== undefined),
      ) as Record<string, string>,
    );
  };
  const next = (): void => go(current?.next, 'This is the last one of the list');
  const previous = (): void => go(current?.previous, 'This is the first one of the list');
  useKeys('request', { next, previous });
  const why = current === undefined ? 'Reading the list…' : undefined;
  return (
    <>
      <span class="dim num el place" role="status">
        {problem !== '' ? (
          <span>{problem} </span>
        ) : (
          current !== undefined && (
            <span>
              {text(count(current.position))} of {current.isWhole ? '' : 'at least '}
              {text(count(current.count))} in{' '}
            </span>
          )
        )}
        <span class="mono">{visibleLine(listName(list))}</span>
      </span>
      <span class="seg">
        <button
          type="button"
          aria-label="Previous in the list (k)"
          aria-disabled={current?.previous === undefined ? true : undefined}
          title={
            why ??
            (current?.previous === undefined ? 'This is the first one of the list' : 'Previous in the list')
          }
          onClick={previous}
        >
          <Icon name="up" isSmall />
          <kbd>k</kbd>
        </button>
        <button
          type="button"
          aria-label="Next in the list (j)"
          aria-disabled={current?.next === undefined ? true : undefined}
          title={
            why ?? (current?.next === undefined ? 'This is the last one of the list' : 'Next in the list')
          }
          onClick={next}
        >
          <Icon name="down" isSmall />
          <kbd>j</kbd>
        </button>
      </span>
    </>
  );
};
