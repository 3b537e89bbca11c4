// Durations and sizes: their text in settings, requests and flags, to milliseconds and bytes, and back.
// Invariant: parse(format(x)) is x for every whole number that a setting can hold.

const NS = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
  w: 604_800_000_000_000n,
} as const;
const MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const;

const PART = String.raw`(\d+)(?:\.(\d+))?\s*(ns|us|µs|μs|ms|[smhdw])`;
const DURATION = new RegExp(`^(?:${PART}\\s*)+$`);
const PARTS = new RegExp(PART, 'g');
const MAX_DURATION_CHARACTERS = 100;
/** Longest part of a wrong value that an error repeats, in characters. */
const SHOWN = 60;

/**
 * Nanoseconds of a duration: one or more numbers, each with its unit, which are added up: `500ms`, `1.5h`, `1h30m`, `2w`.
 * Units: ns, us (µs), ms, s, m, h, d, w. `0` needs none. `undefined` for any other text.
 */
export function parseDurationNs(input: string): bigint | undefined {
  const text = input.trim();
  if (text === '0') return 0n;
  if (text.length > MAX_DURATION_CHARACTERS || !DURATION.test(text)) return undefined;
  let sum = 0n;
  for (const [, whole, fraction = '', unit] of text.matchAll(PARTS)) {
    const scale = 10n ** BigInt(fraction.length);
    // Half of the scale is added so that the division rounds.
    sum += (BigInt(whole! + fraction) * NS[unit as keyof typeof NS] + scale / 2n) / scale;
  }
  return sum;
}

/**
 * Milliseconds of a duration, rounded; `undefined` as for `parseDurationNs`, and for a duration that would become 0,
 * since 0 often means no limit.
 */
export function parseDuration(text: string): number | undefined {
  const ns = parseDurationNs(text);
  if (ns === undefined) return undefined;
  const ms = Number((ns + NS.ms / 2n) / NS.ms);
  return ms === 0 && ns > 0n ? undefined : ms;
}

/** Error text for a value that is not a duration. */
export const invalidDuration = (text: string): string =>
  `invalid duration ${JSON.stringify(text.slice(0, SHOWN))}; write 500ms, 30s, 1h30m or 7d`;

/** Milliseconds → the shortest text that parses back to the same number. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const)
    if (ms >= MS[unit] && ms % MS[unit] === 0) return `${ms / MS[unit]}${unit}`;
  return `${ms}ms`;
}

/** '100MiB', '64 KiB', '512B' or a plain number → bytes; `undefined` where the text is none of these. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB)?$/.exec(text.trim());
  if (!match) return undefined;
  return Math.round(Number(match[1]) * BYTES[(match[2] ?? 'B') as keyof typeof BYTES]);
}

/** Bytes → the shortest text that parses back to the same number. */
export function formatBytes(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB'] as const)
    if (bytes >= BYTES[unit] && bytes % BYTES[unit] === 0) return `${bytes / BYTES[unit]}${unit}`;
  return `${bytes}B`;
}
