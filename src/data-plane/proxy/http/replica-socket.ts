// The full lane's sockets to replicas: reads each response before Node's parser does, by the rules of the fast lane.
// Invariant: Node's parser only gets bytes of the response to the request that it has sent, with a clean head and
// chunks that it accepts. Both lanes accept the same responses, since the same functions read heads and follow bodies.
// A connection on which more came than the response is not used again. A socket can be read after a write has failed.
//
//   IDLE ─► HEAD ─► BODY ─► ENDED ─► IDLE …       BODY, ENDED ─► OUT_OF_STEP: more came, and the connection is closed
//             └ 101 ─► SWITCHED
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { BodyScanner, BROKEN } from '../../../protocol/http/body-framing.ts';
import { INCOMPLETE, READY } from '../../../protocol/http/head-result.ts';
import { readResponseHead, ResponseHead } from '../../../protocol/http/response-head-parser.ts';
import { Http2ReplicaSocket } from '../../../protocol/http2/http1/http2-replica-socket.ts';
import { WriteGuard } from '../../../protocol/http/write-guard.ts';
import { cleanHead, MAX_RESPONSE_HEAD_BYTES } from '../response-head.ts';

/** Events of a response that Node does not report to the sender of the request. */
export interface ResponseHeadEvents {
  /** True if 101 may be the final response. */
  readonly mayUpgrade: boolean;
  /** An interim response came (1xx, but not 101). `head` is only valid during the call. */
  interim(head: ResponseHead, replica: ReplicaSocket): void;
  /** Nothing more of the request can be sent, but the response may still come. */
  writeFailed(): void;
}

/** No request waits for a response. */
const IDLE = 0;
const HEAD = 1;
const BODY = 2;
/** The response is whole; Node may not have reported its end yet. */
const ENDED = 3;
/** More came than the response: the excess is dropped, and the connection is closed when Node has reported the end. */
const OUT_OF_STEP = 4;
/** The connection has another protocol: all bytes are passed on. */
const SWITCHED = 5;

const NOTHING = Buffer.alloc(0);

const sockets = new WeakMap<Socket, ReplicaSocket>();

/** Shared by all sockets, since each result is used before the next read. */
const head = new ResponseHead();

/**
 * Reads the response to `to` on the socket that it gets. Call it before it has one. A malformed response ends the
 * request with an error whose code begins with HPE_, like the errors of Node's parser.
 */
export function readResponse(to: ClientRequest, events: ResponseHeadEvents): void {
  // Node would silently drop all headers after the thousandth; the limit is in bytes instead.
  to.maxHeadersCount = 0;
  to.on('socket', (socket) => {
    let replica = sockets.get(socket);
    if (replica === undefined) sockets.set(socket, (replica = new ReplicaSocket(socket)));
    replica.begin(to, events);
  });
}

/** Calls `connected` when the request has its connection. `isNew`: it was made for this request. */
export function onConnected(to: ClientRequest, connected: (isNew: boolean) => void): void {
  to.on('socket', (socket) => {
    if (!socket.connecting) return connected(false);
    socket.once('connect', () => connected(!(socket instanceof Http2ReplicaSocket) || socket.hasWaited));
  });
}

/** True if the connection had served another request, so that the replica may have closed it before it got this one. */
export function mayBeStale({ socket, reusedSocket }: ClientRequest): boolean {
  return socket instanceof Http2ReplicaSocket ? socket.mayBeStale : reusedSocket;
}

/** A head without Content-Length and Transfer-Encoding: a 1xx response has no body (RFC 9112 6.1, RFC 9110 8.6). */
const withoutFraming = (text: string): string =>
  text.replace(/^(?:content-length|transfer-encoding):[^\r\n]*\r\n/gim, '');

/** One object serves a socket for all its requests, one after the other. */
export class ReplicaSocket {
  readonly #socket: Socket;
  readonly #guard: WriteGuard;
  readonly #push: Socket['push'];
  readonly #body = new BodyScanner();
  #state = IDLE;
  #events: ResponseHeadEvents | undefined;
  #isToHead = false;
  /** The beginning of a head that is not whole yet. */
  #partial: Buffer = NOTHING;
  #isPaused = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#guard = new WriteGuard(socket);
    // The method that passes on what a socket has read; overridden here, since a TLS socket cannot be of a subclass.
    this.#push = socket.push.bind(socket);
    socket.push = (chunk: Buffer | null): boolean => (chunk === null ? this.#end() : this.#receive(chunk));
  }

  /** A request got this socket, and nothing of it is sent yet. */
  begin(to: ClientRequest, events: ResponseHeadEvents): void {
    this.#state = HEAD;
    this.#isToHead = to.method === 'HEAD';
    this.#events = events;
    this.#isPaused = false;
    this.#guard.onFailed = () => events.writeFailed();
    // Node emits it before it gives the socket back to its agent.
    to.once('close', () => this.#closed());
  }

  /** Reads no more interim responses until `resume`. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    // Node continues to read when something was pushed, even if it is empty.
    this.#push(NOTHING);
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  #closed(): void {
    this.#partial = NOTHING;
    if (this.#state === SWITCHED) return;
    this.#events = undefined;
    if (this.#state === OUT_OF_STEP) this.#socket.destroy();
    this.#state = IDLE;
  }

  #receive(bytes: Buffer): boolean {
    switch (this.#state) {
      case HEAD:
        return this.#readHeads(bytes);
      case BODY:
        return this.#passBody(NOTHING, bytes, 0);
      case SWITCHED:
        return this.#push(bytes);
      case IDLE:
        // No request is waiting: the next one could take these bytes for its response.
        this.#socket.destroy();
        return false;
      default:
        this.#state = OUT_OF_STEP;
        return true;
    }
  }

  /** Reads the head of the response, after any interim ones (1xx), and passes it on. */
  #readHeads(chunk: Buffer): boolean {
    const bytes = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    this.#partial = NOTHING;
    let at = 0;
    for (;;) {
      const result = readResponseHead(bytes, at, bytes.length, this.#isToHead, head);
      if (result === INCOMPLETE && bytes.length - at < MAX_RESPONSE_HEAD_BYTES) {
        this.#partial = bytes.subarray(at);
        return !this.#isPaused;
      }
      if (result !== READY) return this.#refuse('HPE_INVALID_HEAD', 'the head of the response is malformed');
      if (head.status === 101 || head.status >= 200) break;
      this.#events!.interim(head, this);
      at = head.end;
      // The request may have been ended.
      if (this.#socket.destroyed) return false;
    }
    if (head.status === 101)
      return this.#switch(withoutFraming(bytes.latin1Slice(at, head.end)), bytes.subarray(head.end));
    this.#state = BODY;
    this.#isPaused = false;
    this.#body.begin(head.framing, head.length, true);
    return this.#passBody(cleanHead(head, bytes.latin1Slice(at, head.end)), bytes, head.end);
  }

  /** Passes on `before` and the part of bytes[from, …) that belongs to the body. */
  #passBody(before: Buffer, bytes: Buffer, from: number): boolean {
    const end = this.#body.scan(bytes, from, bytes.length);
    if (end === BROKEN) return this.#refuse('HPE_INVALID_CHUNK_SIZE', 'the chunked body is malformed');
    if (this.#body.isWhole) this.#state = end === bytes.length ? ENDED : OUT_OF_STEP;
    const passing = this.#body.isEdited ? this.#body.edited(bytes, from, end) : bytes.subarray(from, end);
    return this.#push(before.length === 0 ? passing : Buffer.concat([before, passing]));
  }

  /** `bytes`: the unchanged head of the 101, and the bytes behind it. */
  #switch(switchHead: string, rest: Buffer): boolean {
    if (!this.#events!.mayUpgrade)
      return this.#refuse('HPE_INVALID_HEAD', 'the response is 101, but the request was no upgrade');
    this.#state = SWITCHED;
    // From here on a write that fails ends the connection at once.
    this.#guard.onFailed = undefined;
    return this.#push(Buffer.concat([Buffer.from(switchHead, 'latin1'), rest]));
  }

  /** Ends the request with an error in the form of Node's parser. */
  #refuse(code: string, detail: string): boolean {
    this.#socket.destroy(Object.assign(new Error(detail), { code }));
    return false;
  }

  /** The connection has ended. If a write has failed, that is the reset that was withheld, or a clean end. */
  #end(): boolean {
    const { error, isReset } = this.#guard;
    if (error === undefined) return this.#push(null);
    if (isReset) this.#socket.destroy(error);
    else {
      // Bytes that cannot be written would keep the socket open.
      this.#socket.once('end', () => this.#socket.destroy());
      this.#push(null);
    }
    return false;
  }
}
