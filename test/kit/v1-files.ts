// Makes files of the log store with schema version 1, which weir still reads.
import { V1Writer, type StoreEntry } from './v1-writer.ts';
import { segmentPath } from '../../src/telemetry/logs/store/segments.ts';

/**
 * Writes the file of a UTC day, for example `20261121`, and returns its path. The entries are numbered from `firstSeq`,
 * or continue the numbers of an existing file.
 */
export function writeV1File(
  folder: string,
  day: string,
  firstSeq: number,
  entries: readonly StoreEntry[],
): string {
  const path = segmentPath(folder, day, firstSeq);
  const writer = new V1Writer(path);
  try {
    writer.append(entries, Math.max(firstSeq, writer.lastSeq + 1));
  } finally {
    writer.close();
  }
  return path;
}
