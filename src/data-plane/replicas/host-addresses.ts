// Resolves the host names in replicas' URLs at intervals: each address becomes a replica of its own.
// Invariant: at most one lookup per name runs at a time, and a name that cannot be resolved keeps its addresses.
// The system's resolver (getaddrinfo) is used, so /etc/hosts and search domains apply.
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { describe } from '../../core/errors.ts';
import { waitAtMost } from '../../core/wait.ts';
import type { DeploymentOptions } from './options.ts';

/** Resolves a host name to all its addresses; rejects if there are none. */
export type ResolveReplicaHost = (
  name: string,
) => Promise<readonly { readonly address: string; readonly family: number }[]>;

export const resolveReplicaHost: ResolveReplicaHost = (name) => lookup(name, { all: true });

/** Maximum number of addresses of one name. Further ones are not used, with a warning. */
export const MAX_ADDRESSES = 64;
/** Minimum time between the end of a lookup and the next one of the same name. */
const MIN_PAUSE_MS = 1000;

/** A change of a name's addresses. */
export interface AddressChange {
  readonly host: string;
  readonly addresses: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Why the name could not be resolved, or not completely; empty if it could. */
  readonly problem: string;
}

export interface HostAddressesOptions {
  /** Time between two lookups of one name, in milliseconds. 0: names are not resolved. */
  readonly intervalMs: number;
  /** Longest wait for the first lookups, in milliseconds. */
  readonly timeoutMs: number;
}

/** False for IP addresses and for names of this machine, since all addresses of these lead to the same server. */
export const needsLookup = (host: string): boolean =>
  isIP(host) === 0 && host !== 'localhost' && !host.endsWith('.localhost') && host !== hostname();

/**
 * Returns a deployment's options with one replica for each address of its replicas' hosts. If a host has several, the
 * replica's id becomes `<id>-<address>`, with dashes instead of the colons of IPv6.
 */
export function expandHosts(
  options: DeploymentOptions,
  addressesOf: (host: string) => readonly string[],
): DeploymentOptions {
  const replicas = options.replicas.flatMap((replica) => {
    const addresses = addressesOf(replica.url.host);
    return addresses.length === 0
      ? [replica]
      : addresses.map((address) => ({
          ...replica,
          id: addresses.length === 1 ? replica.id : `${replica.id}-${address.replaceAll(':', '-')}`,
          url: { ...replica.url, host: address },
        }));
  });
  return { ...options, replicas };
}

/** One host name. */
interface Host {
  readonly name: string;
  addresses: readonly string[];
  problem: string;
  /** performance.now() of the end of the last lookup. */
  lookedUpMs: number;
  isLookingUp: boolean;
  timer: NodeJS.Timeout | undefined;
}

export class HostAddresses {
  readonly #options: HostAddressesOptions;
  readonly #resolve: ResolveReplicaHost;
  readonly #changed: (change: AddressChange) => void;
  readonly #hosts = new Map<string, Host>();
  #isStopped = false;

  /** `changed` is called when the addresses of a name, or its problem, have changed. */
  constructor(
    options: HostAddressesOptions,
    resolve: ResolveReplicaHost,
    changed: (change: AddressChange) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#changed = changed;
  }

  /** The last known addresses of a host, sorted; empty if they are unknown or the host is not resolved. */
  of = (name: string): readonly string[] => this.#hosts.get(name)?.addresses ?? [];

  /** Replaces the set of resolved hosts. Resolves when the first lookup of each new name has ended or timed out. */
  async setHosts(names: Iterable<string>): Promise<void> {
    if (this.#options.intervalMs === 0) return;
    const wanted = new Set([...names].filter(needsLookup));
    for (const [name, host] of this.#hosts)
      if (!wanted.has(name)) {
        clearTimeout(host.timer);
        this.#hosts.delete(name);
      }
    const added = [...wanted].filter((name) => !this.#hosts.has(name));
    if (added.length === 0 || this.#isStopped) return;
    const first = added.map((name) => {
      const host: Host = {
        name,
        addresses: [],
        problem: '',
        lookedUpMs: -Infinity,
        isLookingUp: false,
        timer: undefined,
      };
      this.#hosts.set(name, host);
      return this.#lookUp(host);
    });
    await waitAtMost(this.#options.timeoutMs, Promise.all(first));
  }

  /** Looks a host up soon, since a replica there cannot be reached and the addresses may have changed. */
  lookUpSoon(name: string): void {
    const host = this.#hosts.get(name);
    if (host === undefined || host.isLookingUp) return;
    this.#schedule(host, Math.max(0, host.lookedUpMs + MIN_PAUSE_MS - performance.now()));
  }

  stop(): void {
    this.#isStopped = true;
    for (const { timer } of this.#hosts.values()) clearTimeout(timer);
  }

  #schedule(host: Host, delayMs: number): void {
    clearTimeout(host.timer);
    if (this.#isStopped || this.#hosts.get(host.name) !== host) return;
    host.timer = setTimeout(() => void this.#lookUp(host), delayMs).unref();
  }

  async #lookUp(host: Host): Promise<void> {
    host.isLookingUp = true;
    let addresses = host.addresses;
    let problem = '';
    try {
      const found = oneFamily(await this.#resolve(host.name));
      if (found.length > MAX_ADDRESSES)
        problem = `${found.length} addresses found, only the first ${MAX_ADDRESSES} are used`;
      addresses = found.slice(0, MAX_ADDRESSES);
    } catch (error) {
      problem = `${describe(error)}; known addresses kept: ${host.addresses.length}`;
    }
    host.isLookingUp = false;
    host.lookedUpMs = performance.now();
    if (this.#isStopped || this.#hosts.get(host.name) !== host) return;
    this.#schedule(host, this.#options.intervalMs);
    const before = host.addresses;
    const added = addresses.filter((address) => !before.includes(address));
    const removed = before.filter((address) => !addresses.includes(address));
    if (added.length + removed.length === 0 && problem === host.problem) return;
    host.addresses = addresses;
    host.problem = problem;
    this.#changed({ host: host.name, addresses, added, removed, problem });
  }
}

/**
 * Returns the addresses of one family without duplicates, sorted: the family with more addresses, IPv4 if the numbers
 * are equal, since a host with both is one server, not two. Returns none if each family has one address: the system
 * then chooses at each connection, since the server may listen on only one of them.
 */
function oneFamily(found: readonly { readonly address: string; readonly family: number }[]): string[] {
  const [four, six] = [4, 6].map((family) => [
    ...new Set(found.filter((one) => one.family === family).map(({ address }) => address)),
  ]) as [string[], string[]];
  if (four.length === 1 && six.length === 1) return [];
  const most = four.length >= six.length ? four : six;
  return most.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}
