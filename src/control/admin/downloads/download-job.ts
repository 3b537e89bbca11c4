// One download: a file that is written in the background, and clients that read it meanwhile.
// Invariant: the bytes of the file never change, and a file that is not complete is never sent as one.
import type { Format } from '../logs/record-formats.ts';
import type { DownloadProgress, DownloadState, RecordTotal } from '../answers/download-answers.ts';
import type { DownloadStep } from './download-thread.ts';

/** What a download is made of. */
export interface DownloadFacts {
  readonly id: string;
  /** Id of the key that has asked for it; empty: none. */
  readonly owner: string;
  readonly path: string;
  readonly format: Format;
  readonly mediaType: string;
  readonly total: RecordTotal;
}

/** Time for which a download is kept after it was made, was complete, or was read last. */
const KEEP_MS = 15 * 60_000;

export class DownloadJob {
  readonly facts: DownloadFacts;
  readonly #createdMs = Date.now();
  #state: DownloadState = 'running';
  #step: DownloadStep = { rows: 0, bytes: 0, isDone: false, isTruncated: false };
  #error: string | null = null;
  #begunMs: number | undefined;
  #usedMs = Date.now();
  #readers = 0;
  #sent = 0;
  #changed = Promise.withResolvers<void>();

  constructor(facts: DownloadFacts) {
    this.facts = facts;
  }

  get state(): DownloadState {
    return this.#state;
  }

  /** Size of the file so far. */
  get bytes(): number {
    return this.#step.bytes;
  }

  /** The URL was used in time. */
  get hasBegun(): boolean {
    return this.#begunMs !== undefined;
  }

  get isRead(): boolean {
    return this.#readers > 0;
  }

  /** Date.now() from which on it may be forgotten. */
  get keptUntilMs(): number {
    return this.#readers > 0 || this.#state === 'running' ? Date.now() + KEEP_MS : this.#usedMs + KEEP_MS;
  }

  /** Resolves at the next change of the file or the state. */
  changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** The file has grown. */
  advanced(step: DownloadStep): void {
    if (this.#state !== 'running') return;
    this.#step = step;
    if (step.isDone) this.#end('finished');
    else this.#notify();
  }

  /** There is no file any more. */
  ended(state: 'failed' | 'stopped', error: string | null = null): void {
    this.#error = error;
    this.#end(state);
  }

  /** A client begins to read. Returns what it calls when it ends. */
  read(): () => void {
    this.#readers++;
    this.#begunMs ??= Date.now();
    return () => {
      this.#readers--;
      this.#usedMs = Date.now();
    };
  }

  /** A client was sent the bytes up to this place. */
  sentUpTo(place: number): void {
    this.#sent = Math.max(this.#sent, place);
  }

  get progress(): DownloadProgress {
    const iso = (ms: number): string => new Date(ms).toISOString();
    return {
      id: this.facts.id,
      state: this.#state,
      format: this.facts.format,
      total: this.facts.total,
      rows: this.#step.rows,
      bytes: this.#step.bytes,
      sent_bytes: this.#sent,
      is_truncated: this.#step.isTruncated,
      begun_at: this.#begunMs === undefined ? null : iso(this.#begunMs),
      created_at: iso(this.#createdMs),
      kept_until: iso(this.keptUntilMs),
      error: this.#error,
    };
  }

  #end(state: DownloadState): void {
    this.#state = state;
    this.#usedMs = Date.now();
    this.#notify();
  }

  #notify(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  }
}
