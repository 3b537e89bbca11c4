// A backfill: a rule scores the records of a range of times that were stored before. Stored as JSON with its rule.
// Invariant: a backfill is never changed. Each change makes a new one.

export const BACKFILL_STATES = ['running', 'done', 'cancelled'] as const;
export type BackfillState = (typeof BACKFILL_STATES)[number];

/** Times in milliseconds since the epoch. */
export interface Backfill {
  readonly id: string;
  /** Both inclusive. */
  readonly fromMs: number;
  readonly toMs: number;
  /** The records above `startSeq` up to `endSeq` belong to it. */
  readonly startSeq: number;
  readonly endSeq: number;
  readonly state: BackfillState;
  readonly scored: number;
  readonly failed: number;
  readonly skipped: number;
  readonly startedAtMs: number;
  readonly finishedAtMs: number | null;
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

/** True for a value of a file that is a backfill. */
export function isBackfill(value: unknown): value is Backfill {
  if (typeof value !== 'object' || value === null) return false;
  const backfill = value as Partial<Record<keyof Backfill, unknown>>;
  return (
    typeof backfill.id === 'string' &&
    (BACKFILL_STATES as readonly unknown[]).includes(backfill.state) &&
    ['fromMs', 'toMs', 'startSeq', 'endSeq', 'scored', 'failed', 'skipped', 'startedAtMs'].every((name) =>
      isCount(backfill[name as keyof Backfill]),
    )
  );
}
