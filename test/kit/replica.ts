// Replicas for tests: a Node server with a handler, or a bare socket server with a script.
// Invariant: `open` is the number of requests whose response is not closed.
import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import {
  createServer as createNetServer,
  type AddressInfo,
  type Server as NetServer,
  type Socket,
} from 'node:net';

export interface Replica<S extends NetServer | Server = NetServer | Server> {
  readonly url: string;
  readonly port: number;
  readonly server: S;
  /** Connections accepted so far. */
  connections: number;
  /** Requests in progress, for replicas of `startReplica`. */
  open: number;
  /** Closes all connections. New ones are accepted. */
  drop(): void;
  close(): Promise<void>;
}

const replicas = new Set<Replica>();

async function listen<S extends NetServer | Server>(server: S, port: number): Promise<Replica<S>> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    replica.connections++;
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const bound = (server.address() as AddressInfo).port;
  const replica: Replica<S> = {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    server,
    connections: 0,
    open: 0,
    drop() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      replicas.delete(replica);
      for (const socket of sockets) socket.destroy();
      if (server.listening) {
        server.close();
        await once(server, 'close');
      }
    },
  };
  replicas.add(replica);
  return replica;
}

/** Starts an HTTP server with a handler. */
export async function startReplica(handler: RequestListener, port = 0): Promise<Replica<Server>> {
  const server = createServer({ keepAliveTimeout: 60_000 });
  const replica = await listen(server, port);
  server.on('request', (req: IncomingMessage, res: ServerResponse) => {
    replica.open++;
    res.on('close', () => replica.open--);
    handler(req, res);
  });
  return replica;
}

/** Starts a bare socket server. `script` is called for each connection. */
export const startRawReplica = (script: (socket: Socket) => void, port = 0): Promise<Replica<NetServer>> =>
  listen(createNetServer(script), port);

/** Closes all replicas that are still open. */
export async function closeReplicas(): Promise<void> {
  await Promise.all(Array.from(replicas, (replica) => replica.close()));
}

/** The whole body of a request or response. */
export async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Calls `then` with the whole body of a request. Never called if the client disconnects before the end. */
export const onBody = (req: IncomingMessage, then: (body: Buffer) => void): Promise<void> =>
  bodyOf(req).then(then, () => undefined);

/** A request as the replica received it. */
export interface SeenRequest {
  method: string;
  url: string;
  headers: string[];
  body: string;
  trailers: string[];
}

/** A handler that responds with the received request as JSON. */
export const mirror: RequestListener = (req, res) => {
  void onBody(req, (body) => {
    const seen: SeenRequest = {
      method: req.method!,
      url: req.url!,
      headers: req.rawHeaders,
      body: body.toString('latin1'),
      trailers: req.rawTrailers,
    };
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify(seen));
  });
};

/** The values of a header in a raw list, in order. */
export const headerValues = (raw: readonly string[], name: string): string[] =>
  raw.flatMap((key, i) => (i % 2 === 0 && key.toLowerCase() === name.toLowerCase() ? [raw[i + 1]!] : []));
