// HTTP/2 servers and clients for tests, built on Http2Connection over real sockets.
// Invariant: all that was started is closed by `closeEndpoints`.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Http2Connection, type ConnectionListener } from '../../../../src/protocol/http2/connection.ts';
import type { Http2Options } from '../../../../src/protocol/http2/connection-options.ts';
import type { Http2ConnectionError } from '../../../../src/protocol/http2/error-code.ts';
import { Http2HeldBytes } from '../../../../src/protocol/http2/http2-held-bytes.ts';
import { Http2Counters } from '../../../../src/protocol/http2/http2-counters.ts';
import { intern } from '../../../../src/protocol/http2/hpack/interned-fields.ts';
import type { HeaderBlock } from '../../../../src/protocol/http2/hpack/header-block.ts';
import type { Http2Stream } from '../../../../src/protocol/http2/stream.ts';
import type { StreamListener } from '../../../../src/protocol/http2/stream-listener.ts';

export function optionsFor(role: 'server' | 'client', changed: Partial<Http2Options> = {}): Http2Options {
  return {
    role,
    maxStreams: 128,
    maxHeaderListBytes: 32 * 1024,
    streamWindow: 1024 ** 2,
    maxStreamWindow: 4 * 1024 ** 2,
    connectionWindow: 16 * 1024 ** 2,
    heldBytes: new Http2HeldBytes(64 * 1024 ** 2),
    counters: new Http2Counters(),
    maxUnreadBytes: 4 * 1024 ** 2,
    resetBurst: 1000,
    resetsPerSecond: 33,
    controlBurst: 10_000,
    controlPerSecond: 330,
    allowsExtendedConnect: false,
    settingsTimeoutMs: 10_000,
    idleMs: 0,
    pingIntervalMs: 0,
    pingTimeoutMs: 0,
    maxAgeMs: 0,
    ...changed,
  };
}

/** What a connection told its listener. */
export class RecordedConnection implements ConnectionListener {
  readonly streams: RecordedStream[] = [];
  isReady = false;
  timesLeaving = 0;
  timesGone = 0;
  error: Http2ConnectionError | undefined;
  connection!: Http2Connection;
  readonly #serve: (stream: RecordedStream) => void;

  constructor(serve: (stream: RecordedStream) => void = () => undefined) {
    this.#serve = serve;
  }

  onStream(stream: Http2Stream, block: HeaderBlock, isEnd: boolean): void {
    const recorded = new RecordedStream(this.#serve);
    this.streams.push(recorded);
    stream.listener = recorded;
    recorded.onHeaders(stream, block, isEnd);
  }

  onReady(): void {
    this.isReady = true;
  }

  onLeaving(): void {
    this.timesLeaving++;
  }

  onGone(_connection: Http2Connection, error: Http2ConnectionError | undefined): void {
    this.timesGone++;
    this.error = error;
  }
}

/** What a stream told its listener. `changed` is called after each event. */
export class RecordedStream implements StreamListener {
  stream!: Http2Stream;
  readonly blocks: HeaderBlock[] = [];
  readonly chunks: Buffer[] = [];
  bytes = 0;
  isEnd = false;
  resetCode = -1;
  isLost = false;
  sent = 0;
  /** Chunks that the test has used. */
  taken = 0;
  /** Events after the last one that may come. */
  lateEvents = 0;
  /** Whether bytes are consumed as they come. */
  consumes = true;
  readonly #changed: (stream: RecordedStream) => void;

  constructor(changed: (stream: RecordedStream) => void = () => undefined) {
    this.#changed = changed;
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }

  onHeaders(stream: Http2Stream, block: HeaderBlock, isEnd: boolean): void {
    this.stream = stream;
    this.#record();
    this.blocks.push(block);
    this.isEnd ||= isEnd;
    this.#changed(this);
  }

  onData(stream: Http2Stream, bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    this.#record();
    this.chunks.push(Buffer.from(bytes.subarray(from, to)));
    this.bytes += to - from;
    this.isEnd ||= isEnd;
    if (this.consumes) stream.consumed(to - from);
    this.#changed(this);
  }

  onSent(_stream: Http2Stream, bytes: number): void {
    if (this.resetCode !== -1) this.lateEvents++;
    this.sent += bytes;
    this.#changed(this);
  }

  onReset(_stream: Http2Stream, code: number, isLost: boolean): void {
    if (this.resetCode !== -1) this.lateEvents++;
    this.resetCode = code;
    this.isLost = isLost;
    this.#changed(this);
  }

  #record(): void {
    if (this.isEnd || this.resetCode !== -1) this.lateEvents++;
  }
}

export interface Endpoint {
  readonly server: Server;
  readonly port: number;
  /** Connections in the order in which they came. */
  readonly connections: RecordedConnection[];
}

const servers = new Set<Server>();
const sockets = new Set<Socket>();

/** A server on a free port. `serve` is called after each event of each stream. */
export async function startServer(
  serve: (stream: RecordedStream) => void,
  changed: Partial<Http2Options> = {},
): Promise<Endpoint> {
  const options = optionsFor('server', changed);
  const connections: RecordedConnection[] = [];
  const server = createServer({ noDelay: true }, (socket) => {
    track(socket);
    const recorded = new RecordedConnection(serve);
    connections.push(recorded);
    recorded.connection = new Http2Connection(socket, options, recorded);
  });
  servers.add(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port, connections };
}

/** A server that answers with raw bytes: `connected` gets each socket. */
export async function startRawServer(connected: (socket: Socket) => void): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    connected(track(socket));
  });
  servers.add(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A client that is connecting to a port of this machine. */
export function connectClient(port: number, changed: Partial<Http2Options> = {}): RecordedConnection {
  const socket = track(connect(port, '127.0.0.1'));
  const recorded = new RecordedConnection();
  recorded.connection = new Http2Connection(socket, optionsFor('client', changed), recorded);
  return recorded;
}

/** Destroys a socket at the end of the test. */
export function track<S extends Socket>(socket: S): S {
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
  return socket;
}

/** Closes all that was started. */
export async function closeEndpoints(): Promise<void> {
  for (const socket of sockets) socket.destroy();
  const closed = Array.from(servers, async (server) => {
    server.close();
    await once(server, 'close');
  });
  servers.clear();
  await Promise.all(closed);
}

const OK = intern(':status', '200');

/** Answers each request with status 200, its own body, and a trailer with the number of bytes. */
export function echo(recorded: RecordedStream): void {
  const { stream } = recorded;
  if (recorded.resetCode !== -1 || !stream.isOpen) return;
  if (!stream.hasSentHead) stream.head().field(OK).add('x-path', recorded.blocks[0]!.path).send(false);
  for (; recorded.taken < recorded.chunks.length; recorded.taken++) {
    const chunk = recorded.chunks[recorded.taken]!;
    stream.write(chunk, 0, chunk.length, false);
  }
  if (recorded.isEnd && !stream.hasEnded) stream.head().add('x-bytes', String(recorded.bytes)).send(true);
}
