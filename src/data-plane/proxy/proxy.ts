// The proxy: moves requests between their clients and replicas.
// Invariant: the forwarders differ in how they move bytes, in nothing else.
//   fastLane()  connections with strict, ordinary HTTP/1.1  → fast/fast-lane.ts
//   http()      an HTTP/1.1 request                         → http/http-forwarder.ts
//   upgrade()   a request to become a WebSocket             → websocket/websocket-forwarder.ts
//   nodeGrpc()  a gRPC call                                 → grpc-node/node-grpc-forwarder.ts
//   reserveSlot() a task of the queue                       → queued/queued-forwarder.ts
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Deadlines } from '../../core/deadlines.ts';
import type { Failure } from '../../core/errors.ts';
import type { Exchange, Exchanges } from '../../core/exchange/exchange.ts';
import type { ForwardedCall } from '../../protocol/grpc/metadata.ts';
import type { ForwardedRequest } from '../../protocol/http/forwarded-headers.ts';
import { RemovedHeaders } from '../../protocol/http/removed-headers.ts';
import type { Pool } from '../replicas/pool.ts';
import { FastLane, type FastLaneOptions } from './fast/fast-lane.ts';
import { ReplicaConnections } from './fast/replica-connection.ts';
import type { ActiveRequest } from './forwarder.ts';
import {
  NodeGrpcForwarder,
  type NodeGrpcContext,
  type NodeIncomingCall,
} from './grpc-node/node-grpc-forwarder.ts';
import { NodeHeldPieces } from './grpc-node/node-grpc-request.ts';
import { NodeReplicaSessions } from './grpc-node/node-replica-sessions.ts';
import { HttpForwarder, type HttpContext } from './http/http-forwarder.ts';
import { HttpProxyAdapter } from './http/http-proxy-adapter.ts';
import { ReplicaAgents } from './http/replica-agents.ts';
import type { ProxyOptions } from './options.ts';
import { QueuedForwarder } from './queued/queued-forwarder.ts';
import { RetryBudget, type RetryCounts } from './retry.ts';
import { WebSocketForwarder } from './websocket/websocket-forwarder.ts';

export { KeyMemo } from './fast/fast-lane.ts';
export type { RouteDecision, FastLane } from './fast/fast-lane.ts';
export type { ActiveRequest } from './forwarder.ts';
export type { QueuedForwarder } from './queued/queued-forwarder.ts';

/** Where clients send their keys; the second one in gRPC metadata. */
const KEY_HEADERS = ['authorization', 'baseten-authorization'];

const removedHeaders = (names: readonly string[]): RemovedHeaders | undefined =>
  names.length === 0 ? undefined : new RemovedHeaders(names);

export class Proxy {
  readonly #context: HttpContext & NodeGrpcContext;
  /** Time limits of the fast lane's connections. */
  readonly #connectionDeadlines = new Deadlines();
  readonly #connections: ReplicaConnections;
  readonly #exchanges: Exchanges;
  readonly #removesKeys: boolean;
  #fast: FastLane | undefined;

  /** `removesKeys`: replicas do not get the keys of clients. */
  constructor(pool: Pool, exchanges: Exchanges, options: ProxyOptions, removesKeys = false) {
    this.#exchanges = exchanges;
    const retries = new RetryBudget(options);
    exchanges.observe(retries);
    const removed = [...options.remove_headers, ...(removesKeys ? KEY_HEADERS : [])];
    this.#removesKeys = removesKeys;
    this.#connections = new ReplicaConnections(
      this.#connectionDeadlines,
      options.replica_idle_timeout,
      options.replica_connection_age,
    );
    this.#context = {
      pool,
      options,
      deadlines: new Deadlines(),
      removed: removedHeaders(removed),
      retries,
      adapter: new HttpProxyAdapter(options.connect_timeout),
      agents: new ReplicaAgents(options),
      heldPieces: new NodeHeldPieces(),
      sessions: new NodeReplicaSessions({
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
    const { sessions, agents } = this.#context;
    const counts = [this.#connections.count(), sessions.count(), agents.count()];
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
    this.#context.sessions.close();
    this.#context.agents.close();
  }
}
