// The recorder: takes frames and messages from the forwarding thread, writes the access log and weir's own log, and
// stores records. Runs on its own thread (recorder-thread.ts).
// Invariant: frames and messages are handled in the order in which they were written, also across restarts of the store.
import { type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { RawBodies } from '../../../core/exchange/body-capture.ts';
import { RingReader } from '../../../core/ring.ts';
import { waitAtMost } from '../../../core/wait.ts';
import { threadFile } from '../../../core/worker-rpc.ts';
import { AccessLines } from './access-lines.ts';
import { FLAG, FRAME, type FrameBytes } from './frames.ts';
import { bodiesOf } from './frame-bodies.ts';
import { LlmFrame } from './llm-frame.ts';
import type { LogOutput } from '../../../core/log-output.ts';
import type { RecorderFigures } from './recorder-figures.ts';
import type { FromRecorder, StoreOptions, ToRecorder } from './recorder-messages.ts';
import { RequestFrames } from './request-frames.ts';
import { StoreSession } from './store-session.ts';

/** How long frames are gathered before they are handled: `kill -9` loses this much. */
const GATHER_MS = 25;
/** Pause before the next attempt while another process has locked the store. */
const BUSY_MS = 5;
/** Interval of `tick` while lines wait. */
const TICK_MS = 25;
/** Longest wait for a reader of the lines before the thread ends with an error. */
const LAST_LINES_MS = 1000;
/** The write-ahead log is moved into its file when it has grown by this much. */
const CHECKPOINT_BYTES = 2 * 1024 ** 2;

export interface RecorderOptions {
  readonly ring: SharedArrayBuffer;
  readonly figures: RecorderFigures;
  /** Where lines are written; `undefined`: nowhere. */
  readonly output: LogOutput | undefined;
  readonly isText: boolean;
  /** Number of this thread. Frames for an earlier one are ignored, except lines. */
  readonly thread: number;
}

export class Recorder {
  readonly #ring: RingReader;
  readonly #port: MessagePort;
  readonly #figures: RecorderFigures;
  readonly #output: LogOutput | undefined;
  readonly #lines: AccessLines;
  readonly #requests = new RequestFrames();
  /** Messages that came before their marks were read. */
  readonly #inbox: ToRecorder[] = [];
  #session: StoreSession | undefined;
  /** Of the request whose frame follows, if that says so. */
  readonly #llm = new LlmFrame();
  #bodies: RawBodies | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ticks: NodeJS.Timeout | undefined;
  #checkpoints: Worker | undefined;
  #walBytes = 0;
  /** Requests that were handled since `takenRequests` was set. */
  #taken = 0;

  readonly #thread: number;
  /** False until the first frame for this thread. */
  #isForThis: boolean;

  constructor(port: MessagePort, { ring, figures, output, isText, thread }: RecorderOptions) {
    this.#port = port;
    this.#ring = new RingReader(ring);
    this.#figures = figures;
    this.#output = output;
    this.#lines = new AccessLines(isText);
    this.#thread = thread;
    this.#isForThis = thread === 0;
    port.on('message', (message: ToRecorder) => {
      this.#inbox.push(message);
      this.#schedule(GATHER_MS);
    });
    void this.#watch();
  }

  /** Handles all frames that were written so far. */
  drain(): void {
    const u8 = this.#ring.take();
    const frames: FrameBytes = {
      u8,
      u32: new Uint32Array(u8.buffer),
      f64: new Float64Array(u8.buffer),
    };
    let at = 0;
    try {
      for (; at < u8.length; at += frames.u32[at >> 2]!) this.#frame(frames, at);
    } catch (error) {
      return this.#endAfter(frames, at, error);
    }
    // Their request is in the next drain, which uses the same memory.
    if (this.#bodies) this.#bodies = copyOf(this.#bodies);
    this.#takenAll();
    this.#store();
  }

  /** Waits for frames, gathers them, drains, and waits again. */
  async #watch(): Promise<void> {
    for (;;) {
      await this.#ring.wait();
      await new Promise<void>((resolve) => void setTimeout(resolve, GATHER_MS));
      this.drain();
    }
  }

  /** Drains after `ms` milliseconds, although no frame may come. */
  #schedule(ms: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.drain();
    }, ms);
  }

  /** Ends the thread for the error of a frame, after the lines that were taken from the ring are written. */
  #endAfter(frames: FrameBytes, failed: number, error: unknown): void {
    clearInterval(this.#ticks);
    this.#session = undefined;
    for (let at = failed; ;) {
      at += frames.u32[at >> 2]!;
      if (at >= frames.u8.length) break;
      if ((frames.u32[(at >> 2) + 1]! & 0xff) !== FRAME.message) this.#frame(frames, at);
    }
    this.#takenAll();
    void waitAtMost(LAST_LINES_MS, this.#output?.written() ?? Promise.resolve()).then(() => {
      throw error;
    });
  }

  /** All frames that were taken from the ring were handled. */
  #takenAll(): void {
    this.#figures.add('takenRequests', this.#taken);
    this.#taken = 0;
    this.#writeLines();
  }

  #frame(frames: FrameBytes, at: number): void {
    const word = at >> 2;
    const kind = frames.u32[word + 1]! & 0xff;
    if (kind === FRAME.forget) {
      this.#isForThis = frames.u32[word + 2] === this.#thread;
      return this.#requests.forget();
    }
    if (!this.#isForThis && kind !== FRAME.line && kind !== FRAME.flush) return;
    switch (kind) {
      case FRAME.request:
        this.#taken++;
        if (this.#output) this.#requests.addLine(frames, at, this.#llm, this.#lines);
        if (this.#requests.isStored(frames, at))
          this.#session?.addRequest(frames, at, this.#llm, this.#requests, this.#bodiesOf(frames, at));
        this.#bodies = undefined;
        return;
      case FRAME.text:
        return this.#requests.addText(textOf(frames, at));
      case FRAME.line:
        return this.#lines.addBytes(frames.u8.subarray(at + 12, at + 12 + frames.u32[word + 2]!));
      case FRAME.bodies:
        this.#bodies = bodiesOf(frames, at);
        return;
      case FRAME.llm:
        return this.#llm.read(frames, at);
      case FRAME.notes:
        return this.#requests.addNotes(textOf(frames, at));
      case FRAME.message:
        return this.#accept(this.#nextMessage());
      case FRAME.flush:
        return this.#flush(frames.u32[word + 2]!);
    }
  }

  /** Writes all lines, also those of a write that has begun, and then tells the main thread, which waits. */
  #flush(number: number): void {
    this.#writeLines();
    const written = this.#output?.written() ?? Promise.resolve();
    void written.then(() => this.#figures.announce('flushed', number));
  }

  /** The message of a mark. It was posted before the mark was written. */
  #nextMessage(): ToRecorder {
    return this.#inbox.shift() ?? (receiveMessageOnPort(this.#port)!.message as ToRecorder);
  }

  /** The bodies before the frame of a request. They may be those of a request that did not fit into the ring. */
  #bodiesOf({ u32 }: FrameBytes, at: number): RawBodies | undefined {
    return (u32[(at >> 2) + 1]! & FLAG.bodies) === 0 ? undefined : this.#bodies;
  }

  #accept(message: ToRecorder): void {
    if (message.kind === 'bodies') {
      this.#bodies = message.bodies;
      this.#figures.add('doneWeight', message.weight);
    } else if (message.kind === 'openStore') this.#openStore(message.store);
    else if (message.kind === 'closeStore') void this.#closeStore();
    else this.#session?.accept(message);
  }

  #openStore(options: StoreOptions): void {
    this.#session = new StoreSession(options, this.#figures);
    this.#requests.storeOpened(this.#session, options.ingest.own);
    this.#ticks = setInterval(() => this.#tick(), TICK_MS);
  }

  #tick(): void {
    if (this.#session?.needsTicks !== true) return;
    this.#session.tick();
    if (this.#session.isPending) this.#store();
  }

  async #closeStore(): Promise<void> {
    const session = this.#session;
    await session?.end();
    while (session?.store() === false) await new Promise((resolve) => void setTimeout(resolve, BUSY_MS));
    clearInterval(this.#ticks);
    session?.close();
    this.#report({ ...session?.takeReport(), isClosed: true });
    this.#session = undefined;
    await this.#checkpoints?.terminate();
  }

  #writeLines(): void {
    const lines = this.#lines.take(this.#output?.isWritten === true);
    if (lines === undefined || this.#output === undefined) return;
    this.#output.write(lines);
    this.#figures.set('droppedLines', this.#output.dropped);
  }

  #store(): void {
    const session = this.#session;
    if (session === undefined) return;
    if (!session.store()) this.#schedule(BUSY_MS);
    const report = session.takeReport();
    if (report) this.#report(report);
    this.#checkpoint(session);
  }

  #report(report: Partial<FromRecorder>): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.#port.postMessage({ posts: [], logged: [], hasStored: false, ...report } satisfies FromRecorder);
  }

  /** Has another thread move the write-ahead log into its file, since that waits for the disk. */
  #checkpoint(session: StoreSession): void {
    const growth = session.takeGrowth();
    this.#walBytes += growth?.bytes ?? 0;
    if (growth === undefined || this.#walBytes < CHECKPOINT_BYTES) return;
    this.#walBytes = 0;
    this.#checkpoints ??= this.#startCheckpoints();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.#checkpoints.postMessage(growth.path);
  }

  #startCheckpoints(): Worker {
    const worker = new Worker(threadFile('checkpoint-thread', import.meta.url), { name: 'weir checkpoint' });
    worker.unref();
    worker.on('error', (error) => {
      this.#report({
        logged: [{ level: 'warn', event: 'log store checkpoint failed', fields: { error: error.message } }],
      });
      this.#checkpoints = undefined;
    });
    return worker;
  }
}

function textOf({ u8, u32 }: FrameBytes, at: number): string {
  const length = u32[(at >> 2) + 2]!;
  return Buffer.from(u8.buffer, u8.byteOffset + at + 12, length).toString();
}

const copyOf = ({ request, response }: RawBodies): RawBodies => ({
  request: request && { ...request, bytes: new Uint8Array(request.bytes) },
  response: response && { ...response, bytes: new Uint8Array(response.bytes) },
});

/** Starts a recorder that runs until its thread ends. */
export const startRecorder = (port: MessagePort, options: RecorderOptions): Recorder =>
  new Recorder(port, options);
