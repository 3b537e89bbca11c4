// The body of a full-lane request: counted, limited, and kept while it is short enough to send again.
// Invariant: once a replica has the request, at most `keptBytes` are held here, and a slow replica pauses the client;
// before that, at most what the wait queue may buffer.
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import type { BodyCopy } from '../../../core/exchange/body-capture.ts';
import { allowedTrailers } from '../../../protocol/http/forwarded-headers.ts';
import type { RemovedHeaders } from '../../../protocol/http/removed-headers.ts';
import type { PayloadSink } from '../../../protocol/http/body-framing.ts';
import type { LlmFollower } from '../../../protocol/llm/llm-follower.ts';
import { announcedLength } from '../connection-error.ts';

export interface RequestBodyListener {
  /** The body exceeds the limit. */
  tooLarge(): void;
  /** More came while no replica has the request. */
  buffered(bytes: number): void;
}

/** `keptBytes`: bodies up to this size are kept, to be sent again. `removed`: trailers that are not passed on. */
interface BodyLimits {
  readonly max_body: number;
  readonly keptBytes: number;
  readonly removed: RemovedHeaders | undefined;
}

export class RequestBody {
  readonly #req: IncomingMessage;
  readonly #exchange: Exchange;
  readonly #limits: BodyLimits;
  readonly #listener: RequestBodyListener;
  readonly #copy: BodyCopy | undefined;
  readonly #followed: PayloadSink | undefined;
  #kept: Buffer[] | undefined = [];
  #to: ClientRequest | undefined;
  /** The replica reads no more: further input is counted and dropped. */
  #isRefused = false;
  #hasEnded = false;
  #isReading = false;

  /** Bodies up to `keptBytes` are kept until `stop`, to be sent again. `follower`: undefined if it is not followed. */
  constructor(
    req: IncomingMessage,
    exchange: Exchange,
    limits: BodyLimits,
    listener: RequestBodyListener,
    follower: LlmFollower | undefined,
  ) {
    this.#req = req;
    this.#exchange = exchange;
    this.#limits = limits;
    this.#listener = listener;
    this.#copy = exchange.bodyCapture?.request;
    const { headers } = req;
    const type = headers['content-type'];
    const coding = headers['content-encoding'];
    this.#copy?.describe(type, coding, announcedLength(headers));
    this.#followed = follower?.requestBegins(type, coding, announcedLength(headers));
  }

  /** True while everything that was read from the client can be sent again. */
  get canResend(): boolean {
    return this.#kept !== undefined;
  }

  /** True if nothing moves since the replica does not read. */
  get waitsForReplica(): boolean {
    return this.#to !== undefined && !this.#isRefused && this.#to.writableNeedDrain;
  }

  /**
   * Nothing more can be sent to this replica, but its response may come. The client is still read, so that it can
   * finish and read the response.
   */
  refuse(to: ClientRequest): void {
    if (to !== this.#to) return;
    this.#isRefused = true;
    this.#req.resume();
  }

  /** Reads while no replica has the request, so that it is noticed if the client leaves. */
  readAhead(): void {
    this.#to = undefined;
    this.#read();
    this.#req.resume();
  }

  /** Sends what came so far, and what will come, to a replica. Once for every attempt. */
  sendTo(to: ClientRequest): void {
    this.#to = to;
    this.#isRefused = false;
    to.on('drain', () => {
      this.#forgetLarge();
      this.#req.resume();
    });
    let isFull = false;
    for (const chunk of this.#kept ?? []) isFull = !to.write(chunk);
    this.#forgetLarge();
    if (this.#hasEnded) this.#end();
    else {
      this.#read();
      if (isFull) this.#req.pause();
      else this.#req.resume();
    }
  }

  /** Nothing more goes to the replica. Node's server discards what still comes. */
  stop(): void {
    this.#req.off('data', this.#onData);
    this.#req.off('end', this.#onEnd);
    this.#kept = undefined;
  }

  #read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    this.#req.on('data', this.#onData);
    this.#req.on('end', this.#onEnd);
  }

  readonly #onData = (chunk: Buffer): void => {
    const size = (this.#exchange.requestBytes += chunk.length);
    if (size > this.#limits.max_body) {
      this.stop();
      this.#listener.tooLarge();
      return;
    }
    this.#copy?.push(chunk);
    this.#followed?.push(chunk, 0, chunk.length);
    this.#kept?.push(chunk);
    if (this.#to === undefined) {
      this.#listener.buffered(chunk.length);
      return;
    }
    this.#forgetLarge();
    if (!this.#isRefused && !this.#to.write(chunk)) this.#req.pause();
  };

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    if (this.#to !== undefined) this.#end();
  };

  /** A body that is too large to be kept is dropped once a connection takes it. */
  #forgetLarge(): void {
    if (this.#to?.socket?.connecting !== false) return;
    if (this.#exchange.requestBytes > this.#limits.keptBytes) this.#kept = undefined;
  }

  #end(): void {
    if (this.#isRefused) return;
    // Node reads trailers of chunked bodies only.
    const trailers = allowedTrailers(this.#req.rawTrailers, this.#limits.removed);
    if (trailers.length > 0) this.#to!.addTrailers(trailers);
    this.#to!.end();
  }
}
