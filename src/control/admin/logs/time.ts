// Times and time spans as clients of the log routes write them, to nanoseconds since the epoch.
// Must stay true: a time is read in one way or not at all; a zone that is not said is UTC, whatever this machine's is.

const UNITS_NS: Readonly<Record<string, bigint>> = {
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
};
export const DAY_NS = 86_400_000_000_000n;
/** Before and behind every record. */
export const EARLIEST_NS = 0n;
export const LATEST_NS = 2n ** 63n - 1n;

const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)? ?(Z|UTC|[+-]\d\d:?\d\d)?$/i;

/** `90s`, `30m`, `2h`, `3d`, `250ms`, `1h30m`; `undefined` for what is none. */
export function readSpan(text: string): bigint | undefined {
  if (!/^(?:\d{1,9}(?:ms|[smhd])){1,5}$/.test(text)) return undefined;
  let ns = 0n;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|[smhd])/g)) ns += BigInt(count!) * UNITS_NS[unit!]!;
  return ns <= LATEST_NS ? ns : undefined;
}

/**
 * ISO 8601 to the nanosecond, or seconds (10 digits or fewer), milliseconds, microseconds or nanoseconds since the epoch.
 * `undefined` for what is none of these.
 */
export function readTime(text: string): bigint | undefined {
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
  // Date.parse takes 30 February for 2 March.
  const isReal = (new Date(`${date}T00:00:00Z`).toJSON() ?? '').startsWith(date!);
  if (Number.isNaN(ms) || !isReal || ms < 0) return undefined;
  const ns = BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
  // The years from 2262 on: behind everything, as people mean it.
  return ns < LATEST_NS ? ns : LATEST_NS;
}

/** ISO 8601 in UTC, with all nine digits. */
export function formatTime(ns: bigint): string {
  const rest = ns % 1_000_000_000n;
  const ms = Number((ns - rest) / 1_000_000n);
  // What the calendar of JavaScript does not reach stays a number.
  if (ms > 8_640_000_000_000_000) return String(ns);
  return `${new Date(ms).toISOString().slice(0, -5)}.${String(rest).padStart(9, '0')}Z`;
}
