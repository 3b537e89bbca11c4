// Limits the open connections of each client address, in all threads.
// Invariant: an address is forgotten with its last connection. An IPv6 client has a whole /64, so that is one address.
import type { Socket } from 'node:net';
import { ALONE, type ThreadShare } from '../../core/shared-arrays.ts';
import { peerOf } from './peer.ts';
import { SharedAddressTable } from './shared-address-table.ts';

export class ConnectionsPerAddress {
  readonly #limit: number;
  /** With several threads: their connections. */
  readonly #table: SharedAddressTable | undefined;
  /** Connections of this thread that are not in the table. */
  readonly #open = new Map<string, number>();
  /** Thread → connections that it closed since their address had too many. */
  readonly #refused: Float64Array;
  readonly #thread: number;

  /** `limit`: 0 means none. */
  constructor(limit: number, share: ThreadShare = ALONE) {
    const { threads, thread, arrays } = share;
    this.#limit = limit;
    this.#thread = thread;
    this.#refused = arrays.float64(threads);
    this.#table = limit > 0 && threads > 1 ? new SharedAddressTable(share) : undefined;
  }

  /** Counts a new connection until it closes. Returns false if its address has too many; then it is not counted. */
  accepts(socket: Socket): boolean {
    if (this.#limit === 0) return true;
    const address = networkOf(peerOf(socket).address);
    const isAllowed = this.#table?.enter(address, this.#limit);
    if (isAllowed) socket.once('close', () => this.#table!.leave(address));
    if (isAllowed ?? this.#enter(socket, address)) return true;
    this.#refused[this.#thread]!++;
    return false;
  }

  /** Connections of all threads that were closed since their address had too many. */
  get refused(): number {
    return this.#refused.reduce((sum, count) => sum + count, 0);
  }

  /** Addresses with open connections. */
  get addresses(): number {
    return this.#open.size + (this.#table?.used ?? 0);
  }

  /** A thread is gone, and its connections with it. */
  lost(thread: number): void {
    this.#table?.lost(thread);
  }

  #enter(socket: Socket, address: string): boolean {
    const open = this.#open.get(address) ?? 0;
    if (open >= this.#limit) return false;
    this.#open.set(address, open + 1);
    socket.once('close', () => this.#closed(address));
    return true;
  }

  #closed(address: string): void {
    const open = this.#open.get(address)! - 1;
    if (open === 0) this.#open.delete(address);
    else this.#open.set(address, open);
  }
}

/** An IPv4 address as it is; of an IPv6 address the first 64 bits, as `2001:db8:0:1::`. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - rest.length);
  const all = [...groups, ...Array.from({ length: zeros }, () => '0'), ...rest];
  return `${all.slice(0, 4).join(':')}::`;
}
