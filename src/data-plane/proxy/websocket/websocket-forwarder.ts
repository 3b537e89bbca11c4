// One WebSocket through http-proxy: the upgrade, the bytes both ways, and how it ended.
// Invariant: the lease is held for the life of the WebSocket, and both sides are closed if either of them leaves.
//
//   Attempt.start ─► send ─► 101 ─► frames ─► close (status: the close code, 1006 without a close frame)
//                      └► another response: passed on as it is (status: its HTTP status)
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Expiring } from '../../../core/deadlines.ts';
import type { Failure } from '../../../core/errors.ts';
import { ATTEMPTS_HEADER } from '../../../core/header-names.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import { hasNoBody } from '../../../protocol/http/body-framing.ts';
import { closeFrame, FrameCounter } from '../../../protocol/websocket/frame-counter.ts';
import type { ResponseHead } from '../../../protocol/http/response-head-parser.ts';
import { headersToClient, type ForwardedRequest } from '../../../protocol/http/forwarded-headers.ts';
import { publicDetail, refusalBytes } from '../../../protocol/http/error-response.ts';
import { speaksHttp2, type Lease } from '../../replicas/pool.ts';
import { Attempt, type AttemptListener } from '../attempt.ts';
import type { ActiveRequest } from '../forwarder.ts';
import type { HttpContext } from '../http/http-forwarder.ts';
import type { ReplicaRequest } from '../http/http-proxy-adapter.ts';
import { readResponse } from '../http/replica-socket.ts';
import { interimText } from '../response-head.ts';
import { serverTiming } from '../server-timing.ts';

/** Close code of a connection that ended without a close frame (RFC 6455 7.4.1). */
const ABNORMAL = 1006;
/** The other codes that weir itself closes with. */
const GOING_AWAY = 1001;
const TOO_BIG = 1009;
/** How long the two sides may take to close after a close frame. */
const CLOSING_MS = 2000;

/** Bytes that a client may send before it gets the 101. */
const MAX_EARLY_BYTES = 16 * 1024;
const NOTHING = Buffer.alloc(0);

export class WebSocketForwarder implements Expiring, ActiveRequest, AttemptListener {
  watchSlot = -1;
  /** The request has no body. */
  readonly canResend = true;
  readonly #context: HttpContext;
  readonly #exchange: Exchange;
  readonly #req: IncomingMessage;
  readonly #socket: Duplex;
  readonly #request: ReplicaRequest;
  readonly #fromClient = new FrameCounter();
  readonly #fromReplica = new FrameCounter();
  readonly #attempt: Attempt;
  /** Bytes of the client that came with its request. */
  #head: Buffer = NOTHING;
  #toReplica: ClientRequest | undefined;
  #replicaSocket: Duplex | undefined;
  /** Bytes have moved since the last sweep, and performance.now() of the last sweep after which they had. */
  #hasMoved = false;
  #movedMs = 0;
  /** When the exchange closes, both sides may still get what is on its way to them. */
  #isGentle = false;

  /** `path`: what the replica sees. */
  constructor(
    context: HttpContext,
    exchange: Exchange,
    req: IncomingMessage,
    socket: Duplex,
    path: string,
    hop: ForwardedRequest,
  ) {
    this.#context = context;
    this.#attempt = new Attempt(context, this);
    this.#exchange = exchange;
    this.#req = req;
    this.#socket = socket;
    this.#request = { path, hop, isChunked: false, removed: context.removed };
  }

  /** `head`: bytes of the client that came with its request. */
  start(head: Buffer): void {
    this.#head = head;
    this.#context.deadlines.watch(this);
    // A socket that is not read does not tell that its client has left.
    this.#socket.on('readable', this.#peek);
    this.#socket.on('end', () => this.#clientLeft());
    this.#socket.on('close', () => this.#clientLeft());
    this.#attempt.start(this.#exchange, this.#request.path);
  }

  // ── The upgrade ──────────────────────────────────────────────────────────────────────────────────────────────────

  send({ replica }: Lease): void {
    const { attempts } = this.#exchange;
    // Put back into the socket, so only once.
    const head = this.#head;
    this.#head = NOTHING;
    const { adapter, agents } = this.#context;
    // A WebSocket over HTTP/1.1 has a connection of its own.
    const agent = speaksHttp2(replica.url) ? agents.of(replica) : undefined;
    adapter.upgrade(this.#req, this.#socket, head, replica, agent, this.#request, {
      created: (to) => this.#onCreated(to),
      upgraded: (response, replicaSocket, early) => this.#onUpgrade(response, replicaSocket, early),
      refused: (response) => this.#onRefusal(response),
      failed: (error) => this.#onReplicaError(error, attempts),
    });
  }

  queued(): void {
    // Nothing is read ahead; #peek notices if the client leaves.
  }

  retrying(): void {
    this.#toReplica = undefined;
  }

  #onCreated(to: ClientRequest): void {
    this.#toReplica = to;
    readResponse(to, {
      mayUpgrade: true,
      interim: (head) => this.#onInterim(head),
      // The request has no body, so there is nothing to stop.
      writeFailed: () => undefined,
    });
  }

  readonly #peek = (): void => {
    // Reads no byte, but lets the stream notice its end.
    this.#socket.read(0);
    // With more than this buffered it would not be read at all.
    if (this.#socket.readableLength >= MAX_EARLY_BYTES)
      this.fail('bad_request', 'too many bytes before the response to the upgrade');
  };

  /** Interim responses pass to the client, except 100, which answers an Expect that weir never forwards. */
  #onInterim(head: ResponseHead): void {
    if (head.status !== 100 && this.#exchange.isOpen && this.#req.httpVersionMinor > 0)
      this.#socket.write(interimText(head), 'latin1');
  }

  /** `attempts`: those of the exchange when this one began. */
  #onReplicaError(error: NodeJS.ErrnoException, attempts: number): void {
    // Errors of an attempt that is over are of no interest.
    if (attempts !== this.#exchange.attempts || this.#attempt.lease === undefined) return;
    if (this.#replicaSocket !== undefined || this.#exchange.headMs !== 0 || !this.#exchange.isOpen) return;
    this.#attempt.connectionFailed(error, false);
  }

  /** The replica's response is not 101: passed on, framed by the end of the connection. */
  #onRefusal(response: IncomingMessage): void {
    const status = response.statusCode!;
    if (status < 200) return this.abort('bad_response');
    this.#exchange.responded(status);
    if (hasNoBody('GET', status, response.headers['content-length'])) this.#exchange.bodyBegan();
    this.#socket.off('readable', this.#peek);
    this.#writeHead(response, 'Connection: close\r\n');
    response.on('data', (chunk: Buffer) => {
      this.#exchange.bodyBegan();
      this.#exchange.responseBytes += chunk.length;
    });
    response.on('close', () => {
      if (response.complete) {
        this.#exchange.bodyBegan();
        this.#finish(status, 'the replica did not upgrade');
      } else {
        this.#attempt.fail('reset_midway');
        this.#socket.destroy();
      }
    });
    response.pipe(this.#socket);
    // Further bytes of the client are dropped; only its leaving matters.
    this.#socket.resume();
  }

  /**
   * Writes the head of the replica's response with its bytes unchanged, and with weir's headers and framing for this
   * connection.
   */
  #writeHead(response: IncomingMessage, ofHop: string): void {
    let head = `HTTP/1.1 ${response.statusCode} ${response.statusMessage ?? ''}\r\n`;
    const headers = headersToClient(
      response.rawHeaders,
      response.headers.connection,
      this.#exchange.id,
      false,
    );
    headers.push(ATTEMPTS_HEADER, String(this.#exchange.attempts));
    for (let i = 0; i < headers.length; i += 2) {
      // RFC 9110 8.6 and RFC 9112 6.1: no framing in an interim response, such as 101.
      if (response.statusCode === 101 && headers[i]!.toLowerCase() === 'content-length') continue;
      head += `${headers[i]}: ${headers[i + 1]}\r\n`;
    }
    this.#socket.write(`${head}${ofHop}\r\n`, 'latin1');
  }

  // ── The open WebSocket ───────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The replica switches: its 101 passes to the client, then bytes pass both ways. `early`: bytes that came with the
   * 101.
   */
  #onUpgrade(response: IncomingMessage, replicaSocket: Socket, early: Buffer): void {
    replicaSocket.on('error', () => replicaSocket.destroy());
    if (!this.#exchange.isOpen) {
      replicaSocket.destroy();
      return;
    }
    this.#replicaSocket = replicaSocket;
    this.#exchange.responded(101);
    this.#movedMs = this.#exchange.firstByteMs = this.#exchange.headMs;
    this.#attempt.lease!.reportProgress();
    this.#socket.off('readable', this.#peek);
    replicaSocket.setTimeout(0);
    replicaSocket.setNoDelay(true);
    replicaSocket.setKeepAlive(true, 0);
    if (early.length > 0) replicaSocket.unshift(early);
    const { upgrade = 'websocket' } = response.headers;
    this.#writeHead(response, `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`);
    // Pipes first, so that a frame passes before it is counted, since the last frame ends both. Nothing flows in this
    // turn.
    replicaSocket.pipe(this.#socket).pipe(replicaSocket);
    this.#socket.on('data', (chunk: Buffer) => {
      this.#count(this.#fromClient, chunk);
      this.#exchange.requestBytes = this.#fromClient.payloadBytes;
    });
    replicaSocket.on('data', (chunk: Buffer) => {
      this.#count(this.#fromReplica, chunk);
      this.#exchange.responseBytes = this.#fromReplica.payloadBytes;
    });
    replicaSocket.on('close', () => this.#ended('reset_midway'));
    this.#exchange.upgrade();
  }

  #count(frames: FrameCounter, chunk: Buffer): void {
    this.#hasMoved = true;
    frames.count(chunk);
    const { websocket_max_message } = this.#context.options;
    if (!this.#exchange.isOpen) return;
    if (frames.messageBytes > websocket_max_message)
      this.#close(
        'too_large',
        TOO_BIG,
        `a message of more than ${websocket_max_message} bytes (proxy.websocket_max_message)`,
      );
    else if (this.#fromClient.hasClosed && this.#fromReplica.hasClosed) {
      // Neither side may send any more (RFC 6455 5.5.1), so weir closes both connections.
      this.#unpipe();
      this.#ended('reset_midway');
    }
  }

  /** Ends a WebSocket from here: sends a close frame to each side whose stream is between two frames. */
  #close(failure: Failure, code: number, detail: string): void {
    this.#unpipe();
    if (this.#fromReplica.isBetweenFrames) this.#socket.write(closeFrame(code, false));
    if (this.#fromClient.isBetweenFrames) this.#replicaSocket!.write(closeFrame(code, true));
    this.#isGentle = true;
    this.#attempt.fail(failure, detail, code);
  }

  /** Passes nothing on any more; what both sides still send, such as their own close frame, is read and dropped. */
  #unpipe(): void {
    const replicaSocket = this.#replicaSocket!;
    replicaSocket.unpipe(this.#socket);
    this.#socket.unpipe(replicaSocket);
    this.#socket.resume();
    replicaSocket.resume();
  }

  /** Bytes no longer flow. After a close frame of either side it ended well, else with `failure`. */
  #ended(failure: Failure): void {
    const code = this.#fromClient.closeCode || this.#fromReplica.closeCode;
    if (code !== 0) this.#finish(code, '');
    else this.#attempt.fail(failure, '', ABNORMAL);
  }

  // ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Until it is open it has time limits; then only websocket_idle_timeout applies. */
  expire(nowMs: number): void {
    const { first_byte_timeout, total_timeout } = this.#context.options;
    const { headMs, leasedMs, startMs } = this.#exchange;
    if (this.#replicaSocket !== undefined) return this.#sweepOpen(nowMs);
    if (this.#attempt.retryIfDue(nowMs)) return;
    if (nowMs - startMs > total_timeout) this.abort(headMs === 0 ? 'upgrade_timeout' : 'total_timeout');
    else if (headMs === 0 && this.#attempt.lease !== undefined && nowMs - leasedMs > first_byte_timeout)
      this.abort('upgrade_timeout');
  }

  #sweepOpen(nowMs: number): void {
    const { websocket_idle_timeout } = this.#context.options;
    if (this.#hasMoved) this.#movedMs = nowMs;
    this.#hasMoved = false;
    if (websocket_idle_timeout > 0 && nowMs - this.#movedMs > websocket_idle_timeout)
      this.#close(
        'idle_timeout',
        GOING_AWAY,
        `no bytes for ${websocket_idle_timeout} ms (proxy.websocket_idle_timeout)`,
      );
  }

  /** Ends it from outside: the time for draining is over. */
  abort(failure: Failure): void {
    if (this.#exchange.headMs === 0) this.fail(failure, '');
    else if (this.#replicaSocket !== undefined) this.#close(failure, GOING_AWAY, '');
    else {
      this.#attempt.fail(failure);
      this.#socket.destroy();
    }
  }

  /** Sends an error response, and ends. */
  fail(failure: Failure, detail: string): void {
    if (!this.#exchange.isOpen) return;
    this.#attempt.leaveQueue();
    // Contract 1.3: 408 if no replica was free in time.
    const told = failure === 'queue_timeout' ? 'upgrade_timeout' : failure;
    const reply = { detail: publicDetail(told, detail), timing: serverTiming(this.#exchange) };
    this.#socket.end(refusalBytes(told, this.#exchange, reply));
    this.#attempt.fail(told, detail);
    (this.#socket as Socket).destroySoon();
  }

  #clientLeft(): void {
    if (this.#replicaSocket === undefined && this.#exchange.headMs === 0) {
      this.#attempt.fail('client_gone');
      this.#socket.destroy();
    } else this.#ended('client_gone');
  }

  #finish(status: number, detail: string): void {
    this.#attempt.lease?.reportCompleted();
    this.#isGentle = true;
    this.#attempt.finish(status, detail);
  }

  closed(): void {
    this.#context.deadlines.unwatch(this);
    if (this.#isGentle) this.#endSoon();
    else {
      this.#toReplica?.destroy();
      this.#replicaSocket?.destroy();
    }
  }

  /** Lets what is on its way arrive, such as close frames, and then makes sure that both sides are closed. */
  #endSoon(): void {
    const sockets = [this.#socket, this.#replicaSocket];
    for (const socket of sockets) socket?.end();
    setTimeout(() => {
      for (const socket of sockets) socket?.destroy();
    }, CLOSING_MS).unref();
  }
}
