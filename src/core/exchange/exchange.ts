// THE record of one request, whatever its protocol and lane. Hot path.
// Must stay true: it is closed exactly once, with one cause, and whoever counted it as open hears of the close.
// Facts are written here while the request runs and read once, by observers, when it ends. Nothing else belongs here.
//
//   open ──► route() ──► (lease, first byte, bytes) ──► close(cause, status)
//     └──────────────────────────────────────────────►     (refused before it had a deployment)
import { catalogue, type Cause, type Failure } from '../errors.ts';
import { spanId } from '../request-id.ts';
import {
  childSpanId,
  formatFlags,
  identify,
  isRandom,
  isSampled,
  isValidTraceparent,
  newTraceId,
  REPLICA_SPAN,
  spanIdOf,
  traceIdOf,
} from './identity.ts';
import type { BodyCapture, BodyCaptures } from './body-capture.ts';

export type Protocol = 'http' | 'websocket' | 'grpc';

/** `deployment` of an exchange that was not, or not yet, given to one. */
export const NO_DEPLOYMENT = -1;

/** Told of every exchange: `routed` at most once, when it counts for a deployment; `closed` once, when it is over. */
export interface Observer {
  routed?(exchange: Exchange): void;
  /** It has become a WebSocket. */
  upgraded?(exchange: Exchange): void;
  closed(exchange: Exchange): void;
}

/** Decides whether a new exchange's trace is wanted; `parent`: what its caller decided, if it has one that traces. */
export type TraceSampler = (traceId: string, parent: boolean | undefined) => boolean;

/** What all exchanges share. */
interface Home {
  readonly observers: Observer[];
  /** `undefined`: weir takes no part in traces, and passes them on as they came. */
  sampler: TraceSampler | undefined;
  /** `undefined`: no bodies are kept. */
  taps: BodyCaptures | undefined;
}

export class Exchange {
  readonly id: string;
  /** performance.now() at the first byte of the head, as near as the lane can tell. */
  readonly startMs: number;
  /** Date.now() at the same moment. */
  readonly startEpochMs: number;
  protocol: Protocol = 'http';
  method = '';
  /** Request target as the client wrote it, for the log. */
  target = '';
  remoteAddress = '';
  /** Index into the configured deployments, or NO_DEPLOYMENT. */
  deployment = NO_DEPLOYMENT;
  /**
   * Index of the deployment that it asks for, when it is refused before `route` or answered by weir itself. Records, the
   * access log and `weir_exchanges_total` name this deployment; its requests and concurrency do not count it.
   */
  askedFor = NO_DEPLOYMENT;
  /** Id of the replica that has or had it; empty before one was chosen. */
  replica = '';
  /** Runs for a task of the queue instead of a waiting client. */
  isAsync = false;
  /** What the client was told: HTTP status, gRPC status or WebSocket close code; 0 before that. */
  status = 0;
  /** Why it ended; `undefined` while it runs. */
  cause: Cause | undefined = undefined;
  /** A sentence for the log about what went wrong; empty otherwise. */
  detail = '';
  /** Times that it was sent to a replica. */
  attempts = 0;
  /** Of these, times that it was sent again because a replica's answer said so. */
  retries = 0;
  /** Why it is to be sent again; empty if it is not. */
  retryReason: '' | 'connect' | 'answer' = '';
  /** Body bytes from and to the client, framing left out. */
  requestBytes = 0;
  responseBytes = 0;
  /** The `traceparent` that the replica gets; empty before it is made, and if the replica gets none. */
  traceparent = '';
  /** The span of the caller, if it sent a valid `traceparent`. */
  parentSpanId = '';
  /** Its own span; empty where weir takes no part in traces. */
  spanId = '';
  /** Its trace is wanted. */
  isSampled = false;
  /** Copies of its bodies, if they are kept. */
  bodyCapture: BodyCapture | undefined = undefined;
  /** Milliseconds that a task lay in the queue before this, its first run. */
  queuedMs = 0;
  /** Milliseconds that it waited in line for a replica, all waits together. */
  waitedMs = 0;
  /**
   * performance.now() when the latest replica was found, when a connection was made for it (0: one was there), when the
   * head of its answer came, when the first byte of the body came, and at the end; 0 where it did not. An answer without
   * a body has its first byte with its head, an empty chunked body with its end. Of a gRPC call these are the initial
   * metadata and the first message (the trailers, where there is none), of a WebSocket both are the 101.
   */
  leasedMs = 0;
  connectedMs = 0;
  headMs = 0;
  firstByteMs = 0;
  endMs = 0;
  readonly #home: Home;

  constructor(home: Home, id: string, startMs: number, startEpochMs: number) {
    this.id = id;
    this.startMs = startMs;
    this.startEpochMs = startEpochMs;
    this.#home = home;
  }

  /** Gives it to a deployment: from here on it counts as concurrent there. At most once. */
  route(deployment: number): void {
    this.deployment = deployment;
    for (const observer of this.#home.observers) observer.routed?.(this);
  }

  /** From here on it is a WebSocket, and ends with a close code. */
  upgrade(): void {
    this.protocol = 'websocket';
    for (const observer of this.#home.observers) observer.upgraded?.(this);
  }

  /**
   * The `traceparent` for the replica, the same for each attempt. `inbound`: the client's, where it sent exactly one.
   * Where weir takes part in traces: a span of weir's own, in the client's trace if `inbound` is valid, else in a new
   * one. Where it does not: `inbound` as it is if it is valid, else none (empty), so that the replica begins a trace by
   * its own sampler: a traceparent with flags 00 would tell it not to record (W3C Trace Context 3.2, 3.4 and 4.2).
   */
  trace(inbound: string | undefined): string {
    if (this.traceparent !== '') return this.traceparent;
    const caller = inbound !== undefined && isValidTraceparent(inbound) ? inbound : '';
    if (caller !== '') this.parentSpanId = spanIdOf(caller);
    const { sampler } = this.#home;
    if (sampler === undefined) return (this.traceparent = caller);
    const traceId = caller === '' ? newTraceId() : traceIdOf(caller);
    this.spanId = spanId();
    this.isSampled = sampler(traceId, caller === '' ? undefined : isSampled(caller));
    const flags = formatFlags(this.isSampled, caller !== '' && isRandom(caller));
    return (this.traceparent = `00-${traceId}-${childSpanId(this.spanId, REPLICA_SPAN)}-${flags}`);
  }

  /** True if it belongs to the trace of a client that sent a valid `traceparent`, so the client's `tracestate` applies to it. */
  get isClientTrace(): boolean {
    return this.parentSpanId !== '';
  }

  /** The `traceparent` for what comes of this later, by ourselves: its own span is the parent, where it has one. */
  get asParent(): string {
    if (this.spanId === '') return this.traceparent;
    const flags = formatFlags(this.isSampled, isRandom(this.traceparent));
    return `00-${traceIdOf(this.traceparent)}-${this.spanId}-${flags}`;
  }

  /** Copies its bodies from here on, if those of its target are to be kept. */
  captureBodies(): void {
    this.bodyCapture = this.#home.taps?.open(this.target);
  }

  /** weir's own answer is written now, head and body together; `bodyBytes`: size of the body that is sent. */
  wrote(bodyBytes: number): void {
    this.headMs = this.firstByteMs = performance.now();
    this.responseBytes = bodyBytes;
  }

  /** The body of the answer has begun, or has ended without a byte. */
  bodyBegan(): void {
    if (this.firstByteMs === 0) this.firstByteMs = performance.now();
  }

  /** Index of the deployment that its records name, or NO_DEPLOYMENT. */
  get recordedAs(): number {
    return this.deployment === NO_DEPLOYMENT ? this.askedFor : this.deployment;
  }

  get isOpen(): boolean {
    return this.cause === undefined;
  }

  /** Ends it. A second call changes nothing and returns false: the first cause is the true one. */
  close(cause: Cause, status: number, detail = ''): boolean {
    if (this.cause !== undefined) return false;
    this.cause = cause;
    this.status = status;
    // What was noted on the way stays where the end has nothing to add.
    if (detail !== '') this.detail = detail;
    this.endMs = performance.now();
    for (const observer of this.#home.observers) observer.closed(this);
    return true;
  }

  /**
   * Closes it with a failure. `status`: the HTTP status of the catalogue, or what the client gets instead: a gRPC status
   * or a WebSocket close code. Returns false, and changes nothing, if it is closed already.
   */
  fail(failure: Failure, detail = '', status: number = catalogue[failure].http): boolean {
    return this.close(failure, status, detail);
  }
}

/** Opens exchanges, knows how many are open, and who wants to hear of them. */
export class Exchanges {
  readonly #home: Home = { observers: [], sampler: undefined, taps: undefined };
  readonly #trustInbound: boolean;
  #open = 0;
  #whenIdle: (() => void)[] = [];

  constructor(options: { trust_inbound: boolean }) {
    this.#trustInbound = options.trust_inbound;
    this.observe({ closed: () => this.#closed() });
  }

  observe(observer: Observer): void {
    this.#home.observers.push(observer);
  }

  /** From here on weir takes part in traces. */
  sample(sampler: TraceSampler): void {
    this.#home.sampler = sampler;
  }

  /** From here on bodies are copied as `captures` decides. */
  captureWith(captures: BodyCaptures): void {
    this.#home.taps = captures;
  }

  /** True where bodies of requests to this target are wanted. */
  wantsBodies(target: string): boolean {
    return this.#home.taps !== undefined && this.#home.taps.wants(target);
  }

  /** A new exchange that begins now. `inboundId` is the client's own id header, if it sent one. */
  open(inboundId: string | undefined, startMs = performance.now()): Exchange {
    this.#open++;
    const epochMs = Date.now();
    return new Exchange(
      this.#home,
      identify(epochMs, this.#trustInbound ? inboundId : undefined),
      startMs,
      epochMs,
    );
  }

  /** A new exchange under an id that is known already: a run of a task that was accepted under it. */
  openAs(id: string): Exchange {
    this.#open++;
    return new Exchange(this.#home, id, performance.now(), Date.now());
  }

  get openCount(): number {
    return this.#open;
  }

  /** Resolves when no exchange is open. */
  idle(): Promise<void> {
    return this.#open === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #closed(): void {
    if (--this.#open > 0 || this.#whenIdle.length === 0) return;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const resolve of waiting) resolve();
  }
}
