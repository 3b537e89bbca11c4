// The times that an address means, and durations as the API writes them.
// Invariant: pure functions; what the address does not say has its default.

/** Spans that are offered, as the API writes durations. */
export const SPANS = [
  ['5m', 'Last 5 minutes', 300_000],
  ['15m', 'Last 15 minutes', 900_000],
  ['1h', 'Last hour', 3_600_000],
  ['6h', 'Last 6 hours', 21_600_000],
  ['24h', 'Last 24 hours', 86_400_000],
  ['2d', 'Last 2 days', 172_800_000],
  ['7d', 'Last 7 days', 604_800_000],
] as const;

export const DEFAULT_SINCE = '1h';

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `90m`; `undefined` for other texts. */
export function spanMs(since: string): number | undefined {
  const [, n, unit] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(since) ?? [];
  return n === undefined ? undefined : Number(n) * UNITS[unit!]!;
}

/** A span in the largest unit that it fills. */
export function spanText(ms: number): string {
  for (const unit of ['d', 'h', 'm'] as const)
    if (ms >= UNITS[unit]! && ms % UNITS[unit]! === 0) return `${ms / UNITS[unit]!}${unit}`;
  return `${Math.max(1, Math.round(ms / 1000))}s`;
}

/** The time that a place means. */
export interface Range {
  /** Milliseconds since the epoch. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Set if the range moves with the clock: `1h`. */
  readonly since: string | undefined;
}

/** Times of the address: milliseconds since the epoch, or ISO 8601. */
const timeOf = (text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  const ms = /^\d{10,16}$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isFinite(ms) ? ms : undefined;
};

/** The range of the parameters at `nowMs`; the default for those that mean none. */
export function rangeOf(
  { since, start, end }: Readonly<Record<string, string>>,
  nowMs: number,
  fallback = DEFAULT_SINCE,
): Range {
  const [from, to] = [timeOf(start), timeOf(end)];
  if (from !== undefined && (to === undefined || to > from))
    return { fromMs: from, toMs: to ?? nowMs, since: undefined };
  const span = since !== undefined && spanMs(since) !== undefined ? since : fallback;
  return { fromMs: nowMs - spanMs(span)!, toMs: nowMs, since: span };
}

/** The parameters of the API for a range: `since`, or `start` and `end`. */
export const rangeQuery = ({ fromMs, toMs, since }: Range): Readonly<Record<string, string>> =>
  since === undefined
    ? { start: new Date(fromMs).toISOString(), end: new Date(toMs).toISOString() }
    : { since };
