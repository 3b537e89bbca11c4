// The forwarding thread's side of the recorder: the ring, the thread, and weir's own log.
// Invariant: nothing here waits but `flush`. What does not fit into the ring is dropped and counted by kind.
import { Worker } from 'node:worker_threads';
import { backoffMs } from '../../../core/backoff.ts';
import type { DeploymentIdentity } from '../../../core/deployment-identity.ts';
import type { RawBodies, RawBody } from '../../../core/exchange/body-capture.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import type { LineSink } from '../../../core/logger.ts';
import { ringMemory, RingWriter } from '../../../core/ring.ts';
import { threadFile } from '../../../core/worker-rpc.ts';
import { FrameWriter } from './frame-writer.ts';
import { figuresMemory, RecorderFigures } from './recorder-figures.ts';
import type { FromRecorder, ToRecorder } from './recorder-messages.ts';
import type { RecorderData } from './recorder-thread.ts';

/** Size of the ring: about 30,000 requests; and if bodies are captured. Memory that is not written is not used. */
const RING_BYTES = 4 * 1024 ** 2;
const RING_BYTES_WITH_BODIES = 32 * 1024 ** 2;
/** Bodies of one request that are larger than this, in bytes, are moved to the thread instead of copied into the ring. */
const MAX_IN_RING = 64 * 1024;
/** Longest wait for the recorder at exit, in milliseconds. */
const FLUSH_MS = 2000;
/** Without limits the heap of a thread grows far before it is collected. */
const HEAP = { maxOldGenerationSizeMb: 512 };
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

/** Small bodies share their memory with others, which must not be moved to another thread. */
const withOwnMemory = (body: RawBody | undefined): RawBody | undefined =>
  body === undefined || body.bytes.length === body.bytes.buffer.byteLength
    ? body
    : { ...body, bytes: new Uint8Array(body.bytes) };

export interface RecorderClientOptions {
  /** File descriptor for the access log and weir's own log; -1: they are not written here. */
  readonly fd: number;
  /** True: lines for a terminal; false: JSON. */
  readonly isText: boolean;
  /** Bodies of requests may be captured. */
  readonly hasBodies?: boolean;
}

/** Is told what the recorder reports. */
export interface RecorderListener {
  reported(report: FromRecorder): void;
  /** The thread has ended with an error. What it had not stored is lost. */
  ended(reason: string, againInMs: number): void;
  /** A new thread has been started. It knows nothing of the store and the streams. */
  restarted(): void;
}

export class RecorderClient {
  readonly figures: RecorderFigures;
  readonly #options: RecorderClientOptions;
  readonly #memory: { readonly ring: SharedArrayBuffer; readonly figures: SharedArrayBuffer };
  readonly #ring: RingWriter;
  readonly #frames: FrameWriter;
  #thread: Worker | undefined;
  #listener: RecorderListener | undefined;
  #failures = 0;
  #flushes = 0;
  #threads = 0;
  #isClosed = false;
  /** Requests and lines that did not fit into the ring. */
  #droppedRequests = 0;
  #droppedLines = 0;
  /** Requests in the ring, since the start, and those of them that are to be stored. */
  #sentRequests = 0;
  #sentForStore = 0;
  /** Requests that a thread did not store before it ended. */
  #lostRequests = 0;

  constructor(options: RecorderClientOptions) {
    this.#options = options;
    const ringBytes = options.hasBodies === true ? RING_BYTES_WITH_BODIES : RING_BYTES;
    this.#memory = { ring: ringMemory(ringBytes), figures: figuresMemory() };
    this.figures = new RecorderFigures(this.#memory.figures);
    this.#ring = new RingWriter(this.#memory.ring);
    this.#frames = new FrameWriter(this.#ring);
  }

  /** Bytes in the ring that the recorder has not read. */
  get unreadBytes(): number {
    return this.#ring.unreadBytes;
  }

  /** Requests that were not stored, since the ring was full. */
  get droppedRequests(): number {
    return this.#droppedRequests;
  }

  /** Requests that were not stored, since the thread had ended. */
  get lostRequests(): number {
    return this.#lostRequests;
  }

  set listener(listener: RecorderListener) {
    this.#listener = listener;
  }

  /** Starts the thread. Frames that were written before are kept in the ring. */
  open(): void {
    if (this.#thread === undefined && !this.#isClosed) this.#start();
  }

  /** Where weir's own log is written, in one order with the access log. */
  get sink(): LineSink {
    return {
      write: (line) => this.#line(line),
      flush: () => void this.flush(),
      dropped: () => this.#droppedLines + this.figures.get('droppedLines'),
    };
  }

  /** Records an exchange that has ended. Hot path. `isStored`: in the store too, not only in the access log. */
  request(
    exchange: Exchange,
    deployment: DeploymentIdentity | undefined,
    isStored: boolean,
    hasBodies = false,
  ): void {
    if (this.#frames.request(exchange, deployment, isStored, hasBodies)) {
      this.#sentRequests++;
      if (isStored) this.#sentForStore++;
      return;
    }
    if (isStored) this.#droppedRequests++;
    // Its line of the access log is lost too.
    if (this.#options.fd !== -1) this.#droppedLines++;
  }

  /**
   * Records the bodies of the exchange whose `request` follows. Returns the weight that the recorder will acknowledge, 0
   * for small bodies, or `undefined` if there is no room.
   */
  bodies(bodies: RawBodies, weight: number): number | undefined {
    const bytes = (bodies.request?.bytes.length ?? 0) + (bodies.response?.bytes.length ?? 0);
    // Requests may fill the ring, bodies only half of it.
    if (bytes <= MAX_IN_RING && this.#ring.unreadBytes < this.#ring.size / 2)
      return this.#frames.bodies(bodies) ? 0 : undefined;
    const [request, response] = [withOwnMemory(bodies.request), withOwnMemory(bodies.response)];
    const buffers = [request, response].flatMap((body) => (body ? [body.bytes.buffer] : []));
    return this.post({ kind: 'bodies', bodies: { request, response }, weight }, buffers) ? weight : undefined;
  }

  /** Sends a message. Its place is after everything that was recorded before. Returns false if there is no room. */
  post(message: ToRecorder, transfer: ArrayBuffer[] = []): boolean {
    this.open();
    if (this.#thread === undefined || !this.#frames.hasRoomForMark) return false;
    this.#thread.postMessage(message, transfer);
    this.#frames.mark();
    return true;
  }

  /** Blocks until all lines are written, or for 2 s. Returns false if it took longer. */
  flush(): boolean {
    if (this.#options.fd === -1) return true;
    this.open();
    const number = ++this.#flushes;
    if (this.#thread === undefined || !this.#frames.flush(number)) return false;
    this.#ring.wake();
    return this.figures.waitFor('flushed', number, FLUSH_MS);
  }

  /** The store is closed. Without lines to write, the thread ends. */
  async storeClosed(): Promise<void> {
    if (this.#options.fd !== -1) return;
    this.#isClosed = true;
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.terminate();
  }

  /** Keeps the process alive while the thread works, or no longer. */
  hold(isHeld: boolean): void {
    if (isHeld) this.#thread?.ref();
    else this.#thread?.unref();
  }

  #line(line: string): void {
    this.open();
    if (!this.#frames.line(line)) this.#droppedLines++;
  }

  #start(): void {
    const { fd, isText } = this.#options;
    const number = this.#threads++;
    if (number > 0) this.#restart(number);
    const workerData: RecorderData = { ...this.#memory, fd, isText, thread: number };
    const thread = new Worker(threadFile('recorder-thread', import.meta.url), {
      name: 'weir recorder',
      workerData,
      resourceLimits: HEAP,
    });
    this.#thread = thread;
    // The thread does not keep the process alive.
    thread.unref();
    thread.on('message', (report: FromRecorder) => {
      this.#failures = 0;
      this.#listener?.reported(report);
    });
    thread.on('error', (error) => this.#ended(thread, error.message));
    thread.on('exit', () => this.#ended(thread, 'the recorder thread ended'));
  }

  /** The requests that the thread before did not take are lost, since only it knew their texts. */
  #restart(number: number): void {
    const untaken = this.#sentRequests - this.figures.get('takenRequests');
    const unsettled = this.#sentForStore - this.figures.get('settledRequests');
    this.figures.add('takenRequests', untaken);
    this.figures.add('settledRequests', unsettled);
    if (this.#options.fd !== -1) this.#droppedLines += untaken;
    this.#lostRequests += unsettled;
    this.#frames.restart(number);
  }

  #ended(thread: Worker, reason: string): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    const pauseMs = backoffMs(this.#failures++, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
    setTimeout(() => {
      this.open();
      this.#listener?.restarted();
    }, pauseMs).unref();
    this.#listener?.ended(reason, pauseMs);
  }
}
