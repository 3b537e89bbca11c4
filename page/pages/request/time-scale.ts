// The time axis of a waterfall: which share of the width a time has. Long idle times are folded.
// Invariant: the scale grows with time; a folded gap has the same small width whatever its length.

/** Milliseconds from the begin of the trace. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Gap extends Span {
  /** Shares of the width at which it begins and ends. */
  readonly fromPart: number;
  readonly toPart: number;
}

export interface TimeScale {
  readonly totalMs: number;
  readonly gaps: readonly Gap[];
  /** Share of the width (0 to 1) of a time. */
  readonly partOf: (ms: number) => number;
  /** The times at which the axis has a label, with their shares. */
  readonly ticks: readonly { readonly ms: number; readonly part: number }[];
}

/** A gap is folded if it is this many times as long as all that is busy. */
const FOLD_FACTOR = 10;
/** Width of a folded gap. */
const GAP_PART = 0.06;
const MAX_GAPS = 6;
const TICKS = 6;
/** Labels nearer than this would touch. */
const NEAR = 0.115;

/** Gaps between busy times that are so long that nothing else could be seen. `busy` in any order. */
export function idleGaps(busy: readonly Span[], totalMs: number): readonly Span[] {
  const sorted = [...busy].sort((a, b) => a.fromMs - b.fromMs);
  const gaps: Span[] = [];
  let busyMs = 0;
  let end = 0;
  for (const { fromMs, toMs } of sorted) {
    if (fromMs > end) gaps.push({ fromMs: end, toMs: fromMs });
    busyMs += Math.max(0, toMs - Math.max(end, fromMs));
    end = Math.max(end, toMs);
  }
  if (totalMs > end) gaps.push({ fromMs: end, toMs: totalMs });
  return gaps.filter((gap) => busyMs > 0 && gap.toMs - gap.fromMs > FOLD_FACTOR * busyMs).slice(0, MAX_GAPS);
}

/** A scale from 0 to `totalMs` with folded gaps, which must be in order and apart. */
export function timeScale(totalMs: number, folded: readonly Span[] = []): TimeScale {
  const total = Math.max(totalMs, 0.001);
  const gapMs = folded.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
  const shown = Math.max(total - gapMs, 0.001);
  const width = 1 - folded.length * GAP_PART;
  let before = 0;
  let beforeMs = 0;
  const gaps = folded.map(({ fromMs, toMs }, i): Gap => {
    const fromPart = before + ((fromMs - beforeMs) / shown) * width;
    before = fromPart + GAP_PART;
    beforeMs = toMs;
    return { fromMs, toMs, fromPart, toPart: i === folded.length - 1 && toMs >= total ? 1 : before };
  });
  const partOf = (ms: number): number => {
    const at = Math.max(0, Math.min(total, ms));
    let skippedMs = 0;
    let parts = 0;
    for (const gap of gaps) {
      if (at <= gap.fromMs) break;
      if (at < gap.toMs)
        return gap.fromPart + ((at - gap.fromMs) / (gap.toMs - gap.fromMs)) * (gap.toPart - gap.fromPart);
      skippedMs += gap.toMs - gap.fromMs;
      parts += GAP_PART;
    }
    return Math.min(1, ((at - skippedMs) / shown) * width + parts);
  };
  return { totalMs: total, gaps, partOf, ticks: ticksOf(total, gaps, partOf) };
}

/** Round times; with gaps also their ends, since round ones may all be in them. Ticks that are too near are left out. */
function ticksOf(total: number, gaps: readonly Gap[], partOf: (ms: number) => number): TimeScale['ticks'] {
  const shown = total - gaps.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
  const step = roundStep(shown / TICKS);
  const times = gaps.length > 0 ? [0] : [];
  const parts: readonly Span[] = [...gaps, { fromMs: total, toMs: total }];
  let from = 0;
  for (const { fromMs, toMs } of parts) {
    for (let ms = Math.ceil(from / step) * step; ms < fromMs; ms += step) times.push(ms);
    times.push(toMs);
    from = toMs;
  }
  const out: { ms: number; part: number }[] = [];
  for (const ms of times.reverse()) {
    const part = partOf(ms);
    const next = out.at(-1);
    if (next === undefined || next.part - part >= NEAR || (ms === 0 && next.part - part > 0.05))
      out.push({ ms, part });
  }
  return out.reverse();
}

/** The next of 1, 2, 5, 10, … that is not smaller. */
function roundStep(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(ms));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= ms * 0.999) ?? 10 * power;
}
