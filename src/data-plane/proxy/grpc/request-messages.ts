// The messages of a gRPC call on their way from the client to a replica. Hot path.
// Invariant: each attempt gets all bytes once and in order. A byte is used up for the client once it has left for a
// replica, so that what waits here is bounded by the window of the client's stream, however small the pieces are.
import { BlockQueue } from '../../../core/block-queue.ts';
import { MessageCounter } from '../../../protocol/grpc/message-counter.ts';
import type { Http2Stream } from '../../../protocol/http2/stream.ts';
import type { Caller } from './caller.ts';

const NO_BYTES = Buffer.alloc(0);

export class RequestMessages {
  readonly counter = new MessageCounter();
  /** The client has ended its side. */
  hasEnded: boolean;
  readonly #caller: Caller;
  readonly #maxKept: number;
  /** What came so far, while it may have to be sent, or sent again. */
  #kept: BlockQueue | undefined;
  #isKeeping = true;
  /** The stream of the current attempt. */
  #to: Http2Stream | undefined;
  /** Bytes given to it. */
  #written = 0;
  /** Bytes that are used up for the client. */
  #consumed = 0;

  /** `maxKept`: bytes up to which the messages are kept once they have been sent. */
  constructor(caller: Caller, maxKept: number) {
    this.#caller = caller;
    this.#maxKept = maxKept;
    this.hasEnded = caller.hasEnded;
  }

  /** True while everything that came can be sent again. */
  get canResend(): boolean {
    return this.#isKeeping;
  }

  /** Bytes wait, since the replica does not read. */
  get waitsForReplica(): boolean {
    return this.#to !== undefined && this.#to.waiting > 0;
  }

  /** The call will not be sent again. */
  forget(): void {
    this.#kept?.release();
    this.#kept = undefined;
    this.#isKeeping = false;
  }

  /** Forwards bytes[from, to), or keeps them until there is a replica. */
  receive(bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    this.counter.count(bytes, from, to);
    if (isEnd) this.hasEnded = true;
    if (this.#isKeeping && to > from) (this.#kept ??= new BlockQueue()).push(bytes, from, to);
    const stream = this.#to;
    if (stream === undefined) return;
    // A replica that has ended its stream reads no more.
    if (!stream.isOpen) return this.#caller.consumed(to - from);
    this.#written += to - from;
    stream.write(bytes, from, to, isEnd);
    this.onSent();
    if (this.#kept !== undefined && this.#kept.length > this.#maxKept) this.forget();
  }

  /** True if the head of the next attempt ends its stream. */
  get isEmpty(): boolean {
    return this.hasEnded && this.#kept === undefined;
  }

  /** Sends what came so far, and what will come, to a replica. The head was sent; it ended the stream if `isEmpty`. */
  sendTo(stream: Http2Stream): void {
    this.#to = stream;
    this.#written = 0;
    const kept = this.#kept;
    if (kept === undefined) return;
    kept.writeTo((bytes, from, to) => {
      this.#written += to - from;
      stream.write(bytes, from, to, false);
    });
    if (this.hasEnded) stream.write(NO_BYTES, 0, 0, true);
    this.onSent();
    if (kept.length > this.#maxKept) this.forget();
  }

  /** No replica has the call for now. */
  pause(): void {
    this.#to = undefined;
  }

  /** Bytes have left: the client may send as many more. */
  onSent(): void {
    const left = this.#written - this.#to!.waiting;
    if (left <= this.#consumed) return;
    this.#caller.consumed(left - this.#consumed);
    this.#consumed = left;
  }
}
