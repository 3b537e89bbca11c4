// The keys of Logs: moving through the rows, and what is done with the chosen one.
// Invariant: a key acts on the chosen row, or on the value under the pointer or the focus.
import { copyLink } from '../../commands.ts';
import { useKeys } from '../../keys.ts';
import { copyText } from '../../parts/basics.tsx';
import { toast } from '../../parts/floating.tsx';
import { rangeOf } from '../../parts/time-range.ts';
import { scaleRange } from '../../parts/toolbar.tsx';
import { go, params, setParams, zone } from '../../state.ts';
import { rowAsText, type Column } from './columns.ts';
import { clearBrush } from './counts.tsx';
import { curlOf, requestAddress } from './detail.tsx';
import { filterBy } from './facts.tsx';
import { isRecord } from './held-rows.ts';
import type { ListHandle } from './list.tsx';
import type { LogList } from './log-list.ts';
import { gravityOf, type LogJson } from './record.ts';
import type { Selection } from './selection.ts';

export interface LogsKeysOptions {
  readonly list: LogList;
  readonly selection: Selection;
  readonly handle: { readonly current: ListHandle | undefined };
  readonly columns: readonly Column[];
  readonly isLive: boolean;
  readonly onToggle: (index: number) => void;
  readonly onCatchUp: () => void;
  readonly onFacets: () => void;
  readonly onLive: () => void;
  readonly onAgain: () => void;
}

/** The value of a field under the focus or the pointer. */
function valueAt(
  list: LogList,
  columns: readonly Column[],
  handle: ListHandle | undefined,
): { readonly field: string; readonly value: string } | undefined {
  const focused = document.activeElement?.closest<HTMLElement>('[data-value]');
  const pointed = [...document.querySelectorAll<HTMLElement>('[data-field]:hover')].at(-1);
  const element = focused ?? pointed;
  const field = element?.dataset['field'];
  if (element === undefined || field === undefined) return undefined;
  if (element.dataset['value'] !== undefined) return { field, value: element.dataset['value'] };
  // A cell of the list: its value is the record's.
  const row = element.closest('.l');
  const record = row === null ? undefined : list.rows.at(handle?.indexOf(row) ?? -1);
  const value = isRecord(record) ? (columns.find((one) => one.field === field)?.value(record) ?? '') : '';
  return value === '' ? undefined : { field, value };
}

/** Copies a text and says so. */
const copyAndSay = (text: string, what: string): void =>
  void copyText(text).then((isCopied) =>
    toast(isCopied ? `${what} copied` : 'The browser does not allow copying', { isError: !isCopied }),
  );

export function useLogsKeys(options: LogsKeysOptions): void {
  const { list, selection, handle, columns, isLive, onToggle, onCatchUp, onFacets, onLive, onAgain } =
    options;
  const chosen = (): LogJson | undefined => {
    const row = list.rows.at(selection.at.peek());
    return isRecord(row) ? row : undefined;
  };
  const step = (by: number, isExtended = false): void =>
    handle.current?.go(selection.at.peek() === -1 ? 0 : selection.at.peek() + by, isExtended);
  const toError = (by: number): boolean => {
    for (let i = selection.at.peek() + by; i >= 0 && i < list.rows.count; i += by) {
      const row = list.rows.at(i);
      if (!isRecord(row) || gravityOf(row) !== 'err') continue;
      handle.current?.go(i);
      return true;
    }
    toast(by > 0 ? 'No further error among the rows that are loaded' : 'No error above');
    return true;
  };
  const copyRows = (): boolean => {
    if (selection.at.peek() === -1) return false;
    const lines: string[] = [];
    const context = { zone: zone.peek(), nowMs: Date.now() };
    for (let i = selection.from; i <= selection.to; i++) {
      const row = list.rows.at(i);
      if (isRecord(row)) lines.push(rowAsText(row, columns, context));
    }
    copyAndSay(lines.join('\n'), lines.length === 1 ? 'Row' : `${lines.length} rows`);
    return true;
  };
  const byValue = (isNot: boolean): boolean => {
    const at = valueAt(list, columns, handle.current);
    if (at === undefined) return false;
    filterBy(at.field, at.value, isNot);
    return true;
  };
  const withChosen = (act: (record: LogJson) => void): boolean => {
    const record = chosen();
    if (record !== undefined) act(record);
    return record !== undefined;
  };
  useKeys('everywhere', { again: onAgain, link: copyLink });
  useKeys('logs', {
    next: () => step(1),
    previous: () => step(-1),
    extendDown: () => step(1, true),
    extendUp: () => step(-1, true),
    detail: () => {
      if (selection.at.peek() === -1) return false;
      onToggle(selection.at.peek());
      return true;
    },
    request: () =>
      withChosen(({ request_id: id }) => {
        if (id !== undefined) go(requestAddress(id));
      }),
    context: () => withChosen(({ seq }) => setParams({ ctx: String(seq) })),
    only: () => byValue(false),
    not: () => byValue(true),
    live: onLive,
    catchUp: () => {
      if (isLive) return onCatchUp();
      return handle.current?.go(list.rows.count - 1);
    },
    newest: () => {
      handle.current?.toTop();
      if (list.rows.count > 0) handle.current?.go(0);
    },
    facets: onFacets,
    wrap: () => setParams({ wrap: params.peek()['wrap'] === undefined ? '1' : undefined }, true),
    copyId: () =>
      withChosen(({ request_id: id }) => {
        if (id !== undefined) copyAndSay(id, 'Request id');
      }),
    copyLines: copyRows,
    curl: () => withChosen((record) => copyAndSay(curlOf(record), 'curl')),
    narrower: () => scaleRange(rangeOf(params.peek(), Date.now()), 0.5),
    wider: () => scaleRange(rangeOf(params.peek(), Date.now()), 2),
    nextError: () => toError(1),
    previousError: () => toError(-1),
    close: () => {
      // The topmost goes first.
      if (list.state.peek().isAsking) return list.stop();
      if (params.peek()['ctx'] !== undefined) return setParams({ ctx: undefined });
      if (selection.open.peek() !== -1) return onToggle(selection.open.peek());
      if (selection.at.peek() !== -1) return selection.clear();
      return clearBrush();
    },
  });
}
