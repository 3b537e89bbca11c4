// The line and the area of a small chart without axes, as paths of SVG.
// Invariant: a missing value is a gap, never 0.
export interface SparkPath {
  readonly line: string;
  readonly area: string;
}

const WIDTH = 100;

/** `max`: the value at the top; the largest one if it is less. The box is 100 wide and `height` high. */
export function sparkPath(points: readonly (number | null)[], height: number, max = 0): SparkPath {
  const top = Math.max(max, ...points.map((point) => point ?? 0)) || 1;
  const step = WIDTH / Math.max(1, points.length - 1);
  const y = (value: number): string => (height - 1 - (Math.max(0, value) / top) * (height - 3)).toFixed(2);
  const lines: string[] = [];
  const areas: string[] = [];
  for (const { from, values } of runsOf(points)) {
    // A value alone is a dash of one step.
    const drawn = values.length === 1 ? [values[0]!, values[0]!] : values;
    const at = (i: number): string => ((from + i) * step).toFixed(2);
    const run = drawn.map((value, i) => `${at(i)} ${y(value)}`).join('L');
    lines.push(`M${run}`);
    areas.push(`M${at(0)} ${height}L${run}L${at(drawn.length - 1)} ${height}Z`);
  }
  return { line: lines.join(''), area: areas.join('') };
}

interface Run {
  readonly from: number;
  readonly values: number[];
}

/** Values without a gap between them. */
function runsOf(points: readonly (number | null)[]): readonly Run[] {
  const runs: Run[] = [];
  let isOpen = false;
  for (const [i, point] of points.entries()) {
    if (point !== null && isOpen) runs.at(-1)!.values.push(point);
    else if (point !== null) runs.push({ from: i, values: [point] });
    isOpen = point !== null;
  }
  return runs;
}
