// A plain connection to a replica, and the ones that are kept for later. Hot path.
// Must stay true: a connection serves one request at a time; one that did not end its answer cleanly is never used
// again; bytes are read into one buffer that all share, so whoever gets them uses or copies them at once. A large answer
// is read into a buffer of its own instead, which is not read into again before what was written from it is out.
import { connect, type Socket } from 'node:net';
import { SWEEP_MS, type Deadlines, type Watched } from '../../../core/deadlines.ts';
import { WriteGuard } from '../../../protocol/http/write-guard.ts';
import type { ReplicaUrl } from '../../replicas/pool.ts';

/** Who a connection works for at the moment. */
export interface ConnectionUser {
  /** Bytes of the answer: bytes[0, size). False: no more for now, until `resume`. */
  onBytes(bytes: Buffer, size: number): boolean;
  /** All that was written has gone out. */
  onDrain(): void;
  /** A write failed, so nothing more can be sent. Bytes that were received before still come, then the end. */
  onWriteFailed(): void;
  /** The replica has closed cleanly, and no more bytes come. */
  onEnd(): void;
  /** The connection is gone, with the reason where there is one. */
  onLost(error: NodeJS.ErrnoException | undefined): void;
}

/** Read buffer of all connections: what libuv reads at a time on this thread. */
const READ_BYTES = 64 * 1024;
const shared = Buffer.allocUnsafeSlow(READ_BYTES);
/** Read buffer of a large answer: fewer, larger reads. */
const BULK_BYTES = 256 * 1024;
/** Bulk buffers that nobody uses at the moment. */
const MAX_SPARE = 4;
const spare: Buffer[] = [];

export class ReplicaConnection {
  readonly socket: Socket;
  /** It has served a request before: if it breaks now, the replica may just have closed it. */
  isReused = false;
  isConnected = false;
  readonly sinceMs = performance.now();
  /** performance.now() when it was made. */
  connectedMs = 0;
  idleSinceMs = 0;
  user: ConnectionUser | undefined;
  #error: NodeJS.ErrnoException | undefined;
  #bulk: Buffer | undefined;
  readonly #guard: WriteGuard;
  readonly #gone: (connection: ReplicaConnection) => void;

  constructor({ host, port }: ReplicaUrl, gone: (connection: ReplicaConnection) => void) {
    this.#gone = gone;
    this.socket = connect({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      onread: {
        buffer: () => this.#bulk ?? shared,
        callback: (size, bytes) => this.#onRead(bytes as Buffer, size),
      },
    });
    this.#guard = new WriteGuard(this.socket);
    this.#guard.onFailed = () => this.user?.onWriteFailed();
    this.socket.once('connect', () => {
      this.isConnected = true;
      this.connectedMs = performance.now();
    });
    this.socket.on('drain', () => this.user?.onDrain());
    this.socket.on('end', () => {
      this.#error ??= this.#guard.error;
      if (!this.#guard.isReset) this.user?.onEnd();
      // No more bytes can come, and unsent bytes would get no answer.
      this.socket.destroy();
    });
    this.socket.on('error', (error) => (this.#error = error));
    this.socket.on('close', () => {
      this.#gone(this);
      this.user?.onLost(this.#error);
    });
  }

  /** True while bytes can be sent. */
  get isWritable(): boolean {
    return this.#guard.error === undefined && this.socket.writable;
  }

  /** True if the operating system has taken everything that was sent. */
  get isFlushed(): boolean {
    return this.socket.writableLength === 0;
  }

  /** True for bytes that lie in this connection's own buffer, and stay there until the next read. */
  owns(bytes: Buffer): boolean {
    return bytes === this.#bulk;
  }

  /** From the next read on the answer comes in large pieces, in a buffer of its own. */
  beginBulk(): void {
    this.#bulk ??= spare.pop() ?? Buffer.allocUnsafeSlow(BULK_BYTES);
  }

  /** The large answer is over. `isFree`: nothing that was written from the buffer is still to go out. */
  endBulk(isFree: boolean): void {
    if (this.#bulk !== undefined && isFree && spare.length < MAX_SPARE) spare.push(this.#bulk);
    this.#bulk = undefined;
  }

  /** Lets bytes come again after `onBytes` said no. */
  resume(): void {
    this.socket.resume();
  }

  destroy(): void {
    this.user = undefined;
    this.socket.destroy();
  }

  #onRead(bytes: Buffer, size: number): boolean {
    if (this.user !== undefined) return this.user.onBytes(bytes, size);
    // Nobody asked: whatever it says, it cannot be trusted with the next request.
    this.socket.destroy();
    return true;
  }
}

/** The connections to all replicas. */
export class ReplicaConnections implements Watched {
  watchSlot = -1;
  /** Per replica, the most recently used last. */
  readonly #kept = new Map<ReplicaUrl, ReplicaConnection[]>();
  readonly #deadlines: Deadlines;
  readonly #idleLimitMs: number;
  readonly #ageLimitMs: number;
  #sweptMs = 0;
  #count = 0;

  /** `ageLimitMs`: older ones are not used again; 0: however old. */
  constructor(deadlines: Deadlines, idleLimitMs: number, ageLimitMs: number) {
    this.#deadlines = deadlines;
    this.#idleLimitMs = idleLimitMs;
    this.#ageLimitMs = ageLimitMs || Infinity;
  }

  /** The connection that was used last, or a new one where none is kept or `fresh` is wanted. */
  take(url: ReplicaUrl, fresh: boolean): ReplicaConnection {
    const connection = fresh ? undefined : this.#kept.get(url)?.pop();
    if (connection !== undefined) return connection;
    this.#count++;
    return new ReplicaConnection(url, (gone) => {
      this.#count--;
      const idle = this.#kept.get(url);
      const at = idle?.indexOf(gone) ?? -1;
      if (at !== -1) idle!.splice(at, 1);
    });
  }

  /** Keeps a connection whose answer has ended cleanly, unless it is old. */
  keep(url: ReplicaUrl, connection: ReplicaConnection): void {
    if (this.watchSlot === -1) {
      this.#sweptMs = performance.now();
      this.#deadlines.watch(this);
    }
    // The time of the last sweep is near enough: the limits are far coarser than a sweep.
    if (this.#sweptMs - connection.sinceMs > this.#ageLimitMs) return connection.destroy();
    connection.user = undefined;
    connection.isReused = true;
    connection.idleSinceMs = this.#sweptMs;
    this.#keptOf(url).push(connection);
  }

  sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    let kept = 0;
    for (const [url, idle] of this.#kept) {
      // The first are those that were not used for longest.
      while (idle.length > 0 && nowMs - idle[0]!.idleSinceMs > this.#idleLimitMs - SWEEP_MS)
        idle.shift()!.destroy();
      kept += idle.length;
      // The replica may have left the configuration.
      if (idle.length === 0) this.#kept.delete(url);
    }
    if (kept === 0) this.#deadlines.unwatch(this);
  }

  /** Connections in use and kept. */
  count(): { active: number; idle: number } {
    let idle = 0;
    for (const kept of this.#kept.values()) idle += kept.length;
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
