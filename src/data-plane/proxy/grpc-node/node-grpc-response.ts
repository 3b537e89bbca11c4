// The response of a gRPC call to its client, on node:http2: initial metadata, messages and trailers. Hot path.
// Invariant: it ends once, with a grpc-status (of the replica or of weir) and the request id.
import type { ServerHttp2Stream } from 'node:http2';
import { describe, type Failure } from '../../../core/errors.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { MessageCounter } from '../../../protocol/grpc/message-counter.ts';
import {
  metadataObject,
  STATUS_HEADER,
  metadataToClient,
  metadataValue,
} from '../../../protocol/grpc/metadata.ts';
import { refusalHeaders, refusalTrailers } from '../../../protocol/grpc/refusal.ts';
import { ERROR_CODE } from '../../../protocol/http2/error-code.ts';

/** How long a client may take to read the trailers of a failed call. */
const CLOSING_MS = 1000;

/** Node adds no Date to the replica's headers. */
const HEAD_OPTIONS = { waitForTrailers: true, sendDate: false };
const TRAILERS_ONLY_OPTIONS = { endStream: true, sendDate: false };

export class NodeGrpcResponseStream {
  readonly #client: ServerHttp2Stream;
  readonly #exchange: Exchange;
  readonly #counter = new MessageCounter();
  /** The trailers for the client, once they are known. */
  #trailers: readonly string[] | undefined;

  constructor(client: ServerHttp2Stream, exchange: Exchange) {
    this.#client = client;
    this.#exchange = exchange;
  }

  /** The head was sent, or the client is gone. */
  get hasBegun(): boolean {
    return this.#client.destroyed || this.#client.closed || this.#client.headersSent;
  }

  /** The trailers are known. */
  get isEnding(): boolean {
    return this.#trailers !== undefined;
  }

  /** Sends initial metadata (a raw list). Returns '' or why it cannot be sent. */
  begin(raw: readonly string[]): string {
    return this.#respond(raw, HEAD_OPTIONS);
  }

  /** Sends a response of trailers only (gRPC over HTTP/2, "Trailers-Only"). Returns '' or why it cannot be sent. */
  trailersOnly(raw: readonly string[]): string {
    return this.#respond(raw, TRAILERS_ONLY_OPTIONS);
  }

  /** Node's server refuses some headers that a replica may send in HTTP/2, such as `http2-settings`. */
  #respond(raw: readonly string[], options: typeof HEAD_OPTIONS | typeof TRAILERS_ONLY_OPTIONS): string {
    // The forwarder is about to get the stream's end.
    if (this.#client.destroyed || this.#client.closed) return '';
    try {
      this.#client.respond(metadataToClient(raw, this.#exchange.id, this.#exchange.attempts), options);
      return '';
    } catch (cause) {
      return `the initial metadata of the response cannot be sent: ${describe(cause)}`;
    }
  }

  /** Writes bytes of messages. Returns false if the client does not read. */
  write(chunk: Buffer): boolean {
    this.#counter.count(chunk);
    this.#exchange.responseBytes = this.#counter.payloadBytes;
    return this.#client.write(chunk);
  }

  /** All messages were written. The client's stream emits 'wantTrailers' once they are sent. */
  end(raw: readonly string[]): void {
    this.#trailers = metadataToClient(raw, this.#exchange.id, this.#exchange.attempts);
    this.#client.end();
  }

  /**
   * Sends the trailers. Returns their grpc-status, or undefined if the client is gone. Throws if HTTP/2 does not allow
   * them.
   */
  sendTrailers(): string | undefined {
    if (this.#trailers === undefined || this.#client.destroyed) return undefined;
    try {
      this.#client.sendTrailers(metadataObject(this.#trailers));
    } catch (cause) {
      this.#client.close(ERROR_CODE.internalError);
      throw new Error(`the trailers of the response cannot be sent: ${describe(cause)}`, { cause });
    }
    return metadataValue(this.#trailers, STATUS_HEADER);
  }

  /**
   * Ends it with a failure, if the client is still connected. Returns true if the head had the status, so that no
   * trailers follow. `detail`: added to the message of the catalogue; `text`: message instead of the catalogue's,
   * unless empty.
   */
  refuse(failure: Failure, detail: string, status: number, text: string): boolean {
    const client = this.#client;
    if (client.destroyed || client.closed) return false;
    const { id } = this.#exchange;
    if (!client.headersSent) {
      client.respond(refusalHeaders(failure, id, detail, status, text), TRAILERS_ONLY_OPTIONS);
      return true;
    }
    this.#trailers = refusalTrailers(failure, id, detail, status, text);
    client.end();
    setTimeout(() => client.close(ERROR_CODE.cancel), CLOSING_MS).unref();
    return false;
  }
}
