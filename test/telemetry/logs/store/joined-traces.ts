// The rule by which lines get the trace ids of their requests, for stores that are kept in memory.
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';

/**
 * `records` are ordered by sequence number. One without a trace id has that of the first request with its request id that
 * has one. Requests and annotations stay as they are.
 */
export function withRequestTraces(records: readonly LogRecord[]): LogRecord[] {
  const traces = new Map<string, string>();
  for (const { kind, requestId, traceId } of records)
    if (kind === 'request' && requestId !== '' && traceId !== '' && !traces.has(requestId))
      traces.set(requestId, traceId);
  return records.map((record) =>
    record.kind === 'request' || record.kind === 'annotation' || record.traceId !== ''
      ? record
      : { ...record, traceId: traces.get(record.requestId) ?? '' },
  );
}
