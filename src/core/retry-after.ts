// Reads the header Retry-After of a response.

const MAX_RETRY_AFTER_MS = 10 * 60_000;

/** Retry-After, in seconds or as a date (RFC 9110 section 10.2.3) → milliseconds from now, at most ten minutes. */
export function retryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  // Date.parse reads other texts as years. A date contains the name of its month.
  const isDate = /[A-Za-z]{3}/.test(value);
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : isDate ? Date.parse(value) - nowMs : NaN;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}
