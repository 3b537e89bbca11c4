// Fetches records page by page and prints them.
// Invariant: the oldest record is printed first; without a limit memory does not grow with the number of records;
// stderr tells if the limit left records out.
import type { LogsArguments } from './flags.ts';
import { getLogs, CODES, AdminError, type LogEntry, type LogPage, type LogsTarget } from './admin-client.ts';
import type { Printer } from './printer.ts';

const PAGE = 1000;
const PROGRESS_MS = 250;

/** Prints the newest `limit` records, or all. Resolves to the exit code. */
export async function fetchPages(wanted: LogsTarget, printer: Printer): Promise<number> {
  const isCut = await show(wanted, printer);
  const isMissing = printer.count === 0 && wanted.requestId !== '' && !printer.isClosed;
  const code = isMissing ? await findRequest(wanted, printer) : CODES.ok;
  await printer.end();
  if (isCut && !printer.isClosed)
    note(`showing the newest ${wanted.limit} records; there are more; --limit 0 shows all`);
  return code;
}

const note = (text: string): void => void process.stderr.write(`weir: ${text}\n`);

/** Prints the matching records. Resolves to true if the limit left records out. */
async function show(wanted: LogsTarget, printer: Printer): Promise<boolean> {
  const isAll = wanted.limit === 0;
  const progress = new Progress();
  const found: LogEntry[] = [];
  let cursor: string | undefined;
  let left = isAll ? Infinity : wanted.limit;
  do {
    const page = await nextPage(wanted, isAll ? 'asc' : 'desc', Math.min(PAGE, left), cursor);
    left -= page.logs.length;
    if (isAll) await printer.print(page.logs);
    else for (const log of page.logs) found.push(log);
    progress.show(isAll ? printer.count : found.length, page.logs.at(-1)?.timestamp);
    cursor = page.cursor;
  } while (cursor !== undefined && left > 0 && !printer.isClosed);
  progress.end();
  await printer.print(found.reverse());
  return cursor !== undefined;
}

/** Called if no record of the request matched: searches without the filters and tells on stderr what exists. */
async function findRequest(wanted: LogsTarget, printer: Printer): Promise<number> {
  const { requestId } = wanted;
  const filters: LogsArguments['filters'] = [['request_id', requestId]];
  const first = await firstOf({ ...wanted, filters });
  if (first === undefined) {
    note(
      `no record of request ${requestId}; requests are recorded when they end and kept for logs.retention (7d by default)`,
    );
    return CODES.notFound;
  }
  // The time in the id differs from that of the records, since another clock or another program made the id.
  if (wanted.isAnyTime)
    await show(
      { ...wanted, filters: wanted.filters.filter(([name]) => name !== 'start' && name !== 'end') },
      printer,
    );
  if (printer.count === 0)
    note(`request ${requestId} has records, the first at ${first.timestamp}, but none matches all filters`);
  return CODES.ok;
}

/** The oldest record that matches. */
async function firstOf(wanted: LogsTarget): Promise<LogEntry | undefined> {
  let cursor: string | undefined;
  do {
    const page = await nextPage(wanted, 'asc', 1, cursor);
    if (page.logs.length > 0) return page.logs[0];
    cursor = page.cursor;
  } while (cursor !== undefined);
  return undefined;
}

async function nextPage(
  wanted: LogsTarget,
  direction: 'asc' | 'desc',
  limit: number,
  cursor: string | undefined,
): Promise<LogPage> {
  const paging: [string, string][] = [
    ['direction', direction],
    ['limit', String(limit)],
  ];
  if (cursor !== undefined) paging.push(['cursor', cursor]);
  const response = await getLogs(wanted, [...wanted.filters, ...paging], { accept: 'application/json' });
  const page = JSON.parse(await response.text()) as Partial<LogPage> | null;
  if (!Array.isArray(page?.logs))
    throw new AdminError(
      `${response.url} did not respond with records of weir; check --url`,
      CODES.notFound,
      false,
    );
  return page as LogPage;
}

/** Shows progress on a terminal while stdout goes to a file. */
class Progress {
  readonly #isShown = process.stderr.isTTY && !process.stdout.isTTY;
  #lastMs = performance.now();

  show(count: number, timestamp: string | undefined): void {
    const now = performance.now();
    if (!this.#isShown || timestamp === undefined || now - this.#lastMs < PROGRESS_MS) return;
    this.#lastMs = now;
    process.stderr.write(`\r${count.toLocaleString('en')} records, at ${timestamp.slice(0, 19)}Z \u001b[K`);
  }

  end(): void {
    if (this.#isShown) process.stderr.write('\r\u001b[K');
  }
}
