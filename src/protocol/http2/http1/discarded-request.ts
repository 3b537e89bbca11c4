// Reads the rest of a request whose response is complete (RFC 9113 8.1).
// Invariant: the stream is stopped once DISCARD_MS have passed or more than MAX_BYTES came, unless it has ended before.
// A reset at once would be right too, but many clients that still send then lose the response, such as a refusal.
import { DISCARD_MS } from '../../http/linger.ts';
import type { HeaderBlock } from '../hpack/header-block.ts';
import type { StreamListener } from '../stream-listener.ts';
import type { Http2Stream } from '../stream.ts';

const MAX_BYTES = 256 * 1024;

class DiscardedRequest implements StreamListener {
  readonly #timer: NodeJS.Timeout;
  #left = MAX_BYTES;

  constructor(stream: Http2Stream) {
    this.#timer = setTimeout(() => stream.stopPeer(), DISCARD_MS).unref();
  }

  onHeaders(_stream: Http2Stream, _block: HeaderBlock, isEnd: boolean): void {
    if (isEnd) clearTimeout(this.#timer);
  }

  onData(stream: Http2Stream, _bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    this.#left -= to - from;
    if (this.#left >= 0) stream.consumed(to - from);
    else if (!isEnd) stream.stopPeer();
    if (isEnd || this.#left < 0) clearTimeout(this.#timer);
  }

  onSent(): void {
    // All was sent before.
  }

  onReset(): void {
    clearTimeout(this.#timer);
  }
}

/** Reads and drops what still comes of a request. Its stream has sent END_STREAM. */
export function discardRest(stream: Http2Stream): void {
  stream.listener = new DiscardedRequest(stream);
}
