// The request of a fast-lane exchange on its way to the replica: its head and its kept body. Hot path.
// Invariant: everything that was read of the request is kept until it exceeds `retry.max_body` and a connection takes
// it, or until the response begins.
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { BodyScanner, BY_LENGTH, type PayloadSink } from '../../../protocol/http/body-framing.ts';
import type { RequestHead } from '../../../protocol/http/request-head-parser.ts';
import { LlmFollower } from '../../../protocol/llm/llm-follower.ts';
import { requestSink } from './fast-capture.ts';
import type { ReplicaConnection } from './replica-connection.ts';

/** A head and body up to this size are written as one string: one copy, one system call. */
export const ONE_PIECE_BYTES = 8 * 1024;

/** Used again for each request of a client connection. */
export class FastRequest {
  readonly #body = new BodyScanner();
  readonly #keptBytes: number;
  #head = '';
  /** The body so far, while it may have to be sent again; undefined if there is none, or it is not kept. */
  #kept: Buffer[] | undefined;
  /** Follows the bodies of the current exchange; undefined if they are not followed. */
  follower: LlmFollower | undefined;
  /** Used again for each exchange that is followed. */
  #follower: LlmFollower | undefined;
  /** What reads the body while it passes. */
  #sink: PayloadSink | undefined;

  /** `keptBytes`: largest body that is kept once a connection has taken it. */
  constructor(keptBytes: number) {
    this.#keptBytes = keptBytes;
  }

  /** True if the body has been read to its end. */
  get isWhole(): boolean {
    return this.#body.isWhole;
  }

  /** Bytes of the body so far, without framing. */
  get payloadBytes(): number {
    return this.#body.payloadBytes;
  }

  /** True if everything that was read of the request is kept. */
  get canResend(): boolean {
    return this.#kept !== undefined || this.#body.payloadBytes === 0;
  }

  get isKept(): boolean {
    return this.#kept !== undefined;
  }

  /**
   * Reads the part of the body that came with the head. Returns the index behind the body's last byte, or BROKEN.
   * `isRead`: `read` may follow.
   */
  readBody(head: RequestHead, bytes: Buffer, isRead: boolean): number {
    this.#sink = this.follower = undefined;
    this.#body.begin(head.framing, head.length, false, isRead);
    return this.#body.scan(bytes, head.end, bytes.length);
  }

  /**
   * Captures or follows the body, of which bytes[head.end, end) came with the head. Call it right after `readBody`.
   */
  read(
    exchange: Exchange,
    head: RequestHead,
    bytes: Buffer,
    end: number,
    isCaptured: boolean,
    isFollowed: boolean,
  ): void {
    const body = this.#body;
    const length = body.framing === BY_LENGTH ? head.length : body.isWhole ? body.payloadBytes : undefined;
    if (isFollowed) exchange.llmSource = this.follower = this.#follower ??= new LlmFollower();
    this.#sink = requestSink(exchange, head, length, isCaptured, this.follower);
    if (this.#sink !== undefined) body.copyPayload(bytes, head.end, end, this.#sink);
  }

  /** Sets the head as the replica gets it, and keeps bytes[from, end) of the body. Call it right after `readBody`. */
  begin(head: string, bytes: Buffer, from: number, end: number): void {
    this.#head = head;
    // Clients often send head and body apart: an empty list keeps what is still to come.
    if (end > from) this.#kept = [this.#passing(bytes, from, end)];
    else this.#kept = this.#body.isWhole ? undefined : [];
  }

  /** Reads more of the body. Returns the index behind its last byte in `chunk`, or BROKEN. */
  scan(chunk: Buffer): number {
    return this.#body.scan(chunk, 0, chunk.length);
  }

  /** The part of chunk[0, end) that passes to the replica, which is kept too. Call it right after `scan`. */
  take(chunk: Buffer, end: number): Buffer {
    if (this.#sink !== undefined) this.#body.copyPayload(chunk, 0, end, this.#sink);
    const passing = this.#passing(chunk, 0, end);
    this.#kept?.push(passing);
    return passing;
  }

  /** Writes the head and what came of the body so far. */
  writeTo({ socket }: ReplicaConnection): void {
    const kept = this.#kept;
    if (kept === undefined || kept.length === 0) socket.write(this.#head, 'latin1');
    else if (kept.length === 1 && kept[0]!.length <= ONE_PIECE_BYTES)
      socket.write(this.#head + kept[0]!.latin1Slice(), 'latin1');
    else {
      socket.cork();
      socket.write(this.#head, 'latin1');
      for (const piece of kept) socket.write(piece);
      socket.uncork();
    }
  }

  /** Drops a body that is too large to be kept, once `connection` takes it. */
  forgetLarge(connection: ReplicaConnection | undefined): void {
    if (connection?.isConnected !== true) return;
    if (this.#body.payloadBytes > this.#keptBytes) this.#kept = undefined;
  }

  /** The request is not sent again. */
  forget(): void {
    this.#head = '';
    this.#kept = undefined;
  }

  #passing(bytes: Buffer, from: number, end: number): Buffer {
    if (this.#body.isEdited) return this.#body.edited(bytes, from, end);
    return from === 0 && end === bytes.length ? bytes : bytes.subarray(from, end);
  }
}
