// The one user of http-proxy: sends HTTP requests and WebSocket upgrades to replicas with it.
// Invariant: nothing that http-proxy sets or would send reaches the replica or the client: path, headers and responses
// are weir's own.
import type { Agent, ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { Stream, type Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import type { ProxyServer } from 'http-proxy';
import { headersToReplica, type ForwardedRequest } from '../../../protocol/http/forwarded-headers.ts';
import type { RemovedHeaders } from '../../../protocol/http/removed-headers.ts';
import { speaksHttp2, type Replica } from '../../replicas/pool.ts';

/** Loads the library. */
const httpProxy = () => createRequire(import.meta.url)('http-proxy') as typeof import('http-proxy');

/** Methods for which the absence of a body is sent as Content-Length: 0 (RFC 9110 8.6). */
const METHODS_WITH_BODY = new Set(['POST', 'PUT', 'PATCH']);

/** What the replica gets besides the client's headers. */
export interface ReplicaRequest {
  /** Target in origin form. */
  readonly path: string;
  readonly hop: ForwardedRequest;
  /** The body is chunked, and trailers may follow it. Read from the client's headers before the first `send`. */
  readonly isChunked: boolean;
  /** Headers that the replica does not get. */
  readonly removed: RemovedHeaders | undefined;
}

export interface SendListener {
  /** The request has its path and headers, and nothing of it is sent: attach listeners, and write the body. */
  created(to: ClientRequest): void;
  /**
   * The connection failed, or `req` did. May be called after the response, and more than once.
   */
  failed(error: NodeJS.ErrnoException): void;
}

export interface UpgradeListener {
  /** The request has its path and headers, and nothing of it is sent. */
  created(to: ClientRequest): void;
  /** The replica sent 101. `early`: bytes that came with it. */
  upgraded(response: IncomingMessage, replicaSocket: Socket, early: Buffer): void;
  /** The replica sent another response. */
  refused(response: IncomingMessage): void;
  /** The connection failed. May be called after the response, and more than once. */
  failed(error: NodeJS.ErrnoException): void;
}

export class HttpProxyAdapter {
  readonly #connectTimeoutMs: number;
  #made: ProxyServer | undefined;

  constructor(connectTimeoutMs: number) {
    this.#connectTimeoutMs = connectTimeoutMs;
  }

  /** Made with the first request that does not take the fast lane, since the library needs 16 MB of memory. */
  get #server(): ProxyServer {
    if (this.#made === undefined) {
      this.#made = httpProxy().createProxyServer({
        selfHandleResponse: true,
        connectTimeout: this.#connectTimeoutMs,
      });
      // Required by http-proxy. It emits errors of clients that have left; the forwarders notice those themselves.
      this.#made.on('error', () => undefined);
    }
    return this.#made;
  }

  /** Sends the head of `req` to a replica. Listen to 'response' of the created request for the response. */
  send(
    req: IncomingMessage,
    res: ServerResponse,
    replica: Replica,
    agent: Agent,
    request: ReplicaRequest,
    listener: SendListener,
  ): void {
    prepare(req);
    // http-proxy adds listeners for each attempt.
    req.setMaxListeners(0);
    res.setMaxListeners(0);
    // http-proxy pipes this into its request: the one moment at which that exists and nothing of it is sent.
    const body = new Stream();
    body.pipe = (to) => {
      const created = to as unknown as ClientRequest;
      setHead(created, req, request);
      if (request.isChunked) created.setHeader('Transfer-Encoding', 'chunked');
      // Without a length Node would send a chunked body with these methods.
      else if (!created.hasHeader('content-length') && METHODS_WITH_BODY.has(created.method))
        created.setHeader('Content-Length', '0');
      created.useChunkedEncodingByDefault = false;
      listener.created(created);
      return to;
    };
    this.#server.web(req, res, { ...proxyTargetOf(replica), agent, buffer: body }, (error) =>
      listener.failed(error),
    );
  }

  /**
   * Asks a replica to upgrade. `head`: bytes of the client that came with its request; they are put back into `socket`.
   * `agent`: undefined means a connection of its own.
   */
  upgrade(
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    replica: Replica,
    agent: Agent | undefined,
    request: ReplicaRequest,
    listener: UpgradeListener,
  ): void {
    prepare(req);
    let to: ClientRequest | undefined;
    // Emitted inside `ws`.
    const onCreated = (created: ClientRequest): void => {
      to = created;
      setHead(created, req, request);
      created.setHeader('Connection', 'Upgrade');
      created.setHeader('Upgrade', 'websocket');
      listener.created(created);
    };
    this.#server.once('proxyReqWs', onCreated);
    try {
      this.#server.ws(req, socket, head, { ...proxyTargetOf(replica), ...(agent && { agent }) }, (error) =>
        listener.failed(error),
      );
    } finally {
      // If `ws` made no request, the next one must not reach this listener.
      this.#server.off('proxyReqWs', onCreated);
    }
    // http-proxy would pass on another response without regard to whether the client reads it, would close the client's
    // socket if the replica cannot be reached, and would write the head of a 101 in UTF-8.
    to?.removeAllListeners('response')
      .removeAllListeners('error')
      .removeAllListeners('upgrade')
      .on('upgrade', (response, replicaSocket: Socket, early: Buffer) =>
        listener.upgraded(response, replicaSocket, early),
      )
      .on('response', (response) => listener.refused(response))
      .on('error', (error) => listener.failed(error));
  }
}

/**
 * http-proxy would send the head too early with an Expect, and reads the target as a URL, which not every target is.
 */
function prepare(req: IncomingMessage): void {
  delete req.headers.expect;
  req.url = '/';
}

function proxyTargetOf({ url, tls }: Replica) {
  const { host, port, path } = url;
  // The sockets of an agent for HTTP/2 take HTTP/1.1 in clear text.
  const protocol = speaksHttp2(url) ? 'http:' : url.protocol;
  return {
    target: { protocol, host, hostname: host, port, ...(path !== undefined && { socketPath: path }) },
    // A copy, since http-proxy adds the options of its request to it.
    ...(protocol === 'https:' && { ssl: { ...tls } }),
  };
}

/** Replaces the path and all headers that http-proxy has set. */
function setHead(
  to: ClientRequest,
  req: IncomingMessage,
  { path, hop, isChunked, removed }: ReplicaRequest,
): void {
  to.path = path;
  for (const name of to.getHeaderNames()) to.removeHeader(name);
  const { connection } = req.headers;
  for (const [name, values] of headersToReplica(req.rawHeaders, hop, connection, isChunked, removed))
    to.setHeader(name, values.length === 1 ? values[0]! : values);
}
