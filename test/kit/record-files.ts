// The record of a weir under test, read from its files while it writes them.
import { join } from 'node:path';
import { StoreReader } from '../../src/telemetry/logs/store/store-reader.ts';
import { attributesOf, type LogRecord } from '../../src/telemetry/logs/log-record.ts';
import { parseQuery } from '../../src/telemetry/logs/query/parse.ts';
import { until } from './until.ts';

export interface Seen extends LogRecord {
  readonly says: Record<string, unknown>;
  readonly request: string | undefined;
  readonly response: string | undefined;
}

/** All records so far that a query finds, in the order of their arrival. */
export function recordsIn(dataDir: string, query = ''): Seen[] {
  const parsed = parseQuery(query);
  if ('problem' in parsed) throw new Error(parsed.problem);
  // A file that was made a moment ago has nothing in it yet, not even tables.
  const reader = new StoreReader(join(dataDir, 'logs'), { damaged: () => undefined }, 5000);
  try {
    const { records } = reader.after(parsed.node, 0, 10_000);
    return records.map((record) => {
      const bodies = reader.bodies(record.seq);
      const text = (bytes: Uint8Array | undefined | null) =>
        bytes ? Buffer.from(bytes).toString() : undefined;
      return {
        ...record,
        says: attributesOf(record),
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

/** The record of a request, once it is there. */
export const requestIn = (
  dataDir: string,
  id: string,
  fits: (record: Seen) => boolean = () => true,
): Promise<Seen> =>
  until(`the record has request ${id}`, () =>
    recordsIn(dataDir).find((record) => record.kind === 'request' && record.requestId === id && fits(record)),
  );
