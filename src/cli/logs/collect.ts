// What was recorded, page by page, onto stdout. Must stay true: oldest first, whatever order it was fetched in; without
// a limit memory does not grow with its length.
import type { LogsArguments } from './arguments.ts';
import { ask, CODES, Refusal, type LogObject, type Page } from './door.ts';
import type { Printer } from './printer.ts';

const PAGE = 1000;
const PROGRESS_MS = 250;

/** Prints the newest `limit` records, or all. */
export async function collect(wanted: LogsArguments, printer: Printer): Promise<void> {
  if (wanted.output === 'csv') return stream(wanted, printer);
  const isAll = wanted.limit === 0;
  const progress = new Progress();
  const found: LogObject[] = [];
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
  await printer.end();
}

async function nextPage(
  wanted: LogsArguments,
  direction: 'asc' | 'desc',
  limit: number,
  cursor: string | undefined,
): Promise<Page> {
  const paging: [string, string][] = [
    ['direction', direction],
    ['limit', String(limit)],
  ];
  if (cursor !== undefined) paging.push(['cursor', cursor]);
  const response = await ask(wanted, [...wanted.filters, ...paging], { accept: 'application/json' });
  const page = (await response.json()) as Partial<Page> | null;
  if (!Array.isArray(page?.logs))
    throw new Refusal(
      `${response.url.split('?', 1)[0]} answered with JSON that is not weir's`,
      CODES.notFound,
      false,
    );
  return page as Page;
}

/** CSV is made by the door: the newest first with a limit, else the oldest. */
async function stream(wanted: LogsArguments, printer: Printer): Promise<void> {
  const direction = wanted.limit === 0 ? 'asc' : 'desc';
  const paging = [
    ['format', 'csv'],
    ['direction', direction],
    ['limit', String(wanted.limit)],
  ] as const;
  const response = await ask(wanted, [...wanted.filters, ...paging], {});
  for await (const chunk of response.body!) {
    await printer.raw(chunk);
    if (printer.isClosed) return;
  }
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
