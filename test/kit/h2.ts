// Bare HTTP/2 for tests: replicas that misbehave, and clients that send single frames.
// Invariant: every server and socket is closed by `closeH2`.
import { once } from 'node:events';
import {
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
  type Settings,
} from 'node:http2';
import {
  connect,
  createServer as createTcpServer,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net';
import { until } from './until.ts';

export interface H2Replica {
  readonly server: Http2Server;
  readonly url: string;
  readonly sessions: Set<ServerHttp2Session>;
  /** Streams begun, without health checks. */
  streams: number;
  /** Codes with which streams ended. */
  readonly codes: number[];
}

const servers = new Set<H2Replica>();
const rawServers = new Set<Server>();
const sockets = new Set<Socket>();

/** An HTTP/2 server. `serve` is called for every stream but health checks, which get UNIMPLEMENTED. */
export async function startH2Replica(
  serve: (stream: ServerHttp2Stream, headers: Record<string, unknown>, raw: string[]) => void,
  settings: Settings = {},
  options: ServerOptions = {},
): Promise<H2Replica> {
  // Node's default would close a connection with ten megabytes of unsent data, which is not tested here.
  const server = createServer({
    settings,
    maxSessionMemory: 1000,
    maxHeaderListPairs: 2000,
    strictSingleValueFields: false,
    ...options,
  });
  server.on('stream', (stream, headers, _flags, raw: string[]) => {
    stream.on('error', () => stream.destroy());
    if (headers[':path'] === '/grpc.health.v1.Health/Check') {
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' },
        { endStream: true },
      );
      return;
    }
    replica.streams++;
    stream.on('close', () => replica.codes.push(stream.rstCode));
    serve(stream, headers, raw);
  });
  server.on('session', (session) => {
    replica.sessions.add(session);
    session.on('error', () => session.destroy());
    session.on('close', () => replica.sessions.delete(session));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const replica: H2Replica = {
    server,
    url: `grpc://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sessions: new Set(),
    streams: 0,
    codes: [],
  };
  servers.add(replica);
  return replica;
}

/** Ends a call with only a status. */
export const respondStatus = (stream: ServerHttp2Stream, status: number): void =>
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': String(status) },
    { endStream: true },
  );

/** One frame (RFC 9113 4.1). */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const SETTINGS_TYPE = 4;
const HEADERS_TYPE = 1;

export interface FrameReplica {
  readonly url: string;
  /** Connections so far. */
  connections: number;
}

/**
 * A replica that sends single frames: `respond` returns the bytes to send after the HEADERS of each call, `settings`
 * the payload of SETTINGS for a new connection, and `onFrame` is called for every received frame.
 */
export async function startFrameReplica(
  respond: (stream: number, socket: Socket) => Buffer,
  settings: () => Buffer = () => Buffer.alloc(0),
  onFrame: (frame: Frame, socket: Socket) => void = () => undefined,
): Promise<FrameReplica> {
  const server = createTcpServer((socket) => {
    replica.connections++;
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.write(frame(SETTINGS_TYPE, 0, 0, settings()));
    const frames = new Frames();
    let preface = 24;
    socket.on('data', (chunk: Buffer) => {
      const skipped = Math.min(preface, chunk.length);
      preface -= skipped;
      for (const one of frames.read(chunk.subarray(skipped))) {
        const { type, flags, stream } = one;
        onFrame(one, socket);
        if (type === SETTINGS_TYPE && (flags & 1) === 0) socket.write(frame(SETTINGS_TYPE, 1, 0));
        if (type === HEADERS_TYPE) socket.write(respond(stream, socket));
      }
    });
  });
  rawServers.add(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const replica = { url: `grpc://127.0.0.1:${(server.address() as AddressInfo).port}`, connections: 0 };
  return replica;
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** Splits bytes into frames. */
export class Frames {
  #rest = Buffer.alloc(0);

  *read(chunk: Buffer): Iterable<Frame> {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 9) {
      const end = 9 + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < end) return;
      const one = this.#rest.subarray(0, end);
      this.#rest = this.#rest.subarray(end);
      yield { type: one[3]!, flags: one[4]!, stream: one.readUInt32BE(5), payload: one.subarray(9) };
    }
  }
}

const literal = (name: string, value: string): Buffer =>
  Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);

/** Headers as HPACK literals without indexing. Names and values must be shorter than 128 bytes. */
export const hpack = (...headers: (readonly [string, string])[]): Buffer =>
  Buffer.concat(headers.map(([name, value]) => literal(name, value)));

/** Headers of a gRPC call as an HPACK block. */
export const CALL_HEAD = hpack(
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/x.Y/Z'],
  [':authority', 'x'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
);

/** A client that has sent the preface and `settings`. `frames` collects the received frames. */
export class H2Socket {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  isClosed = false;
  readonly #splitter = new Frames();

  constructor(port: number, settings: Buffer = Buffer.alloc(0)) {
    this.socket = connect({ port, host: '127.0.0.1' });
    sockets.add(this.socket);
    this.socket.on('error', () => this.socket.destroy());
    this.socket.on('close', () => (this.isClosed = true));
    this.socket.on('data', (chunk: Buffer) => this.frames.push(...this.#splitter.read(chunk)));
    this.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    this.socket.write(frame(4, 0, 0, settings));
  }

  /** Error code of the received GOAWAY, or `undefined`. */
  get goaway(): number | undefined {
    return this.frames.find(({ type }) => type === 7)?.payload.readUInt32BE(4);
  }

  /** Window of a new stream: SETTINGS_INITIAL_WINDOW_SIZE of the other side. */
  get initialWindow(): number {
    const settings = this.frames.find(({ type, flags }) => type === SETTINGS_TYPE && flags === 0);
    const payload = settings?.payload ?? Buffer.alloc(0);
    for (let at = 0; at < payload.length; at += 6)
      if (payload.readUInt16BE(at) === 4) return payload.readUInt32BE(at + 2);
    return 65_535;
  }

  /** Sum of the WINDOW_UPDATE increments for a stream. */
  windowOf(stream: number): number {
    return this.frames.reduce(
      (sum, one) => sum + (one.type === 8 && one.stream === stream ? one.payload.readUInt32BE() : 0),
      0,
    );
  }

  /** Sends pieces as fast as the other side reads them, until all are sent or the connection ends. */
  async flood(pieces: Iterable<Buffer>): Promise<void> {
    const isSent = () => this.isClosed || this.socket.writableLength === 0;
    for (const piece of pieces) {
      if (this.isClosed) return;
      this.socket.write(piece);
      if (this.socket.writableLength > 256 * 1024) await until('the flood is sent', isSent);
    }
    await until('the flood is sent', isSent);
  }
}

export function closeH2(): void {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  for (const { server, sessions } of servers) {
    for (const session of sessions) session.destroy();
    server.close();
  }
  servers.clear();
  for (const server of rawServers) server.close();
  rawServers.clear();
}
