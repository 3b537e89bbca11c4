// HTTP/2 connections to gRPC replicas, shared by the calls that go there. Hot path: take and request.
// Must stay true: a connection holds no more calls than its replica allows, takes none once either side has said that it
// is to end, and who waits for one hears exactly once; and no client's calls make a replica cut off those of others.
//
// That takes two things. Servers end a connection on which too many streams are reset (nghttp2: a burst of 1,000, then
// 33 a second): one takes no more calls than might still be reset. And some take no more streams while too much of what
// they have written waits (Node: 10 MB): new calls go where no client has stopped reading, as far as there may be
// connections.
// There are no pings: servers end connections that ping more than every few minutes. The operating system looks after a
// peer that is silently gone, and a call that stands still has its own deadlines.
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { NO_HTTP2 } from '../../../protocol/http/tls-errors.ts';
import type { Replica } from '../../replicas/pool.ts';

/** Silence after which the operating system asks whether the replica is still there. */
const KEEP_ALIVE_PROBE_MS = 60_000;
/** Window of a whole connection: that of a single stream would let one large message hold up all others. */
const SESSION_WINDOW_BYTES = 4 * 1024 ** 2;

/** Calls that a connection holds and those that it has reset lately, at most, and how many of these are forgotten a second. */
const MAX_RESETS = 900;
const RESETS_PER_SECOND = 30;
/** Connections to a replica that are opened because on all others somebody does not read. */
const MAX_EVADING = 8;
/** Entries of the metadata: as many as the bytes of a head may hold. */
const MAX_ENTRIES = 2000;
/** Metadata may hold any name twice, also what HTTP has once. */
const AS_SENT: object = { strictSingleValueFields: false };

/** Who wants to send a call. */
export interface SessionUser {
  connected(session: ReplicaSession): void;
  unreachable(error: NodeJS.ErrnoException): void;
}

interface Options {
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

/** One connection. It is ready once the replica's settings are in: then it surely speaks HTTP/2. */
export class ReplicaSession {
  readonly #replica: Replica;
  readonly #session: ClientHttp2Session;
  readonly #timer: NodeJS.Timeout;
  waiting: SessionUser[] = [];
  /** Calls that it holds. */
  calls = 0;
  /** Of these, how many have an answer that their client does not read. */
  unread = 0;
  #isReady = false;
  #limit: number;
  #resets = 0;
  #resetsMs = 0;

  /** `limit`: calls that it takes, as long as the replica has not said. */
  constructor(
    replica: Replica,
    limit: number,
    { connectTimeoutMs, idleTimeoutMs }: Options,
    on: { ready(session: ReplicaSession): void; gone(session: ReplicaSession): void },
  ) {
    this.#replica = replica;
    this.#limit = limit;
    const { host, port } = replica.url;
    const scheme = this.scheme;
    const session = connect(`${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`, {
      settings: { enablePush: false },
      maxHeaderListPairs: MAX_ENTRIES,
      ...AS_SENT,
      ...replica.tls,
    });
    this.#session = session;
    this.#timer = setTimeout(
      () =>
        session.destroy(
          Object.assign(new Error(`no connection within ${connectTimeoutMs} ms`), {
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
      // Another connection would be told the same.
      if (maxConcurrentStreams === 0)
        return session.destroy(
          Object.assign(new Error('it takes no streams (SETTINGS_MAX_CONCURRENT_STREAMS is 0)'), {
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

  /** It takes one more call, now or once it is ready. */
  get hasRoom(): boolean {
    const calls = this.calls + this.waiting.length;
    return !this.isOver && calls < this.#limit && calls + this.#resetsLately() < MAX_RESETS;
  }

  /** Calls that its replica takes on one connection. */
  get limit(): number {
    return this.#limit;
  }

  /** No more calls. */
  get isOver(): boolean {
    return this.#session.closed || this.#session.destroyed;
  }

  /** The connection is lost, whatever the codes of its streams say. */
  get isLost(): boolean {
    return this.#session.destroyed;
  }

  /** Begins a call; throws for headers that HTTP/2 does not have. */
  request(headers: readonly string[], endStream: boolean): ClientHttp2Stream {
    const stream = this.#session.request(headers, { endStream });
    this.calls++;
    stream.on('close', () => {
      if (--this.calls === 0 && this.#replica.isLeaving) this.#session.close();
    });
    return stream;
  }

  /** Ends a call of it; `isAnswered`: the replica has ended its side. Where either side has not, that is a reset. */
  end(stream: ClientHttp2Stream, isAnswered: boolean): void {
    if (stream.closed) return;
    const isDone = isAnswered && stream.writableFinished;
    stream.close(constants.NGHTTP2_CANCEL);
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

export class ReplicaSessions {
  readonly #options: Options;
  readonly #sessions = new Map<Replica, ReplicaSession[]>();

  constructor(options: Options) {
    this.#options = options;
  }

  /** A connection to a replica for one call: at once where there is one with room. */
  take(replica: Replica, user: SessionUser): void {
    const its = this.#sessions.get(replica) ?? [];
    let session = choose(its);
    if (session === undefined) {
      const known = its.find(({ isReady }) => isReady)?.limit ?? Infinity;
      session = new ReplicaSession(replica, Math.max(1, known), this.#options, {
        ready: (one) => this.#ready(replica, one),
        gone: (one) => this.#gone(replica, one),
      });
      this.#sessions.set(replica, [...its, session]);
    }
    if (session.isReady) user.connected(session);
    else session.waiting.push(user);
  }

  /** Connections that hold calls, and those that are kept for later. */
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

  #ready(replica: Replica, session: ReplicaSession): void {
    const users = session.waiting;
    session.waiting = [];
    for (const user of users)
      if (session.hasRoom) user.connected(session);
      else this.take(replica, user);
  }

  #gone(replica: Replica, session: ReplicaSession): void {
    const rest = this.#sessions.get(replica)!.filter((one) => one !== session);
    if (rest.length > 0) this.#sessions.set(replica, rest);
    else this.#sessions.delete(replica);
  }
}

/** The first with room on which every client reads; where there are many already, the one on which the fewest do not. */
function choose(its: readonly ReplicaSession[]): ReplicaSession | undefined {
  let best: ReplicaSession | undefined;
  for (const one of its) {
    if (!one.hasRoom) continue;
    if (one.unread === 0) return one;
    if (best === undefined || one.unread < best.unread) best = one;
  }
  return its.length < MAX_EVADING ? undefined : best;
}
