// Records of a weir under test, read from the files of its log store while it writes them.
import { join } from 'node:path';
import { StoreReader } from '../../src/telemetry/logs/store/store-reader.ts';
import { attributesOf, type LogRecord } from '../../src/telemetry/logs/log-record.ts';
import { parseQuery } from '../../src/telemetry/logs/query/parse.ts';
import { until } from './until.ts';

export interface StoredRecord extends LogRecord {
  readonly fields: Record<string, unknown>;
  readonly request: string | undefined;
  readonly response: string | undefined;
}

/** All stored records that match a query, by sequence number. */
export function recordsIn(dataDir: string, query = ''): StoredRecord[] {
  const parsed = parseQuery(query);
  if ('problem' in parsed) throw new Error(parsed.problem);
  // A new file may have no tables yet.
  const reader = new StoreReader(join(dataDir, 'logs'), { damaged: () => undefined }, 5000);
  try {
    const { records } = reader.after(parsed.node, 0, 10_000);
    return records.map((record) => {
      const bodies = reader.bodies(record.seq);
      const text = (bytes: Uint8Array | undefined | null) =>
        bytes ? Buffer.from(bytes).toString() : undefined;
      return {
        ...record,
        fields: attributesOf(record),
        request: text(bodies?.request),
        response: text(bodies?.response),
      };
    });
  } catch (error) {
    if (/no such table/.test(String(error))) return [];
    throw error;
  } finally {
    reader.close();
  }
}

/** Waits for the record of a request, and returns it. */
export const expectRequestRecord = (
  dataDir: string,
  id: string,
  matches: (record: StoredRecord) => boolean = () => true,
): Promise<StoredRecord> =>
  until(`request ${id} is stored`, () =>
    recordsIn(dataDir).find(
      (record) => record.kind === 'request' && record.requestId === id && matches(record),
    ),
  );
