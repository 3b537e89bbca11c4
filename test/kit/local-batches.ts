// Batches for exporters from records in memory, encoded in this thread as the reader thread of the log store does it.
import { Batch, MAX_RECORDS } from '../../src/telemetry/otlp-export/batch.ts';
import { subscriptionOf, type OpenBatches } from '../../src/telemetry/otlp-export/reader-batches.ts';
import { RequestEncoder, type ProjectSpans } from '../../src/telemetry/otlp-export/request-encoder.ts';
import type { Records } from './records.ts';

export const SENDER = { version: '1.2.3', own: () => ({ pod: 'pod1-0a1b2c3d', modelId: 'mdl1' }) };

export const localBatches =
  (records: Records, spans: ProjectSpans = () => []): OpenBatches =>
  (destination) => {
    const feed = records.open(subscriptionOf(destination));
    if ('problem' in feed) return feed;
    const batch = new Batch(new RequestEncoder(destination, SENDER, spans));
    return {
      head: () => feed.read(Number.MAX_SAFE_INTEGER, 1),
      read: async (afterSeq) => batch.take(await feed.read(afterSeq, MAX_RECORDS)),
      encode: async (from, to) => batch.encode(from, to),
      onStored: (listener) => feed.onStored(listener),
      close: () => undefined,
    };
  };
