// What the deletion of records needs to know of the store: its files, which records are left out, and the annotations of a
// record.
// Invariant: what `files` returns is true of the moment of the call.
import type { LogRecord } from '../log-record.ts';
import type { Annotations } from './annotations.ts';
import type { ReplacedRecords } from './replaced-records.ts';
import type { Segment } from './segments.ts';

/** A day file. */
export interface StoredFile {
  readonly segment: Segment;
  /** Sequence number behind its last record. */
  readonly endSeq: number;
  /** Number of its records that readers leave out, since they were deleted or replaced. */
  readonly leftOut: number;
}

/** What is asked of a reader. */
interface ReadFiles {
  readonly replaced: ReplacedRecords;
  readonly annotations: Annotations;
  readonly segments: () => readonly Segment[];
  readonly lastSeq: (segment: Segment) => number;
}

export class LeftOutRecords {
  readonly #of: ReadFiles;

  constructor(of: ReadFiles) {
    this.#of = of;
  }

  /** The day files, the oldest first, after reading which records were deleted. */
  files(): readonly StoredFile[] {
    const segments = this.#of.segments();
    const ends = segments.map((segment) => this.#of.lastSeq(segment));
    return segments.map((segment, i) => {
      const endSeq = segments[i + 1]?.firstSeq ?? Math.max(segment.firstSeq, ends[i]! + 1);
      return { segment, endSeq, leftOut: this.#of.replaced.countIn(segment.firstSeq, endSeq - 1) };
    });
  }

  /** True if a record was deleted or replaced, as far as `files` has read. */
  has(seq: number): boolean {
    return this.#of.replaced.has(seq);
  }

  /** Sequence numbers of the annotations of a record alone. */
  annotationsOf(record: LogRecord): number[] {
    return this.#of.annotations.seqsOf(record);
  }
}
