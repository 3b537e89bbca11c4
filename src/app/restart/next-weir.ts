// The old weir's side after it has given up its data folder: sends late requests, and calls of the queue, to the weir
// that has the folder now. That may be another one after the next restart.
// Invariant: a request is kept until it was received, within limits; what does not fit is dropped and counted.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageSocket } from '../../core/message-socket.ts';
import { TIMED_OUT, waitAtMost } from '../../core/wait.ts';
import { WorkerCalls, type CallResult } from '../../core/worker-rpc.ts';
import { socketIn, type LateRequest } from './late-request.ts';

/** Requests that wait at most, and bytes of their bodies. */
const MAX_REQUESTS = 100_000;
const MAX_BODY_BYTES = 64 * 1024 ** 2;
/** Requests of one message, and bytes of their bodies. */
const BATCH_REQUESTS = 500;
const BATCH_BODY_BYTES = 4 * 1024 ** 2;
/** Pause before the next attempt to connect, in milliseconds. */
const RETRY_MS = 50;
/** Longest time for a call of the queue. The next weir may still be opening its store. */
const CALL_MS = 60_000;

const bodyBytes = ({ bodies }: LateRequest): number =>
  (bodies?.request?.bytes.length ?? 0) + (bodies?.response?.bytes.length ?? 0);

export class NextWeir {
  readonly #folder: string;
  readonly #waiting: LateRequest[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  #sending: Promise<void> | undefined;
  #connecting: Promise<WorkerCalls | undefined> | undefined;
  #isClosed = false;
  #end = (): void => undefined;

  /** `folder`: the data folder. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Requests that were dropped. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Sends a request to be recorded. */
  record(request: LateRequest): void {
    const bytes = bodyBytes(request);
    if (this.#waiting.length >= MAX_REQUESTS || this.#waitingBytes + bytes > MAX_BODY_BYTES) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(request);
    this.#waitingBytes += bytes;
    this.#sending ??= this.#send().finally(() => (this.#sending = undefined));
  }

  /** Runs an operation there (earlier-weirs.ts). Rejects if it fails, or was not answered within 60 s. */
  async call<T>(operation: string, ...args: readonly unknown[]): Promise<T> {
    const untilMs = performance.now() + CALL_MS;
    for (;;) {
      const calls = await waitAtMost(untilMs - performance.now(), this.#connected());
      if (calls === TIMED_OUT || calls === undefined) throw new Error('the next weir does not answer');
      const connecting = this.#connecting;
      try {
        return (await calls.call(operation, ...args)) as T;
      } catch (error) {
        // Without an answer it was not run, since a weir that gives up the folder answers what it has received.
        if (this.#connecting === connecting) throw error;
      }
    }
  }

  /** Waits until all requests were received, at most `ms` milliseconds, and disconnects. */
  async close(ms: number): Promise<void> {
    if (this.#sending !== undefined) await waitAtMost(ms, this.#sending);
    this.#dropped += this.#waiting.length;
    this.#waiting.length = 0;
    this.#isClosed = true;
    this.#end();
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#isClosed) {
      let count = 0;
      for (let bytes = 0; count < Math.min(BATCH_REQUESTS, this.#waiting.length); count++) {
        bytes += bodyBytes(this.#waiting[count]!);
        if (count > 0 && bytes > BATCH_BODY_BYTES) break;
      }
      const batch = this.#waiting.slice(0, count);
      const calls = await this.#connected();
      if (calls === undefined) return;
      try {
        await calls.call('record', batch);
      } catch {
        // Not received: the weir has given up the folder, and the next one gets the batch.
        continue;
      }
      for (const request of this.#waiting.splice(0, count)) this.#waitingBytes -= bodyBytes(request);
    }
  }

  /** The connection, or the next one; `undefined` after `close`. */
  #connected(): Promise<WorkerCalls | undefined> {
    return (this.#connecting ??= this.#connect());
  }

  async #connect(): Promise<WorkerCalls | undefined> {
    const { path, close } = socketIn(this.#folder);
    try {
      while (!this.#isClosed) {
        const calls = await this.#tryConnect(path);
        if (calls !== undefined) return calls;
        await sleep(RETRY_MS);
      }
      return undefined;
    } finally {
      close();
    }
  }

  /** `undefined`: no process listens there now. */
  #tryConnect(path: string): Promise<WorkerCalls | undefined> {
    const socket = connect({ path });
    return new Promise((resolve) => {
      const messages = new MessageSocket(socket, (message) => {
        for (const result of message as readonly CallResult[]) calls.settle(result);
      });
      const calls = new WorkerCalls({ postMessage: (message) => messages.send(message) });
      this.#end = () => socket.destroy();
      socket.once('connect', () => {
        socket.once('close', () => {
          this.#connecting = undefined;
          calls.end('the connection was closed');
        });
        resolve(calls);
      });
      socket.once('close', () => resolve(undefined));
    });
  }
}
