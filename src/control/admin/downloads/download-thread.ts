// The module that the reader thread of downloads loads (telemetry/logs/threads/reader-thread.ts): it searches, and writes
// the files of downloads, step by step.
// Invariant: a step returns what is in the file, and what was written is never changed.
import { closeSync, openSync, writeSync } from 'node:fs';
import { lowerPriority } from '../../../core/low-priority.ts';
import type { PagePosition, QueriedStore, QueryNode, ReadRecords } from '../../../telemetry/logs/logs.ts';
import { formatWriter, type Format, type FormatWriter } from '../logs/record-formats.ts';
import { logObject } from '../logs/record-json.ts';

/** A download as the thread gets it. */
export interface DownloadTask {
  readonly path: string;
  readonly format: Format;
  /** `undefined`: all. */
  readonly columns: readonly string[] | undefined;
  readonly node: QueryNode;
  readonly fromNs: bigint;
  readonly toNs: bigint;
  readonly direction: 'up' | 'down';
  /** Where the first page begins. */
  readonly after: PagePosition | undefined;
  /** Most rows. */
  readonly maxRows: number;
  /** Records with a higher sequence number were stored after the download was asked for. */
  readonly endSeq: number;
}

export interface DownloadStep {
  readonly rows: number;
  readonly bytes: number;
  readonly isDone: boolean;
  /** More records match than the file may have. */
  readonly isTruncated: boolean;
}

export interface DownloadOperations {
  begin(id: string, task: DownloadTask): void;
  /** Works for about `ms` milliseconds. */
  step(id: string, ms: number): DownloadStep;
  close(id: string): void;
}

const PAGE = 500;
const CHUNK_CHARACTERS = 256 * 1024;

class DownloadWriter {
  readonly #task: DownloadTask;
  readonly #store: Pick<QueriedStore, 'page'>;
  readonly #writer: FormatWriter;
  readonly #fd: number;
  #after: PagePosition | undefined;
  #text: string;
  #rows = 0;
  #bytes = 0;
  #isDone = false;
  #isTruncated = false;

  constructor(task: DownloadTask, store: Pick<QueriedStore, 'page'>) {
    this.#task = task;
    this.#store = store;
    this.#writer = formatWriter(task.format, task.columns);
    this.#text = this.#writer.head;
    this.#after = task.after;
    this.#fd = openSync(task.path, 'wx', 0o600);
  }

  step(ms: number): DownloadStep {
    const endMs = performance.now() + ms;
    do this.#readPage();
    while (!this.#isDone && performance.now() < endMs);
    if (this.#isDone) this.#text += this.#writer.tail;
    this.#write();
    return { rows: this.#rows, bytes: this.#bytes, isDone: this.#isDone, isTruncated: this.#isTruncated };
  }

  close(): void {
    closeSync(this.#fd);
  }

  #readPage(): void {
    const { node, fromNs, toNs, direction, maxRows, endSeq } = this.#task;
    const page = this.#store.page({ node, fromNs, toNs, direction, after: this.#after, limit: PAGE });
    for (const record of page.records) {
      if (record.seq > endSeq) continue;
      if (this.#rows === maxRows) {
        this.#isTruncated = true;
        break;
      }
      this.#text += this.#writer.row(logObject(record), this.#rows++ === 0);
      if (this.#text.length >= CHUNK_CHARACTERS) this.#write();
    }
    this.#after = page.next;
    this.#isDone = this.#isTruncated || page.next === undefined;
  }

  #write(): void {
    const bytes = Buffer.from(this.#text);
    this.#text = '';
    for (let from = 0; from < bytes.length;) from += writeSync(this.#fd, bytes, from);
    this.#bytes += bytes.length;
  }
}

export function operations(_: ReadRecords, store: QueriedStore): DownloadOperations {
  lowerPriority();
  const writers = new Map<string, DownloadWriter>();
  return {
    begin(id, task) {
      writers.set(id, new DownloadWriter(task, store));
    },
    step(id, ms) {
      const writer = writers.get(id);
      if (writer === undefined) throw new Error('the reader thread of the log store was restarted');
      return writer.step(ms);
    },
    close(id) {
      writers.get(id)?.close();
      writers.delete(id);
    },
  };
}
