// A download: everything that matches, as one stream of NDJSON, CSV or JSON.
// Must stay true: memory does not grow with its length, it stops when its client leaves, and a download that broke off
// never looks like a whole one: the connection is cut.
import type { ServerResponse } from 'node:http';
import type { PageQuery } from '../../../telemetry/logs/logs.ts';
import { CSV_HEAD, csvRow } from './csv.ts';
import { cursorText, logObject, type LogObject } from './record-json.ts';
import { isGone, PAGE, type LogStore } from './paged-search.ts';

export const FORMATS = ['ndjson', 'csv', 'json'] as const;
export type Format = (typeof FORMATS)[number];

interface Writing {
  readonly type: string;
  readonly head: string;
  readonly tail: string;
  readonly row: (log: LogObject, isFirst: boolean) => string;
}

const WRITING: Readonly<Record<Format, Writing>> = {
  ndjson: {
    type: 'application/x-ndjson',
    head: '',
    tail: '',
    row: (log) => `${JSON.stringify(log)}\n`,
  },
  csv: { type: 'text/csv; charset=utf-8; header=present', head: CSV_HEAD, tail: '', row: csvRow },
  json: {
    type: 'application/json',
    head: '[',
    tail: '\n]\n',
    row: (log, isFirst) => `${isFirst ? '' : ','}\n${JSON.stringify(log)}`,
  },
};

/** The format that an `Accept` header asks for; `undefined` for an answer that is no download. */
export function acceptedFormat(accept: string | undefined): Format | undefined {
  for (const part of (accept ?? '').split(',')) {
    const type = part.split(';', 1)[0]!.trim().toLowerCase();
    if (type === 'application/x-ndjson' || type === 'application/jsonl') return 'ndjson';
    if (type === 'text/csv') return 'csv';
  }
  return undefined;
}

/** What is written at once. */
const PIECE_CHARACTERS = 64 * 1024;

export interface DownloadOptions {
  readonly format: Format;
  /** Records at most. */
  readonly most: number;
  /** About how many there are, where that is known. */
  readonly estimate: number | undefined;
  /** Of the file that a browser makes of it, without its ending. */
  readonly name: string;
}

/** Sends it all. Trailers say how many rows came, whether there are more, and where these begin. */
export async function download(
  logs: Pick<LogStore, 'page'>,
  query: Omit<PageQuery, 'limit'>,
  res: ServerResponse,
  { format, most, estimate, name }: DownloadOptions,
): Promise<void> {
  const { type, head, tail, row } = WRITING[format];
  // Before anything is said: a question that cannot be answered is told with a status.
  let page = await logs.page({ ...query, limit: Math.min(PAGE, most) });
  if (isGone(res)) return;
  res.writeHead(200, {
    'content-type': type,
    'content-disposition': `attachment; filename="${name}.${format}"`,
    'cache-control': 'no-store',
    trailer: 'X-Weir-Rows, X-Weir-Truncated, X-Weir-Cursor',
    ...(estimate === undefined ? {} : { 'x-weir-total-estimate': String(estimate) }),
  });
  let rows = 0;
  let last = query.after;
  let text = head;
  for (;;) {
    for (const record of page.records) {
      text += row(logObject(record), rows++ === 0);
      last = { timeNs: record.timeNs, seq: record.seq };
      if (text.length < PIECE_CHARACTERS) continue;
      if (!(await written(res, text))) return;
      text = '';
    }
    if (page.next === undefined || rows === most) break;
    page = await logs.page({ ...query, after: page.next, limit: Math.min(PAGE, most - rows) });
    if (isGone(res)) return;
  }
  const isTruncated = rows === most && (await hasMore(logs, query, last, res));
  res.addTrailers({
    'X-Weir-Rows': String(rows),
    'X-Weir-Truncated': String(isTruncated),
    ...(isTruncated && last ? { 'X-Weir-Cursor': cursorText(last) } : {}),
  });
  res.end(text + tail);
}

/** True when the client has taken it; false when it has left. */
async function written(res: ServerResponse, text: string): Promise<boolean> {
  if (isGone(res)) return false;
  if (res.write(text)) return true;
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = () => resolve();
  res.once('drain', wake);
  res.once('close', wake);
  await promise;
  res.off('drain', wake);
  res.off('close', wake);
  return !isGone(res);
}

async function hasMore(
  logs: Pick<LogStore, 'page'>,
  query: Omit<PageQuery, 'limit'>,
  last: PageQuery['after'],
  res: ServerResponse,
): Promise<boolean> {
  let after = last;
  for (;;) {
    const { records, next } = await logs.page({ ...query, after, limit: 1 });
    if (records.length > 0) return true;
    if (next === undefined || isGone(res)) return false;
    after = next;
  }
}
