// Reads the records that a rule may be for, in the order in which they were stored, a limited number at a time.
// Invariant: records that come behind the last one read are not missed by the next call.
import { setImmediate } from 'node:timers/promises';
import type { LogRecord, QueriedStore, QueryNode, TimeRange } from '../logs/logs.ts';

/** The records behind a cursor. */
export interface RecordChunk {
  readonly records: readonly LogRecord[];
  /** The records up to this one are in `records`, or do not match. */
  readonly lastSeq: number;
  readonly headSeq: number;
  readonly oldestSeq: number;
}

/** Which records are read. */
export interface ReadRange {
  readonly afterSeq: number;
  /** The last one that is read; Infinity: all. */
  readonly endSeq: number;
  /** `undefined`: of all times. */
  readonly times: TimeRange | undefined;
}

/** What the scoring thread reads. */
export type ScoredStore = Pick<QueriedStore, 'at' | 'bodies' | 'page' | 'scan'>;
export type ReadAfter = (node: QueryNode, afterSeq: number, limit: number) => RecordChunk;

/** Records that are read in one call of the store. */
const CHUNK = 128;

/** Reads the next records of a range of times. Records outside it are skipped without being read. */
function scanned(store: ScoredStore, node: QueryNode, { afterSeq, endSeq, times }: ReadRange): RecordChunk {
  const seqs: number[] = [];
  const progress = store.scan({ node, ...times!, names: [] }, afterSeq, (seq) => {
    if (seq > endSeq) return false;
    seqs.push(seq);
    return seqs.length < CHUNK;
  });
  const records = seqs.map((seq) => store.at(seq)).filter((record) => record !== undefined);
  return { ...progress, records };
}

/** Reads chunk after chunk, and lets other calls of the thread run between them. Ends at the end of the range. */
export async function* recordChunks(
  after: ReadAfter,
  store: ScoredStore,
  node: QueryNode,
  range: ReadRange,
): AsyncGenerator<RecordChunk> {
  for (let at = range.afterSeq; ;) {
    const chunk =
      range.times === undefined ? after(node, at, CHUNK) : scanned(store, node, { ...range, afterSeq: at });
    const lastSeq = Math.min(Math.max(chunk.lastSeq, at), range.endSeq);
    const records = chunk.records.filter(({ seq }) => seq <= range.endSeq);
    yield { ...chunk, records, lastSeq };
    const isAtEnd = lastSeq <= at || lastSeq >= chunk.headSeq || lastSeq >= range.endSeq;
    if (isAtEnd) return;
    at = lastSeq;
    await setImmediate();
  }
}
