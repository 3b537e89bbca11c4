// A live tail onto stdout. Must stay true: a connection that breaks is made anew, and goes on behind the last event.
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../../core/backoff.ts';
import type { LogsArguments } from './flags.ts';
import { ask, AdminError, type LogEntry } from './admin-client.ts';
import type { Printer } from './printer.ts';

/** The door sends a comment every 15 s; without any for so long, nobody is there. */
const SILENCE_MS = 45_000;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5000;

/** Prints until nobody reads any more; throws a Refusal where the door does not want us. */
export async function followTail(wanted: LogsArguments, printer: Printer): Promise<void> {
  let lastId = '';
  let failures = 0;
  for (let isFirst = true; !printer.isClosed; isFirst = false) {
    try {
      await connect(wanted, lastId, printer, (id) => {
        lastId = id;
        failures = 0;
      });
    } catch (error) {
      if (!(error instanceof AdminError) || !error.isPassing || isFirst) throw error;
      if (failures === 0) process.stderr.write(`weir: ${error.message}; trying again\n`);
    }
    if (!printer.isClosed) await sleep(backoffMs(failures++, FIRST_PAUSE_MS, LONGEST_PAUSE_MS));
  }
}

/** One connection, to its end. */
async function connect(
  wanted: LogsArguments,
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
    const response = await ask(wanted, [...wanted.filters, ...history], headers, silence.signal);
    for await (const event of events(response.body!, () => watch.refresh())) {
      await show(event, printer);
      // Only now: what was not printed is to come again.
      if (event.id !== '') reached(event.id);
      if (printer.isClosed) return;
    }
  } catch (error) {
    if (error instanceof AdminError) throw error;
    // Broken off: the next connection goes on where this one was.
    if (!(error instanceof TypeError) && (error as Error).name !== 'AbortError') throw error;
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
  process.stderr.write(`weir: ${what} were missed\n`);
}

/** The events of a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html), comments as empty ones. */
async function* events(body: ReadableStream<Uint8Array>, alive: () => void): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body) {
    alive();
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      yield readEvent(text.slice(0, end));
      text = text.slice(end + 2);
    }
  }
}

function readEvent(block: string): ServerEvent {
  let [id, name, data] = ['', 'message', ''];
  for (const line of block.split('\n'))
    if (line.startsWith('id: ')) id = line.slice(4);
    else if (line.startsWith('event: ')) name = line.slice(7);
    else if (line.startsWith('data: ')) data += line.slice(6);
  return { id, name, data };
}
