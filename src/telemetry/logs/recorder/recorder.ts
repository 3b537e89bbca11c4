// The recorder: takes frames and messages from the data threads, writes the access log and weir's own log, and
// stores records. Runs on its own thread (recorder-thread.ts).
// Invariant: frames and messages of a thread are handled in the order in which they were written, also across restarts of
// the store. What the main thread wrote before a frame of another thread is handled before it.
import { type MessagePort, Worker } from 'node:worker_threads';
import { waitAtMost } from '../../../core/wait.ts';
import { threadFile } from '../../../core/worker-rpc.ts';
import { AccessLines } from './access-lines.ts';
import { FRAME } from './frames.ts';
import { bodiesOf } from './frame-bodies.ts';
import { InputFigures } from './input-figures.ts';
import type { LogOutput } from '../../../core/log-output.ts';
import type { RecorderFigures } from './recorder-figures.ts';
import type { RecordWriter } from '../log-record.ts';
import type { FromRecorder, InputChange, StoreOptions, ToRecorder } from './recorder-messages.ts';
import { RecorderSource } from './recorder-source.ts';
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
  /** Ring of the main thread. */
  readonly ring: SharedArrayBuffer;
  /** Counts of all inputs (input-figures.ts). */
  readonly inputs: SharedArrayBuffer;
  /** Brings the inputs of further data threads. */
  readonly inputPort?: MessagePort | undefined;
  readonly figures: RecorderFigures;
  /** Where lines are written; `undefined`: nowhere. */
  readonly output: LogOutput | undefined;
  readonly isText: boolean;
  /** Number of this thread. Frames for an earlier one are ignored, except lines. */
  readonly thread: number;
}

export class Recorder {
  readonly #main: RecorderSource;
  /** The main thread first. */
  #sources: readonly RecorderSource[];
  /** Of the data threads besides the main thread, by their position. */
  readonly #others = new Map<number, RecorderSource>();
  readonly #port: MessagePort;
  readonly #options: RecorderOptions;
  readonly #figures: RecorderFigures;
  readonly #output: LogOutput | undefined;
  readonly #lines: AccessLines;
  #session: StoreSession | undefined;
  /** Pod and model of own records, while the store is open. */
  #ownRecords: RecordWriter | undefined;
  /** The next drain; `undefined`: none is due. */
  #drained: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ticks: NodeJS.Timeout | undefined;
  #checkpoints: Worker | undefined;
  #walBytes = 0;

  constructor(port: MessagePort, options: RecorderOptions) {
    const { ring, inputs, inputPort, figures, output, isText, thread } = options;
    this.#port = port;
    this.#options = options;
    this.#figures = figures;
    this.#output = output;
    this.#lines = new AccessLines(isText);
    this.#main = new RecorderSource(ring, port, new InputFigures(inputs, 0), thread);
    this.#sources = [this.#main];
    port.on('message', (message: ToRecorder) => this.#received(this.#main, message));
    inputPort?.on('message', (change: InputChange) => this.#changeInputs(change));
    void this.#watch(this.#main);
  }

  /** Handles all frames that were written so far. */
  drain(): void {
    for (const source of this.#sources.toReversed()) source.take();
    for (const source of this.#sources)
      try {
        for (; source.hasFrame; source.next()) this.#frame(source);
      } catch (error) {
        return this.#endAfter(source, error);
      }
    this.#takenAll();
    this.#storeAll();
  }

  /** Waits for frames of a source, gathers those of all, drains, and waits again. */
  async #watch(source: RecorderSource): Promise<void> {
    while (this.#sources.includes(source)) {
      await source.wait();
      await (this.#drained ??= new Promise<void>((resolve) => {
        setTimeout(() => {
          this.#drained = undefined;
          this.drain();
          resolve();
        }, GATHER_MS);
      }));
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

  #received(source: RecorderSource, message: ToRecorder): void {
    source.received(message);
    this.#schedule(GATHER_MS);
  }

  /** A data thread has begun, with a ring of its own, or has ended. */
  #changeInputs(change: InputChange): void {
    const { input } = change;
    const before = this.#others.get(input);
    if (before !== undefined) {
      // Takes what the thread wrote last.
      this.drain();
      this.#others.delete(input);
      before.close();
    }
    if (change.kind === 'input') {
      const { inputs, thread } = this.#options;
      const source = new RecorderSource(change.ring, change.port, new InputFigures(inputs, input), thread);
      if (this.#session && this.#ownRecords) source.requests.storeOpened(this.#session, this.#ownRecords);
      this.#others.set(input, source);
      change.port.on('message', (message: ToRecorder) => this.#received(source, message));
    }
    this.#sources = [this.#main, ...this.#others.values()];
    const added = this.#others.get(input);
    if (added) void this.#watch(added);
  }

  /** Ends the thread for the error of a frame, after the lines that were taken from the rings are written. */
  #endAfter(failed: RecorderSource, error: unknown): void {
    clearInterval(this.#ticks);
    this.#session = undefined;
    failed.next();
    for (const source of this.#sources)
      for (; source.hasFrame; source.next()) if (source.kind !== FRAME.message) this.#frame(source);
    this.#takenAll();
    void waitAtMost(LAST_LINES_MS, this.#output?.written() ?? Promise.resolve()).then(() => {
      throw error;
    });
  }

  /** All frames that were taken from the rings were handled. */
  #takenAll(): void {
    for (const source of this.#sources) source.takenAll();
    this.#writeLines();
  }

  #frame(source: RecorderSource): void {
    switch (source.kind) {
      case FRAME.request:
        return this.#request(source);
      case FRAME.text:
        return source.requests.addText(source.text);
      case FRAME.forget:
        return source.forget();
      case FRAME.line:
        return this.#lines.addBytes(source.bytes);
      case FRAME.bodies:
        source.bodies = bodiesOf(source.frames, source.at);
        return;
      case FRAME.llm:
        return source.llm.read(source.frames, source.at);
      case FRAME.notes:
        return source.requests.addNotes(source.text);
      case FRAME.message:
        return this.#accept(source, source.nextMessage());
      case FRAME.flush:
        return this.#flush(source.word);
    }
  }

  #request(source: RecorderSource): void {
    const { requests, frames, at, llm } = source;
    source.taken++;
    if (this.#output) requests.addLine(frames, at, llm, this.#lines);
    if (requests.isStored(frames, at)) {
      if (this.#session) this.#session.addRequest(source);
      else this.#lost(source);
    }
    source.bodies = undefined;
  }

  /** A request of another thread came while the store is not open. */
  #lost(source: RecorderSource): void {
    this.#figures.add('lostStoreUnusable', 1);
    source.figures.add('settledRequests', 1);
  }

  /** Writes all lines, also those of a write that has begun, and then tells the main thread, which waits. */
  #flush(number: number): void {
    this.#writeLines();
    const written = this.#output?.written() ?? Promise.resolve();
    void written.then(() => this.#figures.announce('flushed', number));
  }

  #accept(source: RecorderSource, message: ToRecorder | undefined): void {
    if (message === undefined) return;
    if (message.kind === 'bodies') {
      source.bodies = message.bodies;
      source.figures.add('doneWeight', message.weight);
    } else if (message.kind === 'openStore') this.#openStore(message.store);
    else if (message.kind === 'closeStore') void this.#closeStore();
    else if (this.#session) this.#session.accept(message, source);
    else source.figures.add('doneWeight', message.weight);
  }

  #openStore(options: StoreOptions): void {
    this.#session = new StoreSession(options, this.#figures);
    this.#ownRecords = options.ingest.own;
    for (const { requests } of this.#sources) requests.storeOpened(this.#session, this.#ownRecords);
    this.#ticks = setInterval(() => this.#tick(), TICK_MS);
  }

  #tick(): void {
    if (this.#session?.needsTicks !== true) return;
    this.#session.tick();
    if (this.#session.isPending) this.#storeAll();
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

  #storeAll(): void {
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

/** Starts a recorder that runs until its thread ends. */
export const startRecorder = (port: MessagePort, options: RecorderOptions): Recorder =>
  new Recorder(port, options);
