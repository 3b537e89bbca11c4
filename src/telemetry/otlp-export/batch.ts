// Size and compression of one export request.
// Invariant: a request has at most MAX_RECORDS records and about MAX_BYTES bytes; compression runs on zlib's threads,
// so that it does not delay the event loop.
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { LogRecord } from '../logs/logs.ts';

const compressGzip = promisify(gzip);
/** The fastest one. Bodies are about a tenth larger than with the usual level, which takes three times as long. */
const GZIP_LEVEL = 1;

export const MAX_RECORDS = 512;
const MAX_BYTES = 4 * 1024 ** 2;
/** Approximate size of a record's ids, times and names. */
const RECORD_BYTES = 400;

/** Number of leading records that fit in one request: at least one, whatever its size. */
export function fitting(records: readonly LogRecord[]): number {
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

/** The body as it is sent. */
export const compressed = async (body: Buffer, compression: 'gzip' | 'none'): Promise<Buffer> =>
  compression === 'gzip' ? compressGzip(body, { level: GZIP_LEVEL }) : body;
