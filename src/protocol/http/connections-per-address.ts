// Limits the open connections of each client address.
// Invariant: an address is forgotten with its last connection. An IPv6 client has a whole /64, so that is one address.
import type { Socket } from 'node:net';
import { peerOf } from './peer.ts';

export class ConnectionsPerAddress {
  /** Connections that were closed since their address had too many. */
  refused = 0;
  readonly #limit: number;
  readonly #open = new Map<string, number>();

  /** `limit`: 0 means none. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Counts a new connection until it closes. Returns false if its address has too many; then it is not counted. */
  accepts(socket: Socket): boolean {
    if (this.#limit === 0) return true;
    const address = networkOf(peerOf(socket).address);
    const open = this.#open.get(address) ?? 0;
    if (open >= this.#limit) {
      this.refused++;
      return false;
    }
    this.#open.set(address, open + 1);
    socket.once('close', () => this.#closed(address));
    return true;
  }

  /** Addresses with open connections. */
  get addresses(): number {
    return this.#open.size;
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
