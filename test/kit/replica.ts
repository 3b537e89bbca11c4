// Replicas for tests: a Node server with a handler, or a bare socket server that plays a script of bytes.
// Must stay true: `open` is the number of requests that a handler has begun and whose connection still lives.
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
  /** Requests begun and not over, for handlers of `startReplica`. */
  open: number;
  /** Ends all connections; new ones are accepted. */
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

/** An HTTP server with a handler. */
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

/** A bare socket server: `script` is called for each connection. */
export const startRawReplica = (script: (socket: Socket) => void, port = 0): Promise<Replica<NetServer>> =>
  listen(createNetServer(script), port);

/** Closes whatever a failed test left open. */
export async function closeReplicas(): Promise<void> {
  await Promise.all(Array.from(replicas, (replica) => replica.close()));
}

/** The body of a request or response, whole. */
export async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Calls `then` with a request's whole body; not at all when the client leaves before its end. */
export const whole = (req: IncomingMessage, then: (body: Buffer) => void): Promise<void> =>
  bodyOf(req).then(then, () => undefined);

/** What a request looked like when it reached the replica. */
export interface Seen {
  method: string;
  url: string;
  headers: string[];
  body: string;
  trailers: string[];
}

/** A handler that answers with what it saw, as JSON. */
export const mirror: RequestListener = (req, res) => {
  void whole(req, (body) => {
    const seen: Seen = {
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
