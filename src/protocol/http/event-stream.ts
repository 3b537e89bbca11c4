// Splits a streamed response body into events: text/event-stream, or one JSON value per line.
// Invariant: the same bytes give the same events at every split, and at most `maxEventBytes` of an event are buffered.
// Source: HTML standard, 9.2.5 and 9.2.6 (server-sent events).
import { LineSplitter } from '../../core/line-splitter.ts';

/** Receives one event. `type` is empty if the event has none. */
type EventListener = (data: string, type: string) => void;

/** Splits the bytes of one body. */
interface EventSplitter {
  push(bytes: Uint8Array): void;
  /** Must be called after the last byte. `isWhole`: false if the body was truncated. */
  end(isWhole: boolean): void;
  /** Number of events that were dropped since they were longer than `maxEventBytes`. */
  readonly skipped: number;
}

export class EventStreamSplitter implements EventSplitter {
  skipped = 0;
  /** Id of the last event, also of one without data; empty if none had an id. */
  lastId = '';
  readonly #onEvent: EventListener;
  readonly #maxBytes: number;
  readonly #lines: LineSplitter;
  /** Data of the event so far; `undefined` before its first data line. */
  #data: string | undefined;
  #type = '';
  #id = '';
  #isTooLong = false;

  constructor(onEvent: EventListener, maxEventBytes: number) {
    this.#onEvent = onEvent;
    this.#maxBytes = maxEventBytes;
    this.#lines = new LineSplitter((line, isCut) => this.#line(line, isCut), maxEventBytes);
  }

  push(bytes: Uint8Array): void {
    this.#lines.push(bytes);
  }

  /**
   * The standard drops an event without a blank line after it. Some servers omit the last blank line, so the last event
   * of a whole body counts. The last event of a truncated body does not.
   */
  end(isWhole: boolean): void {
    if (!isWhole) return;
    this.#lines.end();
    this.#dispatch();
  }

  #line(line: string, isCut: boolean): void {
    if (line === '') return this.#dispatch();
    if (isCut) this.#isTooLong = true;
    else if (line.startsWith('data:')) this.#add(valueAt(line, 5));
    else if (line.startsWith('event:')) this.#type = valueAt(line, 6);
    else if (line.startsWith('id:')) this.#id = valueAt(line, 3);
    else if (line === 'data') this.#add('');
    // llama.cpp sends errors in a field `error` instead of `data`.
    else if (line.startsWith('error:')) {
      this.#type = 'error';
      this.#add(valueAt(line, 6));
    }
  }

  #add(text: string): void {
    if ((this.#data?.length ?? 0) + text.length >= this.#maxBytes) this.#isTooLong = true;
    else this.#data = this.#data === undefined ? text : `${this.#data}\n${text}`;
  }

  #dispatch(): void {
    const [data, type, isTooLong] = [this.#data, this.#type, this.#isTooLong];
    this.#data = undefined;
    this.#type = '';
    this.#isTooLong = false;
    this.lastId = this.#id;
    if (isTooLong) this.skipped++;
    else if (data !== undefined) this.#onEvent(data, type);
  }
}

/** The value that begins at `at`, without one leading space. */
const valueAt = (line: string, at: number): string => line.slice(line[at] === ' ' ? at + 1 : at);

/** Each line is one event without a type (application/x-ndjson). */
class JsonLinesSplitter implements EventSplitter {
  skipped = 0;
  readonly #lines: LineSplitter;

  constructor(onEvent: EventListener, maxEventBytes: number) {
    this.#lines = new LineSplitter((line, isCut) => {
      if (isCut) this.skipped++;
      else if (line.trim() !== '') onEvent(line, '');
    }, maxEventBytes);
  }

  push(bytes: Uint8Array): void {
    this.#lines.push(bytes);
  }

  end(isWhole: boolean): void {
    if (isWhole) this.#lines.end();
  }
}

/** Returns the splitter for a Content-Type; `undefined` if the type has no events. */
export function eventSplitter(
  contentType: string,
  onEvent: EventListener,
  maxEventBytes: number,
): EventSplitter | undefined {
  if (/^text\/event-stream\b/i.test(contentType)) return new EventStreamSplitter(onEvent, maxEventBytes);
  if (/^application\/(?:x-ndjson|ndjson|jsonl|x-jsonlines)\b/i.test(contentType))
    return new JsonLinesSplitter(onEvent, maxEventBytes);
  return undefined;
}
