// Tells which rows of pages have annotations, for queries that read columns, since columns do not have these.
// Invariant: every row with one of the annotations is found; one without them may be, too.
import { readKey } from '../annotation.ts';
import type { LogRecord } from '../log-record.ts';
import type { Page } from './page.ts';
import { HAS } from './shape.ts';

const OWN_ID = /^[0-9a-f]{37}$/;

export class ChangedRecords {
  /** The record with its annotations; the same object if it has none. */
  readonly merged: (record: LogRecord) => LogRecord;
  readonly #seqs = new Set<number>();
  readonly #requestIds = new Set<string>();
  /** Milliseconds of the request ids that weir made. */
  readonly #requestTimes = new Set<number>();
  readonly #traceIds = new Set<string>();

  /** `targets`: names of the targets of annotations (annotation.ts). */
  constructor(targets: Iterable<string>, merged: (record: LogRecord) => LogRecord) {
    this.merged = merged;
    for (const key of targets) {
      const target = readKey(key);
      if ('seq' in target) this.#seqs.add(target.seq);
      else if ('traceId' in target) this.#traceIds.add(target.traceId);
      else {
        const { requestId } = target;
        this.#requestIds.add(requestId);
        if (OWN_ID.test(requestId)) this.#requestTimes.add(parseInt(requestId.slice(0, 12), 16));
      }
    }
  }

  /** True if the record of the row may have annotations. */
  needsRecord(page: Page, row: number): boolean {
    if (this.#seqs.has(page.firstSeq + row)) return true;
    const { kind, has } = page.shapeOf(row);
    if (kind !== 'request' && kind !== 'span') return false;
    if (this.#traceIds.size > 0 && this.#traceIds.has(page.traceId(row))) return true;
    if ((has & HAS.ownId) !== 0 && !this.#requestTimes.has(page.timeMs[row]!)) return false;
    return this.#requestIds.size > 0 && this.#requestIds.has(page.requestId(row));
  }
}
