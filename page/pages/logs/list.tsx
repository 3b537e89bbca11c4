// The list of records: Preact around a pool of rows, with the details of one row between them.
// Invariant: the list is a grid with one tab stop; what is in sight moves only when its reader moves it.
import { effect, useSignal, type Signal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { RowPool } from '../../parts/row-pool.ts';
import { kept, keepHere, params, zone } from '../../state.ts';
import { template, timeTitle, type Column } from './columns.ts';
import type { LogList } from './log-list.ts';
import { isRecord } from './held-rows.ts';
import type { LogJson } from './record.ts';
import { LogRowPainter, type RowParts } from './row-painter.ts';
import type { Selection } from './selection.ts';

const ROW_PX = 24;
/** Rows of phones have two lines. */
const TALL_ROW_PX = 46;
const HEAD_PX = 28;
/** Distance from the end at which the next page is asked for. */
const AHEAD_PX = 400;

const narrow = matchMedia('(max-width: 760px)');

/** True on narrow screens. */
export function useNarrow(): boolean {
  const [is, set] = useState(narrow.matches);
  useEffect(() => {
    const follow = (): void => set(narrow.matches);
    narrow.addEventListener('change', follow);
    return () => narrow.removeEventListener('change', follow);
  }, []);
  return is;
}

/** What other parts do with the list that is shown. */
export interface ListHandle {
  /** Chooses a row, brings it into sight and focuses it. */
  readonly go: (index: number, isExtended?: boolean) => void;
  readonly toTop: () => void;
  readonly isAtTop: () => boolean;
  /** Rows between the upper and the lower edge. */
  readonly pageSize: () => number;
  /** The row of an element; -1: of none. */
  readonly indexOf: (element: Element) => number;
  /** True while text of the list is selected. */
  readonly hasSelection: () => boolean;
  /** Rows were added above all others. */
  readonly prepended: (added: number, isHeld: boolean) => void;
}

export interface RecordListProps {
  readonly list: LogList;
  readonly columns: readonly Column[];
  readonly selection: Selection;
  readonly marked: RegExp | undefined;
  readonly isNewestFirst: boolean;
  readonly onDirection: () => void;
  readonly onToggle: (index: number) => void;
  /** The list was scrolled, and may no longer stand at its upper edge. */
  readonly onScroll: () => void;
  readonly detail: (record: LogJson) => ComponentChildren;
  readonly columnMenu: ComponentChildren;
  readonly handle: { current: ListHandle | undefined };
}

export const RecordList = ({
  list,
  columns,
  selection,
  marked,
  isNewestFirst,
  onDirection,
  onToggle,
  onScroll,
  detail,
  columnMenu,
  handle,
}: RecordListProps): JSX.Element => {
  const isNarrow = useNarrow();
  const rowPx = isNarrow ? TALL_ROW_PX : ROW_PX;
  const scroller = useRef<HTMLDivElement>(null);
  const sizer = useRef<HTMLDivElement>(null);
  const layer = useRef<HTMLDivElement>(null);
  const pool = useSignal<RowPool<RowParts> | undefined>(undefined);
  void list.version.value;
  const rowCount = list.state.value.next === undefined ? list.rows.count + 1 : -1;
  const key = `${columns.map(({ id }) => id).join()} ${rowPx}`;

  const painter = useMemo(
    () =>
      new LogRowPainter({
        at: (index) => list.rows.at(index),
        columns,
        context: () => ({ zone: zone.peek(), nowMs: Date.now() }),
        chosen: () => ({ at: selection.at.peek(), from: selection.from, to: selection.to }),
        open: () => selection.open.peek(),
      }),
    [list, key],
  );

  useLayoutEffect(() => {
    const made = new RowPool(
      { scroller: scroller.current!, sizer: sizer.current!, layer: layer.current! },
      painter,
      {
        height: rowPx,
        headHeight: isNarrow ? 0 : HEAD_PX,
        onShown: (from, to) => {
          list.near = from;
          painter.mark();
          if ((list.rows.count - to) * rowPx < AHEAD_PX) void list.more();
          void list.restore(from, to);
        },
      },
    );
    pool.value = made;
    handle.current = {
      go: (index, isExtended = false) => {
        const last = list.rows.count - 1;
        if (last < 0) return;
        const to = Math.max(0, Math.min(last, index));
        selection.choose(to, isExtended);
        made.chosen = to;
        made.reveal(to);
        made.elementOf(to)?.focus({ preventScroll: true });
      },
      toTop: () => void (scroller.current!.scrollTop = 0),
      isAtTop: () => scroller.current!.scrollTop < 1,
      pageSize: () => made.pageSize,
      indexOf: (element) => made.indexOf(element),
      hasSelection: () => {
        const chosen = getSelection();
        return (
          chosen !== null && !chosen.isCollapsed && scroller.current?.contains(chosen.anchorNode) === true
        );
      },
      prepended: (added, isHeld) => {
        selection.shift(added);
        made.prepend(added, isHeld);
        if (list.state.peek().next === undefined)
          scroller.current!.setAttribute('aria-rowcount', String(list.rows.count + 1));
      },
    };
    let generation = list.generation.peek();
    let state: unknown;
    /** Where the reader was in this entry of the history; once for each visit. */
    const keptTop = (): number => {
      const isSame = kept.peek() === state;
      state = kept.peek();
      const top = kept.peek()['top'];
      return isSame || typeof top !== 'number' ? 0 : top;
    };
    const stops = [
      effect(() => {
        void list.version.value;
        const isOther = list.generation.value !== generation;
        generation = list.generation.value;
        made.update(list.rows.count);
        if (isOther) scroller.current!.scrollTop = keptTop();
      }),
      effect(() => {
        made.chosen = selection.at.value;
        void selection.anchor.value;
        void selection.open.value;
        void zone.value;
        made.repaint();
      }),
    ];
    if (list.rows.count > 0 && scroller.current!.scrollTop === 0) scroller.current!.scrollTop = keptTop();
    return () => {
      for (const stop of stops) stop();
      made.close();
      pool.value = undefined;
      handle.current = undefined;
    };
  }, [painter]);

  useEffect(() => () => painter.close(), [painter]);
  useEffect(() => void (painter.marked = marked), [painter, marked?.source]);

  // The place of the reader goes with the entry of the history.
  const keep = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const keepPlace = (): void => {
    clearTimeout(keep.current);
    keep.current = setTimeout(() => {
      if (scroller.current === null) return;
      keepHere('top', scroller.current.scrollTop);
      keepHere('rows', list.rows.count);
    }, 150);
  };
  useEffect(() => () => clearTimeout(keep.current), []);
  // A new entry, such as that of an opened record, begins where the reader is.
  useEffect(keepPlace, [params.value]);

  const indexOf = (event: Event): number => {
    const row = (event.target as Element).closest('.l');
    return row === null ? -1 : (pool.peek()?.indexOf(row) ?? -1);
  };

  return (
    <div
      class="rows"
      role="grid"
      aria-label="Records"
      aria-rowcount={rowCount}
      aria-colcount={columns.length}
      aria-multiselectable="true"
      ref={scroller}
      onScroll={() => {
        onScroll();
        keepPlace();
      }}
      style={{ '--cols': template(columns) }}
    >
      <div class="g lh" role="row" aria-rowindex={1}>
        <span role="presentation" />
        {columns.map(({ id, title, isNumber }) => (
          <span
            key={id}
            role="columnheader"
            class={`c-${id.replaceAll(/[^a-z]/gi, '-')}${isNumber ? ' r' : ''} el`}
            title={title}
            aria-sort={id === 'time' ? (isNewestFirst ? 'descending' : 'ascending') : undefined}
          >
            {id === 'time' ? (
              <button type="button" class="sort" onClick={onDirection} title="Newest first or oldest first">
                {title} ({zone.value === 'UTC' ? 'UTC' : 'local'}) {isNewestFirst ? '↓' : '↑'}
              </button>
            ) : (
              title
            )}
          </span>
        ))}
        <span role="columnheader" class="menu">
          {columnMenu}
        </span>
      </div>
      <div ref={sizer} class="sizer" role="presentation">
        <div
          ref={layer}
          role="presentation"
          onClick={(event) => {
            const index = indexOf(event);
            if (index === -1 || getSelection()?.isCollapsed === false) return;
            if (selection.at.peek() === index && !event.shiftKey) onToggle(index);
            else handle.current?.go(index, event.shiftKey);
          }}
          onMouseOver={(event) => {
            const cell = (event.target as Element).closest<HTMLElement>('.c');
            const row = cell === null ? undefined : list.rows.at(indexOf(event));
            if (cell === null || !isRecord(row)) return;
            const isCut = cell.scrollWidth > cell.clientWidth;
            cell.title = cell.classList.contains('c-time')
              ? timeTitle(row, { zone: zone.peek(), nowMs: Date.now() })
              : isCut
                ? cell.textContent
                : '';
          }}
          onFocusIn={(event) => {
            // By the keyboard: a click chooses by itself.
            const isByKey = (event.target as Element).matches(':focus-visible');
            const index = isByKey ? indexOf(event) : -1;
            if (index !== -1 && selection.at.peek() === -1) selection.choose(index);
          }}
        />
        <Inset list={list} selection={selection} pool={pool} rowPx={rowPx} detail={detail} />
      </div>
    </div>
  );
};

/** The details of the open row, between it and the next. */
const Inset = ({
  list,
  selection,
  pool,
  rowPx,
  detail,
}: Pick<RecordListProps, 'list' | 'selection' | 'detail'> & {
  readonly pool: Signal<RowPool<RowParts> | undefined>;
  readonly rowPx: number;
}): JSX.Element | null => {
  void list.version.value;
  const open = selection.open.value;
  const row = list.rows.at(open);
  const box = useRef<HTMLDivElement>(null);
  const isShown = open >= 0 && isRecord(row);
  const of = pool.value;
  useLayoutEffect(() => {
    const element = box.current;
    if (of === undefined) return undefined;
    if (!isShown || element === null) {
      of.inset = undefined;
      return undefined;
    }
    const measure = (): void => void (of.inset = { index: open, height: element.offsetHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [of, isShown, open, rowPx]);
  if (!isShown) return null;
  return (
    <div
      ref={box}
      class="inset"
      role="row"
      aria-rowindex={open + 2}
      style={{ transform: `translateY(${(open + 1) * rowPx}px)` }}
    >
      <div role="gridcell">{detail(row)}</div>
    </div>
  );
};
