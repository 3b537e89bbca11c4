// One WebSocket through http-proxy: the upgrade, the bytes both ways, and what it ended with.
// Must stay true: the lease is held for the socket's life, and whichever side leaves, in whatever phase, ends both.
//
//   seek ─► (in line) ─► upgrade asked ─► 101 ─► frames ─► closed (status: the close code, 1006 where none was seen)
//     ▲ └─ refused         │ └► another answer: passed on as it is (status: its HTTP code)
//     └────────────────────┘ the replica could not be reached
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Watched } from '../../../core/deadlines.ts';
import { catalogue, type Failure } from '../../../core/errors.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { endsWithHead } from '../../../protocol/http/body-framing.ts';
import { closeFrame, FrameCounter } from '../../../protocol/websocket/frame-counter.ts';
import type { ResponseHead } from '../../../protocol/http/head-parser.ts';
import { headersToClient, type Hop } from '../../../protocol/http/forwarded-headers.ts';
import { refusalBytes } from '../../../protocol/http/reply.ts';
import type { Lease } from '../../replicas/pool.ts';
import { address } from '../http/address.ts';
import { interimText } from '../response-head.ts';
import { failureOf, connectionProblem } from '../connection-error.ts';
import type { HttpContext, ActiveRequest } from '../http/http-forwarder.ts';
import { readAnswer } from '../http/replica-socket.ts';
import { GIVE_UP } from '../retry.ts';
import { ReplicaAcquirer, type AcquireListener } from '../replica-acquirer.ts';
import { ATTEMPTS_HEADER, serverTiming } from '../server-timing.ts';

/** Close code of a connection that ended without a close frame (RFC 6455 7.4.1). */
const ABNORMAL = 1006;
/** The others that weir itself closes with. */
const GOING_AWAY = 1001;
const TOO_BIG = 1009;
/** How long the two sides may take to close once a close frame has passed. */
const CLOSING_MS = 2000;

/** Bytes that a client may send before it is told that the protocol is switched. */
const MAX_EARLY_BYTES = 16 * 1024;
const NOTHING = Buffer.alloc(0);

export class WebSocketForwarder implements Watched, ActiveRequest, AcquireListener {
  watchSlot = -1;
  readonly #lane: HttpContext;
  readonly #exchange: Exchange;
  readonly #req: IncomingMessage;
  readonly #socket: Duplex;
  readonly #path: string;
  readonly #hop: Hop;
  readonly #fromClient = new FrameCounter();
  readonly #fromReplica = new FrameCounter();
  readonly #seeker: ReplicaAcquirer;
  #head: Buffer = NOTHING;
  #toReplica: ClientRequest | undefined;
  #replicaSocket: Duplex | undefined;
  /** Bytes have moved since the last sweep, and when that was seen last. */
  #moved = false;
  #movedMs = 0;

  constructor(
    lane: HttpContext,
    exchange: Exchange,
    req: IncomingMessage,
    socket: Duplex,
    path: string,
    hop: Hop,
  ) {
    this.#lane = lane;
    this.#seeker = new ReplicaAcquirer(lane, this);
    this.#exchange = exchange;
    this.#req = req;
    this.#socket = socket;
    this.#path = path;
    this.#hop = hop;
  }

  start(head: Buffer): void {
    this.#head = head;
    this.#lane.open.add(this);
    this.#lane.deadlines.watch(this);
    // The door has no use for them: http-proxy would send our request's head too early, or read the target as a URL.
    delete this.#req.headers.expect;
    this.#req.url = '/';
    // A socket that nobody reads does not say that its client has left: look until the pipes do.
    this.#socket.on('readable', this.#peek);
    this.#socket.on('end', () => this.#clientLeft());
    this.#socket.on('close', () => this.#clientLeft());
    this.#seeker.begin(this.#exchange);
  }

  found(lease: Lease): void {
    const attempt = this.#seeker.sent();
    const { url, tls } = lease.replica;
    // http-proxy puts it back in front of what the socket still gives: once.
    const head = this.#head;
    this.#head = NOTHING;
    this.#lane.server.ws(
      this.#req,
      this.#socket,
      head,
      {
        target: { protocol: url.protocol, host: url.host, hostname: url.host, port: url.port },
        // A copy: http-proxy makes its request's options of it.
        ...(tls && { ssl: { ...tls } }),
      },
      (error) => this.#onError(error),
    );
    // http-proxy would pass a refusal on without regard to whether the client reads it, would close the client's socket
    // when the replica cannot be reached, and would write the head of a 101 in UTF-8.
    this.#toReplica
      ?.removeAllListeners('response')
      .removeAllListeners('error')
      .removeAllListeners('upgrade')
      .on('upgrade', (answer, replicaSocket: Socket, early: Buffer) =>
        this.#onUpgrade(answer, replicaSocket, early),
      )
      .on('response', (answer) => this.#onRefusal(answer))
      .on('error', (error) => {
        if (attempt === this.#exchange.attempts && this.#seeker.lease !== undefined) this.#onError(error);
      });
  }

  waits(): void {
    // Nothing is read ahead: what is looked at is whether it leaves.
  }

  refused(failure: Failure): void {
    // Contract 1.3: an upgrade that no replica took in time is 408.
    this.#refuse(failure === 'queue_timeout' ? 'upgrade_timeout' : failure);
  }

  /** The request for the upgrade exists and is not sent yet. Called through http-proxy's 'proxyReqWs'. */
  began(to: ClientRequest): void {
    this.#toReplica = to;
    address(to, this.#path, this.#req, this.#hop, false);
    to.setHeader('Connection', 'Upgrade');
    to.setHeader('Upgrade', 'websocket');
    readAnswer(to, {
      mayUpgrade: true,
      interim: (head) => this.#onInterim(head),
      // The request has no body, so there is nothing to stop.
      writeFailed: () => undefined,
    });
  }

  /** Ends it from outside: the drain's time is over. */
  abort(failure: Failure): void {
    if (this.#exchange.headMs === 0) return this.#refuse(failure);
    if (this.#replicaSocket !== undefined) return this.#close(failure, GOING_AWAY, '');
    this.#settle(failure, this.#replicaSocket === undefined ? catalogue[failure].http : ABNORMAL, '');
    this.#socket.destroy();
  }

  /** Until it is open it has deadlines; then it may be silent for as long as both sides like. */
  sweep(nowMs: number): void {
    const { first_byte_timeout, total_timeout } = this.#lane.options;
    const { headMs, leasedMs, startMs } = this.#exchange;
    if (this.#replicaSocket !== undefined) return this.#sweepOpen(nowMs);
    if (this.#seeker.sweep(nowMs)) return;
    if (nowMs - startMs > total_timeout) this.abort(headMs === 0 ? 'upgrade_timeout' : 'total_timeout');
    else if (headMs === 0 && this.#seeker.lease !== undefined && nowMs - leasedMs > first_byte_timeout)
      this.abort('upgrade_timeout');
  }

  #sweepOpen(nowMs: number): void {
    const { websocket_idle_timeout } = this.#lane.options;
    if (this.#moved) this.#movedMs = nowMs;
    this.#moved = false;
    if (nowMs - this.#movedMs > websocket_idle_timeout)
      this.#close('idle_timeout', GOING_AWAY, `nothing moved for ${websocket_idle_timeout} ms`);
  }

  readonly #peek = (): void => {
    // Asks for no byte, but lets the stream notice its end.
    this.#socket.read(0);
    // And beyond this it would not be read at all.
    if (this.#socket.readableLength >= MAX_EARLY_BYTES)
      this.#refuse('bad_request', 'bytes before the handshake');
  };

  /** Interim answers pass to the client, except 100, which answers an Expect that weir never forwards. */
  #onInterim(head: ResponseHead): void {
    if (head.status !== 100 && this.#exchange.isOpen && this.#req.httpVersionMinor > 0)
      this.#socket.write(interimText(head), 'latin1');
  }

  /** The replica switches: its 101 passes to the client, then bytes pass both ways. `early`: bytes that came with the 101. */
  #onUpgrade(answer: IncomingMessage, replicaSocket: Socket, early: Buffer): void {
    replicaSocket.on('error', () => replicaSocket.destroy());
    if (!this.#exchange.isOpen) {
      replicaSocket.destroy();
      return;
    }
    this.#replicaSocket = replicaSocket;
    if (this.#lane.options.websocket_idle_timeout === 0) this.#lane.deadlines.unwatch(this);
    this.#movedMs = this.#exchange.headMs = this.#exchange.firstByteMs = performance.now();
    this.#seeker.lease!.heard();
    this.#socket.off('readable', this.#peek);
    replicaSocket.setTimeout(0);
    replicaSocket.setNoDelay(true);
    replicaSocket.setKeepAlive(true, 0);
    if (early.length > 0) replicaSocket.unshift(early);
    const { upgrade = 'websocket' } = answer.headers;
    this.#writeHead(answer, `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`);
    // Pipes first, so that a frame passes before it is followed, since the last frame ends both. Nothing flows in this turn.
    replicaSocket.pipe(this.#socket).pipe(replicaSocket);
    this.#socket.on('data', (chunk: Buffer) => {
      this.#follow(this.#fromClient, chunk);
      this.#exchange.requestBytes = this.#fromClient.payloadBytes;
    });
    replicaSocket.on('data', (chunk: Buffer) => {
      this.#follow(this.#fromReplica, chunk);
      this.#exchange.responseBytes = this.#fromReplica.payloadBytes;
    });
    replicaSocket.on('close', () => this.#ended('reset_midway'));
    this.#exchange.upgrade();
  }

  #follow(stream: FrameCounter, chunk: Buffer): void {
    this.#moved = true;
    stream.follow(chunk);
    const { websocket_max_message } = this.#lane.options;
    if (!this.#exchange.isOpen) return;
    if (stream.messageBytes > websocket_max_message)
      this.#close('too_large', TOO_BIG, `a message of more than ${websocket_max_message} bytes`);
    else if (this.#fromClient.hasClosed && this.#fromReplica.hasClosed) {
      // Neither may say any more (RFC 6455 5.5.1), so neither is waited for to close its connection.
      this.#part();
      this.#ended('reset_midway');
    }
  }

  /** Ends a WebSocket from here: both sides are told, where a frame can be put into their stream. */
  #close(failure: Failure, code: number, detail: string): void {
    this.#part();
    if (this.#fromReplica.isBetweenFrames) this.#socket.write(closeFrame(code, false));
    if (this.#fromClient.isBetweenFrames) this.#replicaSocket!.write(closeFrame(code, true));
    this.#settle(failure, code, detail, true);
  }

  /** Passes nothing on any more; what they still say is read away: their own close, for one. */
  #part(): void {
    const replicaSocket = this.#replicaSocket!;
    replicaSocket.unpipe(this.#socket);
    this.#socket.unpipe(replicaSocket);
    this.#socket.resume();
    replicaSocket.resume();
  }

  /** The replica does not want to switch: its answer is passed on, framed by the connection's end. */
  #onRefusal(answer: IncomingMessage): void {
    const status = answer.statusCode!;
    if (status < 200) return this.abort('bad_response');
    this.#exchange.headMs = performance.now();
    if (endsWithHead('GET', status, answer.headers['content-length'])) this.#exchange.bodyBegan();
    this.#socket.off('readable', this.#peek);
    this.#writeHead(answer, 'Connection: close\r\n');
    answer.on('data', (chunk: Buffer) => {
      this.#exchange.bodyBegan();
      this.#exchange.responseBytes += chunk.length;
    });
    answer.on('close', () => {
      if (answer.complete) this.#exchange.bodyBegan();
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

  /** Writes the head of the replica's answer with its bytes unchanged, and with weir's headers and framing for this connection. */
  #writeHead(answer: IncomingMessage, ofHop: string): void {
    let head = `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage ?? ''}\r\n`;
    const headers = headersToClient(answer.rawHeaders, answer.headers.connection, this.#exchange.id, false);
    headers.push(ATTEMPTS_HEADER, String(this.#exchange.attempts));
    for (let i = 0; i < headers.length; i += 2) {
      // RFC 9110 8.6 and RFC 9112 6.1: no framing in an interim answer, such as 101.
      if (answer.statusCode === 101 && headers[i]!.toLowerCase() === 'content-length') continue;
      head += `${headers[i]}: ${headers[i + 1]}\r\n`;
    }
    this.#socket.write(`${head}${ofHop}\r\n`, 'latin1');
  }

  #onError(error: NodeJS.ErrnoException): void {
    if (this.#replicaSocket !== undefined || this.#exchange.headMs !== 0 || !this.#exchange.isOpen) return;
    const failure = failureOf(error);
    if (failure === 'connect_failed' && this.#isTriedAgain(error)) return;
    if (failure === 'reset_midway') this.#seeker.lease?.broke();
    this.#refuse(failure, connectionProblem(error));
  }

  /** Lets go of a replica that could not be reached, and asks for another one; false: it has been tried enough. */
  #isTriedAgain(error: NodeJS.ErrnoException): boolean {
    const pauseMs = this.#seeker.pauseAfterUnreachable(error, true);
    if (pauseMs === GIVE_UP) return false;
    this.#toReplica = undefined;
    this.#seeker.again(pauseMs);
    return true;
  }

  /** Answers with an error, and ends. */
  #refuse(failure: Failure, detail = ''): void {
    if (!this.#exchange.isOpen) return;
    this.#seeker.leaveLine();
    this.#socket.end(refusalBytes(failure, this.#exchange, { timing: serverTiming(this.#exchange) }));
    this.#settle(failure, catalogue[failure].http, detail);
    (this.#socket as Socket).destroySoon();
  }

  #clientLeft(): void {
    if (this.#replicaSocket === undefined && this.#exchange.headMs === 0) {
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

  /** `isGentle`: what is on its way to either side may still arrive. */
  #settle(cause: 'ok' | Failure, status: number, detail: string, isGentle = cause === 'ok'): void {
    this.#seeker.leaveLine();
    if (!this.#exchange.close(cause, status, detail)) return;
    this.#lane.open.delete(this);
    this.#lane.deadlines.unwatch(this);
    if (cause === 'ok') this.#seeker.lease?.completed();
    this.#seeker.end();
    if (isGentle) this.#endSoon();
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
