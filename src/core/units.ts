// Durations and sizes as people write them, to milliseconds and bytes, and back.
// Must stay true: parse(format(x)) is x for every whole number that a setting can hold.

const MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const;

/** '250ms', '30s', '1.5m', '2h', '7d' → milliseconds; `undefined` where the text is none of these. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(text.trim());
  if (!match) return text.trim() === '0' ? 0 : undefined;
  return Math.round(Number(match[1]) * MS[match[2] as keyof typeof MS]);
}

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
