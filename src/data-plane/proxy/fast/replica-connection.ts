// The fast lane's connections to replicas, in use and kept. Hot path.
// Invariant: a connection serves one request at a time, and is not used again unless its last response ended cleanly.
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { SWEEP_MS, type Deadlines, type Expiring } from '../../../core/deadlines.ts';
import { DirectWrites } from '../../../protocol/http/direct-writes.ts';
import { WriteGuard } from '../../../protocol/http/write-guard.ts';
import { Http2ReplicaSocket } from '../../../protocol/http2/http1/http2-replica-socket.ts';
import { speaksHttp2, targetOf, type Replica, type ReplicaUrl } from '../../replicas/pool.ts';
import type { Http2Replicas } from '../http2/http2-replicas.ts';
import { ReadBuffer, sharedBuffer } from './read-buffer.ts';

/** The response that a connection is used for. */
export interface ConnectionUser {
  /** Bytes of the response: bytes[0, size). Returns false to get no more until `resume`. */
  onBytes(bytes: Buffer, size: number): boolean;
  /** All that was written is with the operating system. */
  onDrain(): void;
  /** A write failed, so nothing more can be sent. Bytes that were received before still come, then the end. */
  onWriteFailed(): void;
  /** The replica has closed cleanly, and no more bytes come. */
  onEnd(): void;
  /** The connection is gone, with the reason if there is one. */
  onLost(error: NodeJS.ErrnoException | undefined): void;
}

export class ReplicaConnection {
  readonly socket: Duplex;
  /** performance.now() of its creation, and when it was connected; 0 before that. */
  readonly sinceMs = performance.now();
  connectedMs = 0;
  idleSinceMs = 0;
  /** It is kept for another request, or was. */
  wasKept = false;
  user: ConnectionUser | undefined;
  readonly buffer: ReadBuffer;
  #error: NodeJS.ErrnoException | undefined;
  #isConnected = false;
  /** undefined: HTTP/1.1 over a connection of its own. */
  readonly #http2: Http2ReplicaSocket | undefined;
  readonly #guard: WriteGuard;
  readonly #writes: DirectWrites;
  readonly #gone: (connection: ReplicaConnection) => void;

  /** `http2`: to a replica that speaks HTTP/2; undefined: connects to `url` for HTTP/1.1. */
  constructor(url: ReplicaUrl, gone: (connection: ReplicaConnection) => void, http2?: Http2ReplicaSocket) {
    this.#gone = gone;
    this.#http2 = http2;
    this.socket = http2 ?? this.#connect(url);
    http2?.on('data', (bytes: Buffer) => {
      if (!this.#onRead(bytes, bytes.length)) this.socket.pause();
    });
    this.buffer = new ReadBuffer(this.socket, () => this.resume());
    this.#guard = new WriteGuard(this.socket);
    this.#guard.onFailed = () => this.user?.onWriteFailed();
    this.#writes = new DirectWrites(this.socket, {
      written: () => this.user?.onDrain(),
      failed: (error) => this.#guard.failed(error),
    });
    this.socket.on('connect', () => {
      this.#isConnected = true;
      this.connectedMs = performance.now();
    });
    this.socket.on('drain', () => this.user?.onDrain());
    this.socket.on('end', () => {
      this.#error ??= this.#guard.error;
      if (!this.#guard.isReset) this.user?.onEnd();
      // No more bytes can come, and unsent bytes would get no response.
      this.socket.destroy();
    });
    this.socket.on('error', (error) => (this.#error = error));
    this.socket.on('close', () => {
      this.#gone(this);
      this.user?.onLost(this.#error);
    });
  }

  #connect(url: ReplicaUrl): Socket {
    return connect({
      ...targetOf(url),
      noDelay: true,
      keepAlive: true,
      onread: {
        buffer: sharedBuffer,
        callback: (size, bytes) => this.#onRead(bytes as Buffer, size),
      },
    });
  }

  /** True if it has its connection to the replica. */
  get isConnected(): boolean {
    return this.#http2 === undefined ? this.#isConnected : !this.#http2.connecting;
  }

  /** The connection to the replica was made for an earlier request. */
  get isReused(): boolean {
    return this.#http2 === undefined ? this.wasKept : !this.#http2.hasWaited;
  }

  /** It has served a request before, so if it broke now, the replica may just have closed it. */
  get mayBeStale(): boolean {
    return this.#http2 === undefined ? this.wasKept : this.#http2.mayBeStale;
  }

  /** True while bytes can be sent. */
  get isWritable(): boolean {
    return this.#guard.error === undefined && this.socket.writable;
  }

  /** True if the operating system has taken everything that was sent. */
  get isFlushed(): boolean {
    return this.socket.writableLength === 0 && !this.#writes.isPending;
  }

  /** Writes text of Latin-1 characters. */
  writeText(text: string): void {
    if (!this.#writes.write(text)) this.socket.write(text, 'latin1');
  }

  /** Reads again after `onBytes` has returned false. */
  resume(): void {
    this.socket.resume();
  }

  destroy(): void {
    this.user = undefined;
    this.socket.destroy();
  }

  #onRead(bytes: Buffer, size: number): boolean {
    if (this.user !== undefined) return this.user.onBytes(bytes, size);
    // No request is under way: the next one could take these bytes for its response.
    this.socket.destroy();
    return true;
  }
}

/** The connections of the fast lane to all replicas. */
export class ReplicaConnections implements Expiring {
  watchSlot = -1;
  /** Unused connections per replica, the most recently used last. */
  readonly #kept = new Map<ReplicaUrl, ReplicaConnection[]>();
  readonly #deadlines: Deadlines;
  readonly #idleLimitMs: number;
  readonly #ageLimitMs: number;
  #sweptMs = 0;
  #count = 0;
  readonly #http2: Http2Replicas;

  /** `ageLimitMs`: older connections are not kept; 0 means no limit. */
  constructor(deadlines: Deadlines, idleLimitMs: number, ageLimitMs: number, http2: Http2Replicas) {
    this.#deadlines = deadlines;
    this.#http2 = http2;
    this.#idleLimitMs = idleLimitMs;
    this.#ageLimitMs = ageLimitMs || Infinity;
  }

  /** The kept connection that was used last, or a new one if none is kept or `isFresh`. */
  take(replica: Replica, isFresh: boolean): ReplicaConnection {
    const { url } = replica;
    const connection = isFresh ? undefined : this.#kept.get(url)?.pop();
    if (connection !== undefined) return connection;
    const http2 = speaksHttp2(url) ? new Http2ReplicaSocket(this.#http2.of(replica), isFresh) : undefined;
    if (http2 === undefined) this.#count++;
    const gone = (connection: ReplicaConnection): void => {
      if (http2 === undefined) this.#count--;
      const idle = this.#kept.get(url);
      const at = idle?.indexOf(connection) ?? -1;
      if (at !== -1) idle!.splice(at, 1);
    };
    return new ReplicaConnection(url, gone, http2);
  }

  /** Keeps a connection whose response has ended cleanly, unless it is too old. */
  keep(url: ReplicaUrl, connection: ReplicaConnection): void {
    if (this.watchSlot === -1) {
      this.#sweptMs = performance.now();
      this.#deadlines.watch(this);
    }
    // The time of the last sweep is exact enough, since the limits are much coarser.
    if (this.#sweptMs - connection.sinceMs > this.#ageLimitMs) return connection.destroy();
    connection.user = undefined;
    connection.wasKept = true;
    connection.idleSinceMs = this.#sweptMs;
    this.#keptOf(url).push(connection);
  }

  expire(nowMs: number): void {
    this.#sweptMs = nowMs;
    let kept = 0;
    for (const [url, idle] of this.#kept) {
      // The longest unused come first.
      while (idle.length > 0 && nowMs - idle[0]!.idleSinceMs > this.#idleLimitMs - SWEEP_MS)
        idle.shift()!.destroy();
      kept += idle.length;
      // The replica may have been removed from the configuration.
      if (idle.length === 0) this.#kept.delete(url);
    }
    if (kept === 0) this.#deadlines.unwatch(this);
  }

  /** Connections with HTTP/1.1, in use and kept. */
  count(): { active: number; idle: number } {
    let idle = 0;
    for (const [url, kept] of this.#kept) if (!speaksHttp2(url)) idle += kept.length;
    return { active: this.#count - idle, idle };
  }

  close(): void {
    for (const idle of this.#kept.values()) for (const connection of idle.splice(0)) connection.destroy();
  }

  #keptOf(url: ReplicaUrl): ReplicaConnection[] {
    let kept = this.#kept.get(url);
    if (kept === undefined) this.#kept.set(url, (kept = []));
    return kept;
  }
}
