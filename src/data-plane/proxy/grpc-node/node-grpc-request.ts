// The messages of a gRPC call on their way from the client to a replica, on node:http2. Hot path.
// Invariant: each attempt gets all bytes once and in order; what is kept for another attempt takes no more memory than
// its bytes, however small the pieces were; a replica that does not read pauses the client.
import type { ClientHttp2Stream, ServerHttp2Stream } from 'node:http2';
import { ByteQueue } from '../../../core/byte-queue.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { MessageCounter } from '../../../protocol/grpc/message-counter.ts';
import { ERROR_CODE } from '../../../protocol/http2/error-code.ts';

/** Pieces that one call may always hold, and the mean size of a piece in bytes below which a call may not hold more. */
const FREE_PIECES = 1024;
const MIN_PIECE_BYTES = 64;
/** Pieces that all calls may hold before calls with small pieces are refused: about 50 MB. */
const MAX_PIECES = 250_000;

/**
 * Checks whether the last frame of a response was sent: the first ones in successive turns of the event loop, then at
 * intervals.
 */
const SENT_CHECKS = 23;
const SENT_TURNS = 3;
const SENT_CHECK_MS = 50;

/**
 * Unread and unsent pieces of all calls. A stream's window counts bytes, but a frame of one byte takes 200 bytes of
 * memory.
 */
export class NodeHeldPieces {
  count = 0;
}

/** The pieces that a stream holds. Node's streams have these getters, the type definitions do not. */
type BufferedStream = {
  readonly readableBuffer?: { length: number };
  readonly writableBuffer?: { length: number };
};

interface Limits {
  /** Largest message, in bytes. */
  readonly max_body: number;
  /** Largest size of the messages so far, in bytes, up to which they are kept. */
  readonly keptBytes: number;
  readonly held: NodeHeldPieces;
}

export class NodeGrpcRequestStream {
  /** The client has ended its side. */
  hasEnded: boolean;
  readonly #client: ServerHttp2Stream;
  readonly #exchange: Exchange;
  readonly #limits: Limits;
  readonly #tooLarge: (bytes: number) => void;
  readonly #counter = new MessageCounter();
  /** What was read, while it may have to be sent again; undefined if it is too large, or the replica has responded. */
  #kept: ByteQueue | undefined = new ByteQueue();
  #to: ClientHttp2Stream | undefined;
  #isReading = false;
  readonly #held: NodeHeldPieces;
  #pieces = 0;

  /** `isEmpty`: the call ended with its head. `tooLarge` gets the length of a message that exceeds the limit. */
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

  /** Counts the pieces of this call. Returns true if all calls hold too many, and this one holds many small ones. */
  hasTooManyPieces(): boolean {
    const unread = (this.#client as BufferedStream).readableBuffer?.length ?? 0;
    const unsent = (this.#to as BufferedStream | undefined)?.writableBuffer?.length ?? 0;
    this.#count(unread + unsent);
    if (this.#held.count <= MAX_PIECES || this.#pieces <= FREE_PIECES) return false;
    return this.#client.readableLength + (this.#to?.writableLength ?? 0) < this.#pieces * MIN_PIECE_BYTES;
  }

  /** The call is over. */
  end(): void {
    this.forget();
    this.#count(0);
  }

  /** The call will not be sent again. */
  forget(): void {
    this.#kept = undefined;
  }

  /** Sends what came so far, and what will come, to a replica. A call without messages was ended with its head. */
  sendTo(to: ClientHttp2Stream): void {
    this.#to = to;
    if (this.hasEnded && !this.#isReading) return;
    // Without any data 'end' is emitted at once, also before there is a listener.
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
   * The response is complete, so the client need not send the rest. RFC 9113 8.1 asks for END_STREAM first and
   * RST_STREAM with NO_ERROR after it. Node queues trailers in a later turn of the event loop, and a reset before that
   * drops them.
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
    if (checksLeft === 0 || client.state.localClose === 1) client.close(ERROR_CODE.noError);
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
    this.#counter.count(chunk);
    this.#exchange.requestBytes = this.#counter.payloadBytes;
    if (this.#counter.largestBytes > max_body) return this.#tooLarge(this.#counter.largestBytes);
    if (this.#kept !== undefined) {
      if (this.#exchange.requestBytes > keptBytes) this.#kept = undefined;
      else this.#kept.push(chunk);
    }
    // A replica that has reset its stream reads no more, and a write would destroy the unread part of its response.
    if (this.#to?.closed === false && !this.#to.write(chunk)) this.#client.pause();
  }
}
