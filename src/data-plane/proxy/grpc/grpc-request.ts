// What the client of a gRPC call sends, on its way to a replica. Hot path.
// Must stay true: bytes pass in their order, once to every replica that is tried; what is kept for another try takes no
// more memory than its bytes, however small the pieces came; a replica that does not read pauses the client.
import { constants, type ClientHttp2Stream, type ServerHttp2Stream } from 'node:http2';
import { ByteQueue } from '../../../core/byte-queue.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { MessageCounter } from '../../../protocol/grpc/message-counter.ts';

/** Pieces that one call may hold however much is held in all, and the mean size from which on more of them are worth it. */
const CRUMBS = 1024;
const CRUMB_BYTES = 64;
/** Pieces that all calls may hold before those in crumbs are refused: some 50 MB. */
const MAX_PIECES = 250_000;

/** Checks whether an answer's last frame was sent: first in this number of turns of the event loop, then at intervals. */
const SENT_CHECKS = 23;
const SENT_TURNS = 3;
const SENT_CHECK_MS = 50;

/** What all calls hold unread and unsent, in pieces: the window of a stream counts bytes, a frame of one byte takes two hundred. */
export class HeldPieces {
  count = 0;
}

/** What a stream holds, piece by piece: Node's streams have these getters, the type definitions do not. */
type Held = { readonly readableBuffer?: { length: number }; readonly writableBuffer?: { length: number } };

interface Limits {
  /** Largest message, in bytes. */
  readonly max_body: number;
  /** Bytes up to which all that was sent is kept. */
  readonly keptBytes: number;
  readonly held: HeldPieces;
}

export class GrpcRequestStream {
  /** The client has said all that it has to say. */
  hasEnded: boolean;
  readonly #client: ServerHttp2Stream;
  readonly #exchange: Exchange;
  readonly #limits: Limits;
  readonly #tooLarge: (bytes: number) => void;
  readonly #followed = new MessageCounter();
  /** What was read, while it may have to be sent again; `undefined` where it is too much, or heard. */
  #kept: ByteQueue | undefined = new ByteQueue();
  #to: ClientHttp2Stream | undefined;
  #isReading = false;
  readonly #held: HeldPieces;
  #pieces = 0;

  /** `isEmpty`: the head was all of it. `tooLarge` is told the length of a message beyond the limit. */
  constructor(
    client: ServerHttp2Stream,
    exchange: Exchange,
    limits: Limits,
    isEmpty: boolean,
    tooLarge: (bytes: number) => void,
  ) {
    this.#client = client;
    this.#exchange = exchange;
    this.#limits = limits;
    this.#held = limits.held;
    this.#tooLarge = tooLarge;
    this.hasEnded = isEmpty;
  }

  /** True while everything that was read from the client can be sent again. */
  get canResend(): boolean {
    return this.#kept !== undefined;
  }

  /** Counts what waits here; true where it came in such small pieces, and there is so much of it everywhere, that it has to go. */
  isTooMuch(): boolean {
    const unread = (this.#client as Held).readableBuffer?.length ?? 0;
    const unsent = (this.#to as Held | undefined)?.writableBuffer?.length ?? 0;
    this.#count(unread + unsent);
    if (this.#held.count <= MAX_PIECES || this.#pieces <= CRUMBS) return false;
    return this.#client.readableLength + (this.#to?.writableLength ?? 0) < this.#pieces * CRUMB_BYTES;
  }

  /** The call is over. */
  end(): void {
    this.forget();
    this.#count(0);
  }

  /** Nothing of it will be sent again. */
  forget(): void {
    this.#kept = undefined;
  }

  /** Sends what came so far, and what comes, to a replica; `isEmpty` calls have been ended with their head. */
  sendTo(to: ClientHttp2Stream): void {
    this.#to = to;
    if (this.hasEnded && !this.#isReading) return;
    // An end with nothing before it is told of when it comes, also while nobody listens.
    this.hasEnded ||= this.#client.readableEnded;
    to.on('drain', () => this.#client.resume());
    const hasRoom = this.#kept?.writeTo(to) ?? true;
    if (this.hasEnded) to.end();
    else if (this.#isReading && hasRoom) this.#client.resume();
    if (this.#isReading) return;
    this.#isReading = true;
    this.#client.on('data', (chunk: Buffer) => this.#onBytes(chunk));
    this.#client.on('end', () => {
      this.hasEnded = true;
      if (this.#exchange.isOpen) this.#to?.end();
    });
  }

  /** No replica has the call for now: what comes waits in the window of the client's stream, which is bounded. */
  pause(): void {
    this.#to = undefined;
    if (this.#isReading) this.#client.pause();
  }

  /**
   * The answer is complete, so the client need not send the rest. RFC 9113 8.1 asks for END_STREAM first and RST_STREAM with
   * NO_ERROR after it. Node queues trailers in a later turn of the event loop, and a reset before that drops them.
   */
  stop(): void {
    if (this.hasEnded || this.#client.closed) return;
    // Further input is read and dropped, so that it does not fill the connection's window.
    this.#client.resume();
    setImmediate(this.#resetOnceSent, SENT_CHECKS);
  }

  /** Resets the client's side once END_STREAM was sent, or when the connection took no bytes during all checks. */
  readonly #resetOnceSent = (checksLeft: number): void => {
    const client = this.#client;
    if (client.closed) return;
    if (checksLeft === 0 || client.state.localClose === 1) client.close(constants.NGHTTP2_NO_ERROR);
    else if (checksLeft > SENT_CHECKS - SENT_TURNS) setImmediate(this.#resetOnceSent, checksLeft - 1);
    else setTimeout(this.#resetOnceSent, SENT_CHECK_MS, checksLeft - 1).unref();
  };

  #count(pieces: number): void {
    this.#held.count += pieces - this.#pieces;
    this.#pieces = pieces;
  }

  #onBytes(chunk: Buffer): void {
    if (!this.#exchange.isOpen) return;
    const { max_body, keptBytes } = this.#limits;
    this.#followed.follow(chunk);
    this.#exchange.requestBytes = this.#followed.payloadBytes;
    if (this.#followed.largestBytes > max_body) return this.#tooLarge(this.#followed.largestBytes);
    if (this.#kept !== undefined) {
      if (this.#exchange.requestBytes > keptBytes) this.#kept = undefined;
      else this.#kept.push(chunk);
    }
    // A replica that has reset its stream reads no more, and a write would destroy the unread part of its answer.
    if (this.#to?.closed === false && !this.#to.write(chunk)) this.#client.pause();
  }
}
