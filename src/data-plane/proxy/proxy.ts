// The door of the room: moves an exchange's bytes between its client and a replica.
// Must stay true: the lanes differ in how bytes move, in nothing else.
//   fastLane()  connections of strict, ordinary HTTP/1.1 → fast-lane.ts
//   http()      an HTTP/1.1 request           → http-forwarder.ts
//   upgrade()   a request to become a WebSocket → websocket-forwarder.ts
//   grpc()      a gRPC call               → grpc-forwarder.ts
import type { Agent as HttpAgentType, IncomingMessage, ServerResponse } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import httpProxy from 'http-proxy';
import { Deadlines } from '../../core/deadlines.ts';
import type { Failure } from '../../core/errors.ts';
import type { Exchange, Exchanges } from '../../core/exchange/exchange.ts';
import type { CallHop } from '../../protocol/grpc/metadata.ts';
import type { Hop } from '../../protocol/http/forwarded-headers.ts';
import { Agent as HttpAgent } from '../../protocol/http/node-http.ts';
import type { Pool } from '../replicas/pool.ts';
import { FastLane, type FastDeps } from './fast/fast-lane.ts';
import { QueuedForwarder } from './queued/queued-forwarder.ts';
import { HttpForwarder, type HttpContext, type ActiveRequest } from './http/http-forwarder.ts';
import { GrpcForwarder, type GrpcContext, type IncomingCall } from './grpc/grpc-forwarder.ts';
import { HeldPieces } from './grpc/grpc-request.ts';
import type { ProxyOptions } from './options.ts';
import { ReplicaConnections } from './fast/replica-connection.ts';
import { ReplicaSessions } from './grpc/replica-sessions.ts';
import { RetryBudget, type RetryCounts } from './retry.ts';
import { WebSocketForwarder } from './websocket/websocket-forwarder.ts';

export type { RouteDecision, FastLane } from './fast/fast-lane.ts';
export type { QueuedForwarder, QueuedResponse } from './queued/queued-forwarder.ts';
export type { ActiveRequest } from './http/http-forwarder.ts';

/** An agent's sockets are closed, not kept, after this time; it begins with the first answer, which is near enough. */
function limitAge(agent: HttpAgentType, limitMs: number): void {
  const since = new WeakMap<Duplex, number>();
  const keep = agent.keepSocketAlive.bind(agent) as (socket: Duplex) => boolean;
  agent.keepSocketAlive = (socket: Duplex): boolean => {
    const nowMs = performance.now();
    const sinceMs = since.get(socket) ?? nowMs;
    since.set(socket, sinceMs);
    return nowMs - sinceMs <= limitMs && keep(socket);
  };
}

export class Proxy {
  readonly #lane: HttpContext & GrpcContext;
  readonly #agents: { 'http:': HttpAgentType; 'https:': HttpsAgent };
  readonly #connections: ReplicaConnections;
  #fast: FastLane | undefined;
  readonly #tunnels = new WeakMap<IncomingMessage, WebSocketForwarder>();

  readonly #retries: RetryBudget;
  readonly #exchanges: Exchanges;

  constructor(pool: Pool, exchanges: Exchanges, options: ProxyOptions) {
    this.#exchanges = exchanges;
    this.#retries = new RetryBudget(options);
    exchanges.observe(this.#retries);
    const agentOptions = {
      keepAlive: true,
      scheduling: 'lifo' as const,
      maxFreeSockets: 1024,
      noDelay: true,
      // Counts for sockets that nobody uses: an agent closes those alone.
      timeout: options.replica_idle_timeout,
    };
    this.#agents = { 'http:': new HttpAgent(agentOptions), 'https:': new HttpsAgent(agentOptions) };
    if (options.replica_connection_age > 0)
      for (const agent of Object.values(this.#agents)) limitAge(agent, options.replica_connection_age);
    const server = httpProxy.createProxyServer({
      selfHandleResponse: true,
      connectTimeout: options.connect_timeout,
    });
    // A client that left has its passage or tunnel end the exchange; http-proxy only wants to be heard.
    server.on('error', () => undefined);
    server.on('proxyReqWs', (request, req) => this.#tunnels.get(req)?.began(request));
    const deadlines = new Deadlines();
    this.#connections = new ReplicaConnections(
      deadlines,
      options.replica_idle_timeout,
      options.replica_connection_age,
    );
    this.#lane = {
      pool,
      options,
      server,
      deadlines,
      retries: this.#retries,
      agentFor: (protocol) => this.#agents[protocol === 'https:' ? 'https:' : 'http:'],
      open: new Set(),
      heldPieces: new HeldPieces(),
      sessions: new ReplicaSessions({
        connectTimeoutMs: options.connect_timeout,
        idleTimeoutMs: options.session_idle_timeout,
      }),
    };
  }

  /** The fast lane of a data door, or `undefined` where the settings switch it off. */
  fastLane(
    door: Omit<FastDeps, 'pool' | 'connections' | 'deadlines' | 'options' | 'retries'>,
  ): FastLane | undefined {
    const { pool, deadlines, options, retries } = this.#lane;
    if (options.fast_lane)
      this.#fast = new FastLane({
        ...door,
        pool,
        deadlines,
        options,
        retries,
        connections: this.#connections,
      });
    return this.#fast;
  }

  /** Serves one HTTP exchange that is routed; `path` is what the replica sees. */
  http(exchange: Exchange, req: IncomingMessage, res: ServerResponse, path: string, hop: Hop): ActiveRequest {
    const passage = new HttpForwarder(this.#lane, exchange, req, res, path, hop);
    passage.start();
    return passage;
  }

  /** Serves one request to become a WebSocket. `head`: bytes that came with it. */
  upgrade(
    exchange: Exchange,
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    path: string,
    hop: Hop,
  ): void {
    const tunnel = new WebSocketForwarder(this.#lane, exchange, req, socket, path, hop);
    this.#tunnels.set(req, tunnel);
    tunnel.start(head);
  }

  /** Serves one gRPC call that is routed. */
  grpc(exchange: Exchange, call: IncomingCall, hop: CallHop): void {
    new GrpcForwarder(this.#lane, exchange, call, hop).start();
  }

  /** A place for a task of the queue at a replica of a deployment, if nobody else wants it. */
  seat(deployment: number): QueuedForwarder | undefined {
    const lease = this.#lane.pool.tryReserveIdle(deployment);
    return lease && new QueuedForwarder(this.#lane, this.#exchanges, deployment, lease);
  }

  /** Ends whatever still runs. */
  abortAll(failure: Failure): void {
    // First, or each one that ends would make room for one that waits.
    this.#lane.pool.refuseAll();
    this.#fast?.abortAll(failure);
    for (const running of this.#lane.open) running.abort(failure);
  }

  /** Connections to replicas: in use and kept for later. */
  connections(): { active: number; idle: number } {
    const count = (sockets: NodeJS.ReadOnlyDict<unknown[]>) =>
      Object.values(sockets).reduce((sum, list) => sum + (list?.length ?? 0), 0);
    let { active, idle } = this.#connections.count();
    const sessions = this.#lane.sessions.count();
    active += sessions.active;
    idle += sessions.idle;
    for (const agent of Object.values(this.#agents)) {
      active += count(agent.sockets);
      idle += count(agent.freeSockets);
    }
    return { active, idle };
  }

  /** What a deployment's repeats came to so far. */
  retries(deployment: number): RetryCounts {
    return this.#retries.counts(deployment);
  }

  close(): void {
    this.#connections.close();
    this.#lane.sessions.close();
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }
}
