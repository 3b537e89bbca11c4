// What reader threads do for the deletion of records: find and hide them, and write files anew without them.
// Invariant: a call takes a limited time, about that of a block.
import type { RecordKind } from '../log-record.ts';
import { projectSource } from '../rows/row-record.ts';
import type { QueryNode } from '../query/query-node.ts';
import { DAY_FILE_VERSION } from '../store/day-file.ts';
import { fileVersion } from '../store/file-version.ts';
import { hideRecords } from '../store/hide-records.ts';
import type { PagePosition } from '../store/page-position.ts';
import { FileRewrite, fileNotes } from '../store/rewrite-file.ts';
import { SeqSet } from '../store/seq-set.ts';
import { removeReplacedSegments } from '../store/segments.ts';
import type { TimeRange } from '../store/segment-query.ts';
import type { QueriedStore } from '../threads/reader-module.ts';

/** The records of a deletion, as far as they were found. */
export interface FoundRecords {
  readonly byKind: Partial<Record<RecordKind, number>>;
  /** Annotations of the records, which are not among them. */
  readonly annotations: number;
  /** Rows of spans, of which earlier versions may be stored. */
  readonly rows: number;
  /** Records in files of an earlier version of the format, which cannot be deleted. They are not counted otherwise. */
  readonly unreachable: number;
}

/** `next`: where the search goes on; `undefined`: all were found. */
export interface FoundPart extends FoundRecords {
  readonly next: PagePosition | undefined;
}

/** A file that is to be written anew. */
export interface RemovalFile {
  readonly path: string;
  /** Records that readers leave out. */
  readonly leftOut: number;
  /** Without bodies of requests. */
  readonly isWithoutBodies: boolean;
}

const PAGE = 1000;

/** A search for the records to delete. */
class Search {
  readonly seqs = new SeqSet();
  readonly byKind: Partial<Record<RecordKind, number>> = {};
  annotations = 0;
  rows = 0;
  unreachable = 0;
  readonly #firstSeq: number;

  /** `firstSeq`: of the first record that can be deleted. */
  constructor(firstSeq: number) {
    this.#firstSeq = firstSeq;
  }

  /** Reads on. */
  step(store: QueriedStore, asked: SearchedRecords, after: PagePosition | undefined): FoundPart {
    const { node, fromNs, toNs, headSeq } = asked;
    const page = store.page({ node, fromNs, toNs, direction: 'up', limit: PAGE, after });
    for (const record of page.records) {
      if (record.seq > headSeq || this.seqs.has(record.seq)) continue;
      if (record.seq < this.#firstSeq) {
        this.unreachable++;
        continue;
      }
      this.seqs.add(record.seq);
      this.byKind[record.kind] = (this.byKind[record.kind] ?? 0) + 1;
      if (record.kind === 'span' && record.source.startsWith(ROW_SOURCE)) this.rows++;
      for (const seq of store.leftOut.annotationsOf(record))
        if (!this.seqs.has(seq)) {
          this.seqs.add(seq);
          this.annotations++;
        }
    }
    const { byKind, annotations, rows, unreachable } = this;
    return { byKind: { ...byKind }, annotations, rows, unreachable, next: page.next };
  }
}

const ROW_SOURCE = projectSource('');

/** What a deletion searches. */
export interface SearchedRecords extends TimeRange {
  readonly node: QueryNode;
  /** Sequence number of the last record. */
  readonly headSeq: number;
}

export function operationsOf(folder: string, store: QueriedStore) {
  const searches = new Map<string, Search>();
  let rewrite: FileRewrite | undefined;
  const fileOf = (path: string) => store.leftOut.files().find(({ segment }) => segment.path === path);
  return {
    /** Looks for the records of a deletion, from the beginning or behind `after`. */
    find(id: string, asked: SearchedRecords, after: PagePosition | undefined): FoundPart {
      const search = (after && searches.get(id)) ?? new Search(firstSeqOf(store));
      searches.set(id, search);
      return search.step(store, asked, after);
    },
    /** Hides the records that `find` found, in all files. */
    hide(id: string): void {
      const { seqs } = searches.get(id)!;
      for (const { segment, endSeq } of store.leftOut.files())
        if (seqs.mayHave(segment.firstSeq, endSeq - 1))
          hideRecords(segment.path, seqs, segment.firstSeq, endSeq - 1);
      searches.delete(id);
    },
    /** Forgets the records that `find` found. */
    forget: (id: string): boolean => searches.delete(id),
    /** The files that are to be written anew. `bodiesDay`: bodies of requests of earlier days are not kept; empty: all. */
    files(bodiesDay: string): RemovalFile[] {
      removeReplacedSegments(folder);
      return store.leftOut.files().flatMap(({ segment: { path, day }, leftOut }): RemovalFile[] => {
        if ((leftOut === 0 && day >= bodiesDay) || fileVersion(path) !== DAY_FILE_VERSION) return [];
        const { removed, mayHaveBodies } = fileNotes(path);
        const isWithoutBodies = day < bodiesDay && mayHaveBodies;
        return leftOut > removed || isWithoutBodies ? [{ path, leftOut, isWithoutBodies }] : [];
      });
    },
    /** Begins to write a file anew. Returns false if it was deleted meanwhile. */
    begin(path: string, isWithoutBodies: boolean): boolean {
      const file = fileOf(path);
      if (file === undefined) return false;
      rewrite = new FileRewrite(folder, file.segment, (seq) => store.leftOut.has(seq), {
        leftOut: file.leftOut,
        isWithoutBodies,
      });
      return true;
    },
    /** Writes on. Returns true when `finish` may follow. */
    step(): boolean {
      return rewrite!.step();
    },
    finish(): void {
      rewrite!.finish();
      rewrite = undefined;
    },
    abort(): void {
      rewrite?.abort();
      rewrite = undefined;
    },
  };
}

/** Of the first record in a file of the current format. */
function firstSeqOf(store: QueriedStore): number {
  const file = store.leftOut.files().find(({ segment }) => fileVersion(segment.path) === DAY_FILE_VERSION);
  return file?.segment.firstSeq ?? Infinity;
}

export type DeletionOperations = ReturnType<typeof operationsOf>;
