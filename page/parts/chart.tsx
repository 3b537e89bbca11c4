// Charts over time, drawn by uPlot in the colours of the tokens. Only this file imports uPlot.
// Invariant: a missing value is a gap, never 0; each chart has a sentence for screen readers and a table of its values.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { effect } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { clock } from '../formats.ts';
import { isDark, zone } from '../state.ts';
import { barHeights, barsPlugin, stepOf } from './chart-bars.ts';

export type Points = readonly (number | null)[];

export interface Series {
  readonly name: string;
  readonly points: Points;
  /** Token without `--`: `s1`, `err`, `bar`. */
  readonly color: string;
  readonly isFilled?: boolean;
  readonly isDashed?: boolean;
  /** Steps instead of a line. */
  readonly isStepped?: boolean;
}

export interface ChartProps {
  /** Milliseconds since the epoch, ascending. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly height: number;
  /** For screen readers: what it shows, its range, its last value. */
  readonly label: string;
  /** Bars on each other instead of lines. */
  readonly isStacked?: boolean;
  /** Values of the vertical axis. */
  readonly format?: (value: number) => string;
  /** Vertical marks: changes of state. */
  readonly marks?: readonly { readonly ms: number; readonly text: string; readonly color?: string }[];
  /** Charts of one key show their cursor together. */
  readonly syncKey?: string;
  /** A span that was dragged, in milliseconds. */
  readonly onZoom?: (fromMs: number, toMs: number) => void;
  readonly onZoomOut?: () => void;
  /** A point that was clicked, or chosen with the keyboard. */
  readonly onPoint?: (index: number) => void;
  /** The point under the cursor; `undefined`: none. */
  readonly onCursor?: (index: number | undefined) => void;
}

const color = (name: string): string => {
  const probe = document.documentElement;
  // light-dark() is resolved only in properties that are colours.
  probe.style.setProperty('outline-color', `var(--${name})`);
  const value = getComputedStyle(probe).outlineColor;
  probe.style.removeProperty('outline-color');
  return value;
};

const faded = (value: string, alpha: number): string =>
  value.startsWith('rgb(') ? value.replace('rgb(', 'rgba(').replace(')', `, ${alpha})`) : value;

const isOfCursor = (type: string): boolean => type === 'mousemove' || type === 'mouseleave';

/** Draws marks over the chart. */
const markPlugin = (marks: NonNullable<ChartProps['marks']>): uPlot.Plugin => ({
  hooks: {
    draw: (plot) => {
      const { ctx, bbox } = plot;
      for (const { ms, text, color: token = 'text-3' } of marks) {
        const x = plot.valToPos(ms / 1000, 'x', true);
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        ctx.save();
        ctx.strokeStyle = color(token);
        ctx.fillStyle = color(token);
        ctx.setLineDash([3, 4]);
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
        ctx.font = `${10.5 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
        const isLate = x > bbox.left + bbox.width * 0.7;
        ctx.textAlign = isLate ? 'right' : 'left';
        ctx.fillText(text, x + (isLate ? -5 : 5), bbox.top + 10 * devicePixelRatio);
        ctx.restore();
      }
    },
  },
});

function optionsOf(props: ChartProps, width: number, latest: () => ChartProps): uPlot.Options {
  const { series, height, isStacked = false, format = String, marks = [] } = props;
  const font = `10.5px ${getComputedStyle(document.body).fontFamily}`;
  const axis = {
    stroke: color('text-3'),
    font,
    grid: { stroke: color('grid'), width: 1 },
    ticks: { show: false },
  };
  const colors = series.map((one) => color(one.color));
  const bars = (): ReturnType<Parameters<typeof barsPlugin>[0]> => {
    const { times, series: now } = latest();
    return {
      times,
      stepMs: stepOf(times),
      series: now.map(({ points }, i) => ({ points, color: colors[i]! })),
    };
  };
  return {
    width,
    height,
    legend: { show: false },
    // The last label of the time reaches over the edge by half of its width.
    padding: [8, 16, 0, 0],
    cursor: {
      y: false,
      drag: { x: props.onZoom !== undefined, y: false, setScale: false },
      // The cursor alone: a drag is of the chart in which it began.
      ...(props.syncKey === undefined
        ? {}
        : { sync: { key: props.syncKey, filters: { pub: isOfCursor, sub: isOfCursor } } }),
    },
    scales: {
      x: {
        time: true,
        ...(isStacked
          ? {
              range: (): [number, number] => {
                const { times } = latest();
                return [(times[0] ?? 0) / 1000, ((times.at(-1) ?? 0) + stepOf(times)) / 1000];
              },
            }
          : {}),
      },
      y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 22,
        gap: 4,
        values: (_plot, ticks) => ticks.map((tick) => clock(tick * 1000, zone.peek(), 'minutes')),
      },
      { ...axis, size: 44, gap: 6, values: (_plot, ticks) => ticks.map(format) },
    ],
    series: [
      {},
      // Bars are drawn by a plugin; this series is their height.
      ...(isStacked ? series.slice(0, 1) : series).map((one): uPlot.Series => {
        const stroke = color(one.color);
        if (isStacked) return { label: one.name, points: { show: false }, paths: () => null };
        return {
          label: one.name,
          stroke,
          width: 1.5,
          points: { show: false },
          spanGaps: false,
          ...(one.isFilled === true ? { fill: faded(stroke, 0.13) } : {}),
          ...(one.isDashed === true ? { dash: [4, 4] } : {}),
          ...(one.isStepped === true ? { paths: uPlot.paths.stepped!({ align: 1 }) } : {}),
        };
      }),
    ],
    plugins: [...(isStacked ? [barsPlugin(bars)] : []), ...(marks.length > 0 ? [markPlugin(marks)] : [])],
    hooks: {
      setCursor: [(plot) => props.onCursor?.(plot.cursor.idx ?? undefined)],
      setSelect: [
        (plot) => {
          const { left, width: wide } = plot.select;
          if (wide > 2)
            props.onZoom?.(plot.posToVal(left, 'x') * 1000, plot.posToVal(left + wide, 'x') * 1000);
          plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        },
      ],
    },
  };
}

/** Data of uPlot: seconds, then the series. Of bars: the middle of each, and its height. */
const dataOf = ({ times, series, isStacked = false }: ChartProps): uPlot.AlignedData => {
  const middle = isStacked ? stepOf(times) / 2 : 0;
  return [
    times.map((ms) => (ms + middle) / 1000),
    ...(isStacked ? [barHeights(series, times.length)] : series.map(({ points }) => [...points])),
  ] as uPlot.AlignedData;
};

/** What makes a new plot necessary; all else are new data for the old one. */
const shapeOf = ({ series, height, isStacked, marks }: ChartProps): string =>
  JSON.stringify([series.map(({ points: _points, ...rest }) => rest), height, isStacked, marks]);

export const Chart = (props: ChartProps): JSX.Element => {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    const element = box.current!;
    const draw = (): void => {
      plot.current?.destroy();
      // Callbacks of the newest props.
      const bound: ChartProps = {
        ...latest.current,
        ...(props.onZoom ? { onZoom: (a, b) => latest.current.onZoom?.(a, b) } : {}),
        ...(props.onCursor ? { onCursor: (index) => latest.current.onCursor?.(index) } : {}),
      };
      plot.current = new uPlot(
        optionsOf(bound, element.clientWidth, () => latest.current),
        dataOf(latest.current),
        element,
      );
    };
    // Anew when the theme or the zone changes.
    const stop = effect(() => {
      void isDark.value;
      void zone.value;
      draw();
    });
    const watch = new ResizeObserver(() => {
      if (plot.current !== undefined && element.clientWidth !== plot.current.width)
        plot.current.setSize({ width: element.clientWidth, height: latest.current.height });
    });
    watch.observe(element);
    return () => {
      stop();
      watch.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [shapeOf(props)]);

  useEffect(() => plot.current?.setData(dataOf(props)), [props.times, props.series]);

  const chosen = useRef(-1);
  const onKeyDown = (event: KeyboardEvent): void => {
    const { times, onPoint, onCursor } = latest.current;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step !== undefined && plot.current !== undefined) {
      event.preventDefault();
      const from = chosen.current === -1 ? (step === 1 ? -1 : times.length) : chosen.current;
      chosen.current = Math.max(0, Math.min(times.length - 1, from + step));
      plot.current.setCursor({
        left: plot.current.valToPos(plot.current.data[0][chosen.current]!, 'x'),
        top: 10,
      });
      onCursor?.(chosen.current);
    } else if (event.key === 'Enter' && chosen.current !== -1 && onPoint !== undefined) {
      event.preventDefault();
      onPoint(chosen.current);
    } else if (event.key === 'Backspace' && latest.current.onZoomOut !== undefined) {
      event.preventDefault();
      latest.current.onZoomOut();
    }
  };

  return (
    <div
      ref={box}
      class="chart"
      role="img"
      aria-label={props.label}
      tabIndex={props.onPoint === undefined ? undefined : 0}
      style={{ height: `${props.height}px` }}
      onKeyDown={onKeyDown}
      onClick={() => {
        const index = plot.current?.cursor.idx;
        if (index !== null && index !== undefined) props.onPoint?.(index);
      }}
      onDblClick={() => props.onZoomOut?.()}
    />
  );
};
