// A small chart without axes, beside a figure that says its last value.
// Invariant: it repeats what stands beside it as text, so screen readers skip it.
import type { JSX } from 'preact';
import { sparkPath } from './spark-path.ts';

const HEIGHT = 26;

/** `color`: a token without `--`. `max`: the value at the top, if no point is higher. */
export const Spark = ({
  points,
  color,
  max,
}: {
  readonly points: readonly (number | null)[];
  readonly color: string;
  readonly max?: number | undefined;
}): JSX.Element => {
  const { line, area } = sparkPath(points, HEIGHT, max);
  return (
    <svg class="sparkline" viewBox={`0 0 100 ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={area} style={{ fill: `var(--${color})` }} fill-opacity="0.13" />
      <path
        d={line}
        style={{ stroke: `var(--${color})` }}
        fill="none"
        stroke-width="1.5"
        stroke-linejoin="round"
        vector-effect="non-scaling-stroke"
      />
    </svg>
  );
};

/** Counts side by side, such as 12 bars of 5 minutes. `max`: the count of the highest bar of all rows. */
export const Bars = ({
  counts,
  color,
  max,
}: {
  readonly counts: readonly number[];
  readonly color: string;
  readonly max: number;
}): JSX.Element => (
  <svg class="bars" width={counts.length * 7} height="18" aria-hidden="true">
    {counts.map((value, i) => {
      const height = Math.max(value > 0 ? 2 : 1, (value / Math.max(1, max)) * 17);
      return (
        <rect
          key={i}
          x={i * 7}
          y={18 - height}
          width="5"
          height={height}
          style={{ fill: `var(--${value > 0 ? color : 'line-2'})` }}
        />
      );
    })}
  </svg>
);
