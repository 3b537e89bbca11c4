// The deadline of a call as it travels: `grpc-timeout`, a number of at most eight digits and a unit.
// Must stay true: what is passed on is never longer than what is left, and never nothing while time is left.
// Source: gRPC over HTTP/2, "Timeout".

/** Milliseconds of each unit. */
const UNITS: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
/** Largest number that eight digits can say. */
const MOST = 99_999_999;

/** Milliseconds, or `undefined` for what is no timeout. */
export function readTimeout(value: string): number | undefined {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(value) ?? [];
  return digits === undefined ? undefined : Number(digits) * UNITS[unit!]!;
}

/** Milliseconds as `grpc-timeout`, rounded down, in the finest unit that has room for it: at least one microsecond. */
export function formatTimeout(ms: number): string {
  const micros = Math.max(1, Math.floor(ms * 1000));
  if (micros <= MOST) return `${micros}u`;
  const millis = Math.floor(ms);
  if (millis <= MOST) return `${millis}m`;
  return `${Math.min(MOST, Math.floor(ms / 1000))}S`;
}
