// Prints new records as they come (server-sent events).
// Invariant: after a lost connection the next one continues after the last printed record.
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../../core/backoff.ts';
import { EventStreamSplitter } from '../../protocol/http/event-stream.ts';
import { getLogs, AdminError, type LogEntry, type LogsTarget } from './admin-client.ts';
import type { Printer } from './printer.ts';

/** Without any byte for this time the connection is considered lost. The admin server sends a comment every 15 s. */
const SILENCE_MS = 45_000;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5000;

/** Prints until stdout is closed. Throws an AdminError if the server refuses the request. */
export async function followTail(wanted: LogsTarget, printer: Printer): Promise<void> {
  let lastId = '';
  let failures = 0;
  for (let isFirst = true; !printer.isClosed; isFirst = false) {
    try {
      await connect(wanted, lastId, printer, (id) => {
        lastId = id;
        failures = 0;
      });
    } catch (error) {
      if (!(error instanceof AdminError) || !error.isTemporary || isFirst) throw error;
      if (failures === 0) process.stderr.write(`weir: ${error.message}; retrying\n`);
    }
    if (!printer.isClosed) await sleep(backoffMs(failures++, FIRST_PAUSE_MS, LONGEST_PAUSE_MS));
  }
}

/** Serves one connection until it ends. `reached` gets the id of each printed event. */
async function connect(
  wanted: LogsTarget,
  lastId: string,
  printer: Printer,
  reached: (id: string) => void,
): Promise<void> {
  const silence = new AbortController();
  const watch = setTimeout(() => silence.abort(), SILENCE_MS);
  const headers: Record<string, string> = { accept: 'text/event-stream' };
  if (lastId !== '') headers['last-event-id'] = lastId;
  const history: [string, string][] =
    lastId === '' && wanted.limit > 0 ? [['tail', String(wanted.limit)]] : [];
  try {
    const response = await getLogs(wanted, [...wanted.filters, ...history], headers, silence.signal);
    const events: ServerEvent[] = [];
    const source = new EventStreamSplitter(
      (data, type) => events.push({ id: source.lastId, name: type || 'message', data }),
      Infinity,
    );
    for await (const chunk of response.body) {
      watch.refresh();
      source.push(chunk as Buffer);
      for (const event of events.splice(0)) {
        await show(event, printer);
        // Only now, so that a record that was not printed is sent again.
        if (event.id !== '') reached(event.id);
        if (printer.isClosed) return;
      }
      // An event without data has an id too, which spares the server a search from an older one.
      if (source.lastId !== '') reached(source.lastId);
    }
  } catch (error) {
    if (error instanceof AdminError) throw error;
    // The connection was lost: the next one continues.
    const { code, name } = error as NodeJS.ErrnoException;
    if (code !== 'ECONNRESET' && name !== 'AbortError') throw error;
  } finally {
    clearTimeout(watch);
    silence.abort();
  }
}

interface ServerEvent {
  readonly id: string;
  readonly name: string;
  readonly data: string;
}

async function show({ name, data }: ServerEvent, printer: Printer): Promise<void> {
  if (data === '') return;
  if (name === 'message') return printer.print([JSON.parse(data) as LogEntry]);
  if (name !== 'dropped') return;
  const { count, places } = JSON.parse(data) as { count?: number; places?: number };
  const what = count === undefined ? `up to ${places} records` : `${count} records`;
  process.stderr.write(`weir: ${what} were left out, since they came faster than they were read\n`);
}
