// The exchange: all facts of one request from its arrival to its end, for every protocol. Hot path.
// Invariant: an exchange is closed exactly once, with one cause, and every observer that was told of it is told of its
// close. Forwarders write the facts while the request runs; observers read them when it ends.
//
//   open ──► route() ──► (lease, first byte, bytes) ──► close(), fail()
//     └──────────────────────────────────────────────►    (refused before it had a deployment)
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
  ownSpanId,
  ownTraceId,
  REPLICA_SPAN,
  spanIdOf,
  traceIdOf,
} from './identity.ts';
import type { BodyCapture, BodyCaptures } from './body-capture.ts';
import type { LlmFacts, LlmPolicy, LlmSource } from './llm-facts.ts';
import type { RequestNotes } from './request-notes.ts';
import type { AcceptedBy, StepListener } from './step-listener.ts';

export type Protocol = 'http' | 'websocket' | 'grpc';

/** `deployment` of an exchange that was not routed, or not yet. */
export const NO_DEPLOYMENT = -1;

/** Is told of every exchange: `routed` at most once, when it counts for a deployment; `closed` once, at its end. */
export interface Observer {
  routed?(exchange: Exchange): void;
  /** It has become a WebSocket. */
  upgraded?(exchange: Exchange): void;
  closed(exchange: Exchange): void;
}

/**
 * Decides whether a new exchange's trace is sampled. `parent`: the decision of the caller, if it sent a traceparent.
 */
export type TraceSampler = (traceId: string, parent: boolean | undefined) => boolean;

/** What all exchanges share. */
interface Shared {
  /** Methods of the observers. Functions are called far faster than methods of many classes are looked up. */
  readonly routed: ((exchange: Exchange) => void)[];
  readonly upgraded: ((exchange: Exchange) => void)[];
  readonly closed: ((exchange: Exchange) => void)[];
  /** undefined: steps are not reported. */
  steps: StepListener | undefined;
  /** undefined: tracing is off, and a valid traceparent is passed on unchanged. */
  sampler: TraceSampler | undefined;
  /** undefined: no bodies are kept. */
  captures: BodyCaptures | undefined;
  /** undefined: no bodies are followed. */
  llm: LlmPolicy | undefined;
}

/** Only POST requests have bodies for a model. */
const isFollowed = ({ llm }: Shared, method: string, target: string): boolean =>
  method === 'POST' && llm?.wants(target) === true;

export class Exchange {
  readonly id: string;
  /** performance.now() at the first byte of the head, as exactly as the server knows it. */
  readonly startMs: number;
  /** Date.now() at the same moment. */
  readonly startEpochMs: number;
  protocol: Protocol = 'http';
  method = '';
  /** Request target as the client sent it. */
  target = '';
  /** IP address of the client, or `unix`. */
  remoteAddress = '';
  /** An HTTP request or WebSocket that came over HTTP/2. gRPC calls always do. */
  isHttp2 = false;
  /** Subject of the client's verified certificate (core/client-subject.ts); empty without one. */
  clientSubject = '';
  /** Index into the configured deployments, or NO_DEPLOYMENT. */
  deployment = NO_DEPLOYMENT;
  /**
   * Index of the deployment that the request names, for a request that is refused before `route` or that weir responds
   * to itself. Records, the access log and `weir_exchanges_total` name this deployment; the metrics of its requests and
   * its concurrency do not count the request.
   */
  requestedDeployment = NO_DEPLOYMENT;
  /** Id of the replica of the last attempt; empty before the first one. */
  replica = '';
  /** Name of the client's key; empty if it has none, or keys are not required. */
  key = '';
  /** It is a task of the queue, without a client that waits. */
  isAsync = false;
  /** What the client got: HTTP status, gRPC status or WebSocket close code; 0 before that. */
  status = 0;
  /** How it ended; undefined while it runs. */
  cause: Cause | undefined = undefined;
  /** For the log: what went wrong; empty if nothing did. */
  detail = '';
  /** How many times it was sent to a replica. */
  attempts = 0;
  /** Of these, how many were retries after a response with 502, 503 or 504. */
  retries = 0;
  /** Why it is to be sent again; empty if it is not. */
  retryReason: '' | 'connect' | 'answer' = '';
  /** Body bytes from and to the client, without framing. */
  requestBytes = 0;
  responseBytes = 0;
  /** The `traceparent` for the replica; empty before `trace`, and if the replica gets none. */
  traceparent = '';
  /** What the client says about it for the log store; set before `trace`. */
  notes: RequestNotes | undefined = undefined;
  /** True if the client sent a valid `traceparent` that the trace goes on with, so that its `tracestate` is passed on. */
  isClientTrace = false;
  /** Id of the caller's span; empty if it sent no valid `traceparent`. */
  parentSpanId = '';
  /** Id of its own span; empty with tracing off. */
  spanId = '';
  /** Its trace is sampled. */
  isSampled = false;
  /** Copies of its bodies, if they are kept. */
  bodyCapture: BodyCapture | undefined = undefined;
  /** Follows its bodies for what a language model does. Asked once, at the end. */
  llmSource: LlmSource | undefined = undefined;
  /** What its bodies say of a language model; set at its end. */
  llm: LlmFacts | undefined = undefined;
  /** Milliseconds that a task was in the queue before its first run; 0 in later runs. */
  queuedMs = 0;
  /** Milliseconds in the wait queue, over all attempts. */
  waitedMs = 0;
  /**
   * performance.now() when the last replica was reserved, when a connection to it was made (0 for a kept one), when the
   * head of the response came, when the first byte of its body came, and at the end; 0 if that did not happen. A
   * response without a body has its first byte with its head, an empty chunked body with its end. A gRPC call has its
   * initial metadata and its first message (or the trailers, without messages), a WebSocket has both with the 101.
   */
  leasedMs = 0;
  connectedMs = 0;
  headMs = 0;
  firstByteMs = 0;
  endMs = 0;
  /** performance.now() as `route` was told it, until a replica is leased or the exchange waits. */
  routedMs = 0;
  readonly #shared: Shared;
  /** No other exchange has its id. */
  readonly #hasOwnId: boolean;

  constructor(shared: Shared, id: string, hasOwnId: boolean, startMs: number, startEpochMs: number) {
    this.id = id;
    this.#hasOwnId = hasOwnId;
    this.startMs = startMs;
    this.startEpochMs = startEpochMs;
    this.#shared = shared;
  }

  /** `method`, `target` and `remoteAddress` are set. */
  accepted(by: AcceptedBy): void {
    this.#shared.steps?.accepted(this, by);
  }

  /** No replica is free: it is in the wait queue. */
  queued(): void {
    this.routedMs = 0;
    this.#shared.steps?.queued(this);
  }

  /** A replica is reserved for it. */
  leased(replica: string): void {
    this.replica = replica;
    this.leasedMs = this.routedMs || performance.now();
    this.routedMs = 0;
    this.#shared.steps?.leased(this);
  }

  /** It is sent to the replica. Returns the number of this attempt. */
  sent(): number {
    this.attempts++;
    this.#shared.steps?.sent(this);
    return this.attempts;
  }

  /** It is to be sent again after `delayMs`. */
  retrying(reason: 'connect' | 'answer', delayMs: number): void {
    this.retryReason = reason;
    this.#shared.steps?.retrying(this, delayMs);
  }

  /** The head of the final response came from the replica. */
  responded(status: number): void {
    this.headMs = performance.now();
    this.#shared.steps?.responded(this, status);
  }

  /** Assigns it to a deployment, whose concurrency counts it from here on. At most once. `nowMs`: if it is known. */
  route(deployment: number, nowMs = 0): void {
    this.deployment = deployment;
    this.routedMs = nowMs;
    for (const routed of this.#shared.routed) routed(this);
  }

  /** It has become a WebSocket, and ends with a close code. */
  upgrade(): void {
    this.protocol = 'websocket';
    for (const upgraded of this.#shared.upgraded) upgraded(this);
  }

  /**
   * The `traceparent` for the replica, the same for each attempt. `inbound`: the client's, if it sent exactly one. With
   * tracing on: a span of weir's own, in the client's trace if `inbound` is valid, else in a new one. New ids are
   * derived from the request id if no other exchange can have that, so that a store need not keep both. With tracing off:
   * `inbound` if it is valid, else none (empty), so that the replica samples by its own rules: a traceparent with flags
   * 00 would tell it not to record (W3C Trace Context 3.2, 3.4 and 4.2). Ids in `notes` win over both.
   */
  trace(inbound: string | undefined): string {
    if (this.traceparent !== '') return this.traceparent;
    const given = inbound !== undefined && isValidTraceparent(inbound) ? inbound : '';
    const caller = this.notes === undefined ? given : this.#withNotes(this.notes, given);
    if (caller !== '' && this.parentSpanId === '') this.parentSpanId = spanIdOf(caller);
    const { sampler } = this.#shared;
    this.isClientTrace = sampler === undefined ? given !== '' : caller !== '';
    if (sampler === undefined) return (this.traceparent = given);
    const traceId = this.notes?.traceId || (caller === '' ? this.#newTraceId() : traceIdOf(caller));
    this.spanId = this.notes?.spanId || ((this.#hasOwnId ? ownSpanId(this.id) : undefined) ?? spanId());
    this.isSampled = sampler(traceId, caller === '' ? undefined : isSampled(caller));
    const flags =
      caller === '' ? (this.isSampled ? '01' : '00') : formatFlags(this.isSampled, isRandom(caller));
    return (this.traceparent = `00-${traceId}-${childSpanId(this.spanId, REPLICA_SPAN)}-${flags}`);
  }

  /** Sets the parent that the client names. Returns `given` unless it is of another trace than the client names. */
  #withNotes({ traceId, parentSpanId }: RequestNotes, given: string): string {
    this.parentSpanId = parentSpanId;
    return given === '' || traceId === '' || traceIdOf(given) === traceId ? given : '';
  }

  #newTraceId(): string {
    return (this.#hasOwnId ? ownTraceId(this.id) : undefined) ?? newTraceId();
  }

  /**
   * The `traceparent` for later work of weir for this request, such as a queued task: with its own span as the parent.
   */
  get ownTraceparent(): string {
    if (this.spanId === '') return this.traceparent;
    const flags = formatFlags(this.isSampled, isRandom(this.traceparent));
    return `00-${traceIdOf(this.traceparent)}-${this.spanId}-${flags}`;
  }

  /** True if its bodies are to be followed for what a language model does. */
  get wantsLlm(): boolean {
    return isFollowed(this.#shared, this.method, this.target);
  }

  /** Copies its bodies from here on, if those of its target are to be kept. */
  captureBodies(): void {
    this.bodyCapture = this.#shared.captures?.open(this.target);
  }

  /** weir's own response is written now, head and body together. `bodyBytes`: size of the body that is sent. */
  wrote(bodyBytes: number): void {
    this.headMs = this.firstByteMs = performance.now();
    this.responseBytes = bodyBytes;
  }

  /** The body of the response has begun, or has ended without a byte. */
  bodyBegan(): void {
    if (this.firstByteMs === 0) this.firstByteMs = performance.now();
  }

  /** Index of the deployment that its records name, or NO_DEPLOYMENT. */
  get recordedAs(): number {
    return this.deployment === NO_DEPLOYMENT ? this.requestedDeployment : this.deployment;
  }

  get isOpen(): boolean {
    return this.cause === undefined;
  }

  /** Closes it. Returns false, and changes nothing, if it is closed already: the first cause counts. */
  close(cause: Cause, status: number, detail = ''): boolean {
    if (this.cause !== undefined) return false;
    this.cause = cause;
    this.status = status;
    // A detail that was set while it ran stays if the end has none.
    if (detail !== '') this.detail = detail;
    this.endMs = performance.now();
    if (this.llmSource !== undefined) this.llm = this.llmSource.end(cause === 'ok');
    for (const closed of this.#shared.closed) closed(this);
    return true;
  }

  /**
   * Closes it with a failure. `status`: the HTTP status of the catalogue, or what the client gets instead: a gRPC
   * status or a WebSocket close code. Returns false, and changes nothing, if it is closed already.
   */
  fail(failure: Failure, detail = '', status: number = catalogue[failure].http): boolean {
    return this.close(failure, status, detail);
  }
}

/** Opens exchanges, counts the open ones, and has the list of observers. */
export class Exchanges {
  readonly #shared: Shared = {
    routed: [],
    upgraded: [],
    closed: [],
    steps: undefined,
    sampler: undefined,
    captures: undefined,
    llm: undefined,
  };
  readonly #trustInbound: boolean;
  readonly #open: Int32Array;
  #whenIdle: (() => void)[] = [];

  /** `open`: one element for the number of open exchanges, which another thread may read. */
  constructor(options: { trust_inbound: boolean }, open: Int32Array = new Int32Array(1)) {
    this.#trustInbound = options.trust_inbound;
    this.#open = open;
    this.observe({ closed: () => this.#closed() });
  }

  observe(observer: Observer): void {
    const { routed, upgraded, closed } = this.#shared;
    if (observer.routed) routed.push(observer.routed.bind(observer));
    if (observer.upgraded) upgraded.push(observer.upgraded.bind(observer));
    closed.push(observer.closed.bind(observer));
  }

  /** Reports each step of every exchange from here on, and observes them. */
  follow(steps: StepListener & Observer): void {
    this.#shared.steps = steps;
    this.observe(steps);
  }

  /** Turns tracing on for new exchanges. */
  sample(sampler: TraceSampler): void {
    this.#shared.sampler = sampler;
  }

  /** Copies bodies of new exchanges, as `captures` decides. */
  captureWith(captures: BodyCaptures): void {
    this.#shared.captures = captures;
  }

  /** True if bodies of requests to this target are to be kept. */
  wantsBodies(target: string): boolean {
    return this.#shared.captures !== undefined && this.#shared.captures.wants(target);
  }

  /** Follows bodies of new exchanges for what a language model does, as `policy` decides. */
  followWith(policy: LlmPolicy): void {
    this.#shared.llm = policy;
  }

  /** True if the bodies of a request with this method and target are to be followed. */
  wantsLlm(method: string, target: string): boolean {
    return isFollowed(this.#shared, method, target);
  }

  /** Opens an exchange. `inboundId`: the value of the client's id header, if it sent one. */
  open(inboundId: string | undefined): Exchange {
    this.#open[0]!++;
    const nowMs = Date.now();
    const id = identify(nowMs, this.#trustInbound ? inboundId : undefined);
    return new Exchange(this.#shared, id, id !== inboundId, performance.now(), nowMs);
  }

  /** Opens an exchange for a task of the queue, with the id of the request that submitted it. */
  openAs(id: string): Exchange {
    this.#open[0]!++;
    return new Exchange(this.#shared, id, false, performance.now(), Date.now());
  }

  /** Open exchanges of this thread. */
  get openCount(): number {
    return this.#open[0]!;
  }

  /** Resolves when no exchange is open. */
  idle(): Promise<void> {
    return this.openCount === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #closed(): void {
    if (--this.#open[0]! > 0 || this.#whenIdle.length === 0) return;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const resolve of waiting) resolve();
  }
}
