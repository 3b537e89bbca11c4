// HTTP/2 connections of node:http2 to gRPC replicas, shared by their calls. Hot path: take and request.
// Invariant: a connection holds at most as many calls as its replica allows, and takes none after either side has
// closed it; a call that waits for a connection is told the outcome exactly once; the calls of one client never make a
// replica end those of others.
//
// The last point needs two rules. Servers close a connection on which too many streams are reset (nghttp2: a burst of
// 1,000, then 33 per second), so a connection takes only as many calls as may still be reset. Some servers accept no
// more streams while too many of their bytes are unread (Node: 10 MB), so new calls go to a connection on which all
// clients read, up to a limit of connections. No pings are sent, since servers close connections that ping more often
// than every few minutes. TCP keep-alive finds a peer that is gone, and a call without progress has its own time
// limits.
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { ERROR_CODE } from '../../../protocol/http2/error-code.ts';
import { NO_HTTP2 } from '../../../protocol/http/tls-errors.ts';
import { connectWithNode, type Replica } from '../../replicas/pool.ts';

/** Idle time before the first TCP keep-alive probe. */
const KEEP_ALIVE_PROBE_MS = 60_000;
/** Flow-control window of a whole connection. With that of a single stream one large message would block all others. */
const SESSION_WINDOW_BYTES = 4 * 1024 ** 2;

/** Most calls of a connection, with those that were reset lately, and how many resets are forgotten per second. */
const MAX_RESETS = 900;
const RESETS_PER_SECOND = 30;
/** Most connections to a replica that are opened since on all others a client does not read. */
const MAX_FOR_STALLED = 8;
/** Most entries of metadata: as many as fit into the largest head. */
const MAX_ENTRIES = 2000;
/** Metadata may have any name twice, also names that HTTP allows once. */
const AS_SENT: object = { strictSingleValueFields: false };

/** A call that waits for a connection. Exactly one method is called, once. */
export interface NodeSessionUser {
  connected(session: NodeReplicaSession): void;
  unreachable(error: NodeJS.ErrnoException): void;
}

interface Options {
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

/** One connection. It is ready once the replica's SETTINGS have come, since only then it is known to speak HTTP/2. */
export class NodeReplicaSession {
  readonly #replica: Replica;
  readonly #session: ClientHttp2Session;
  readonly #timer: NodeJS.Timeout;
  waiting: NodeSessionUser[] = [];
  /** Calls on this connection. */
  calls = 0;
  /** Of these, those whose client does not read the response. */
  unread = 0;
  #isReady = false;
  #limit: number;
  #resets = 0;
  #resetsMs = 0;

  /** `limit`: most calls, until the replica's SETTINGS come. */
  constructor(
    replica: Replica,
    limit: number,
    { connectTimeoutMs, idleTimeoutMs }: Options,
    on: { ready(session: NodeReplicaSession): void; gone(session: NodeReplicaSession): void },
  ) {
    this.#replica = replica;
    this.#limit = limit;
    const session = connectWithNode(replica.url, replica.tls, {
      settings: { enablePush: false },
      maxHeaderListPairs: MAX_ENTRIES,
      ...AS_SENT,
    });
    this.#session = session;
    this.#timer = setTimeout(
      () =>
        session.destroy(
          Object.assign(new Error(`no connection within ${connectTimeoutMs} ms (proxy.connect_timeout)`), {
            code: 'ECONNECT_TIMEOUT',
          }),
        ),
      connectTimeoutMs,
    );
    session.setTimeout(idleTimeoutMs, () => {
      if (this.calls === 0) session.close();
    });
    session.on('connect', (_, socket) => {
      if (replica.tls !== undefined && session.alpnProtocol !== 'h2')
        return session.destroy(Object.assign(new Error(NO_HTTP2), { code: 'ECONNREFUSED' }));
      socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS);
      return session.setLocalWindowSize(SESSION_WINDOW_BYTES);
    });
    session.on('remoteSettings', ({ maxConcurrentStreams = Infinity }) => {
      this.#limit = maxConcurrentStreams;
      if (this.#isReady) return;
      // Another connection would get the same limit.
      if (maxConcurrentStreams === 0)
        return session.destroy(
          Object.assign(new Error('the replica accepts no streams (SETTINGS_MAX_CONCURRENT_STREAMS is 0)'), {
            code: 'ECONNREFUSED',
          }),
        );
      this.#isReady = true;
      clearTimeout(this.#timer);
      on.ready(this);
    });
    session.on('error', (error: NodeJS.ErrnoException) => this.#refuse(error));
    session.on('close', () => {
      clearTimeout(this.#timer);
      on.gone(this);
      this.#refuse(Object.assign(new Error('the connection closed'), { code: 'ECONNREFUSED' }));
    });
  }

  get scheme(): 'http' | 'https' {
    return this.#replica.tls === undefined ? 'http' : 'https';
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** It can take one more call, now or once it is ready. */
  get hasRoom(): boolean {
    const calls = this.calls + this.waiting.length;
    return !this.isOver && calls < this.#limit && calls + this.#resetsLately() < MAX_RESETS;
  }

  /** Most calls that its replica accepts on one connection. */
  get limit(): number {
    return this.#limit;
  }

  /** It is closed, or about to be, and takes no more calls. */
  get isOver(): boolean {
    return this.#session.closed || this.#session.destroyed;
  }

  /** The connection is lost, whatever the error codes of its streams are. */
  get isLost(): boolean {
    return this.#session.destroyed;
  }

  /** Begins a call. Throws for headers that HTTP/2 does not allow. */
  request(headers: readonly string[], endStream: boolean): ClientHttp2Stream {
    const stream = this.#session.request(headers, { endStream });
    this.calls++;
    stream.on('close', () => {
      if (--this.calls === 0 && this.#replica.isLeaving) this.#session.close();
    });
    return stream;
  }

  /** Ends a call. `hasReplicaEnded`: the replica has ended its side. A call that either side has not ended is reset. */
  end(stream: ClientHttp2Stream, hasReplicaEnded: boolean): void {
    if (stream.closed) return;
    const isDone = hasReplicaEnded && stream.writableFinished;
    stream.close(ERROR_CODE.cancel);
    if (isDone) return;
    this.#resets = this.#resetsLately() + 1;
    this.#resetsMs = performance.now();
  }

  destroy(): void {
    this.#session.destroy();
  }

  #resetsLately(): number {
    if (this.#resets === 0) return 0;
    const forgotten = ((performance.now() - this.#resetsMs) / 1000) * RESETS_PER_SECOND;
    return Math.max(0, this.#resets - forgotten);
  }

  #refuse(error: NodeJS.ErrnoException): void {
    const users = this.waiting;
    this.waiting = [];
    for (const user of users) user.unreachable(error);
  }
}

export class NodeReplicaSessions {
  readonly #options: Options;
  readonly #sessions = new Map<Replica, NodeReplicaSession[]>();

  constructor(options: Options) {
    this.#options = options;
  }

  /** Gives `user` a connection to a replica for one call, at once if there is one that can take it. */
  take(replica: Replica, user: NodeSessionUser): void {
    const its = this.#sessions.get(replica) ?? [];
    let session = choose(its);
    if (session === undefined) {
      const known = its.find(({ isReady }) => isReady)?.limit ?? Infinity;
      session = new NodeReplicaSession(replica, Math.max(1, known), this.#options, {
        ready: (one) => this.#ready(replica, one),
        gone: (one) => this.#gone(replica, one),
      });
      this.#sessions.set(replica, [...its, session]);
    }
    if (session.isReady) user.connected(session);
    else session.waiting.push(user);
  }

  /** Connections with calls, and without. */
  count(): { active: number; idle: number } {
    let active = 0;
    let idle = 0;
    for (const its of this.#sessions.values())
      for (const { calls } of its)
        if (calls > 0) active++;
        else idle++;
    return { active, idle };
  }

  close(): void {
    for (const its of this.#sessions.values()) for (const session of its) session.destroy();
  }

  #ready(replica: Replica, session: NodeReplicaSession): void {
    const users = session.waiting;
    session.waiting = [];
    for (const user of users)
      if (session.hasRoom) user.connected(session);
      else this.take(replica, user);
  }

  #gone(replica: Replica, session: NodeReplicaSession): void {
    const rest = this.#sessions.get(replica)!.filter((one) => one !== session);
    if (rest.length > 0) this.#sessions.set(replica, rest);
    else this.#sessions.delete(replica);
  }
}

/**
 * The first connection that can take a call and on which all clients read. If there are many connections already, the
 * one on which the fewest clients do not read.
 */
function choose(its: readonly NodeReplicaSession[]): NodeReplicaSession | undefined {
  let best: NodeReplicaSession | undefined;
  for (const one of its) {
    if (!one.hasRoom) continue;
    if (one.unread === 0) return one;
    if (best === undefined || one.unread < best.unread) best = one;
  }
  return its.length < MAX_FOR_STALLED ? undefined : best;
}
