// A data thread's side of the recorder: its ring, its messages, its counts.
// Invariant: nothing here waits. What does not fit into the ring is dropped and counted by kind.
import type { MessagePort, Worker } from 'node:worker_threads';
import type { DeploymentIdentity } from '../../../core/deployment-identity.ts';
import type { RawBodies, RawBody } from '../../../core/exchange/body-capture.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { RingWriter } from '../../../core/ring.ts';
import { FrameWriter } from './frame-writer.ts';
import type { InputFigures } from './input-figures.ts';
import type { ToRecorder } from './recorder-messages.ts';

/** Bodies of one request that are larger than this, in bytes, are moved to the thread instead of copied into the ring. */
const MAX_IN_RING = 64 * 1024;

/** Small bodies share their memory with others, which must not be moved to another thread. */
const withOwnMemory = (body: RawBody | undefined): RawBody | undefined =>
  body === undefined || body.bytes.length === body.bytes.buffer.byteLength
    ? body
    : { ...body, bytes: new Uint8Array(body.bytes) };

export class RecorderInput {
  readonly figures: InputFigures;
  readonly #ring: RingWriter;
  readonly #frames: FrameWriter;
  readonly #hasLines: boolean;
  /** `undefined`: there is no recorder thread. */
  #port: Pick<MessagePort | Worker, 'postMessage'> | undefined;

  /** `hasLines`: requests are in the access log. */
  constructor(ring: SharedArrayBuffer, figures: InputFigures, hasLines: boolean) {
    this.figures = figures;
    this.#ring = new RingWriter(ring);
    this.#frames = new FrameWriter(this.#ring);
    this.#hasLines = hasLines;
  }

  /** The recorder thread with this number reads from here on, and gets messages by `port`. */
  connect(port: Pick<MessagePort | Worker, 'postMessage'>, thread: number): void {
    const untaken = this.figures.get('sentRequests') - this.figures.get('takenRequests');
    if (this.#hasLines && thread !== this.figures.get('recorderThread'))
      this.figures.add('droppedLines', untaken);
    this.figures.restart(thread);
    this.#frames.restart(thread);
    this.#port = port;
  }

  /** The recorder thread has ended. */
  disconnect(): void {
    this.#port = undefined;
  }

  /** Records an exchange that has ended. Hot path. `isStored`: in the store too, not only in the access log. */
  request(
    exchange: Exchange,
    deployment: DeploymentIdentity | undefined,
    isStored: boolean,
    hasBodies = false,
  ): void {
    if (this.#frames.request(exchange, deployment, isStored, hasBodies)) {
      this.figures.add('sentRequests', 1);
      if (isStored) this.figures.add('sentForStore', 1);
      return;
    }
    if (isStored) this.figures.add('droppedRequests', 1);
    // Its line of the access log is lost too.
    if (this.#hasLines) this.figures.add('droppedLines', 1);
  }

  /**
   * Records the bodies of the exchange whose `request` follows. `weight`: what the recorder acknowledges if they are sent
   * as a message. Returns false if there is no room.
   */
  bodies(bodies: RawBodies, weight: number): boolean {
    const bytes = (bodies.request?.bytes.length ?? 0) + (bodies.response?.bytes.length ?? 0);
    // Requests may fill the ring, bodies only half of it.
    if (bytes <= MAX_IN_RING && this.#ring.unreadBytes < this.#ring.size / 2)
      return this.#frames.bodies(bodies);
    const [request, response] = [withOwnMemory(bodies.request), withOwnMemory(bodies.response)];
    const buffers = [request, response].flatMap((body) => (body ? [body.bytes.buffer] : []));
    return this.post({ kind: 'bodies', bodies: { request, response }, weight }, buffers);
  }

  /** Sends a message. Its place is after everything that was recorded before. Returns false if there is no room. */
  post(message: ToRecorder, transfer: ArrayBuffer[] = []): boolean {
    if (this.#port === undefined || !this.#frames.hasRoomForMark) return false;
    this.#port.postMessage(message, transfer);
    this.#frames.mark();
    this.figures.add('sentWeight', message.weight);
    return true;
  }

  /** Writes a line of weir's own log. */
  line(line: string): void {
    if (!this.#frames.line(line)) this.figures.add('droppedLines', 1);
  }

  /** Asks the recorder to write all lines and to announce `number` then. Returns false if the ring is full. */
  flush(number: number): boolean {
    if (!this.#frames.flush(number)) return false;
    this.#ring.wake();
    return true;
  }
}
