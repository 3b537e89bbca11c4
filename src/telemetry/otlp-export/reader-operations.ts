// What the reader thread of the log store does for exporters: reads batches and encodes them, so that the main thread
// only sends bytes. The reader thread loads this file (telemetry/logs/threads/reader-thread.ts).
// Invariant: each destination has at most one batch in memory.
import { genAiNames, spansOf, type TraceSubject } from '../tracing/tracing.ts';
import type { QueryNode, ReadRecords, RecordWriter } from '../logs/logs.ts';
import { Batch, MAX_RECORDS, type BatchFacts, type EncodedRequest } from './batch.ts';
import { spanProjection } from './otlp-spans.ts';
import { RequestEncoder, type RequestSettings } from './request-encoder.ts';

/** A destination, as far as the reader thread needs it. */
export interface ReadDestination {
  /** A key for each start of an exporter. */
  readonly key: string;
  readonly node: QueryNode;
  readonly settings: RequestSettings;
  readonly version: string;
  readonly own: RecordWriter;
  readonly trace: TraceSubject;
}

function batchFor({ settings, version, own, trace }: ReadDestination): Batch {
  const origin = { version, own: () => own };
  const spans = spanProjection((record) => spansOf(record, trace), origin);
  // Requests to language models have more attributes than the destination names.
  const attributes = [...settings.attributes, ...genAiNames(trace.genAi)];
  return new Batch(new RequestEncoder({ ...settings, attributes }, origin, spans));
}

export interface ExportOperations {
  batch(destination: ReadDestination, afterSeq: number): BatchFacts;
  encode(key: string, from: number, to: number): EncodedRequest;
  closeBatch(key: string): void;
}

/** `after`: reads records of the store. */
export function operations(after: ReadRecords): ExportOperations {
  const batches = new Map<string, Batch>();
  return {
    batch(destination, afterSeq) {
      let batch = batches.get(destination.key);
      if (batch === undefined) batches.set(destination.key, (batch = batchFor(destination)));
      return batch.take(after(destination.node, afterSeq, MAX_RECORDS));
    },
    encode(key, from, to) {
      const batch = batches.get(key);
      if (batch === undefined) throw new Error('the reader thread of the log store was restarted');
      return batch.encode(from, to);
    },
    closeBatch: (key) => void batches.delete(key),
  };
}
