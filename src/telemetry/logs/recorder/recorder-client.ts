// The main thread's side of the recorder: the thread, the inputs of all data threads, and weir's own log.
// Invariant: nothing here waits but `flush`.
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { backoffMs } from '../../../core/backoff.ts';
import type { LineSink } from '../../../core/logger.ts';
import { ringMemory, unreadBytesOf } from '../../../core/ring.ts';
import { threadFile } from '../../../core/worker-rpc.ts';
import { InputFigures, inputFiguresMemory } from './input-figures.ts';
import { RecorderInput } from './recorder-input.ts';
import { figuresMemory, RecorderFigures } from './recorder-figures.ts';
import type { FromRecorder, InputChange, ToRecorder } from './recorder-messages.ts';
import type { RecorderData } from './recorder-thread.ts';

/** Size of a ring: about 30,000 requests; and if bodies are captured. Memory that is not written is not used. */
const RING_BYTES = 4 * 1024 ** 2;
const RING_BYTES_WITH_BODIES = 32 * 1024 ** 2;
/** Longest wait for the recorder at exit, in milliseconds. */
const FLUSH_MS = 2000;
/** Without limits the heap of a thread grows far before it is collected. */
const HEAP = { maxOldGenerationSizeMb: 512 };
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

export interface RecorderClientOptions {
  /** File descriptor for the access log and weir's own log; -1: they are not written here. */
  readonly fd: number;
  /** True: lines for a terminal; false: JSON. */
  readonly isText: boolean;
  /** Bodies of requests may be captured. */
  readonly hasBodies?: boolean;
  /** Data threads, the main thread included. Default 1. */
  readonly threads?: number;
}

/** Is told what the recorder reports. */
export interface RecorderListener {
  reported(report: FromRecorder): void;
  /** The thread has ended with an error. What it had not stored is lost. */
  ended(reason: string, againInMs: number): void;
  /** A new thread has been started. It knows nothing of the store and the streams. */
  restarted(): void;
}

/** What a data thread needs to record what it does. `port` must be moved to it. */
export interface RecorderConnection {
  readonly ring: SharedArrayBuffer;
  readonly figures: SharedArrayBuffer;
  /** Position of the thread among all data threads. */
  readonly input: number;
  readonly hasLines: boolean;
  readonly port: MessagePort;
  /** Number of the recorder thread. */
  readonly recorderThread: number;
}

/** A data thread besides the main thread. */
interface OtherInput {
  readonly ring: SharedArrayBuffer;
  readonly reconnect: (connection: RecorderConnection) => void;
  /** Number of the recorder thread that it was connected to last. */
  recorderThread: number;
}

export class RecorderClient {
  readonly figures: RecorderFigures;
  /** The main thread's own input. */
  readonly input: RecorderInput;
  readonly #options: RecorderClientOptions;
  readonly #memory: {
    readonly ring: SharedArrayBuffer;
    readonly figures: SharedArrayBuffer;
    readonly inputs: SharedArrayBuffer;
  };
  /** By the position of the thread. */
  readonly #others = new Map<number, OtherInput>();
  #thread: Worker | undefined;
  /** Changes of the inputs go here. */
  #inputPort: MessagePort | undefined;
  #listener: RecorderListener | undefined;
  #failures = 0;
  #flushes = 0;
  #threads = 0;
  #isClosed = false;

  constructor(options: RecorderClientOptions) {
    this.#options = options;
    const { threads = 1, fd } = options;
    this.#memory = { ring: this.#newRing(), figures: figuresMemory(), inputs: inputFiguresMemory(threads) };
    this.figures = new RecorderFigures(this.#memory.figures);
    this.input = new RecorderInput(this.#memory.ring, new InputFigures(this.#memory.inputs, 0), fd !== -1);
  }

  /** Bytes in all rings that the recorder has not read. */
  get unreadBytes(): number {
    const rings = [this.#memory.ring, ...Array.from(this.#others.values(), ({ ring }) => ring)];
    return rings.reduce((sum, ring) => sum + unreadBytesOf(ring), 0);
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
      write: (line) => {
        this.open();
        this.input.line(line);
      },
      flush: () => void this.flush(),
      dropped: () => this.input.figures.sum('droppedLines') + this.figures.get('droppedLines'),
    };
  }

  /** Sends a message. Its place is after everything that was recorded before. Returns false if there is no room. */
  post(message: ToRecorder, transfer: ArrayBuffer[] = []): boolean {
    this.open();
    return this.input.post(message, transfer);
  }

  /**
   * Connects a data thread that begins: a first one at this position, or a new one after `disconnect`. `reconnect` gets
   * a connection each time that the recorder thread was started again.
   */
  connect(input: number, reconnect: (connection: RecorderConnection) => void): RecorderConnection {
    this.open();
    const other = { ring: this.#newRing(), reconnect, recorderThread: -1 };
    this.#others.set(input, other);
    return this.#connection(input, other);
  }

  /** A data thread has ended. What it has written is still recorded. */
  disconnect(input: number): void {
    if (!this.#others.delete(input)) return;
    // Bodies of its open exchanges are gone.
    new InputFigures(this.#memory.inputs, input).set('held', 0);
    this.#change({ kind: 'inputEnded', input });
  }

  /** Blocks until all lines are written, or for 2 s. Returns false if it took longer. */
  flush(): boolean {
    if (this.#options.fd === -1) return true;
    this.open();
    const number = ++this.#flushes;
    if (this.#thread === undefined || !this.input.flush(number)) return false;
    return this.figures.waitFor('flushed', number, FLUSH_MS);
  }

  /** The store is closed. Without lines to write, the thread ends. */
  async storeClosed(): Promise<void> {
    if (this.#options.fd !== -1) return;
    this.#isClosed = true;
    const thread = this.#thread;
    this.#thread = undefined;
    this.input.disconnect();
    await thread?.terminate();
  }

  /** Keeps the process alive while the thread works, or no longer. */
  hold(isHeld: boolean): void {
    if (isHeld) this.#thread?.ref();
    else this.#thread?.unref();
  }

  #newRing(): SharedArrayBuffer {
    return ringMemory(this.#options.hasBodies === true ? RING_BYTES_WITH_BODIES : RING_BYTES);
  }

  /** Has the recorder thread read the ring of another data thread. */
  #connection(input: number, other: OtherInput): RecorderConnection {
    const { ring } = other;
    other.recorderThread = this.#threads - 1;
    const { port1, port2 } = new MessageChannel();
    this.#change({ kind: 'input', input, ring, port: port2 }, [port2]);
    return {
      ring,
      figures: this.#memory.inputs,
      input,
      hasLines: this.#options.fd !== -1,
      port: port1,
      recorderThread: other.recorderThread,
    };
  }

  #change(change: InputChange, transfer: MessagePort[] = []): void {
    this.#inputPort?.postMessage(change, transfer);
  }

  #start(): void {
    const { fd, isText } = this.#options;
    const number = this.#threads++;
    const { port1, port2 } = new MessageChannel();
    this.#inputPort = port1;
    const workerData: RecorderData = { ...this.#memory, inputPort: port2, fd, isText, thread: number };
    const thread = new Worker(threadFile('recorder-thread', import.meta.url), {
      name: 'weir recorder',
      workerData,
      transferList: [port2],
      resourceLimits: HEAP,
    });
    this.#thread = thread;
    this.input.connect(thread, number);
    // The thread does not keep the process alive.
    thread.unref();
    thread.on('message', (report: FromRecorder) => {
      this.#failures = 0;
      this.#listener?.reported(report);
    });
    thread.on('error', (error) => this.#ended(thread, error.message));
    thread.on('exit', () => this.#ended(thread, 'the recorder thread ended'));
  }

  #ended(thread: Worker, reason: string): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    this.#inputPort = undefined;
    this.input.disconnect();
    const pauseMs = backoffMs(this.#failures++, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
    setTimeout(() => {
      this.open();
      // The store is opened before other threads write for the new recorder thread.
      this.#listener?.restarted();
      for (const [input, other] of this.#others)
        if (other.recorderThread < this.#threads - 1) other.reconnect(this.#connection(input, other));
    }, pauseMs).unref();
    this.#listener?.ended(reason, pauseMs);
  }
}
