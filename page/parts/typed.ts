// What is typed into fields, as values.
// Invariant: a text that could be read in two ways is none: no local times, no hexadecimal numbers, no `Infinity`.

const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?)?$/;

/** Milliseconds since the epoch of an ISO 8601 time, without a zone in UTC; `undefined`: it is none. */
export function typedTime(text: string): number | undefined {
  const [, day, clock = '00:00', zone = 'Z'] = TIME.exec(text.trim()) ?? [];
  const ms = day === undefined ? NaN : Date.parse(`${day}T${clock}${zone}`);
  // 30 February is not 2 March.
  if (Number.isNaN(ms) || new Date(Date.parse(`${day}T00:00Z`)).toISOString().slice(0, 10) !== day)
    return undefined;
  return ms;
}

/** A decimal number from 0: `0.15`, `1e-6`. */
export function typedNumber(text: string): number | undefined {
  const number = /^(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,2})?$/i.test(text.trim()) ? Number(text) : NaN;
  return Number.isFinite(number) ? number : undefined;
}

/** A whole number from `least`. */
export function typedCount(text: string, least: number): number | undefined {
  const number = /^\d{1,9}$/.test(text.trim()) ? Number(text) : NaN;
  return number >= least ? number : undefined;
}
