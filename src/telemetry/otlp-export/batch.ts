// The records of one export request, where they are read, and what the exporter knows of them.
// Invariant: a batch has at most MAX_RECORDS records and about MAX_BYTES bytes before compression.
import { describe } from '../../core/errors.ts';
import type { FeedPage, LogRecord } from '../logs/logs.ts';
import type { RequestEncoder } from './request-encoder.ts';

export const MAX_RECORDS = 512;
const MAX_BYTES = 4 * 1024 ** 2;
/** Approximate size of a record's ids, times and names. */
const RECORD_BYTES = 400;

/** What an exporter knows of a batch. */
export interface BatchFacts {
  /** Sequence numbers of its records. */
  readonly seqs: readonly number[];
  /** Time of the first record, in milliseconds since the epoch; 0 without records. */
  readonly firstMs: number;
  /** No record fits any more. */
  readonly isFull: boolean;
  /** Sequence number of the last record that is finished when these records are, wanted or not. */
  readonly lastSeq: number;
  /** Highest and lowest sequence number in the store. */
  readonly headSeq: number;
  readonly oldestSeq: number;
}

/** `problem`: why the records cannot be encoded. `undefined`: they make no log record or span. */
export type EncodedRequest =
  { readonly body: Uint8Array<ArrayBuffer> } | { readonly problem: string } | undefined;

/** The wanted records of the log store for one destination. All methods reject if the store cannot be read. */
export interface BatchSource {
  /** Bounds of the store. */
  head(): Promise<Pick<BatchFacts, 'headSeq' | 'oldestSeq'>>;
  /** Reads the next batch, which replaces the one before. */
  read(afterSeq: number): Promise<BatchFacts>;
  /** Encodes records of the batch that was read last, from one index up to another. */
  encode(from: number, to: number): Promise<EncodedRequest>;
  /** Calls `listener` after records were stored. Returns a function that ends this. */
  onStored(listener: () => void): () => void;
  /** Frees what is kept for the destination. */
  close(): void;
}

/** The batch that was read last, and its encoder. */
export class Batch {
  readonly #encoder: RequestEncoder;
  #records: readonly LogRecord[] = [];

  constructor(encoder: RequestEncoder) {
    this.#encoder = encoder;
  }

  /** Keeps the leading records that fit, of a page of at most MAX_RECORDS. */
  take({ records, lastSeq, headSeq, oldestSeq }: FeedPage): BatchFacts {
    const count = fitting(records);
    this.#records = records.slice(0, count);
    return {
      seqs: this.#records.map(({ seq }) => seq),
      firstMs: count === 0 ? 0 : Number(records[0]!.timeNs / 1_000_000n),
      isFull: records.length === MAX_RECORDS || count < records.length,
      lastSeq: count === records.length ? lastSeq : records[count - 1]!.seq,
      headSeq,
      oldestSeq,
    };
  }

  encode(from: number, to: number): EncodedRequest {
    if (to > this.#records.length) throw new Error('the batch was read before the reader was started');
    try {
      const body = this.#encoder.encode(this.#records.slice(from, to));
      return body && { body };
    } catch (error) {
      return { problem: `cannot encode as OTLP: ${describe(error)}` };
    }
  }
}

/** Number of leading records that fit in one request: at least one, whatever its size. */
function fitting(records: readonly LogRecord[]): number {
  let bytes = 0;
  let count = 0;
  for (const { message, attributes } of records) {
    // The message is sent twice: as the body and as an attribute.
    bytes += RECORD_BYTES + 2 * message.length + attributes.length;
    if (count > 0 && (bytes > MAX_BYTES || count === MAX_RECORDS)) break;
    count++;
  }
  return count;
}
