// Times and intervals of BTQL, in milliseconds since 1970, UTC.
// Invariant: months and years are steps of the calendar; every other unit has a fixed length.
import { parseDate } from '../../core/time.ts';
import type { IntervalUnit } from './tree.ts';

/** A length of time. Both parts are added. */
export interface Interval {
  readonly months: number;
  readonly ms: number;
}

const UNIT_MS: Readonly<Record<Exclude<IntervalUnit, 'month' | 'year'>, number>> = {
  millisecond: 1,
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
};
/** 1970-01-05 was a Monday. */
const MONDAY_MS = 4 * UNIT_MS.day;

export function intervalOf(value: number, unit: IntervalUnit): Interval {
  if (unit === 'month' || unit === 'year') return { months: unit === 'year' ? 12 * value : value, ms: 0 };
  return { months: 0, ms: value * UNIT_MS[unit] };
}

/** Adds an interval. The day of the month is cut to what the month has. `null`: not a time any more. */
export function addInterval(timeMs: number, { months, ms }: Interval, sign: 1 | -1): number | null {
  let at = timeMs;
  if (months !== 0) {
    const date = new Date(at);
    const day = date.getUTCDate();
    date.setUTCDate(1);
    date.setUTCMonth(date.getUTCMonth() + sign * months);
    const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
    date.setUTCDate(Math.min(day, last));
    at = date.getTime();
  }
  return inRange(at + sign * ms);
}

const inRange = (ms: number): number | null =>
  Number.isNaN(new Date(ms).getTime()) || !Number.isFinite(ms) ? null : ms;

/**
 * The begin of the step that a time is in. `count`: number of units in a step, counted from 1970. `westMs`: how far the
 * zone is behind UTC.
 */
export function truncateTime(timeMs: number, unit: IntervalUnit, count: number, westMs: number): number {
  const local = timeMs - westMs;
  if (unit === 'month' || unit === 'year') {
    const date = new Date(local);
    return Date.UTC(date.getUTCFullYear(), unit === 'year' ? 0 : date.getUTCMonth(), 1) + westMs;
  }
  const step = UNIT_MS[unit] * count;
  const offset = unit === 'week' ? MONDAY_MS : 0;
  return Math.floor((local - offset) / step) * step + offset + westMs;
}

/** ISO 8601 in UTC, without a fraction if it is 0. */
export const formatMs = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');

/** The time that a value stands for: ISO 8601. `null`: none. */
export const timeOfValue = (value: unknown): number | null =>
  typeof value === 'string' ? (parseDate(value) ?? null) : null;
