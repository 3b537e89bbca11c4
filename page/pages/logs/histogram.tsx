// Records over time by level, with a brush that sets the time of the list.
// Invariant: the bars are those of the whole range; the brush is the time that the list shows.
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { clock, day, grouped, moment } from '../../formats.ts';
import { announce, zone } from '../../state.ts';
import { moved, ticks, type TimeSpan } from './time-span.ts';

/** A step of GET /v1/logs/hits. */
export interface HitsStepJson {
  readonly timestamp_ms: number;
  readonly total: number;
  readonly levels: Readonly<Record<string, number>>;
}

export interface HitsJson {
  readonly step_ms: number;
  readonly start: string;
  readonly end: string;
  readonly hits: readonly HitsStepJson[];
  readonly total: number;
  readonly is_partial?: boolean;
}

const HEIGHT = 84;
const LEFT = 34;
const RIGHT = 10;
const BASE = HEIGHT - 17;
const TOP = 8;
/** A shorter drag is a click, in pixels. */
const CLICK_PX = 4;

const short = (n: number): string => (n < 1000 ? String(n) : `${Number((n / 1000).toPrecision(2))}k`);

/** Records of a step that are errors, and warnings. */
const graveOf = ({ levels }: HitsStepJson): { readonly errors: number; readonly warnings: number } => ({
  errors: (levels['ERROR'] ?? 0) + (levels['FATAL'] ?? 0),
  warnings: levels['WARN'] ?? 0,
});

/** A round number at least as large. */
function roundTop(n: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, n)));
  return [1, 2, 3, 4, 6, 8, 10].map((one) => one * power).find((one) => one >= n) ?? n;
}

export interface HistogramProps {
  readonly hits: HitsJson;
  readonly range: TimeSpan;
  readonly brush: TimeSpan | undefined;
  readonly marks: readonly { readonly ms: number; readonly text: string }[];
  /** `undefined`: the whole range. `isStepwise`: one step of several, by a key. */
  readonly onBrush: (span: TimeSpan | undefined, isStepwise: boolean) => void;
}

export const Histogram = ({ hits, range, brush, marks, onBrush }: HistogramProps): JSX.Element => {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(1000);
  const [drag, setDrag] = useState<TimeSpan>();
  const [pointed, setPointed] = useState<number>();
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(200, entry!.contentRect.width)));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  const inner = width - LEFT - RIGHT;
  const spanMs = Math.max(1, range.toMs - range.fromMs);
  const xOf = (ms: number): number => LEFT + Math.max(0, Math.min(1, (ms - range.fromMs) / spanMs)) * inner;
  const msAt = (x: number): number => range.fromMs + Math.max(0, Math.min(1, (x - LEFT) / inner)) * spanMs;
  const top = roundTop(hits.hits.reduce((most, { total }) => Math.max(most, total), 0));
  const yOf = (n: number): number => (n / top) * (BASE - TOP);
  const shown = drag ?? brush;

  const onPointerDown = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    const element = event.currentTarget as HTMLElement;
    const left = element.getBoundingClientRect().left;
    const from = event.clientX - left;
    // A handle of the brush is dragged, the other one stays.
    const handle =
      brush === undefined
        ? undefined
        : Math.abs(xOf(brush.fromMs) - from) < 6
          ? brush.toMs
          : Math.abs(xOf(brush.toMs) - from) < 6
            ? brush.fromMs
            : undefined;
    const fixed = handle ?? msAt(from);
    let last: TimeSpan | undefined;
    element.setPointerCapture(event.pointerId);
    const move = (to: PointerEvent): void => {
      const x = to.clientX - left;
      if (handle === undefined && Math.abs(x - from) < CLICK_PX) return;
      const at = msAt(x);
      last = { fromMs: Math.min(fixed, at), toMs: Math.max(fixed, at) };
      setDrag(last);
    };
    const done = (): void => {
      element.removeEventListener('pointermove', move);
      setDrag(undefined);
      if (last !== undefined && last.toMs - last.fromMs >= 1) onBrush(last, false);
    };
    element.addEventListener('pointermove', move);
    element.addEventListener('pointerup', done, { once: true });
    element.addEventListener('pointercancel', done, { once: true });
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by !== undefined) {
      event.preventDefault();
      const next = moved(brush, range, hits.step_ms, by, event.shiftKey);
      onBrush(next, true);
      announce(
        `${clock(next.fromMs, zone.peek(), 'seconds')} to ${clock(next.toMs, zone.peek(), 'seconds')}`,
      );
    } else if (event.key === 'Escape' && brush !== undefined) {
      event.preventDefault();
      onBrush(undefined, false);
    }
  };

  const at =
    pointed === undefined
      ? undefined
      : hits.hits.find(({ timestamp_ms: ms }) => pointed >= ms && pointed < ms + hits.step_ms);
  const now = Date.now();
  const isLong = spanMs > 86_400_000;
  return (
    <div
      ref={box}
      class="histbox"
      tabIndex={0}
      role="group"
      aria-label={`Records over time: ${grouped(hits.total)} from ${moment(range.fromMs, zone.value, now)} to ${moment(range.toMs, zone.value, now)}. Left and right arrows choose a time, with Shift they widen it, Escape takes it back.`}
      onPointerDown={onPointerDown}
      onPointerMove={(event) =>
        setPointed(msAt(event.clientX - (event.currentTarget as HTMLElement).getBoundingClientRect().left))
      }
      onPointerLeave={() => setPointed(undefined)}
      onDblClick={() => onBrush(undefined, false)}
      onKeyDown={onKeyDown}
    >
      <svg class="chart" width={width} height={HEIGHT} aria-hidden="true">
        {[0, top / 2, top].map((value) => (
          <g key={value}>
            <path d={`M${LEFT} ${BASE - yOf(value)}H${width - RIGHT}`} class="grid" />
            {Number.isInteger(value) && (
              <text x={LEFT - 6} y={BASE - yOf(value) + 3.5} text-anchor="end">
                {short(value)}
              </text>
            )}
          </g>
        ))}
        {hits.hits.map((step) => (
          <Bar
            key={step.timestamp_ms}
            step={step}
            x={xOf(step.timestamp_ms)}
            width={xOf(step.timestamp_ms + hits.step_ms) - xOf(step.timestamp_ms)}
            yOf={yOf}
            isOut={
              shown !== undefined &&
              (step.timestamp_ms + hits.step_ms <= shown.fromMs || step.timestamp_ms >= shown.toMs)
            }
          />
        ))}
        {ticks(range, Math.max(2, Math.floor(width / 130))).map((ms) => (
          <text
            key={ms}
            x={xOf(ms)}
            y={HEIGHT - 4}
            text-anchor={xOf(ms) > width - 40 ? 'end' : xOf(ms) < LEFT + 20 ? 'start' : 'middle'}
          >
            {isLong && ms % 86_400_000 === 0
              ? day(ms, zone.value, now)
              : clock(ms, zone.value, hits.step_ms < 2000 ? 'seconds' : 'minutes')}
          </text>
        ))}
        {marks
          .filter(({ ms }) => ms > range.fromMs && ms < range.toMs)
          .map(({ ms, text }) => (
            <path key={`${ms} ${text}`} d={`M${xOf(ms)} 4V${BASE}`} class="mark">
              <title>{text}</title>
            </path>
          ))}
        {shown !== undefined && <Brush from={xOf(shown.fromMs)} to={xOf(shown.toMs)} />}
      </svg>
      {at !== undefined && drag === undefined && (
        <Card step={at} stepMs={hits.step_ms} x={xOf(at.timestamp_ms)} width={width} />
      )}
    </div>
  );
};

const Bar = ({
  step,
  x,
  width,
  yOf,
  isOut,
}: {
  readonly step: HitsStepJson;
  readonly x: number;
  readonly width: number;
  readonly yOf: (n: number) => number;
  /** Outside of the brush. */
  readonly isOut: boolean;
}): JSX.Element => {
  const { errors, warnings } = graveOf(step);
  let y = BASE;
  const parts = (
    [
      ['normal', step.total - errors - warnings],
      ['warn', warnings],
      ['err', errors],
    ] as const
  ).filter(([, n]) => n > 0);
  const gap = width > 4 ? 1.4 : 0.4;
  return (
    <>
      {parts.map(([name, n]) => {
        // A grave record is seen among many others.
        const height = Math.max(name === 'normal' ? 0.5 : 2, yOf(n));
        y -= height;
        return (
          <rect
            key={name}
            class={isOut ? `${name} out` : name}
            x={x + gap / 2}
            y={Math.max(0, y)}
            width={Math.max(0.6, width - gap)}
            height={height}
          />
        );
      })}
    </>
  );
};

const Brush = ({ from, to }: { readonly from: number; readonly to: number }): JSX.Element => (
  <g class="brush">
    <rect x={from} y={4} width={Math.max(1, to - from)} height={BASE - 4} class="area" />
    <path d={`M${from} 4V${BASE}M${to} 4V${BASE}`} />
    {[from, to].map((x) => (
      <rect key={x} x={x - 3} y={BASE / 2 - 8} width={6} height={18} rx={2} class="handle" />
    ))}
  </g>
);

const Card = ({
  step,
  stepMs,
  x,
  width,
}: {
  readonly step: HitsStepJson;
  readonly stepMs: number;
  readonly x: number;
  readonly width: number;
}): JSX.Element => {
  const { errors, warnings } = graveOf(step);
  return (
    <div class="histcard" style={x > width / 2 ? { right: `${width - x + 8}px` } : { left: `${x + 16}px` }}>
      {moment(step.timestamp_ms, zone.value, Date.now(), 'seconds')} to{' '}
      {clock(step.timestamp_ms + stepMs, zone.value, 'seconds')}: <b class="num">{grouped(step.total)}</b>
      {errors > 0 && <span class="err"> error {grouped(errors)}</span>}
      {warnings > 0 && <span class="warn"> warn {grouped(warnings)}</span>}
    </div>
  );
};

/** Errors and warnings of all steps. */
export function graveTotals({ hits }: HitsJson): { readonly errors: number; readonly warnings: number } {
  let [errors, warnings] = [0, 0];
  for (const step of hits) {
    const own = graveOf(step);
    errors += own.errors;
    warnings += own.warnings;
  }
  return { errors, warnings };
}
