// Node's agents for connections to replicas: those of the full lane and of queued requests.
import type { Agent as HttpAgentType } from 'node:http';
import type { Agent as HttpsAgent, AgentOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { nodeHttps } from '../../../core/node-tls.ts';
import { Agent as HttpAgent } from '../../../protocol/http/node-http.ts';
import { Http2ReplicaSocket } from '../../../protocol/http2/http1/http2-replica-socket.ts';
import type { ConnectionSource } from '../../../protocol/http2/http1/shared-connection.ts';
import { speaksHttp2, type Replica } from '../../replicas/pool.ts';
import type { Http2Replicas } from '../http2/http2-replicas.ts';
import type { ProxyOptions } from '../options.ts';

/** Gives each request a socket of its own, whose connection is shared. */
class Http2Agent extends HttpAgent {
  readonly #source: ConnectionSource;

  constructor(source: ConnectionSource) {
    super({ keepAlive: false });
    this.#source = source;
  }

  override createConnection(): Http2ReplicaSocket {
    return new Http2ReplicaSocket(this.#source);
  }
}

export class ReplicaAgents {
  readonly #options: AgentOptions & { readonly noDelay: true };
  readonly #maxAgeMs: number;
  readonly #http: HttpAgentType;
  /** Made for the first replica with TLS. */
  #https: HttpsAgent | undefined;
  readonly #replicas: Http2Replicas;
  readonly #http2 = new WeakMap<Replica, HttpAgentType>();

  constructor({ replica_idle_timeout, replica_connection_age }: ProxyOptions, replicas: Http2Replicas) {
    this.#replicas = replicas;
    this.#maxAgeMs = replica_connection_age;
    this.#options = {
      keepAlive: true,
      scheduling: 'lifo',
      maxFreeSockets: 1024,
      noDelay: true,
      // An agent applies it to unused sockets only.
      timeout: replica_idle_timeout,
    };
    this.#http = this.#limited(new HttpAgent(this.#options));
  }

  of(replica: Replica): HttpAgentType {
    if (speaksHttp2(replica.url)) return this.#http2Of(replica);
    return replica.url.protocol === 'https:' ? this.#httpsAgent() : this.#http;
  }

  #httpsAgent(): HttpsAgent {
    const { Agent: TlsAgent } = nodeHttps();
    return (this.#https ??= this.#limited(new TlsAgent(this.#options)));
  }

  #limited<A extends HttpAgentType>(agent: A): A {
    if (this.#maxAgeMs > 0) limitAge(agent, this.#maxAgeMs);
    return agent;
  }

  #http2Of(replica: Replica): HttpAgentType {
    let agent = this.#http2.get(replica);
    if (agent === undefined) this.#http2.set(replica, (agent = new Http2Agent(this.#replicas.of(replica))));
    return agent;
  }

  /** Connections with HTTP/1.1, in use and kept. */
  count(): { active: number; idle: number } {
    let active = 0;
    let idle = 0;
    for (const { sockets, freeSockets } of [this.#http, ...(this.#https ? [this.#https] : [])]) {
      active += countOf(sockets);
      idle += countOf(freeSockets);
    }
    return { active, idle };
  }

  close(): void {
    this.#http.destroy();
    this.#https?.destroy();
  }
}

const countOf = (sockets: NodeJS.ReadOnlyDict<unknown[]>): number =>
  Object.values(sockets).reduce((sum, list) => sum + (list?.length ?? 0), 0);

/** Closes sockets that are older than `limitMs` instead of keeping them. The age counts from the first response. */
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
