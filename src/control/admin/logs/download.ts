// Download of all matching records as one stream of NDJSON, CSV or JSON.
// Invariant: memory does not grow with the length, and a failed download is cut, so that it does not look complete.
import type { ServerResponse } from 'node:http';
import { mediaTypeOf } from '../../../core/media-type.ts';
import type { LogStore, SearchQuery } from '../../../telemetry/logs/logs.ts';
import { writeChunk } from '../write-chunk.ts';
import { formatWriter, type Format } from './record-formats.ts';
import { cursorText } from './record-json.ts';
import type { RecordView } from './record-view.ts';
import { isClosed, PAGE, timePlaceOf } from './paged-search.ts';

/** The download format of an `Accept` header; `undefined` if it names none. */
export function acceptedFormat(accept: string | undefined): Format | undefined {
  for (const part of (accept ?? '').split(',')) {
    const type = mediaTypeOf(part);
    if (type === 'application/x-ndjson' || type === 'application/jsonl') return 'ndjson';
    if (type === 'text/csv') return 'csv';
  }
  return undefined;
}

/** Size of one write. */
const CHUNK_CHARACTERS = 64 * 1024;

export interface DownloadOptions {
  readonly format: Format;
  /** Maximum number of records. */
  readonly maxRows: number;
  /** Estimated number of records, if known. */
  readonly estimate: number | undefined;
  /** What is sent of a record. CSV has all fields. */
  readonly view: RecordView;
  /** File name for browsers, without extension. */
  readonly name: string;
}

/** Streams all records. Trailers give the number of rows, whether more exist, and the cursor of the next one. */
export async function download(
  logs: Pick<LogStore, 'page' | 'placeOf'>,
  query: Omit<SearchQuery, 'limit'>,
  res: ServerResponse,
  { format, maxRows, estimate, view, name }: DownloadOptions,
): Promise<void> {
  const { mediaType, head, tail, row } = formatWriter(format, undefined);
  // Read before the head is sent, so that a failing query gets an error status.
  let page = await logs.page({ ...query, limit: Math.min(PAGE, maxRows) });
  if (isClosed(res)) return;
  const isHead = res.req.method === 'HEAD';
  res.writeHead(200, {
    // Node chunks no response without a body, and refuses the names of trailers in one that is not chunked.
    ...(isHead && { 'transfer-encoding': 'chunked' }),
    'content-type': mediaType,
    'content-disposition': `attachment; filename="${name}.${format}"`,
    'cache-control': 'no-store',
    trailer: 'X-Weir-Rows, X-Weir-Truncated, X-Weir-Cursor',
    ...(estimate === undefined ? {} : { 'x-weir-total-estimate': String(estimate) }),
  });
  if (isHead) return void res.end();
  let rows = 0;
  let last = query.after;
  let text = head;
  for (;;) {
    for (const record of page.records) {
      text += row(view(record), rows++ === 0);
      last = timePlaceOf(logs, record);
      if (text.length < CHUNK_CHARACTERS) continue;
      if (!(await writeChunk(res, text))) return;
      text = '';
    }
    if (page.next === undefined || rows === maxRows) break;
    page = await logs.page({ ...query, after: page.next, limit: Math.min(PAGE, maxRows - rows) });
    if (isClosed(res)) return;
  }
  const isTruncated = rows === maxRows && (await hasMore(logs, query, last, res));
  res.addTrailers({
    'X-Weir-Rows': String(rows),
    'X-Weir-Truncated': String(isTruncated),
    ...(isTruncated && last ? { 'X-Weir-Cursor': cursorText(last) } : {}),
  });
  res.end(text + tail);
}

async function hasMore(
  logs: Pick<LogStore, 'page'>,
  query: Omit<SearchQuery, 'limit'>,
  last: SearchQuery['after'],
  res: ServerResponse,
): Promise<boolean> {
  let after = last;
  for (;;) {
    const { records, next } = await logs.page({ ...query, after, limit: 1 });
    if (records.length > 0) return true;
    if (next === undefined || isClosed(res)) return false;
    after = next;
  }
}
