// Parses and formats times and durations of the log routes, in nanoseconds since the epoch.
// Invariant: a time without a zone is UTC, whatever the zone of this machine.

const UNITS_NS: Readonly<Record<string, bigint>> = {
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
};
export const DAY_NS = 86_400_000_000_000n;
/** Limits of all times of records. */
export const EARLIEST_NS = 0n;
export const LATEST_NS = 2n ** 63n - 1n;

const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)? ?(Z|UTC|[+-]\d\d:?\d\d)?$/i;

/** Parses `90s`, `30m`, `2h`, `3d`, `250ms`, `1h30m`; `undefined` if it is not valid. */
export function readSpan(text: string): bigint | undefined {
  if (!/^(?:\d{1,9}(?:ms|[smhd])){1,5}$/.test(text)) return undefined;
  let ns = 0n;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|[smhd])/g)) ns += BigInt(count!) * UNITS_NS[unit!]!;
  return ns <= LATEST_NS ? ns : undefined;
}

/**
 * Parses ISO 8601 with up to nine fractional digits, or seconds, milliseconds, microseconds or nanoseconds since the
 * epoch, which are told apart by the number of digits. `undefined` if it is not valid.
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
  // Date.parse reads 30 February as 2 March.
  const isReal = (new Date(`${date}T00:00:00Z`).toJSON() ?? '').startsWith(date!);
  if (Number.isNaN(ms) || !isReal || ms < 0) return undefined;
  const ns = BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
  // Years from 2262 on count as the latest time.
  return ns < LATEST_NS ? ns : LATEST_NS;
}

/** ISO 8601 in UTC, with all nine digits. */
export function formatTime(ns: bigint): string {
  const rest = ns % 1_000_000_000n;
  const ms = Number((ns - rest) / 1_000_000n);
  // Times beyond the range of Date stay a number.
  if (ms > 8_640_000_000_000_000) return String(ns);
  return `${new Date(ms).toISOString().slice(0, -5)}.${String(rest).padStart(9, '0')}Z`;
}
