// The spans and lines of a trace on one time axis, as a tree for mouse and keyboard.
// Invariant: rows are 24 px high; beyond 300 rows only those in sight are in the document.
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { FlatTraceJson } from '../../../src/control/admin/records/trace-json.ts';
import { Button, Segments } from '../../parts/basics.tsx';
import { count, text } from '../../formats.ts';
import { useKeys } from '../../keys.ts';
import { announce, params, setParams } from '../../state.ts';
import { idleGaps, timeScale } from './time-scale.ts';
import { GridLines, LineRow, SpanRow, TimeAxis } from './waterfall-row.tsx';
import { busyTimes, waterfallRows, type ShownLines, type WaterfallRow } from './waterfall-rows.ts';

const ROW_PX = 24;
/** With more rows than these, those out of sight are not drawn. */
const ALL_ROWS = 300;
const MARGIN_ROWS = 20;

const isShownLines = (text: string): text is ShownLines => ['none', 'all', 'warn'].includes(text);

/** `own`: id of the span of the request that the page is about; `chosen`: of the row whose details are shown. */
export const Waterfall = ({
  trace,
  own,
  chosen,
  onChoose,
  onThread,
}: {
  readonly trace: FlatTraceJson;
  readonly own: string | undefined;
  readonly chosen: string | undefined;
  readonly onChoose: (spanId: string) => void;
  /** Shows the thread in its place; `undefined`: there is none. */
  readonly onThread: (() => void) | undefined;
}): JSX.Element => {
  const wanted = params.value['lines'] ?? '';
  const lines: ShownLines = isShownLines(wanted) ? wanted : 'all';
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const [isTrue, setTrue] = useState(false);
  const gaps = useMemo(
    () => idleGaps(busyTimes(trace.spans, trace.lines), trace.duration_ms),
    [trace.spans, trace.lines, trace.duration_ms],
  );
  const scale = useMemo(
    () => timeScale(trace.duration_ms, isTrue ? [] : gaps),
    [trace.duration_ms, gaps, isTrue],
  );
  const rows = useMemo(
    () => waterfallRows(trace.spans, trace.lines, lines, folded),
    [trace.spans, trace.lines, lines, folded],
  );
  const spans = useMemo(() => new Map(trace.spans.map((span) => [span.span_id, span])), [trace.spans]);
  const withLines = useMemo(
    () => new Set(lines === 'none' ? [] : trace.lines.map((line) => line.span_id)),
    [trace.lines, lines],
  );

  const fold = (id: string, isFolded: boolean): void => {
    const next = new Set(folded);
    if (isFolded) next.add(id);
    else next.delete(id);
    setFolded(next);
  };
  return (
    <section class="wf" aria-label="Trace">
      <div class="ph">
        <h2>Trace</h2>
        <span class="sub el">{countsText(trace)}</span>
        <span class="grow" />
        {/* What comes and goes stands first, so that it moves nothing. */}
        {gaps.length > 0 && (
          <Segments
            isSmall
            label="Time axis"
            value={isTrue ? 'true' : 'skip'}
            options={[
              ['skip', 'Skip idle time'],
              ['true', 'True scale'],
            ]}
            onChoose={(value) => setTrue(value === 'true')}
          />
        )}
        {folded.size > 0 && (
          <Button kind="quiet" isSmall onClick={() => setFolded(new Set())}>
            Unfold all
          </Button>
        )}
        {onThread !== undefined && <TraceViews view="waterfall" onChoose={onThread} />}
        <Segments
          isSmall
          label="Lines"
          value={lines}
          options={[
            ['none', 'No lines'],
            ['all', 'All'],
            ['warn', 'warn +'],
          ]}
          onChoose={(value) => setParams({ lines: value === 'all' ? undefined : value }, true)}
        />
      </div>
      <Rows
        rows={rows}
        draw={(row, focus) =>
          row.kind === 'line' ? (
            <LineRow
              row={row}
              scale={scale}
              focus={focus}
              isChosen={row.id === chosen}
              onChoose={() => onChoose(row.id)}
            />
          ) : (
            <SpanRow
              row={row}
              scale={scale}
              focus={focus}
              spans={spans}
              isOwn={row.id === own}
              isChosen={row.id === (chosen ?? own)}
              canFold={row.span.children > 0 || withLines.has(row.id)}
              onFold={(isFolded) => fold(row.id, isFolded)}
              onChoose={() => onChoose(row.id)}
            />
          )
        }
        first={chosen ?? own}
        canFold={(row) => row.kind === 'span' && (row.span.children > 0 || withLines.has(row.id))}
        onFold={fold}
        onChoose={onChoose}
        axis={<TimeAxis scale={scale} />}
        lines={<GridLines scale={scale} />}
      />
      {trace.is_partial === true && (
        <p class="wnote">The trace is longer: only its first spans and lines were read.</p>
      )}
      {trace.lines_left_out !== undefined && (
        <p class="wnote">{text(count(trace.lines_left_out))} lines are not shown here; they are in Logs.</p>
      )}
    </section>
  );
};

/** `5 spans of 2 programs, 1 with errors, 3 lines`. */
export const countsText = ({ counts }: FlatTraceJson): string =>
  [
    `${text(count(counts.spans))} ${counts.spans === 1 ? 'span' : 'spans'}${counts.programs > 1 ? ` of ${counts.programs} programs` : ''}`,
    ...(counts.errors > 0 ? [`${text(count(counts.errors))} with errors`] : []),
    `${text(count(counts.lines))} ${counts.lines === 1 ? 'line' : 'lines'}`,
  ].join(', ');

/** The choice between the two views of a trace. */
export const TraceViews = ({
  view,
  onChoose,
}: {
  readonly view: 'waterfall' | 'thread';
  readonly onChoose: () => void;
}): JSX.Element => (
  <Segments
    isSmall
    label="View of the trace"
    value={view}
    options={[
      ['waterfall', 'Waterfall'],
      ['thread', 'Thread'],
    ]}
    onChoose={(to) => to !== view && onChoose()}
  />
);

/** What a row needs to take part in the order of focus. */
export interface RowFocus {
  /** 0 for the one row that the tab key reaches, -1 for others. */
  readonly tabIndex: number;
  /** Number of the row, from 0. */
  readonly at: number;
  readonly top: number;
  readonly onFocus: () => void;
}

const Rows = ({
  rows,
  draw,
  first,
  canFold,
  onFold,
  onChoose,
  axis,
  lines,
}: {
  readonly rows: readonly WaterfallRow[];
  readonly draw: (row: WaterfallRow, focus: RowFocus) => JSX.Element;
  /** Id of the row that has the focus at first. */
  readonly first: string | undefined;
  readonly canFold: (row: WaterfallRow) => boolean;
  readonly onFold: (id: string, isFolded: boolean) => void;
  readonly onChoose: (id: string) => void;
  readonly axis: JSX.Element;
  /** Drawn behind the rows. */
  readonly lines: JSX.Element;
}): JSX.Element => {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const [activeId, setActive] = useState<string>();
  const toFocus = useRef(false);
  const at = Math.max(
    0,
    rows.findIndex(({ id }) => id === (activeId ?? first)),
  );
  const isVirtual = rows.length > ALL_ROWS;
  const from = isVirtual ? Math.max(0, Math.floor(top / ROW_PX) - MARGIN_ROWS) : 0;
  const to = isVirtual
    ? Math.min(rows.length, Math.ceil((top + height) / ROW_PX) + MARGIN_ROWS)
    : rows.length;

  useEffect(() => {
    const element = box.current!;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  /** Brings a row into sight. */
  const show = (row: number): void => {
    const element = box.current!;
    const y = row * ROW_PX;
    if (y < element.scrollTop) element.scrollTop = y;
    else if (y + ROW_PX > element.scrollTop + element.clientHeight)
      element.scrollTop = y + ROW_PX - element.clientHeight;
    setTop(element.scrollTop);
  };

  // The request of the page is in sight at first.
  const hasRows = rows.length > 0;
  useLayoutEffect(() => {
    if (hasRows && first !== undefined) show(at);
  }, [hasRows, first]);

  useLayoutEffect(() => {
    if (!toFocus.current) return;
    toFocus.current = false;
    box.current!.querySelector<HTMLElement>(`[data-at="${at}"]`)?.focus();
  });

  const goTo = (row: number): boolean => {
    const next = rows[Math.max(0, Math.min(rows.length - 1, row))];
    if (next === undefined) return false;
    toFocus.current = true;
    setActive(next.id);
    show(rows.indexOf(next));
    return true;
  };
  const parentOf = (row: number): number => {
    const { depth } = rows[row]!;
    for (let i = row - 1; i >= 0; i--) if (rows[i]!.depth < depth) return i;
    return row;
  };
  const fold = (isFolded: boolean): boolean => {
    const row = rows[at];
    if (row === undefined) return false;
    const isOpen = row.kind === 'span' && row.isOpen;
    if (isFolded) {
      if (!isOpen || !canFold(row)) return goTo(parentOf(at));
    } else if (isOpen || !canFold(row)) return goTo(at + 1);
    onFold(row.id, isFolded);
    toFocus.current = true;
    announce(isFolded ? 'Folded' : 'Unfolded');
    return true;
  };
  const choose = (): boolean => {
    const row = rows[at];
    if (row !== undefined) onChoose(row.id);
    return row !== undefined;
  };
  const page = Math.max(1, Math.floor(height / ROW_PX) - 1);
  const keys: Readonly<Record<string, () => boolean>> = {
    ArrowDown: () => goTo(at + 1),
    ArrowUp: () => goTo(at - 1),
    ArrowLeft: () => fold(true),
    ArrowRight: () => fold(false),
    PageDown: () => goTo(at + page),
    PageUp: () => goTo(at - page),
    Home: () => goTo(0),
    End: () => goTo(rows.length - 1),
    Enter: choose,
    ' ': choose,
  };
  useKeys('request', {
    spanDown: () => keys['ArrowDown']!(),
    spanUp: () => keys['ArrowUp']!(),
    fold: () => keys['ArrowLeft']!(),
    unfold: () => keys['ArrowRight']!(),
  });
  return (
    <div role="treegrid" aria-label="Spans and lines" aria-rowcount={rows.length + 1} class="wgrid">
      {axis}
      <div
        ref={box}
        class="wrows"
        role="rowgroup"
        onScroll={(event) => isVirtual && setTop(event.currentTarget.scrollTop)}
        onKeyDown={(event) => {
          if (event.ctrlKey || event.metaKey || event.altKey) return;
          if (keys[event.key]?.() === true) event.preventDefault();
        }}
      >
        <div class="wall" role="presentation" style={{ height: `${rows.length * ROW_PX}px` }}>
          {lines}
          {rows.slice(from, to).map((row, i) =>
            draw(row, {
              tabIndex: from + i === at ? 0 : -1,
              at: from + i,
              top: (from + i) * ROW_PX,
              onFocus: () => setActive(row.id),
            }),
          )}
        </div>
      </div>
    </div>
  );
};
