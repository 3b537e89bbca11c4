// A request's body on its way to the replica: counted, limited, and kept while it is short enough to send again.
// Must stay true: at most KEPT_BYTES are held here; beyond that a slow replica pauses the client.
// It is a Stream because http-proxy pipes its `buffer` option into the replica's request: `pipe` is the one place
// where that request can be taken before a byte of it has been sent.
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Stream } from 'node:stream';
import type { Exchange } from '../exchange/exchange.ts';
import { passableTrailers } from '../http/headers.ts';

/** A body up to this size can be sent once more when a kept-alive connection turns out to be dead. */
const KEPT_BYTES = 64 * 1024;

export class RequestBody extends Stream {
  readonly #req: IncomingMessage;
  readonly #exchange: Exchange;
  readonly #limit: number;
  readonly #begin: (to: ClientRequest) => void;
  readonly #tooLarge: () => void;
  #kept: Buffer[] | undefined = [];
  #to: ClientRequest | undefined;
  #isRead = false;

  /** `begin` is called with every request to a replica before anything is written to it. */
  constructor(
    req: IncomingMessage,
    exchange: Exchange,
    limit: number,
    begin: (to: ClientRequest) => void,
    tooLarge: () => void,
  ) {
    super();
    this.#req = req;
    this.#exchange = exchange;
    this.#limit = limit;
    this.#begin = begin;
    this.#tooLarge = tooLarge;
  }

  /** True while everything that was read from the client can be sent again. */
  get canRepeat(): boolean {
    return this.#kept !== undefined;
  }

  /** True when the replica, not the client, is why nothing moves. */
  get isHeldBack(): boolean {
    return this.#to !== undefined && this.#to.writableNeedDrain;
  }

  /** Called by http-proxy, once for every attempt. */
  override pipe<T extends NodeJS.WritableStream>(destination: T): T {
    const to = destination as unknown as ClientRequest;
    const isFirst = this.#to === undefined;
    this.#to = to;
    this.#begin(to);
    to.on('drain', () => this.#req.resume());
    if (isFirst) {
      this.#req.on('data', this.#onData);
      this.#req.on('end', this.#onEnd);
    } else {
      for (const chunk of this.#kept ?? []) to.write(chunk);
      if (this.#isRead) this.#end();
      else this.#req.resume();
    }
    return destination;
  }

  /** Nothing more goes to the replica; what still comes is the server's to discard. */
  stop(): void {
    this.#req.off('data', this.#onData);
    this.#req.off('end', this.#onEnd);
    this.#kept = undefined;
  }

  readonly #onData = (chunk: Buffer): void => {
    const size = (this.#exchange.requestBytes += chunk.length);
    if (size > this.#limit) {
      this.stop();
      this.#tooLarge();
      return;
    }
    if (size > KEPT_BYTES) this.#kept = undefined;
    else this.#kept?.push(chunk);
    if (!this.#to!.write(chunk)) this.#req.pause();
  };

  readonly #onEnd = (): void => {
    this.#isRead = true;
    this.#end();
  };

  #end(): void {
    // Only a chunked body can be followed by any, and Node reads them for no other.
    const trailers = passableTrailers(this.#req.rawTrailers);
    if (trailers.length > 0) this.#to!.addTrailers(trailers);
    this.#to!.end();
  }
}
