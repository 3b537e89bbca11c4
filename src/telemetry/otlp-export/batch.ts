// One request's worth of records, and its bytes.
// Must stay true: a request holds at most so many records and about so many bytes; packing happens on a thread of
// zlib's own, so that the event loop forwards requests meanwhile.
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { LogRecord } from '../logs/logs.ts';

const pack = promisify(gzip);

export const MAX_RECORDS = 512;
const MAX_BYTES = 4 * 1024 ** 2;
/** Ids, times and names of a record, about. */
const RECORD_BYTES = 400;

/** How many records from the front fit in one request: at least one, whatever its size. */
export function fitting(records: readonly LogRecord[]): number {
  let bytes = 0;
  let count = 0;
  for (const { message, attributes } of records) {
    // The line stands in the body and in an attribute.
    bytes += RECORD_BYTES + 2 * message.length + attributes.length;
    if (count > 0 && (bytes > MAX_BYTES || count === MAX_RECORDS)) break;
    count++;
  }
  return count;
}

/** The bytes as they are sent. */
export const packed = async (body: Buffer, compression: 'gzip' | 'none'): Promise<Buffer> =>
  compression === 'gzip' ? pack(body) : body;
