// HTTP/2 connections to replicas, shared by requests. Hot path: take, open and end.
// Invariant: a connection holds at most as many streams as its replica allows, and takes none after either side has
// closed it; a request that waits for a connection is told the outcome exactly once; the requests of one client never
// make a replica end those of others.
//
// The last point needs two rules. Servers close a connection on which too many streams are reset (nghttp2: a burst of
// 1,000, then 33 per second), so a connection takes only as many streams as may still be reset. Some servers accept no
// more streams while too many of their bytes are unread (Node: 10 MB), so new streams go to a connection on which all
// clients read, up to a limit of connections. TCP keep-alive finds a peer that is gone, and a request without progress
// has its own time limits.
import type { Socket } from 'node:net';
import { Deadlines, type Expiring } from '../../../core/deadlines.ts';
import { Http2Connection, type ConnectionListener } from '../../../protocol/http2/connection.ts';
import type { Http2Options } from '../../../protocol/http2/connection-options.ts';
import { ERROR_CODE, type Http2ConnectionError } from '../../../protocol/http2/error-code.ts';
import type { HeaderBlock } from '../../../protocol/http2/hpack/header-block.ts';
import type { Http2Stream } from '../../../protocol/http2/stream.ts';
import type { StreamListener } from '../../../protocol/http2/stream-listener.ts';
import type { Http2Counters } from '../../../protocol/http2/http2-counters.ts';
import type { Http2HeldBytes } from '../../../protocol/http2/http2-held-bytes.ts';
import { connectHttp2, noHttp2, type Replica } from '../../replicas/pool.ts';
import type { ProxyOptions } from '../options.ts';
import { MAX_RESPONSE_METADATA } from '../grpc/grpc-failure.ts';

/** Most streams of a connection, with those that were reset lately, and how many resets are forgotten per second. */
const MAX_RESETS = 900;
const RESETS_PER_SECOND = 30;
/** Most connections to a replica that are opened since on all others a client does not read. */
const MAX_FOR_STALLED = 8;
/** Bytes that weir adds to the head of a request, at most about (RFC 9113 6.5.2). */
const ADDED_TO_REQUEST = 512;

/** Frames of a replica that move nothing: a burst, and so many a second. */
const CONTROL_BURST = 10_000;
const CONTROL_PER_SECOND = 330;
/** Output besides messages that waits for a replica that does not read. */
const MAX_UNREAD_BYTES = 1024 ** 2;

/** A request that waits for a connection. Exactly one method is called, once. */
export interface SessionUser {
  connected(session: ReplicaSession): void;
  unreachable(error: NodeJS.ErrnoException): void;
}

export interface SessionOptions {
  readonly connectTimeoutMs: number;
  readonly connection: Http2Options;
}

/** Options for the connections to gRPC replicas. */
export const sessionOptions = (
  { connect_timeout, session_idle_timeout, http2 }: ProxyOptions,
  heldBytes: Http2HeldBytes,
  counters: Http2Counters,
): SessionOptions => ({
  connectTimeoutMs: connect_timeout,
  connection: {
    role: 'client',
    // Replicas cannot open streams, since weir does not allow push (RFC 9113 8.4).
    maxStreams: 0,
    maxHeaderListBytes: MAX_RESPONSE_METADATA,
    streamWindow: http2.stream_window,
    maxStreamWindow: Math.max(http2.stream_window, http2.max_stream_window),
    connectionWindow: http2.connection_window,
    heldBytes,
    counters,
    maxUnreadBytes: MAX_UNREAD_BYTES,
    // A replica may refuse or reset as many requests as it likes.
    resetBurst: Infinity,
    resetsPerSecond: Infinity,
    controlBurst: CONTROL_BURST,
    controlPerSecond: CONTROL_PER_SECOND,
    allowsExtendedConnect: false,
    // `connectTimeoutMs` counts until the SETTINGS.
    settingsTimeoutMs: 0,
    idleMs: session_idle_timeout,
    // Servers close connections that ping more often than every few minutes.
    pingIntervalMs: 0,
    pingTimeoutMs: 0,
    maxAgeMs: 0,
  },
});

/** One connection. It is ready once the replica's SETTINGS have come, since only then it is known to speak HTTP/2. */
export class ReplicaSession implements ConnectionListener, Expiring {
  watchSlot = -1;
  waiting: SessionUser[] = [];
  /** Streams whose client does not read the response. */
  unread = 0;
  readonly replica: Replica;
  readonly #options: SessionOptions;
  readonly #owner: ReplicaSessions;
  readonly #socket: Socket;
  readonly #sinceMs = performance.now();
  /** Most streams, until the replica's SETTINGS come. */
  readonly #expectedLimit: number;
  #connection: Http2Connection | undefined;
  #socketError: NodeJS.ErrnoException | undefined;
  #isOver = false;
  /** Streams were opened on it. */
  #hasServed = false;
  #resets = 0;
  #resetsMs = 0;

  constructor(replica: Replica, expectedLimit: number, options: SessionOptions, owner: ReplicaSessions) {
    this.replica = replica;
    this.#expectedLimit = expectedLimit;
    this.#options = options;
    this.#owner = owner;
    const socket = connectHttp2(replica, () => {
      this.#connection = new Http2Connection(socket, options.connection, this);
    });
    this.#socket = socket;
    socket.on('error', (error) => (this.#socketError = error));
    socket.on('close', () => this.#over());
  }

  /** Why the connection was lost; `undefined` while it is open, or if it was closed as planned. */
  get error(): Http2ConnectionError | undefined {
    return this.#connection?.error;
  }

  /** The replica offers WebSockets (RFC 8441). */
  get allowsExtendedConnect(): boolean {
    return this.#connection!.peer.allowsExtendedConnect;
  }

  get scheme(): 'http' | 'https' {
    return this.replica.tls === undefined ? 'http' : 'https';
  }

  get isReady(): boolean {
    return this.#connection !== undefined && this.#connection.isReady;
  }

  /** Open streams. */
  get streams(): number {
    return this.#connection === undefined ? 0 : this.#connection.openStreams;
  }

  /** It can take one more stream, now or once it is ready. */
  get hasRoom(): boolean {
    if (this.#isOver) return false;
    const connection = this.#connection;
    if (connection === undefined || !connection.isReady)
      return this.waiting.length < Math.min(this.#expectedLimit, MAX_RESETS);
    if (!connection.hasRoom) return false;
    const free = MAX_RESETS - connection.openStreams;
    return free > 0 && (this.#resets === 0 || this.#resetsLately() < free);
  }

  /** Most streams that its replica accepts on one connection. */
  get limit(): number {
    return this.isReady ? this.#connection!.peer.maxStreams : this.#expectedLimit;
  }

  /** Why the replica will not accept the head of a request; empty if it will. */
  tooLarge(block: HeaderBlock): string {
    const limit = this.#connection!.peer.maxHeaderListBytes;
    return block.size + ADDED_TO_REQUEST > limit
      ? `the request headers have ${block.size} bytes, and the replica accepts ${limit}`
      : '';
  }

  /** It has served requests and serves none now, so the replica may just have closed it. */
  get isKept(): boolean {
    return this.#hasServed && this.streams === 0;
  }

  /** Opens a stream on a connection that `hasRoom`. */
  open(listener: StreamListener): Http2Stream {
    this.#hasServed = true;
    return this.#connection!.openStream(listener);
  }

  /** A request is over. A stream that either side has not ended is reset. */
  end(stream: Http2Stream): void {
    if (stream.isOpen) {
      this.#resets = this.#resetsLately() + 1;
      this.#resetsMs = performance.now();
    }
    stream.reset(ERROR_CODE.cancel);
    if (this.replica.isLeaving && this.streams === 0) this.#connection!.goAway();
  }

  destroy(): void {
    if (this.#connection === undefined) this.#socket.destroy();
    else this.#connection.destroy();
  }

  expire(nowMs: number): void {
    const { connectTimeoutMs } = this.#options;
    if (!this.isReady && nowMs - this.#sinceMs > connectTimeoutMs) {
      this.#socketError ??= Object.assign(
        new Error(`no connection within ${connectTimeoutMs} ms (proxy.connect_timeout)`),
        { code: 'ECONNECT_TIMEOUT' },
      );
      return this.destroy();
    }
    this.#connection?.sweep(nowMs);
  }

  // ── From the connection ──────────────────────────────────────────────────────────────────────────────────────────

  onReady(connection: Http2Connection): void {
    if (connection.peer.maxStreams > 0) return this.#owner.ready(this);
    // Another connection would get the same limit.
    this.#socketError = Object.assign(
      new Error('the replica accepts no streams (SETTINGS_MAX_CONCURRENT_STREAMS is 0)'),
      { code: 'ECONNREFUSED' },
    );
    return connection.destroy();
  }

  onStream(stream: Http2Stream): void {
    // Only clients open streams.
    stream.reset(ERROR_CODE.refusedStream);
  }

  onLeaving(): void {
    // `hasRoom` is false from here on.
  }

  onGone(): void {
    this.#over();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#owner.gone(this);
    const users = this.waiting;
    this.waiting = [];
    const refusal = this.#socketError ?? noHttp2(this.error);
    for (const user of users) user.unreachable(refusal);
  }

  #resetsLately(): number {
    if (this.#resets === 0) return 0;
    const forgotten = ((performance.now() - this.#resetsMs) / 1000) * RESETS_PER_SECOND;
    return Math.max(0, this.#resets - forgotten);
  }
}

export class ReplicaSessions {
  readonly #options: SessionOptions;
  readonly #deadlines = new Deadlines();
  readonly #sessions = new Map<Replica, ReplicaSession[]>();

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /**
   * Gives `user` a connection to a replica for one stream, at once if there is one that can take it. `isFresh`: a new
   * connection.
   */
  take(replica: Replica, user: SessionUser, isFresh = false): void {
    const its = this.#sessions.get(replica);
    let session = its === undefined || isFresh ? undefined : choose(its);
    if (session === undefined) {
      const known = its?.find(({ isReady }) => isReady)?.limit ?? Infinity;
      session = new ReplicaSession(replica, Math.max(1, known), this.#options, this);
      this.#deadlines.watch(session);
      if (its === undefined) this.#sessions.set(replica, [session]);
      else its.push(session);
    }
    if (session.isReady) user.connected(session);
    else session.waiting.push(user);
  }

  /** `user` no longer waits. */
  leave(replica: Replica, user: SessionUser): void {
    for (const { waiting } of this.#sessions.get(replica) ?? []) {
      const at = waiting.indexOf(user);
      if (at !== -1) waiting.splice(at, 1);
    }
  }

  /** Connections with streams, and without. */
  count(): { active: number; idle: number } {
    let active = 0;
    let idle = 0;
    for (const its of this.#sessions.values())
      for (const { streams } of its)
        if (streams > 0) active++;
        else idle++;
    return { active, idle };
  }

  close(): void {
    for (const its of this.#sessions.values()) for (const session of its.slice()) session.destroy();
  }

  /** A connection is ready: it takes those that wait for it. */
  ready(session: ReplicaSession): void {
    const users = session.waiting;
    session.waiting = [];
    for (const user of users)
      if (session.hasRoom) user.connected(session);
      else this.take(session.replica, user);
  }

  /** A connection is over. */
  gone(session: ReplicaSession): void {
    const { replica } = session;
    this.#deadlines.unwatch(session);
    const its = this.#sessions.get(replica)!;
    its.splice(its.indexOf(session), 1);
    if (its.length === 0) this.#sessions.delete(replica);
  }
}

/**
 * The first connection that can take a stream and on which all clients read. If there are many connections already, the
 * one on which the fewest clients do not read.
 */
function choose(its: readonly ReplicaSession[]): ReplicaSession | undefined {
  let best: ReplicaSession | undefined;
  for (const one of its) {
    if (!one.hasRoom) continue;
    if (one.unread === 0) return one;
    if (best === undefined || one.unread < best.unread) best = one;
  }
  return its.length < MAX_FOR_STALLED ? undefined : best;
}
