// One WebSocket through http-proxy: the upgrade, the bytes both ways, and what it ended with.
// Must stay true: the lease is held for the socket's life, and whichever side leaves, in whatever phase, ends both.
//
//   reserve ─► upgrade asked ─► 101 ─► frames ─► closed (status: the close code, 1006 where none was seen)
//      │             └► another answer: passed on as it is (status: its HTTP code)
//      └─ refused
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Watched } from '../base/deadlines.ts';
import { catalogue, describe, type Failure } from '../base/errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { FrameFollower } from '../http/frames.ts';
import { toClient, type Hop } from '../http/headers.ts';
import { refusalBytes } from '../http/reply.ts';
import type { Lease } from '../pool/pool.ts';
import { address } from './address.ts';
import { failureOf } from './failure.ts';
import type { Lane, Running } from './full.ts';

/** Close code of a connection that ended without a close frame (RFC 6455 7.4.1). */
const ABNORMAL = 1006;
/** How long the two sides may take to close once a close frame has passed. */
const CLOSING_MS = 2000;

export class Tunnel implements Watched, Running {
  watchSlot = -1;
  readonly #lane: Lane;
  readonly #exchange: Exchange;
  readonly #req: IncomingMessage;
  readonly #socket: Duplex;
  readonly #path: string;
  readonly #hop: Hop;
  readonly #fromClient = new FrameFollower();
  readonly #fromReplica = new FrameFollower();
  #lease: Lease | undefined;
  #toReplica: ClientRequest | undefined;
  #replicaSocket: Duplex | undefined;

  constructor(lane: Lane, exchange: Exchange, req: IncomingMessage, socket: Duplex, path: string, hop: Hop) {
    this.#lane = lane;
    this.#exchange = exchange;
    this.#req = req;
    this.#socket = socket;
    this.#path = path;
    this.#hop = hop;
  }

  start(head: Buffer): void {
    const lease = this.#lane.pool.reserve(this.#exchange);
    if (typeof lease === 'string') {
      this.#socket.end(refusalBytes(lease, this.#exchange.id));
      this.#exchange.close(lease, catalogue[lease].http);
      return;
    }
    this.#lease = lease;
    this.#lane.open.add(this);
    this.#lane.deadlines.watch(this);
    this.#exchange.attempts++;
    const { url } = lease.replica;
    // The door has no use for them: http-proxy would send our request's head too early, or read the target as a URL.
    delete this.#req.headers.expect;
    this.#req.url = '/';
    // A socket that nobody reads does not say that its client has left: look until the pipes do.
    this.#socket.on('readable', this.#peek);
    this.#socket.on('end', () => this.#clientLeft());
    this.#socket.on('close', () => this.#clientLeft());
    this.#lane.server.ws(
      this.#req,
      this.#socket,
      head,
      { target: { protocol: url.protocol, host: url.host, hostname: url.host, port: url.port } },
      (error) => this.#onError(error),
    );
    // http-proxy would pass a refusal on without regard to whether the client reads it.
    this.#toReplica?.removeAllListeners('response').on('response', (answer) => this.#onRefusal(answer));
  }

  /** The request for the upgrade exists and is not sent yet. Called through http-proxy's 'proxyReqWs'. */
  began(to: ClientRequest): void {
    this.#toReplica = to;
    address(to, this.#path, this.#req, this.#hop, false);
    to.setHeader('Connection', 'Upgrade');
    to.setHeader('Upgrade', 'websocket');
    to.on('upgrade', (answer, replicaSocket: Duplex) => this.#onUpgrade(answer, replicaSocket));
  }

  /** Ends it from outside: the drain's time is over. */
  abort(failure: Failure): void {
    const hasAnswer = this.#exchange.firstByteMs !== 0;
    if (!hasAnswer) this.#socket.end(refusalBytes(failure, this.#exchange.id));
    this.#settle(failure, this.#replicaSocket === undefined ? catalogue[failure].http : ABNORMAL, '');
    if (hasAnswer) this.#socket.destroy();
    else (this.#socket as Socket).destroySoon();
  }

  /** Until it is open it has deadlines; then it may be silent for as long as both sides like. */
  sweep(nowMs: number): void {
    const { first_byte_timeout, total_timeout } = this.#lane.options;
    if (this.#exchange.firstByteMs !== 0) {
      if (nowMs - this.#exchange.startMs > total_timeout) this.abort('total_timeout');
    } else if (nowMs - this.#exchange.leasedMs > first_byte_timeout) this.abort('upgrade_timeout');
  }

  readonly #peek = (): void => {
    // Asks for no byte, but lets the stream notice its end.
    this.#socket.read(0);
  };

  #onUpgrade(answer: IncomingMessage, replicaSocket: Duplex): void {
    this.#replicaSocket = replicaSocket;
    this.#lane.deadlines.unwatch(this);
    this.#exchange.firstByteMs = performance.now();
    answer.headers['x-baseten-request-id'] = this.#exchange.id;
    this.#socket.off('readable', this.#peek);
    // Once http-proxy has put back what came with the head and begun to pipe: before that, bytes would be followed
    // and lost. A listener of our own makes nothing flow that the pipes do not let flow.
    process.nextTick(() => {
      this.#socket.on('data', (chunk: Buffer) => {
        this.#fromClient.follow(chunk);
        this.#exchange.requestBytes = this.#fromClient.payloadBytes;
      });
      replicaSocket.on('data', (chunk: Buffer) => {
        this.#fromReplica.follow(chunk);
        this.#exchange.responseBytes = this.#fromReplica.payloadBytes;
      });
    });
    replicaSocket.on('close', () => this.#ended('reset_midway'));
    this.#exchange.upgrade();
  }

  /** The replica does not want to switch: its answer is passed on, framed by the connection's end. */
  #onRefusal(answer: IncomingMessage): void {
    const status = answer.statusCode!;
    if (status < 200) return this.abort('bad_response');
    this.#exchange.firstByteMs = performance.now();
    this.#socket.off('readable', this.#peek);
    let head = `HTTP/1.1 ${status} ${answer.statusMessage ?? ''}\r\n`;
    const headers = toClient(answer.rawHeaders, answer.headers.connection, this.#exchange.id, false);
    for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
    this.#socket.write(`${head}Connection: close\r\n\r\n`, 'latin1');
    answer.on('data', (chunk: Buffer) => (this.#exchange.responseBytes += chunk.length));
    answer.on('close', () => {
      if (answer.complete) this.#settle('ok', status, 'the replica did not upgrade');
      else {
        this.#settle('reset_midway', catalogue.reset_midway.http, '');
        this.#socket.destroy();
      }
    });
    answer.pipe(this.#socket);
    // What the client may still say is of no interest, only its leaving is.
    this.#socket.resume();
  }

  #onError(error: NodeJS.ErrnoException): void {
    if (this.#replicaSocket !== undefined || this.#exchange.firstByteMs !== 0) return;
    const failure = failureOf(error);
    if (failure === 'connect_failed') this.#lease?.unreachable();
    if (this.#exchange.isOpen) this.#socket.write(refusalBytes(failure, this.#exchange.id));
    this.#settle(failure, catalogue[failure].http, describe(error));
  }

  #clientLeft(): void {
    if (this.#replicaSocket === undefined && this.#exchange.firstByteMs === 0) {
      this.#settle('client_gone', catalogue.client_gone.http, '');
      this.#socket.destroy();
    } else this.#ended('client_gone');
  }

  /** Bytes no longer flow. With a close frame seen on either side it ended well, else `cause` says who broke it. */
  #ended(cause: Failure): void {
    const code = this.#fromClient.closeCode || this.#fromReplica.closeCode;
    if (code !== 0) this.#settle('ok', code, '');
    else this.#settle(cause, ABNORMAL, '');
  }

  #settle(cause: 'ok' | Failure, status: number, detail: string): void {
    if (!this.#exchange.close(cause, status, detail)) return;
    this.#lane.open.delete(this);
    this.#lane.deadlines.unwatch(this);
    this.#lease?.release();
    if (cause === 'ok') this.#endSoon();
    else {
      this.#toReplica?.destroy();
      this.#replicaSocket?.destroy();
    }
  }

  /** Lets what is on its way arrive, the close frames above all, and then sees to it that both sides are closed. */
  #endSoon(): void {
    const sockets = [this.#socket, this.#replicaSocket];
    for (const socket of sockets) socket?.end();
    setTimeout(() => {
      for (const socket of sockets) socket?.destroy();
    }, CLOSING_MS).unref();
  }
}
