// The request of a fast-lane exchange on its way to the replica: its head and its kept body. Hot path.
// Invariant: everything that was read of the request is kept until it exceeds `retry.max_body` and a connection takes
// it, or until the response begins.
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { BodyScanner, BY_LENGTH, type PayloadSink } from '../../../protocol/http/body-framing.ts';
import type { RemovedHeaders } from '../../../protocol/http/removed-headers.ts';
import type { RequestHead } from '../../../protocol/http/request-head-parser.ts';
import { LlmFollower } from '../../../protocol/llm/llm-follower.ts';
import { requestSink } from './fast-capture.ts';
import type { ReplicaConnection } from './replica-connection.ts';

/** A head and body up to this size are written as one string: one copy, one system call. */
export const ONE_PIECE_BYTES = 8 * 1024;
/** The body is kept in the text of the head. */
const IN_HEAD: Buffer[] = [];

/** Used again for each request of a client connection. */
export class FastRequest {
  readonly #body: BodyScanner;
  readonly #keptBytes: number;
  /** With a body that is small and came with it. */
  #head = '';
  /** The rest of the body so far, while it may have to be sent again; undefined if there is none, or it is not kept. */
  #kept: Buffer[] | undefined;
  /** Follows the bodies of the current exchange; undefined if they are not followed. */
  follower: LlmFollower | undefined;
  /** Used again for each exchange that is followed. */
  #follower: LlmFollower | undefined;
  /** What reads the body while it passes. */
  #sink: PayloadSink | undefined;

  /** `keptBytes`: largest body that is kept once a connection has taken it. `removed`: trailers that are removed. */
  constructor(keptBytes: number, removed: RemovedHeaders | undefined) {
    this.#body = new BodyScanner(removed);
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
   * Reads the part of the body that came with the head, in bytes[0, size). Returns the index behind the body's last byte, or BROKEN.
   * `isRead`: `read` may follow.
   */
  readBody(head: RequestHead, bytes: Buffer, size: number, isRead: boolean): number {
    this.#sink = this.follower = undefined;
    this.#body.begin(head.framing, head.length, false, isRead);
    return this.#body.scan(bytes, head.end, size);
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

  /** Gives the body, of which bytes[from, end) came with the head, to `sink`. Call it right after `readBody`. */
  collect(sink: PayloadSink, bytes: Buffer, from: number, end: number): void {
    this.#sink = sink;
    this.#body.copyPayload(bytes, from, end, sink);
  }

  /** Sets the head as the replica gets it, and keeps bytes[from, end) of the body. Call it right after `readBody`. */
  begin(head: string, bytes: Buffer, from: number, end: number): void {
    this.#head = head;
    const { isWhole, isEdited } = this.#body;
    if (end > from && isWhole && end - from <= ONE_PIECE_BYTES) {
      this.#head += isEdited
        ? this.#body.edited(bytes, from, end).latin1Slice()
        : bytes.latin1Slice(from, end);
      this.#kept = IN_HEAD;
    }
    // Clients often send head and body apart: an empty list keeps what is still to come.
    else if (end > from) this.#kept = [this.#copyOf(bytes, from, end)];
    else this.#kept = isWhole ? undefined : [];
  }

  /** Reads more of the body. Returns the index behind its last byte in bytes[0, size), or BROKEN. */
  scan(bytes: Buffer, size: number): number {
    return this.#body.scan(bytes, 0, size);
  }

  /** Gives bytes[0, end) of the body to what reads it. Call it right after `scan`. */
  tell(bytes: Buffer, end: number): void {
    if (this.#sink !== undefined) this.#body.copyPayload(bytes, 0, end, this.#sink);
  }

  /** True if bytes[0, end) do not pass to the replica as they are. Valid right after `scan`. */
  get isEdited(): boolean {
    return this.#body.isEdited;
  }

  /** A copy of what passes to the replica of bytes[0, end), which is kept while the body is. Call it right after `scan`. */
  take(bytes: Buffer, end: number): Buffer {
    const passing = this.#copyOf(bytes, 0, end);
    this.#kept?.push(passing);
    return passing;
  }

  /** Writes the head and what came of the body so far. */
  writeTo(connection: ReplicaConnection): void {
    const kept = this.#kept;
    if (kept === undefined || kept.length === 0) connection.writeText(this.#head);
    else {
      const { socket } = connection;
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

  #copyOf(bytes: Buffer, from: number, end: number): Buffer {
    return this.#body.isEdited ? this.#body.edited(bytes, from, end) : Buffer.from(bytes.subarray(from, end));
  }
}
