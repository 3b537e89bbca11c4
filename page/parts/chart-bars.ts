// Bars that stand on each other, drawn on a plot of uPlot.
// Invariant: each part of a bar begins where the one below ends, at whole pixels, so no colour shines through another.
import type uPlot from 'uplot';

/** Values of one colour, from the bottom up. */
export interface BarSeries {
  readonly points: readonly (number | null)[];
  readonly color: string;
}

/** Share of a step that its bar fills. */
const FILLED = 0.86;

/** Draws the bars. `series` and `times` are read at each drawing; a bar begins at its time and is `stepMs` wide. */
export const barsPlugin = (
  read: () => {
    readonly series: readonly BarSeries[];
    readonly times: readonly number[];
    readonly stepMs: number;
  },
): uPlot.Plugin => ({
  hooks: {
    drawSeries: (plot, index) => {
      if (index !== 1) return;
      const { series, times, stepMs } = read();
      const { ctx } = plot;
      const x = (ms: number): number => plot.valToPos(ms / 1000, 'x', true);
      const y = (value: number): number => Math.round(plot.valToPos(value, 'y', true));
      ctx.save();
      for (const [i, ms] of times.entries()) {
        const gap = ((x(ms + stepMs) - x(ms)) * (1 - FILLED)) / 2;
        const left = Math.round(x(ms) + gap);
        const width = Math.max(1, Math.round(x(ms + stepMs) - gap) - left);
        let sum = 0;
        for (const { points, color } of series) {
          const value = points[i];
          if (value === null || value === undefined || value === 0) continue;
          const bottom = y(sum);
          sum += value;
          ctx.fillStyle = color;
          // A value that is not 0 can be seen.
          const top = Math.min(y(sum), bottom - 1);
          ctx.fillRect(left, top, width, bottom - top);
        }
      }
      ctx.restore();
    },
  },
});

/** Width of a step: the distance of the first two times. */
export const stepOf = (times: readonly number[]): number =>
  times.length < 2 ? 60_000 : times[1]! - times[0]!;

/** The height of each bar. */
export function barHeights(series: readonly BarSeries[], length: number): (number | null)[] {
  return Array.from({ length }, (_, i) => {
    const known = series.map(({ points }) => points[i]).filter((one) => one !== null && one !== undefined);
    return known.length === 0 ? null : known.reduce((sum, one) => sum + one, 0);
  });
}
