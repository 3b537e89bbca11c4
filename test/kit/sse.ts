// A client of server-sent events that keeps the id of the last event, so that a test can resume.
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { once } from 'node:events';

export interface Event {
  readonly name: string;
  readonly data: Record<string, unknown>;
  readonly id: string;
}

export class EventClient {
  readonly events: Event[] = [];
  comments = 0;
  lastId = '';
  isEnded = false;
  res: IncomingMessage | undefined;
  readonly #req: ClientRequest;

  constructor(url: string, headers: Record<string, string> = {}) {
    this.#req = request(url, { agent: false, headers: { accept: 'text/event-stream', ...headers } });
    this.#req.on('error', () => (this.isEnded = true));
    this.#req.end();
  }

  /** Resolves to this client when the response has begun. */
  async open(): Promise<this> {
    const [res] = (await once(this.#req, 'response')) as [IncomingMessage];
    this.res = res;
    let text = '';
    res.setEncoding('utf8');
    res.on('data', (chunk: string) => {
      text += chunk;
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
        this.#block(text.slice(0, end));
        text = text.slice(end + 2);
      }
    });
    res.on('error', () => undefined);
    res.on('close', () => (this.isEnded = true));
    return this;
  }

  /** Closes the connection, like a network failure. */
  kill(): void {
    this.#req.destroy();
  }

  #block(block: string): void {
    let name = 'message';
    let data = '';
    for (const line of block.split('\n')) {
      if (line.startsWith(':')) this.comments++;
      else if (line.startsWith('id: ')) this.lastId = line.slice(4);
      else if (line.startsWith('event: ')) name = line.slice(7);
      else if (line.startsWith('data: ')) data += line.slice(6);
    }
    if (data !== '')
      this.events.push({ name, data: JSON.parse(data) as Record<string, unknown>, id: this.lastId });
  }
}
