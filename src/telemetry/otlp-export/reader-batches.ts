// Batches that the reader thread of the log store reads and encodes (reader-operations.ts).
// Invariant: only facts and encoded requests come to the main thread, never records.
import { randomUUID } from 'node:crypto';
import { LATEST_NS } from '../../core/time.ts';
import { threadFile } from '../../core/worker-rpc.ts';
import { SEVERITY, type LocalJournal, type Logs } from '../logs/logs.ts';
import type { TraceSubject } from '../tracing/tracing.ts';
import type { BatchFacts, BatchSource, EncodedRequest } from './batch.ts';
import type { Destination } from './destination.ts';
import type { ExportOrigin } from './otlp-logs.ts';
import type { ExportOperations, ReadDestination } from './reader-operations.ts';

/** To be loaded by the reader thread. */
export const READER_OPERATIONS = threadFile('reader-operations', import.meta.url).href;

/** Opens the batches of a destination. `problem`: what is wrong with its query. */
export type OpenBatches = (destination: Destination) => BatchSource | { readonly problem: string };

/** The records that a destination wants. */
export const subscriptionOf = ({ signal, min_level: level, query }: Destination) =>
  ({
    kinds: signal === 'logs' ? ['line', 'request', 'event', 'annotation'] : ['span', 'request'],
    minSeverity: level === '' ? 0 : SEVERITY[level],
    query,
  }) satisfies Parameters<Logs['journal']>[0];

/** `logs`: its reader thread must have loaded READER_OPERATIONS. */
export const readerBatches =
  (logs: Pick<Logs, 'journal'>, origin: ExportOrigin, trace: TraceSubject): OpenBatches =>
  (destination) => {
    const journal = logs.journal(subscriptionOf(destination));
    return 'problem' in journal ? journal : new ReaderBatches(journal, destination, origin, trace);
  };

/** Time for counting, in milliseconds. */
const COUNT_MS = 1000;

/** A number of stored records. `isExact` false: at least so many. */
export interface StoredCount {
  readonly count: number;
  readonly isExact: boolean;
}

/** Counts the stored records that a destination wants, from a time on. `problem`: what is wrong with its query. */
export type CountStored = (
  destination: Destination,
  fromMs: number,
) => Promise<StoredCount | { readonly problem: string }>;

export const storedCounter =
  (logs: Pick<Logs, 'group' | 'journal'>): CountStored =>
  async (destination, fromMs) => {
    const journal = logs.journal(subscriptionOf(destination));
    if ('problem' in journal) return journal;
    const { matched, isPartial } = await logs.group(
      { node: journal.node, fromNs: BigInt(fromMs) * 1_000_000n, toNs: LATEST_NS, by: [], measures: [] },
      { timeoutMs: COUNT_MS },
    );
    return { count: matched, isExact: !isPartial };
  };

class ReaderBatches implements BatchSource {
  readonly #journal: LocalJournal;
  readonly #origin: ExportOrigin;
  readonly #destination: Omit<ReadDestination, 'own'>;
  #isOpen = false;

  constructor(
    journal: LocalJournal,
    { signal, encoding, compression, attributes, service_name }: Destination,
    origin: ExportOrigin,
    trace: TraceSubject,
  ) {
    this.#journal = journal;
    this.#origin = origin;
    this.#destination = {
      key: randomUUID(),
      node: journal.node,
      settings: { signal, encoding, compression, attributes, service_name },
      version: origin.version,
      trace,
    };
  }

  head(): ReturnType<BatchSource['head']> {
    return this.#journal.bounds();
  }

  read(afterSeq: number): Promise<BatchFacts> {
    this.#isOpen = true;
    return this.#run('batch', { ...this.#destination, own: this.#origin.own() }, afterSeq);
  }

  encode(from: number, to: number): Promise<EncodedRequest> {
    return this.#run('encode', this.#destination.key, from, to);
  }

  onStored(listener: () => void): () => void {
    return this.#journal.onStored(listener);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    // It fails if the thread has ended. Then there is nothing to free.
    this.#run('closeBatch', this.#destination.key).catch(() => undefined);
  }

  #run<O extends keyof ExportOperations>(
    operation: O,
    ...args: Parameters<ExportOperations[O]>
  ): Promise<ReturnType<ExportOperations[O]>> {
    return this.#journal.run(operation, ...args) as Promise<ReturnType<ExportOperations[O]>>;
  }
}
