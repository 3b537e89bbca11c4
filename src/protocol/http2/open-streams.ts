// The streams of one connection: those that are open, how the last ones were closed, and which ids are used. Hot path.
// Invariant: ids rise in the order of heads on each side (RFC 9113 5.1.1), and no id is used twice.
import { ClosedStreams, CLOSED, type ClosedHow } from './closed-streams.ts';
import { MAX_STREAM_ID } from './frame-types.ts';
import type { Http2Counters } from './http2-counters.ts';
import type { Http2Stream } from './stream.ts';
import { StreamTable } from './stream-table.ts';

export class OpenStreams {
  readonly #isServer: boolean;
  readonly #counters: Http2Counters;
  readonly #table = new StreamTable<Http2Stream>();
  /** Streams of a client that have no head yet. */
  readonly #unnamed: Http2Stream[] = [];
  readonly #closed = new ClosedStreams();
  /** Streams that are open now, and streams that were ever opened. */
  count = 0;
  opened = 0;
  /** Largest id of a stream that the peer has opened. */
  lastPeerId = 0;
  #nextId = 1;

  constructor(isServer: boolean, counters: Http2Counters) {
    this.#isServer = isServer;
    this.#counters = counters;
  }

  get(id: number): Http2Stream | undefined {
    return this.#table.get(id);
  }

  /** A copy of the list of all open streams. */
  all(): Http2Stream[] {
    return this.#table.all().concat(this.#unnamed);
  }

  /** Bytes of DATA that were received and not consumed of the stream that has most of them. */
  mostHeld(): number {
    return this.#table.all().reduce((most, { held }) => Math.max(most, held), 0);
  }

  /** All ids are used up. */
  get isExhausted(): boolean {
    return this.#nextId > MAX_STREAM_ID;
  }

  /** Adds a stream that the peer has opened, or one of a client that has no id yet. */
  add(stream: Http2Stream): void {
    if (stream.id === 0) this.#unnamed.push(stream);
    else this.#table.add(stream);
    this.count++;
    this.opened++;
    this.#counters.streams++;
  }

  /** Client: gives a stream its id, since its head is sent now. */
  name(stream: Http2Stream): void {
    this.#unnamed.splice(this.#unnamed.lastIndexOf(stream), 1);
    stream.id = this.#nextId;
    this.#nextId += 2;
    this.#table.add(stream);
  }

  /** Client: skips ids. The next one must be odd and unused. For tests that reach the last id. */
  skipTo(id: number): void {
    this.#nextId = id;
  }

  /** Removes a stream. */
  close(stream: Http2Stream, how: ClosedHow): void {
    this.count--;
    this.#counters.streams--;
    if (stream.id === 0) this.#unnamed.splice(this.#unnamed.lastIndexOf(stream), 1);
    else {
      this.#table.remove(stream.id);
      this.#closed.add(stream.id, how);
    }
  }

  /** The peer has opened a stream that is refused. */
  refuse(id: number): void {
    this.#closed.add(id, CLOSED.resetHere);
  }

  /** How a stream was closed that is neither open nor idle. */
  howClosed(id: number): ClosedHow {
    return this.#closed.how(id);
  }

  /** A stream of this id was never opened. */
  isIdle(id: number): boolean {
    const isOwn = (id & 1) === (this.#isServer ? 0 : 1);
    return isOwn ? this.#isServer || id >= this.#nextId : id > this.lastPeerId;
  }

  /** The peer may open a stream of this id. */
  isNew(id: number): boolean {
    return this.#isServer && (id & 1) === 1 && id > this.lastPeerId;
  }
}
