// The day files of the log store: at least one SQLite file per UTC day, more for a day with many records.
// Invariant: the name of a day file contains a lower bound of its sequence numbers, so that it need not be opened.
import { readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface Segment {
  readonly path: string;
  /** UTC date, for example `20261121`. */
  readonly day: string;
  readonly firstSeq: number;
  /** How often the file was written anew without deleted records (rewrite-file.ts). */
  readonly rewrites: number;
}

const NAME = /^logs-(\d{8})-(\d{15})(?:-r(\d{1,9}))?\.sqlite$/;
/** Suffixes of the files that make up a SQLite database. */
const SUFFIXES = ['', '-wal', '-shm'];

/** UTC date of a time, for example `20261121`. */
export const utcDay = (epochMs: number): string =>
  new Date(epochMs).toISOString().slice(0, 10).replaceAll('-', '');

export const segmentPath = (folder: string, day: string, firstSeq: number): string =>
  join(folder, `logs-${day}-${String(firstSeq).padStart(15, '0')}.sqlite`);

/** Path of the file that replaces a day file. */
export const rewrittenPath = (folder: string, { day, firstSeq, rewrites }: Segment): string =>
  `${segmentPath(folder, day, firstSeq).slice(0, -'.sqlite'.length)}-r${rewrites + 1}.sqlite`;

/** The day files in a folder, ordered by sequence number. Empty if the folder does not exist. */
export function listSegments(folder: string): Segment[] {
  const all = allSegments(folder);
  return all.filter((one, i) => !isReplaced(one, all[i + 1]));
}

/** Deletes the files that were replaced by others, if weir ended before it had done so. */
export function removeReplacedSegments(folder: string): void {
  const all = allSegments(folder);
  for (const [i, one] of all.entries()) if (isReplaced(one, all[i + 1])) removeSegment(one.path);
}

/** True if the next file, in the order of `allSegments`, is the same one written anew. */
const isReplaced = ({ day, firstSeq }: Segment, next: Segment | undefined): boolean =>
  next !== undefined && next.firstSeq === firstSeq && next.day === day;

/** Ordered by sequence number, then by the number of rewrites. */
function allSegments(folder: string): Segment[] {
  return namesIn(folder)
    .flatMap((name): Segment[] => {
      const [, day, firstSeq, rewrites = '0'] = NAME.exec(name) ?? [];
      if (day === undefined) return [];
      return [{ path: join(folder, name), day, firstSeq: Number(firstSeq), rewrites: Number(rewrites) }];
    })
    .sort((a, b) => a.firstSeq - b.firstSeq || a.day.localeCompare(b.day) || a.rewrites - b.rewrites);
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
