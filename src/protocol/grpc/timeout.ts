// Parses and formats grpc-timeout: a number of at most eight digits and a unit.
// Invariant: a formatted timeout is never longer than the given time, except that it is at least one microsecond.
// Source: PROTOCOL-HTTP2.md (Timeout).

/** Milliseconds of each unit. */
const UNITS: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
/** Largest number of eight digits. */
const MAX_VALUE = 99_999_999;

/** Parses a timeout to milliseconds; `undefined` if it is invalid. */
export function readTimeout(value: string): number | undefined {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(value) ?? [];
  return digits === undefined ? undefined : Number(digits) * UNITS[unit!]!;
}

/** Formats milliseconds in the smallest unit of microseconds, milliseconds and seconds that fits, rounded down. */
export function formatTimeout(ms: number): string {
  const micros = Math.max(1, Math.floor(ms * 1000));
  if (micros <= MAX_VALUE) return `${micros}u`;
  const millis = Math.floor(ms);
  if (millis <= MAX_VALUE) return `${millis}m`;
  return `${Math.min(MAX_VALUE, Math.floor(ms / 1000))}S`;
}
