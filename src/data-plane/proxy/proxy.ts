// The proxy: moves requests between their clients and replicas.
// Invariant: the forwarders differ in how they move bytes, in nothing else.
//   fastLane()  connections with strict, ordinary HTTP/1.1  → fast/fast-lane.ts
//   http()      an HTTP/1.1 request                         → http/http-forwarder.ts
//   upgrade()   a request to become a WebSocket             → websocket/websocket-forwarder.ts
//   grpc()      a gRPC call                                 → grpc/grpc-forwarder.ts
//   nodeGrpc()  the same on node:http2                      → grpc-node/node-grpc-forwarder.ts
//   reserveSlot() a task of the queue                       → queued/queued-forwarder.ts
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Deadlines } from '../../core/deadlines.ts';
import type { Failure } from '../../core/errors.ts';
import type { Exchange, Exchanges } from '../../core/exchange/exchange.ts';
import type { SubjectHeader } from '../../core/client-subject.ts';
import type { ForwardedCall } from '../../protocol/grpc/metadata.ts';
import type { ForwardedRequest } from '../../protocol/http/forwarded-headers.ts';
import { RemovedHeaders } from '../../protocol/http/removed-headers.ts';
import { Http2HeldBytes } from '../../protocol/http2/http2-held-bytes.ts';
import { Http2Counters } from '../../protocol/http2/http2-counters.ts';
import type { ReplicaPool, RetryCounts } from '../replicas/pool.ts';
import { FastLane, type FastLaneOptions } from './fast/fast-lane.ts';
import { ReplicaConnections } from './fast/replica-connection.ts';
import type { ActiveRequest } from './forwarder.ts';
import type { Caller } from './grpc/caller.ts';
import { GrpcForwarder, type GrpcContext } from './grpc/grpc-forwarder.ts';
import { RequestHeaders } from './grpc/grpc-headers.ts';
import { ReplicaSessions, sessionOptions } from './http2/replica-sessions.ts';
import {
  NodeGrpcForwarder,
  type NodeGrpcContext,
  type NodeIncomingCall,
} from './grpc-node/node-grpc-forwarder.ts';
import { NodeHeldPieces } from './grpc-node/node-grpc-request.ts';
import { NodeReplicaSessions } from './grpc-node/node-replica-sessions.ts';
import { Http2Replicas } from './http2/http2-replicas.ts';
import { HttpForwarder, type HttpContext } from './http/http-forwarder.ts';
import { HttpProxyAdapter } from './http/http-proxy-adapter.ts';
import { ReplicaAgents } from './http/replica-agents.ts';
import type { ProxyOptions } from './options.ts';
import { QueuedForwarder } from './queued/queued-forwarder.ts';
import { RetryBudget } from './retry.ts';
import { WebSocketForwarder } from './websocket/websocket-forwarder.ts';

export { KeyMemo, lateBody } from './fast/fast-lane.ts';
export type {
  FastDecision,
  FastLane,
  SubmissionHead,
  SubmissionOutcome,
  SubmissionRefusal,
  SubmissionTarget,
} from './fast/fast-lane.ts';
export type { ActiveRequest } from './forwarder.ts';
export { GrpcWebCaller } from './grpc/grpc-web-caller.ts';
export { Http2Caller } from './grpc/http2-caller.ts';
export type { RequestHeaders } from './grpc/grpc-headers.ts';
export type { QueuedForwarder } from './queued/queued-forwarder.ts';

/** Where clients send their keys; the second one in gRPC metadata. */
const KEY_HEADERS = ['authorization', 'baseten-authorization'];

const removedHeaders = (names: readonly string[]): RemovedHeaders | undefined =>
  names.length === 0 ? undefined : new RemovedHeaders(names);

/** Counts of HTTP/2 connections. */
export interface Http2Counts {
  /** By side. */
  readonly counters: { readonly client: Http2Counters; readonly replica: Http2Counters };
  readonly heldBytes: Http2HeldBytes;
}

export class Proxy {
  readonly #context: HttpContext & GrpcContext & NodeGrpcContext;
  /** What HTTP/2 connections have done, by side. */
  readonly http2Counters: Http2Counts['counters'];
  /** Time limits of the fast lane's connections. */
  readonly #connectionDeadlines = new Deadlines();
  /** Bytes that all HTTP/2 connections hold for those that read slowly. */
  readonly heldBytes: Http2HeldBytes;
  readonly #connections: ReplicaConnections;
  readonly #http2: Http2Replicas;
  readonly #exchanges: Exchanges;
  readonly #removesKeys: boolean;
  #fast: FastLane | undefined;

  /** `removesKeys`: replicas do not get the keys of clients. `http2`: what its HTTP/2 connections count. */
  constructor(
    pool: ReplicaPool,
    exchanges: Exchanges,
    options: ProxyOptions,
    removesKeys = false,
    http2: Http2Counts = {
      counters: { client: new Http2Counters(), replica: new Http2Counters() },
      heldBytes: new Http2HeldBytes(options.http2.max_held),
    },
  ) {
    this.#exchanges = exchanges;
    const retries = new RetryBudget(options, pool.retryLoads);
    exchanges.observe(retries);
    const removed = [...options.remove_headers, ...(removesKeys ? KEY_HEADERS : [])];
    this.#removesKeys = removesKeys;
    this.heldBytes = http2.heldBytes;
    this.http2Counters = http2.counters;
    this.#http2 = new Http2Replicas(options, this.heldBytes, this.http2Counters.replica);
    this.#connections = new ReplicaConnections(
      this.#connectionDeadlines,
      options.replica_idle_timeout,
      options.replica_connection_age,
      this.#http2,
    );
    this.#context = {
      pool,
      options,
      deadlines: new Deadlines(),
      removed: removedHeaders(removed),
      retries,
      adapter: new HttpProxyAdapter(options.connect_timeout),
      agents: new ReplicaAgents(options, this.#http2),
      heldPieces: new NodeHeldPieces(),
      sessions: new ReplicaSessions(sessionOptions(options, this.heldBytes, this.http2Counters.replica)),
      nodeSessions: new NodeReplicaSessions({
        connectTimeoutMs: options.connect_timeout,
        idleTimeoutMs: options.session_idle_timeout,
      }),
    };
  }

  /** The fast lane of a data server, or undefined if `fast_lane` is off. */
  fastLane(options: FastLaneOptions): FastLane | undefined {
    if (this.#context.options.fast_lane)
      this.#fast = new FastLane({
        ...this.#context,
        ...options,
        deadlines: this.#connectionDeadlines,
        connections: this.#connections,
        removed: removedHeaders(this.#context.options.remove_headers),
        dropsKey: this.#removesKeys,
      });
    return this.#fast;
  }

  /** Serves an HTTP request that is routed. `path`: what the replica sees. */
  http(
    exchange: Exchange,
    req: IncomingMessage,
    res: ServerResponse,
    path: string,
    hop: ForwardedRequest,
  ): ActiveRequest {
    const forwarder = new HttpForwarder(this.#context, exchange, req, res, path, hop);
    forwarder.start();
    return forwarder;
  }

  /** Serves a request to become a WebSocket. `head`: bytes that came with it; `path`: what the replica sees. */
  upgrade(
    exchange: Exchange,
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    path: string,
    hop: ForwardedRequest,
  ): void {
    new WebSocketForwarder(this.#context, exchange, req, socket, path, hop).start(head);
  }

  /** True if gRPC is served by node:http2. */
  get usesNodeHttp2(): boolean {
    return this.#context.options.http2_library === 'node';
  }

  /** What `grpc` writes to replicas. `subject`: header with the subject of the client's certificate. */
  grpcHeaders(subject: SubjectHeader | undefined): RequestHeaders {
    return new RequestHeaders(subject, this.#context.removed);
  }

  /** Serves a gRPC call that is routed, and whose trace has begun. */
  grpc(exchange: Exchange, caller: Caller, headers: RequestHeaders): ActiveRequest {
    const forwarder = new GrpcForwarder(this.#context, exchange, caller, headers);
    forwarder.start();
    return forwarder;
  }

  /** Serves a gRPC call that is routed. */
  nodeGrpc(exchange: Exchange, call: NodeIncomingCall, hop: ForwardedCall): void {
    new NodeGrpcForwarder(this.#context, exchange, call, hop).start();
  }

  /** Reserves a replica of a deployment for a task of the queue, unless all are full or requests wait. */
  reserveSlot(deployment: number): QueuedForwarder | undefined {
    const lease = this.#context.pool.tryReserveIdle(deployment);
    return lease && new QueuedForwarder(this.#context, this.#exchanges, deployment, lease);
  }

  /** Ends every request that still runs. */
  abortAll(failure: Failure): void {
    // First, or each request that ends would let one that waits begin.
    this.#context.pool.refuseAll();
    this.#fast?.abortAll(failure);
    this.#context.deadlines.each((request) => request.abort(failure));
  }

  /** Connections to replicas: in use, and kept for later. */
  connections(): { active: number; idle: number } {
    const { sessions, nodeSessions, agents } = this.#context;
    const all = [this.#connections, this.#http2, sessions, nodeSessions, agents];
    const counts = all.map((one) => one.count());
    return {
      active: counts.reduce((sum, { active }) => sum + active, 0),
      idle: counts.reduce((sum, { idle }) => sum + idle, 0),
    };
  }

  /** The retries of a deployment since the start. */
  retries(deployment: number): RetryCounts {
    return this.#context.retries.counts(deployment);
  }

  close(): void {
    this.#connections.close();
    this.#http2.close();
    this.#context.sessions.close();
    this.#context.nodeSessions.close();
    this.#context.agents.close();
  }
}
