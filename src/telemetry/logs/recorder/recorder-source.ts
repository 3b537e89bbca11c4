// The recorder's side of one input: the frames and messages of one data thread.
// Invariant: frames and messages are handled in the order in which the thread wrote them.
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { RawBodies } from '../../../core/exchange/body-capture.ts';
import { RingReader } from '../../../core/ring.ts';
import { FLAG, FRAME, type FrameBytes } from './frames.ts';
import type { InputFigures } from './input-figures.ts';
import { LlmFrame } from './llm-frame.ts';
import type { ToRecorder } from './recorder-messages.ts';
import { RequestFrames } from './request-frames.ts';

const NO_FRAMES: FrameBytes = { u8: new Uint8Array(), u32: new Uint32Array(), f64: new Float64Array() };

export class RecorderSource {
  readonly figures: InputFigures;
  readonly requests = new RequestFrames();
  /** Of the request whose frame follows, if that says so. */
  readonly llm = new LlmFrame();
  /** Of the request whose frame follows. They may be those of a request that did not fit into the ring. */
  bodies: RawBodies | undefined;
  /** Requests that were added to the store, and the weight of messages, since the last `settle`. */
  unsettled = 0;
  unsettledWeight = 0;
  /** Requests that were handled since `takenAll`. */
  taken = 0;
  /** The frames that were taken last, and the place of the next one. */
  frames = NO_FRAMES;
  at = 0;
  readonly #ring: RingReader;
  readonly #port: MessagePort;
  /** Messages that came before their marks were read. */
  readonly #inbox: ToRecorder[] = [];
  readonly #thread: number;
  /** False until the first frame for this recorder thread. */
  #isForThis: boolean;

  /** `thread`: number of the recorder thread. All frames are for the first one. */
  constructor(ring: SharedArrayBuffer, port: MessagePort, figures: InputFigures, thread: number) {
    this.#ring = new RingReader(ring);
    this.#port = port;
    this.figures = figures;
    this.#thread = thread;
    this.#isForThis = thread === 0;
  }

  /** A message has come. */
  received(message: ToRecorder): void {
    this.#inbox.push(message);
  }

  /** Resolves when there are frames. */
  wait(): Promise<void> {
    return this.#ring.wait();
  }

  /** The data thread has ended. */
  close(): void {
    this.#ring.endWait();
    this.#port.close();
  }

  /** Takes all frames that were written so far. */
  take(): void {
    const u8 = this.#ring.take();
    this.frames = { u8, u32: new Uint32Array(u8.buffer), f64: new Float64Array(u8.buffer) };
    this.at = 0;
  }

  /** True if a taken frame is at `at`. */
  get hasFrame(): boolean {
    return this.at < this.frames.u8.length;
  }

  /** Kind of the frame at `at`; `undefined` for a frame that is not for this recorder thread. */
  get kind(): number | undefined {
    const kind = this.frames.u32[(this.at >> 2) + 1]! & 0xff;
    return this.#isForThis || kind === FRAME.forget || kind === FRAME.line || kind === FRAME.flush
      ? kind
      : undefined;
  }

  /** Goes to the next frame. */
  next(): void {
    this.at += this.frames.u32[this.at >> 2]!;
  }

  /** Third word of the frame at `at`. */
  get word(): number {
    return this.frames.u32[(this.at >> 2) + 2]!;
  }

  /** Bytes of the text in the frame at `at`. */
  get bytes(): Uint8Array {
    return this.frames.u8.subarray(this.at + 12, this.at + 12 + this.word);
  }

  get text(): string {
    const { u8 } = this.frames;
    return Buffer.from(u8.buffer, u8.byteOffset + this.at + 12, this.word).toString();
  }

  /** The frame at `at` says that the texts so far are not used any more, and for which thread those after it are. */
  forget(): void {
    this.#isForThis = this.word === this.#thread;
    this.requests.forget();
  }

  /** Bodies of the request at `at`. */
  get bodiesOfRequest(): RawBodies | undefined {
    return (this.frames.u32[(this.at >> 2) + 1]! & FLAG.bodies) === 0 ? undefined : this.bodies;
  }

  /** The message of a mark. It was posted before the mark was written. `undefined`: its data thread has ended. */
  nextMessage(): ToRecorder | undefined {
    return this.#inbox.shift() ?? (receiveMessageOnPort(this.#port)?.message as ToRecorder | undefined);
  }

  /** All frames that were taken from the ring were handled. */
  takenAll(): void {
    // The request of these bodies is in the next frames, which use the same memory.
    if (this.bodies) this.bodies = copyOf(this.bodies);
    this.figures.add('takenRequests', this.taken);
    this.taken = 0;
  }

  /** What was added is stored or lost. */
  settle(): void {
    this.figures.add('settledRequests', this.unsettled);
    this.figures.add('doneWeight', this.unsettledWeight);
    this.unsettled = 0;
    this.unsettledWeight = 0;
  }
}

const copyOf = ({ request, response }: RawBodies): RawBodies => ({
  request: request && { ...request, bytes: new Uint8Array(request.bytes) },
  response: response && { ...response, bytes: new Uint8Array(response.bytes) },
});
