// One row of a waterfall: a span with its bar, or a line with its mark on the time axis.
// Invariant: what a bar shows is said in words beside it; log texts are shown as texts.
import type { JSX } from 'preact';
import type { FlatSpanJson } from '../../../src/control/admin/records/trace-json.ts';
import { duration, text, visibleLine } from '../../formats.ts';
import { Num } from '../../parts/basics.tsx';
import { Icon, type IconName } from '../../parts/icons.tsx';
import type { TimeScale } from './time-scale.ts';
import type { RowFocus } from './waterfall.tsx';
import {
  factsText,
  firstTokenOf,
  isSevere,
  lookOf,
  type SpanLook,
  type WaterfallRow,
} from './waterfall-rows.ts';

const ICONS: Readonly<Record<SpanLook, IconName>> = {
  task: 'arrow',
  weir: 'globe',
  queue: 'clock',
  connect: 'bolt',
  model: 'message',
  tool: 'tool',
  score: 'star',
  run: 'box',
  hook: 'external',
};

const percent = (part: number): string => `${(part * 100).toFixed(3)}%`;
/** A label that would begin beyond this part stands at the left of its bar. */
const LABEL_LEFT = 0.72;
/** A label with less room is left out. */
const LEAST_ROOM = 0.06;

const Indent = ({ depth }: { readonly depth: number }): JSX.Element => (
  <>
    {Array.from({ length: Math.min(depth, 12) }, (_, i) => (
      <span key={i} class="ind" />
    ))}
  </>
);

/** Stands behind or before a bar, where there is room. */
const Label = ({
  from,
  to,
  children,
}: {
  readonly from: number;
  readonly to: number;
  readonly children: string;
}): JSX.Element | null =>
  Math.max(from, 1 - to) < LEAST_ROOM ? null : to < LABEL_LEFT || 1 - to > from ? (
    <span class="lab el" style={{ left: percent(to), maxWidth: percent(1 - to) }}>
      {children}
    </span>
  ) : (
    <span class="lab el" style={{ right: percent(1 - from), maxWidth: percent(from) }}>
      {children}
    </span>
  );

const rowStyle = ({ top }: RowFocus): { readonly transform: string } => ({
  transform: `translateY(${top}px)`,
});

export const SpanRow = ({
  row,
  scale,
  focus,
  spans,
  isOwn,
  isChosen,
  canFold,
  onFold,
  onChoose,
}: {
  readonly row: Extract<WaterfallRow, { kind: 'span' }>;
  readonly scale: TimeScale;
  readonly focus: RowFocus;
  readonly spans: ReadonlyMap<string, FlatSpanJson>;
  readonly isOwn: boolean;
  readonly isChosen: boolean;
  readonly canFold: boolean;
  readonly onFold: (isFolded: boolean) => void;
  readonly onChoose: () => void;
}): JSX.Element => {
  const { span, depth, isOpen } = row;
  const look = lookOf(span);
  const endMs = span.offset_ms + span.duration_ms;
  const [from, to] = [scale.partOf(span.offset_ms), scale.partOf(endMs)];
  const token = firstTokenOf(span, spans);
  const tokenPart = token === undefined ? undefined : scale.partOf(token);
  const tone = span.is_error ? 'bad' : `k-${look}`;
  const label =
    span.is_error && span.error !== undefined
      ? visibleLine(span.error)
      : token === undefined
        ? ''
        : `first token ${text(duration(token - span.offset_ms))}`;
  const skipped = scale.gaps.filter(
    (gap) => gap.fromPart >= from - 0.001 && gap.toPart <= to + 0.001 && span.duration_ms > 0,
  );
  const facts = factsText(span);
  return (
    <div
      key={row.id}
      role="row"
      class={`wr${isChosen ? ' cur' : ''}${isOwn ? ' own' : ''}`}
      style={rowStyle(focus)}
      tabIndex={focus.tabIndex}
      data-at={focus.at}
      aria-level={depth + 1}
      aria-rowindex={focus.at + 2}
      aria-selected={isChosen}
      aria-expanded={canFold ? isOpen : undefined}
      onFocus={focus.onFocus}
      onClick={onChoose}
    >
      <span class="nm" role="gridcell">
        <Indent depth={depth} />
        {canFold ? (
          <button
            type="button"
            class="fold"
            tabIndex={-1}
            aria-label={isOpen ? 'Fold' : 'Unfold'}
            onClick={(event) => {
              event.stopPropagation();
              onFold(isOpen);
            }}
          >
            <Icon name={isOpen ? 'down' : 'right'} isSmall />
          </button>
        ) : (
          <span class="fold" />
        )}
        <span class={`kd ${tone}`}>
          <Icon name={span.is_error ? 'close' : ICONS[look]} />
        </span>
        <span class="el" title={visibleLine(span.name)}>
          {visibleLine(span.name)}
          {span.is_error && <span class="vh"> (error)</span>} <span class="dim">{visibleLine(facts)}</span>
        </span>
      </span>
      <span class="tr" role="gridcell">
        {tokenPart === undefined ? (
          <i class={`b ${tone}`} style={{ left: percent(from), width: percent(to - from) }} />
        ) : (
          <>
            <i class={`b h ${tone}`} style={{ left: percent(from), width: percent(tokenPart - from) }} />
            <i class={`b ${tone}`} style={{ left: percent(tokenPart), width: percent(to - tokenPart) }} />
          </>
        )}
        {skipped.map((gap) => (
          <span
            key={gap.fromMs}
            class="skip"
            style={{ left: percent(gap.fromPart), width: percent(gap.toPart - gap.fromPart) }}
          >
            {text(duration(gap.toMs - gap.fromMs))}
          </span>
        ))}
        {label !== '' && (
          <Label from={from} to={to}>
            {label}
          </Label>
        )}
      </span>
      <span class="d" role="gridcell">
        <Num figure={duration(span.duration_ms)} />
      </span>
    </div>
  );
};

export const LineRow = ({
  row,
  scale,
  focus,
  isChosen,
  onChoose,
}: {
  readonly row: Extract<WaterfallRow, { kind: 'line' }>;
  readonly scale: TimeScale;
  readonly focus: RowFocus;
  readonly isChosen: boolean;
  readonly onChoose: () => void;
}): JSX.Element => {
  const { line, depth } = row;
  const at = scale.partOf(line.offset_ms);
  const tone = !isSevere(line) ? '' : /^WARN/i.test(line.level ?? '') ? 'warn' : 'err';
  const shown = visibleLine(line.message);
  return (
    <div
      key={row.id}
      role="row"
      class={isChosen ? 'wr wl cur' : 'wr wl'}
      style={rowStyle(focus)}
      tabIndex={focus.tabIndex}
      data-at={focus.at}
      aria-level={depth + 1}
      aria-rowindex={focus.at + 2}
      aria-selected={isChosen}
      onFocus={focus.onFocus}
      onClick={onChoose}
    >
      <span class="nm" role="gridcell">
        <Indent depth={depth} />
        <span class={`lv ${tone}`}>{line.level ?? ''}</span>
        <span class="el" title={shown.slice(0, 1000)}>
          {shown}
        </span>
      </span>
      <span class="tr" role="gridcell">
        <i class={`tick ${tone}`} style={{ left: percent(at) }} />
        {(line.replica ?? line.source) !== undefined && (
          <Label from={at} to={at}>
            {visibleLine(line.replica ?? line.source ?? '')}
          </Label>
        )}
      </span>
      <span class="d dim" role="gridcell">
        +{(line.offset_ms / 1000).toFixed(3)}
      </span>
    </div>
  );
};

/** The head of the columns, with times over the bars. */
export const TimeAxis = ({ scale }: { readonly scale: TimeScale }): JSX.Element => (
  <div class="wr wh" role="row" aria-rowindex={1}>
    <span class="nm" role="columnheader">
      Span
    </span>
    <span class="tr" role="columnheader" aria-label="Time">
      {scale.ticks.map(({ ms, part }) => (
        <span key={ms} style={{ left: percent(part) }}>
          {ms === 0 ? '0 s' : text(duration(ms))}
        </span>
      ))}
    </span>
    <span class="d" role="columnheader">
      Duration
    </span>
  </div>
);

/** Lines through all rows at the times of the axis. */
export const GridLines = ({ scale }: { readonly scale: TimeScale }): JSX.Element => (
  <div class="wr wlines" role="presentation" aria-hidden="true">
    <span />
    <span class="tr">
      {scale.ticks.slice(1, -1).map(({ ms, part }) => (
        <i key={ms} style={{ left: percent(part) }} />
      ))}
    </span>
  </div>
);
