// Simulates a day of traffic with src/control/scaling/desired-replicas.ts and draws it as docs/autoscale.svg.
// Invariant: uses the code of a running weir, second by second, and the same source gives the same bytes.
import { writeFileSync } from 'node:fs';
import { initialScale, decideReplicas, type ScaleRule } from '../src/control/scaling/desired-replicas.ts';
import { SlidingMean } from '../src/control/scaling/sliding-mean.ts';

const FILE = new URL('../docs/autoscale.svg', import.meta.url);
const HOURS = 24;
const SECONDS = HOURS * 3600;

/** Default settings, for replicas with a concurrency target of 16. */
const RULE: ScaleRule = { min: 0, max: 12, perReplica: 16 * 0.7, downDelayMs: 900_000, downRate: 50 };
const WINDOW_MS = 60_000;

/** One second of the day. */
interface Moment {
  readonly inFlight: number;
  readonly desired: number;
}

/** Pseudo-random numbers from 0 to 1, the same in every run (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Spikes: start, duration, and additional requests in flight. */
const spikes = [
  { hour: 4.5, minutes: 1, height: 20 },
  { hour: 10, minutes: 25, height: 45 },
  { hour: 13.2, minutes: 4, height: 60 },
  { hour: 17.5, minutes: 50, height: 30 },
  { hour: 21.75, minutes: 6, height: 25 },
];

/** Requests in flight of a working day: none at night, less at noon, and spikes. */
function expected(hour: number): number {
  const hump = (middle: number, width: number) => Math.exp(-(((hour - middle) / width) ** 2));
  const day = hour < 6.5 || hour > 22.5 ? 0 : 42 * hump(11, 2.6) + 50 * hump(16, 2.4);
  const spike = spikes.find((one) => hour >= one.hour && hour < one.hour + one.minutes / 60);
  return (day < 1 ? 0 : day) + (spike?.height ?? 0);
}

/** Requests in flight and desired replicas for each second of the day. */
export function simulate(): Moment[] {
  const random = randomNumbers(7);
  const mean = new SlidingMean(WINDOW_MS, 0);
  const moments: Moment[] = [];
  let decision = initialScale(0, RULE, 0);
  let idleSinceMs = 0;
  for (let second = 1; second <= SECONDS; second++) {
    const nowMs = second * 1000;
    const wanted = expected(second / 3600);
    const inFlight =
      wanted === 0 ? 0 : Math.max(0, Math.round(wanted + (random() - 0.5) * Math.sqrt(wanted) * 5));
    if (inFlight === 0 && mean.value > 0) idleSinceMs = nowMs;
    mean.change(inFlight - mean.value, nowMs);
    decision = decideReplicas(decision, RULE, { mean: mean.mean(nowMs), inFlight, idleSinceMs }, nowMs);
    moments.push({ inFlight, desired: decision.desired });
  }
  return moments;
}

// ── Drawing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const WIDTH = 960;
const LEFT = 60;
const RIGHT = 20;
const PLOT = WIDTH - LEFT - RIGHT;
const INK = '#57606a';

interface Chart {
  readonly top: number;
  readonly height: number;
  readonly most: number;
}
const LOAD: Chart = { top: 50, height: 150, most: 120 };
const REPLICAS: Chart = { top: 250, height: 150, most: 12 };

const x = (second: number): string => (LEFT + (second / SECONDS) * PLOT).toFixed(1);
const y = ({ top, height, most }: Chart, value: number): string =>
  (top + height - (Math.min(value, most) / most) * height).toFixed(1);

const label = (at: string, down: number | string, text: string, anchor = 'end'): string =>
  `<text x="${at}" y="${down}" text-anchor="${anchor}">${text}</text>`;

function frame(chart: Chart, title: string, step: number): string {
  const lines = [label(String(LEFT), chart.top - 12, `<tspan font-weight="600">${title}</tspan>`, 'start')];
  for (let value = 0; value <= chart.most; value += step)
    lines.push(
      `<path d="M${LEFT} ${y(chart, value)}H${WIDTH - RIGHT}" stroke="#d0d7de" stroke-width="0.5"/>`,
      label(String(LEFT - 8), Number(y(chart, value)) + 4, String(value)),
    );
  return lines.join('\n');
}

/** A filled band between the minimum and the maximum of every three minutes. */
function band(moments: readonly Moment[]): string {
  const every = 180;
  const upper: string[] = [];
  const lower: string[] = [];
  for (let from = 0; from < SECONDS; from += every) {
    const values = moments.slice(from, from + every).map(({ inFlight }) => inFlight);
    upper.push(`${x(from)} ${y(LOAD, Math.max(...values))}`);
    lower.unshift(`${x(from)} ${y(LOAD, Math.min(...values))}`);
  }
  return `<path d="M${[...upper, ...lower].join('L')}Z" fill="#54aeff" stroke="#0969da" stroke-width="0.5"/>`;
}

/** The desired replicas as a step line. */
function stairs(moments: readonly Moment[]): string {
  let path = `M${x(0)} ${y(REPLICAS, 0)}`;
  let previous = -1;
  moments.forEach(({ desired }, second) => {
    if (desired !== previous) path += `H${x(second)}V${y(REPLICAS, desired)}`;
    previous = desired;
  });
  path += `H${x(SECONDS)}`;
  const bottom = y(REPLICAS, 0);
  return [
    `<path d="${path}V${bottom}H${x(0)}Z" fill="#2da44e" fill-opacity="0.25"/>`,
    `<path d="${path}" fill="none" stroke="#1a7f37" stroke-width="1.5"/>`,
  ].join('\n');
}

/** Draws the day as SVG. */
export function draw(moments: readonly Moment[]): string {
  const hours = Array.from({ length: HOURS / 2 + 1 }, (_, i) =>
    label(x(i * 7200), REPLICAS.top + REPLICAS.height + 20, `${i * 2}:00`, 'middle'),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} 440" font-family="system-ui, sans-serif" font-size="12" fill="${INK}" role="img" aria-label="Requests in flight over a day, and the replicas desired for them">
<rect width="${WIDTH}" height="440" fill="#ffffff"/>
${frame(LOAD, 'requests in flight', 40)}
${band(moments)}
${frame(REPLICAS, 'replicas desired: 16 requests each at 70 %, window 60 s, scale-down delay 15 min, at most half at a time', 3)}
${stairs(moments)}
${hours.join('\n')}
</svg>
`;
}

if (process.argv[1] === new URL(import.meta.url).pathname) writeFileSync(FILE, draw(simulate()));
