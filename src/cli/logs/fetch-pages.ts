// What was recorded, page by page, onto stdout. Must stay true: oldest first, whatever order it was fetched in; without
// a limit memory does not grow with its length; what is left out is said on stderr.
import type { LogsArguments } from './flags.ts';
import { ask, CODES, AdminError, type LogEntry, type LogPage } from './admin-client.ts';
import type { Printer } from './printer.ts';

const PAGE = 1000;
const PROGRESS_MS = 250;

/** Prints the newest `limit` records, or all, and says on stderr what was left out. Resolves to the exit code. */
export async function fetchPages(wanted: LogsArguments, printer: Printer): Promise<number> {
  const isCut = await show(wanted, printer);
  const isMissing = printer.count === 0 && wanted.requestId !== '' && !printer.isClosed;
  const verdict = isMissing ? await lookFor(wanted, printer) : CODES.ok;
  await printer.end();
  if (isCut && !printer.isClosed)
    say(`showing the newest ${wanted.limit} records; there are more: --limit 0 shows all`);
  return verdict;
}

const say = (text: string): void => void process.stderr.write(`weir: ${text}\n`);

/** Prints what is asked for; true where the limit left something out. */
async function show(wanted: LogsArguments, printer: Printer): Promise<boolean> {
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

/** Called when no record of the request matched: searches without the filters, and says on stderr what there is. */
async function lookFor(wanted: LogsArguments, printer: Printer): Promise<number> {
  const { requestId } = wanted;
  const filters: LogsArguments['filters'] = [['request_id', requestId]];
  const first = await firstOf({ ...wanted, filters });
  if (first === undefined) {
    say(
      `no record of request ${requestId}; a request is recorded when it ends, and kept for logs.retention (7d by default)`,
    );
    return CODES.notFound;
  }
  // The id and the records have different times: the id was made by another clock, or not by weir.
  if (wanted.isAnyTime)
    await show(
      { ...wanted, filters: wanted.filters.filter(([name]) => name !== 'start' && name !== 'end') },
      printer,
    );
  if (printer.count === 0)
    say(`request ${requestId} has records, the first at ${first.timestamp}, but none that match all filters`);
  return CODES.ok;
}

/** The oldest record that matches. */
async function firstOf(wanted: LogsArguments): Promise<LogEntry | undefined> {
  let cursor: string | undefined;
  do {
    const page = await nextPage(wanted, 'asc', 1, cursor);
    if (page.logs.length > 0) return page.logs[0];
    cursor = page.cursor;
  } while (cursor !== undefined);
  return undefined;
}

async function nextPage(
  wanted: LogsArguments,
  direction: 'asc' | 'desc',
  limit: number,
  cursor: string | undefined,
): Promise<LogPage> {
  const paging: [string, string][] = [
    ['direction', direction],
    ['limit', String(limit)],
  ];
  if (cursor !== undefined) paging.push(['cursor', cursor]);
  const response = await ask(wanted, [...wanted.filters, ...paging], { accept: 'application/json' });
  const page = (await response.json()) as Partial<LogPage> | null;
  if (!Array.isArray(page?.logs))
    throw new AdminError(
      `${response.url.split('?', 1)[0]} answered with JSON that is not weir's`,
      CODES.notFound,
      false,
    );
  return page as LogPage;
}

/** How far it is, for somebody who waits at a terminal for a file. */
class Progress {
  readonly #isShown = process.stderr.isTTY && !process.stdout.isTTY;
  #lastMs = performance.now();

  show(count: number, timestamp: string | undefined): void {
    const now = performance.now();
    if (!this.#isShown || timestamp === undefined || now - this.#lastMs < PROGRESS_MS) return;
    this.#lastMs = now;
    process.stderr.write(`\r${count.toLocaleString('en')} lines, at ${timestamp.slice(0, 19)}Z \u001b[K`);
  }

  end(): void {
    if (this.#isShown) process.stderr.write('\r\u001b[K');
  }
}
