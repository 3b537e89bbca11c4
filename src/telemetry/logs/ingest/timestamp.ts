// Parses times that loggers write, to nanoseconds since the epoch.
// Invariant: the result is `undefined`, never a guess, for a value that cannot be the time of a line written just now.
import { DAY_NS } from '../../../core/time.ts';

/** 2000-01-01. Earlier times are errors. */
const EARLIEST_NS = 946_684_800_000_000_000n;

const CALENDAR =
  /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d{0,9})?(?: ?(Z|UTC|[+-]\d\d(?::?\d\d)?))?$/i;
const EPOCH = /^(\d{9,19})(?:\.(\d{1,9})\d{0,9})?$/;

/**
 * Parses ISO 8601, Python's `2026-11-20 16:52:26,510` (without a zone: local time), or a number or text of seconds,
 * milliseconds, microseconds or nanoseconds since the epoch; the number of digits decides.
 * `undefined` for other values, and for times before 2000 or more than a day after `nowNs`.
 */
export function timeOf(value: unknown, nowNs: bigint): bigint | undefined {
  const time =
    typeof value === 'number' ? epoch(decimal(value)) : typeof value === 'string' ? read(value) : undefined;
  return time !== undefined && time >= EARLIEST_NS && time <= nowNs + DAY_NS ? time : undefined;
}

const read = (text: string): bigint | undefined =>
  text.length > 48 ? undefined : (calendar(text) ?? epoch(text));

/** The digits of a number. Microseconds, since a double holds no smaller part of seconds. */
const decimal = (value: number): string =>
  Number.isInteger(value) || !Number.isFinite(value) ? String(value) : value.toFixed(6);

function epoch(text: string): bigint | undefined {
  const match = EPOCH.exec(text);
  if (!match) return undefined;
  // 11 digits of seconds reach the year 5138, 12 digits of milliseconds begin in 1973.
  const digits = match[1]!.length;
  const unit = digits <= 11 ? 9 : digits <= 14 ? 6 : digits <= 17 ? 3 : 0;
  const fraction = (match[2] ?? '').padEnd(9, '0').slice(0, unit);
  return BigInt(match[1]! + fraction);
}

/** The last whole second, cached since many lines are from the same second and local time is expensive. */
let lastSecond = '';
let lastSecondMs = 0;

function calendar(text: string): bigint | undefined {
  const match = CALENDAR.exec(text);
  if (!match) return undefined;
  const zone = match[8];
  const second = `${text.slice(0, 19)}${zone ?? ' local'}`;
  if (second !== lastSecond) {
    const ms = milliseconds(match, zone);
    if (ms === undefined) return undefined;
    lastSecondMs = ms;
    lastSecond = second;
  }
  return BigInt(lastSecondMs) * 1_000_000n + BigInt((match[7] ?? '').padEnd(9, '0'));
}

function milliseconds(match: RegExpExecArray, zone: string | undefined): number | undefined {
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  // Second 60 is a leap second. It becomes second 0 of the next minute.
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const midnight = new Date(Date.UTC(year, month - 1, day));
  if (midnight.getUTCMonth() !== month - 1 || midnight.getUTCDate() !== day) return undefined;
  if (zone === undefined) return new Date(year, month - 1, day, hour, minute, second).getTime();
  const sign = zone.startsWith('-') ? -1 : 1;
  const offset = /\d/.test(zone)
    ? sign * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3).replace(':', '')))
    : 0;
  return midnight.getTime() + ((hour * 60 + minute - offset) * 60 + second) * 1000;
}
