// The day files of the log store: at least one SQLite file per UTC day, more for a day with many records.
// Invariant: the name of a day file contains a lower bound of its sequence numbers, so that it need not be opened.
import { readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface Segment {
  readonly path: string;
  /** UTC date, for example `20261121`. */
  readonly day: string;
  readonly firstSeq: number;
}

const NAME = /^logs-(\d{8})-(\d{15})\.sqlite$/;
/** Suffixes of the files that make up a SQLite database. */
const SUFFIXES = ['', '-wal', '-shm'];

/** UTC date of a time, for example `20261121`. */
export const utcDay = (epochMs: number): string =>
  new Date(epochMs).toISOString().slice(0, 10).replaceAll('-', '');

export const segmentPath = (folder: string, day: string, firstSeq: number): string =>
  join(folder, `logs-${day}-${String(firstSeq).padStart(15, '0')}.sqlite`);

/** The day files in a folder, ordered by sequence number. Empty if the folder does not exist. */
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
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Bytes of a day file on disk; 0 if it does not exist. */
export function segmentBytes(path: string): number {
  let bytes = 0;
  for (const suffix of SUFFIXES) bytes += statSync(path + suffix, { throwIfNoEntry: false })?.size ?? 0;
  return bytes;
}

export function removeSegment(path: string): void {
  for (const suffix of SUFFIXES) rmSync(path + suffix, { force: true });
}

/** Renames a damaged day file, so that `listSegments` ignores it. Returns the new path. */
export function renameDamaged(path: string, epochMs: number): string {
  const newPath = `${path}.damaged-${epochMs}`;
  for (const suffix of SUFFIXES)
    if (statSync(path + suffix, { throwIfNoEntry: false })) renameSync(path + suffix, newPath + suffix);
  return newPath;
}
