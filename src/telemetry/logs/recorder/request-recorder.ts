// Records requests for the log store, from a data thread: ended ones, and running ones that log lines may name.
// Invariant: nothing here waits, and unacknowledged data is limited; what exceeds the limit is dropped and counted.
import type { DeploymentIdentity } from '../../../core/deployment-identity.ts';
import type { RawBodies } from '../../../core/exchange/body-capture.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { RunningRequests } from '../ingest/running-requests.ts';
import type { RecorderInput } from './recorder-input.ts';

/** How long running requests are collected before they are sent. */
const GATHER_MS = 20;
/** Maximum weight of the data of all threads that the recorder has not acknowledged. */
const MAX_QUEUED_BYTES = 64 * 1024 ** 2;
/** Maximum weight with bodies, so that a few large bodies do not displace many lines. */
const MAX_QUEUED_BYTES_WITH_BODIES = MAX_QUEUED_BYTES / 2;
const RUNNING_BYTES = 128;

const bytesOf = ({ request, response }: RawBodies): number =>
  (request?.bytes.length ?? 0) + (response?.bytes.length ?? 0);

export class RequestRecorder {
  readonly #input: RecorderInput;
  readonly #running = new RunningRequests();
  /** A request was routed since running requests were sent. */
  #hasNewRunning = false;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(input: RecorderInput) {
    this.#input = input;
  }

  /** Records a request that has ended, in the store and in the access log. Hot path. `bodies`: its captured bodies. */
  ended(exchange: Exchange, deployment: DeploymentIdentity | undefined, bodies: RawBodies | undefined): void {
    const hasBodies = bodies !== undefined && this.#sendBodies(bodies);
    this.#input.request(exchange, deployment, true, hasBodies);
  }

  /**
   * Tells the recorder the replica of a running request, for lines that name it. Called only if files are followed or a
   * supervised process may serve several replicas.
   */
  routed(exchange: Exchange, deployment: DeploymentIdentity): void {
    if (!this.hasRoom(RUNNING_BYTES)) return;
    this.#running.add(exchange, deployment);
    this.#hasNewRunning = true;
    this.#timer ??= setTimeout(() => this.#sendRunning(), GATHER_MS).unref();
  }

  /** Sends the requests that were routed a moment ago, since lines that follow may name them. */
  sendNewRunning(): void {
    if (this.#hasNewRunning) this.#sendRunning();
  }

  /** True if so many bytes may be sent. */
  hasRoom(bytes: number, limit = MAX_QUEUED_BYTES): boolean {
    return this.#input.figures.queuedBytes + bytes <= limit;
  }

  /** Sends what is not sent yet. */
  close(): void {
    this.#isClosed = true;
    this.#sendRunning();
  }

  /** Sends the bodies if there is room for them. Otherwise the request is stored without them. */
  #sendBodies(bodies: RawBodies): boolean {
    const weight = bytesOf(bodies);
    const isSent = this.hasRoom(weight, MAX_QUEUED_BYTES_WITH_BODIES) && this.#input.bodies(bodies, weight);
    if (!isSent) this.#input.figures.add('bodiesDropped', 1);
    return isSent;
  }

  #sendRunning(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#hasNewRunning = false;
    const running = this.#running.take();
    if (running.length > 0)
      this.#input.post({ kind: 'running', running, weight: RUNNING_BYTES * running.length });
    if (this.#running.isWaiting && !this.#isClosed)
      this.#timer = setTimeout(() => this.#sendRunning(), GATHER_MS).unref();
  }
}
