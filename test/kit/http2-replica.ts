// Replicas for tests that serve plain requests over HTTP/2, with handlers for Node's HTTP/1.1 server.
// Invariant: `open` is the number of requests whose response is not closed; every server is closed by `closeHttp2Replicas`.
import { once } from 'node:events';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
  type Settings,
} from 'node:http2';
import type { AddressInfo, ListenOptions, Socket } from 'node:net';
import type { Certificate } from './certificate.ts';

export interface Http2Replica {
  readonly url: string;
  readonly port: number;
  readonly server: Http2Server | Http2SecureServer;
  readonly sessions: Set<ServerHttp2Session>;
  /** Connections accepted so far. */
  connections: number;
  /** Requests in progress. */
  open: number;
  /** Codes with which streams ended. */
  readonly codes: number[];
  /** Closes all connections at once. New ones are accepted. */
  drop(): void;
  close(): Promise<void>;
}

export interface Http2ReplicaOptions {
  readonly settings?: Settings;
  /** Serves TLS with this certificate. */
  readonly certificate?: Certificate;
  /** Path of a Unix socket to listen on, or a port. */
  readonly listen?: ListenOptions;
  /** Serves requests with the method CONNECT. */
  readonly connect?: (req: Http2ServerRequest) => void;
}

const replicas = new Set<Http2Replica>();

/** Starts a server for HTTP/2 alone. `handler` sees requests as those of HTTP/1.1, with a Host header. */
export async function startHttp2Replica(
  handler: RequestListener,
  { settings = {}, certificate, connect, listen = { port: 0, host: '127.0.0.1' } }: Http2ReplicaOptions = {},
): Promise<Http2Replica> {
  const server =
    certificate === undefined
      ? createServer({ settings })
      : createSecureServer({ settings, cert: certificate.cert, key: certificate.key });
  const sockets = new Set<Socket>();
  const replica: Http2Replica = {
    url: '',
    port: 0,
    server,
    sessions: new Set(),
    connections: 0,
    open: 0,
    codes: [],
    drop() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      replicas.delete(replica);
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  replicas.add(replica);
  server.on(certificate === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    replica.connections++;
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('session', (session: ServerHttp2Session) => {
    replica.sessions.add(session);
    session.on('error', () => session.destroy());
    session.on('close', () => replica.sessions.delete(session));
  });
  server.on('request', (req: Http2ServerRequest, res: Http2ServerResponse) => {
    replica.open++;
    req.stream.on('error', () => req.stream.destroy());
    req.stream.on('close', () => {
      replica.open--;
      replica.codes.push(req.stream.rstCode);
    });
    asHttp1(req);
    handler(req as unknown as IncomingMessage, res as unknown as ServerResponse);
  });
  if (connect !== undefined)
    server.on('connect', (req: unknown) => {
      const { stream } = req as Http2ServerRequest;
      stream.on('error', () => stream.destroy());
      stream.on('close', () => replica.codes.push(stream.rstCode));
      connect(req as Http2ServerRequest);
    });
  server.listen(listen);
  await once(server, 'listening');
  const address = server.address() as AddressInfo | string;
  const scheme = certificate === undefined ? 'h2c' : 'h2';
  const url = typeof address === 'string' ? `h2c+unix:${address}` : `${scheme}://127.0.0.1:${address.port}`;
  return Object.assign(replica, { url, port: typeof address === 'string' ? 0 : address.port });
}

/** Gives a request the headers that it would have in HTTP/1.1. */
function asHttp1(req: Http2ServerRequest): void {
  const raw: string[] = ['host', req.authority];
  for (let i = 0; i < req.rawHeaders.length; i += 2)
    if (!req.rawHeaders[i]!.startsWith(':')) raw.push(req.rawHeaders[i]!, req.rawHeaders[i + 1]!);
  const headers = Object.fromEntries(Object.entries(req.headers).filter(([name]) => !name.startsWith(':')));
  Object.defineProperty(req, 'rawHeaders', { value: raw });
  Object.defineProperty(req, 'headers', { value: { host: req.authority, ...headers } });
}

export async function closeHttp2Replicas(): Promise<void> {
  await Promise.all(Array.from(replicas, (replica) => replica.close()));
}
