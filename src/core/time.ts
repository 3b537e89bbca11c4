// Points in time: their text in requests and flags, to nanoseconds since 1970, and back.
// Invariant: a text has one meaning or none. A time without a zone is UTC, whatever the zone of this machine is.

export const MINUTE_NS = 60_000_000_000n;
export const DAY_NS = 86_400_000_000_000n;
/** Bounds of what the log store can hold. */
export const EARLIEST_NS = 0n;
export const LATEST_NS = 2n ** 63n - 1n;

/** The time now, to the millisecond. */
export const nowNs = (): bigint => BigInt(Date.now()) * 1_000_000n;

const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d+))?)?)? ?(Z|UTC|[+-]\d\d:?\d\d)?$/i;
/** Longest part of a wrong value that an error repeats, in characters. */
const SHOWN = 60;

/**
 * Nanoseconds since 1970 of an ISO 8601 time (`2026-11-20`, `2026-11-20T16:52:26.51Z`, `2026-11-20 16:52+01:00`), or of a
 * count of seconds (up to 11 digits), milliseconds, microseconds or nanoseconds since 1970. `undefined` for any other
 * text, for a day that does not exist, and for times before 1970.
 */
export function parseTime(text: string): bigint | undefined {
  if (/^\d{1,19}$/.test(text)) {
    const factor = text.length <= 11 ? 9 : text.length <= 14 ? 6 : text.length <= 17 ? 3 : 0;
    const ns = BigInt(text) * 10n ** BigInt(factor);
    return ns <= LATEST_NS ? ns : undefined;
  }
  const match = ISO.exec(text);
  if (!match) return undefined;
  const [, date, minutes = '00:00', seconds = '00', fraction = '', zone = 'Z'] = match;
  const offset = /\d/.test(zone) ? `${zone.slice(0, 3)}:${zone.slice(-2)}` : 'Z';
  const ms = Date.parse(`${date}T${minutes}:${seconds}${offset}`);
  // Date.parse reads 30 February as 2 March.
  const isReal = (new Date(`${date}T00:00:00Z`).toJSON() ?? '').startsWith(date!);
  if (Number.isNaN(ms) || !isReal || ms < 0) return undefined;
  const ns = BigInt(ms) * 1_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  // Years from 2262 on do not fit; they mean "no end".
  return ns < LATEST_NS ? ns : LATEST_NS;
}

/**
 * Milliseconds since 1970 of an ISO 8601 time, as `parseTime` reads it. `undefined` for any other text, and for a count
 * since 1970, which in a file or a form may be meant as a year or a day (`2026`, `20261201`).
 */
export function parseDate(text: string): number | undefined {
  const ns = /\D/.test(text) ? parseTime(text) : undefined;
  return ns === undefined ? undefined : Number(ns / 1_000_000n);
}

/** Error text for a value that is not a time. */
export const invalidTime = (text: string): string =>
  `invalid time ${JSON.stringify(text.slice(0, SHOWN))}; write 2026-11-20T16:52:26Z (without a zone: UTC), or the seconds, ms, µs or ns since 1970`;

/** ISO 8601 in UTC, with nine digits of a second. */
export function formatTime(ns: bigint): string {
  const rest = ns % 1_000_000_000n;
  const ms = Number((ns - rest) / 1_000_000n);
  // Beyond the range of Date: the number itself.
  if (ms > 8_640_000_000_000_000) return String(ns);
  return `${new Date(ms).toISOString().slice(0, -5)}.${String(rest).padStart(9, '0')}Z`;
}
