// The files that the record lies in: one a day by UTC, a further one where a day grows large.
// Must stay true: a file's name says the first place (seq) that it may hold, so that order and place in the store are
// known without opening it; what was found damaged is renamed, never deleted.
import { readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface Segment {
  readonly path: string;
  /** `20261121`. */
  readonly day: string;
  readonly firstSeq: number;
}

const NAME = /^logs-(\d{8})-(\d{15})\.sqlite$/;
/** What SQLite keeps beside a file. */
const BESIDE = ['', '-wal', '-shm'];

/** `20261121` for a time in milliseconds. */
export const dayOf = (epochMs: number): string =>
  new Date(epochMs).toISOString().slice(0, 10).replaceAll('-', '');

export const segmentPath = (folder: string, day: string, firstSeq: number): string =>
  join(folder, `logs-${day}-${String(firstSeq).padStart(15, '0')}.sqlite`);

/** The files there are, in the order of their places. */
export function listSegments(folder: string): Segment[] {
  return namesIn(folder)
    .flatMap((name): Segment[] => {
      const match = NAME.exec(name);
      return match ? [{ path: join(folder, name), day: match[1]!, firstSeq: Number(match[2]) }] : [];
    })
    .sort((a, b) => a.firstSeq - b.firstSeq);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    // Nothing was kept yet.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Bytes that a file and what belongs to it take on the disk; 0 when it is gone. */
export function segmentBytes(path: string): number {
  let bytes = 0;
  for (const beside of BESIDE) bytes += statSync(path + beside, { throwIfNoEntry: false })?.size ?? 0;
  return bytes;
}

/** Deletes a file and what belongs to it. */
export function removeSegment(path: string): void {
  for (const beside of BESIDE) rmSync(path + beside, { force: true });
}

/** Gives a damaged file another name, under which nobody opens it; returns that name. */
export function setAside(path: string, epochMs: number): string {
  const aside = `${path}.damaged-${epochMs}`;
  for (const beside of BESIDE)
    if (statSync(path + beside, { throwIfNoEntry: false })) renameSync(path + beside, aside + beside);
  return aside;
}
