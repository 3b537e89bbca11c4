// What the client of a gRPC call gets: initial metadata, messages, and the trailers that end it. Hot path.
// Must stay true: it is ended once, by a grpc-status with the id, the replica's or our own.
import { constants, type ServerHttp2Stream } from 'node:http2';
import { describe, type Failure } from '../../../core/errors.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { MessageCounter } from '../../../protocol/grpc/message-counter.ts';
import { asObject, STATUS_HEADER, metadataToClient, metadataValue } from '../../../protocol/grpc/metadata.ts';
import { refusalHeaders, refusalTrailers } from '../../../protocol/grpc/refusal.ts';

/** How long a client may take to read why its call failed. */
const CLOSING_MS = 1000;

/** Heads and trailers as the replica wrote them: nothing is added that it did not say. */
const HEAD_OPTIONS = { waitForTrailers: true, sendDate: false };
const ONLY_OPTIONS = { endStream: true, sendDate: false };

export class GrpcResponseStream {
  readonly #client: ServerHttp2Stream;
  readonly #exchange: Exchange;
  readonly #followed = new MessageCounter();
  /** The last that the client is to get. */
  #trailers: readonly string[] | undefined;

  constructor(client: ServerHttp2Stream, exchange: Exchange) {
    this.#client = client;
    this.#exchange = exchange;
  }

  /** Its head is sent, or the client is gone. */
  get hasBegun(): boolean {
    return this.#client.destroyed || this.#client.closed || this.#client.headersSent;
  }

  /** How it ends is known. */
  get isEnding(): boolean {
    return this.#trailers !== undefined;
  }

  /** Initial metadata, a raw list; returns '' or why it cannot be sent. */
  begin(raw: readonly string[]): string {
    return this.#respond(raw, HEAD_OPTIONS);
  }

  /** An answer that is nothing but its status (gRPC over HTTP/2, "Trailers-Only"); returns '' or why it cannot be sent. */
  only(raw: readonly string[]): string {
    return this.#respond(raw, ONLY_OPTIONS);
  }

  /** A replica may say in HTTP/2 what a server of Node's will not: `http2-settings`, for one. */
  #respond(raw: readonly string[], options: typeof HEAD_OPTIONS | typeof ONLY_OPTIONS): string {
    // Its end is about to be told of.
    if (this.#client.destroyed || this.#client.closed) return '';
    try {
      this.#client.respond(metadataToClient(raw, this.#exchange.id, this.#exchange.attempts), options);
      return '';
    } catch (cause) {
      return `its head cannot be sent: ${describe(cause)}`;
    }
  }

  /** Bytes of messages; false where the client does not read. */
  write(chunk: Buffer): boolean {
    this.#followed.follow(chunk);
    this.#exchange.responseBytes = this.#followed.payloadBytes;
    return this.#client.write(chunk);
  }

  /** All messages are here: the client's stream asks for the trailers once they are sent. */
  end(raw: readonly string[]): void {
    this.#trailers = metadataToClient(raw, this.#exchange.id, this.#exchange.attempts);
    this.#client.end();
  }

  /** Sends the trailers and returns the status they say; throws for ones that HTTP/2 does not have. `undefined`: nobody is there. */
  sendTrailers(): string | undefined {
    if (this.#trailers === undefined || this.#client.destroyed) return undefined;
    try {
      this.#client.sendTrailers(asObject(this.#trailers));
    } catch (cause) {
      this.#client.close(constants.NGHTTP2_INTERNAL_ERROR);
      throw new Error(`its trailers cannot be sent: ${describe(cause)}`, { cause });
    }
    return metadataValue(this.#trailers, STATUS_HEADER);
  }

  /**
   * Ends it with a failure, if the client is still connected; true if no trailers are needed. `text`: message instead of the
   * catalogue's; empty: the catalogue's.
   */
  refuse(failure: Failure, said: string, status: number, text: string): boolean {
    const client = this.#client;
    if (client.destroyed || client.closed) return false;
    const { id } = this.#exchange;
    if (!client.headersSent) {
      client.respond(refusalHeaders(failure, id, said, status, text), ONLY_OPTIONS);
      return true;
    }
    this.#trailers = refusalTrailers(failure, id, said, status, text);
    client.end();
    setTimeout(() => client.close(constants.NGHTTP2_CANCEL), CLOSING_MS).unref();
    return false;
  }
}
