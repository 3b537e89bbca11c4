// Reads server-sent events (WHATWG HTML 9.2.6) from a stream of bytes, since EventSource cannot send a key.
// Invariant: the events do not depend on how the bytes were divided.

export interface ServerEvent {
  /** `message` unless it was named. */
  readonly name: string;
  readonly data: string;
  /** The last id that was sent, with this event or before it. */
  readonly id: string;
}

export class SseParser {
  /** The last id that was sent, also without an event. To be sent as Last-Event-ID. */
  lastId: string;
  readonly #decoder = new TextDecoder();
  #rest = '';
  #endsInCr = false;
  #name = '';
  #data: string[] = [];
  #id: string;

  constructor(lastId = '') {
    this.lastId = lastId;
    this.#id = lastId;
  }

  /** Events that are complete with these bytes. */
  push(bytes: Uint8Array): ServerEvent[] {
    let text = this.#decoder.decode(bytes, { stream: true });
    // A line end of two characters may have been divided.
    if (this.#endsInCr && text.startsWith('\n')) {
      text = text.slice(1);
      this.#endsInCr = false;
    }
    if (text === '') return [];
    this.#endsInCr = text.endsWith('\r');
    const lines = (this.#rest + text).split(/\r\n|\n|\r/);
    this.#rest = lines.pop()!;
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): ServerEvent[] {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return [];
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'event') this.#name = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    return [];
  }

  #dispatch(): ServerEvent[] {
    this.lastId = this.#id;
    const [name, data] = [this.#name, this.#data];
    this.#name = '';
    this.#data = [];
    return data.length === 0
      ? []
      : [{ name: name === '' ? 'message' : name, data: data.join('\n'), id: this.lastId }];
  }
}

/** Events of a response until it ends. The parser has the last id, also after a break. */
export async function* eventsOf(res: Response, parser: SseParser): AsyncGenerator<ServerEvent[], undefined> {
  const reader = res.body!.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const events = parser.push(value);
      if (events.length > 0) yield events;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
