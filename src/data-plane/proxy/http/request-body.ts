// A request's body on its way to the replica: counted, limited, and kept while it is short enough to send again.
// Must stay true: once a replica has the request, no more than `keptBytes` are held here, and a slow replica pauses the
// client; before that, no more than the pool has room for.
// It is a Stream because http-proxy pipes its `buffer` option into the replica's request: `pipe` is the one place
// where that request can be taken before a byte of it has been sent.
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Stream } from 'node:stream';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import type { BodyCopy } from '../../../core/exchange/body-capture.ts';
import { passableTrailers } from '../../../protocol/http/forwarded-headers.ts';

/** What the body reports to the passage that it belongs to. */
export interface BodyEvents {
  /** A request to a replica exists and nothing is written to it yet. */
  began(to: ClientRequest): void;
  tooLarge(): void;
  /** More came while no replica has the request. */
  hold(bytes: number): void;
}

export class RequestBody extends Stream {
  readonly #req: IncomingMessage;
  readonly #exchange: Exchange;
  readonly #limits: { readonly max_body: number; readonly keptBytes: number };
  readonly #events: BodyEvents;
  readonly #copy: BodyCopy | undefined;
  #kept: Buffer[] | undefined = [];
  #to: ClientRequest | undefined;
  /** The replica reads no more: further input is counted and dropped. */
  #isRefused = false;
  #isRead = false;
  #isReading = false;

  /** Bodies up to `keptBytes` are kept until `stop`, to be sent again. */
  constructor(
    req: IncomingMessage,
    exchange: Exchange,
    limits: { readonly max_body: number; readonly keptBytes: number },
    events: BodyEvents,
  ) {
    super();
    this.#req = req;
    this.#exchange = exchange;
    this.#limits = limits;
    this.#events = events;
    this.#copy = exchange.tap?.request;
    this.#copy?.describe(req.headers['content-type'], req.headers['content-encoding']);
  }

  /** True while everything that was read from the client can be sent again. */
  get canRepeat(): boolean {
    return this.#kept !== undefined;
  }

  /** True when the replica, not the client, is why nothing moves. */
  get isHeldBack(): boolean {
    return this.#to !== undefined && !this.#isRefused && this.#to.writableNeedDrain;
  }

  /** Nothing more can be sent to this replica, but its answer may come. The client is still read, so that it can finish and read the answer. */
  refuse(to: ClientRequest): void {
    if (to !== this.#to) return;
    this.#isRefused = true;
    this.#req.resume();
  }

  /** Reads while no replica has the request, so that the client's leaving is heard. */
  readAhead(): void {
    this.#to = undefined;
    this.#read();
    this.#req.resume();
  }

  /** Called by http-proxy, once for every attempt. */
  override pipe<T extends NodeJS.WritableStream>(destination: T): T {
    const to = destination as unknown as ClientRequest;
    this.#to = to;
    this.#isRefused = false;
    this.#events.began(to);
    to.on('drain', () => {
      this.#forgetLarge();
      this.#req.resume();
    });
    let isFull = false;
    for (const chunk of this.#kept ?? []) isFull = !to.write(chunk);
    this.#forgetLarge();
    if (this.#isRead) this.#end();
    else {
      this.#read();
      if (isFull) this.#req.pause();
      else this.#req.resume();
    }
    return destination;
  }

  /** Nothing more goes to the replica; what still comes is the server's to discard. */
  stop(): void {
    this.#req.off('data', this.#onData);
    if (this.#copy) this.#req.off('data', this.#copy.push);
    this.#req.off('end', this.#onEnd);
    this.#kept = undefined;
  }

  #read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    this.#req.on('data', this.#onData);
    if (this.#copy) this.#req.on('data', this.#copy.push);
    this.#req.on('end', this.#onEnd);
  }

  readonly #onData = (chunk: Buffer): void => {
    const size = (this.#exchange.requestBytes += chunk.length);
    if (size > this.#limits.max_body) {
      this.stop();
      this.#events.tooLarge();
      return;
    }
    this.#kept?.push(chunk);
    if (this.#to === undefined) {
      this.#events.hold(chunk.length);
      return;
    }
    this.#forgetLarge();
    if (!this.#isRefused && !this.#to.write(chunk)) this.#req.pause();
  };

  readonly #onEnd = (): void => {
    this.#isRead = true;
    if (this.#to !== undefined) this.#end();
  };

  /** What is too large to be kept is kept only until it is on its way. */
  #forgetLarge(): void {
    if (this.#to?.socket?.connecting !== false) return;
    if (this.#exchange.requestBytes > this.#limits.keptBytes) this.#kept = undefined;
  }

  #end(): void {
    if (this.#isRefused) return;
    // Only a chunked body can be followed by any, and Node reads them for no other.
    const trailers = passableTrailers(this.#req.rawTrailers);
    if (trailers.length > 0) this.#to!.addTrailers(trailers);
    this.#to!.end();
  }
}
