// Splits a body of type text/event-stream, or one JSON value a line, into events, from bytes in pieces of any size.
// Source: HTML standard, 9.2.5 and 9.2.6. Invariant: the same bytes give the same events at every split;
// memory is bounded by `maxEventBytes`.
import { LineSplitter } from './line-splitter.ts';

/** Receives the data of one event and its type; the type is empty if the event has none. */
export type TakeEvent = (data: string, type: string) => void;

/** Splits the bytes of one body. */
export interface EventSource {
  push(bytes: Uint8Array): void;
  /** The body has ended. `isWhole`: it ended as its framing says; false: it was cut or broke off. */
  end(isWhole: boolean): void;
  /** Events left out since they were longer than allowed. */
  readonly skipped: number;
}

export class EventStream implements EventSource {
  skipped = 0;
  readonly #take: TakeEvent;
  readonly #maxBytes: number;
  readonly #lines: LineSplitter;
  /** `undefined`: the event has no data line yet. */
  #data: string | undefined;
  #type = '';
  #isTooLong = false;

  constructor(take: TakeEvent, maxEventBytes: number) {
    this.#take = take;
    this.#maxBytes = maxEventBytes;
    this.#lines = new LineSplitter((line) => this.#line(line), maxEventBytes);
  }

  push(bytes: Uint8Array): void {
    this.#lines.push(bytes);
  }

  /**
   * The standard drops an event without a blank line behind it. Servers leave out that last line, so of a whole body
   * the event counts; of a body that was cut or broke off it does not.
   */
  end(isWhole: boolean): void {
    if (!isWhole) return;
    this.#lines.end();
    this.#dispatch();
  }

  #line(line: string | undefined): void {
    if (line === '') return this.#dispatch();
    if (line === undefined) this.#isTooLong = true;
    else if (line.startsWith('data:')) this.#add(valueAt(line, 5));
    else if (line.startsWith('event:')) this.#type = valueAt(line, 6);
    else if (line === 'data') this.#add('');
    // llama.cpp sends an error in a field of this name instead of `data`.
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
    if (isTooLong) this.skipped++;
    else if (data !== undefined) this.#take(data, type);
  }
}

/** The value behind the colon, without one space in front. */
const valueAt = (line: string, at: number): string => line.slice(line[at] === ' ' ? at + 1 : at);

/** JSON values, one a line (application/x-ndjson), as events without a type. */
export class JsonLines implements EventSource {
  skipped = 0;
  readonly #lines: LineSplitter;

  constructor(take: TakeEvent, maxEventBytes: number) {
    this.#lines = new LineSplitter((line) => {
      if (line === undefined) this.skipped++;
      else if (line.trim() !== '') take(line, '');
    }, maxEventBytes);
  }

  push(bytes: Uint8Array): void {
    this.#lines.push(bytes);
  }

  end(isWhole: boolean): void {
    if (isWhole) this.#lines.end();
  }
}

/** The splitter for a body of this Content-Type; `undefined` if it is not a type of event streams. */
export function eventSource(
  contentType: string,
  take: TakeEvent,
  maxEventBytes: number,
): EventSource | undefined {
  if (/^text\/event-stream\b/i.test(contentType)) return new EventStream(take, maxEventBytes);
  if (/^application\/(?:x-ndjson|ndjson|jsonl|x-jsonlines)\b/i.test(contentType))
    return new JsonLines(take, maxEventBytes);
  return undefined;
}
