// Resolves the host names in replicas' URLs at intervals: each address is a replica of its own.
// Invariants: at most one lookup per name runs at a time; a name that cannot be resolved keeps its addresses.
// It uses the system's resolver (getaddrinfo), so /etc/hosts and search domains apply, as for any other program.
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { describe } from '../../core/errors.ts';
import type { DeploymentOptions } from './options.ts';

/** Resolves a host name to all its addresses; rejects if there are none. */
export type ResolveReplicaHost = (
  name: string,
) => Promise<readonly { readonly address: string; readonly family: number }[]>;

export const resolveReplicaHost: ResolveReplicaHost = (name) => lookup(name, { all: true });

/** Maximum number of addresses of one name. Further ones are left out, with a warning. */
export const MAX_ADDRESSES = 64;
/** Minimum time between the last answer for a name and its next lookup. */
const MIN_WAIT_MS = 1000;

/** A change of the addresses of a name. */
export interface AddressChange {
  readonly host: string;
  readonly addresses: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Why the name could not be resolved, or not in full; empty when all is well. */
  readonly problem: string;
}

export interface AddressesOptions {
  /** Time between two lookups of one name, in milliseconds. 0: names are not resolved here. */
  readonly intervalMs: number;
  /** How long to wait for the first answers, in milliseconds. */
  readonly timeoutMs: number;
}

/** False for addresses, and for names of this machine, since their addresses lead to the same server. */
export const isResolved = (host: string): boolean =>
  isIP(host) === 0 && host !== 'localhost' && !host.endsWith('.localhost') && host !== hostname();

/**
 * A deployment's options with a replica for each address of its replicas' hosts. The id of a replica whose host has
 * several is `<id>-<address>`, with dashes for the colons of IPv6.
 */
export function expand(
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

/** One name. */
interface Name {
  readonly host: string;
  addresses: readonly string[];
  problem: string;
  /** performance.now() of the last answer. */
  answeredMs: number;
  isAsking: boolean;
  timer: NodeJS.Timeout | undefined;
}

export class Addresses {
  readonly #options: AddressesOptions;
  readonly #resolve: ResolveReplicaHost;
  readonly #changed: (change: AddressChange) => void;
  readonly #names = new Map<string, Name>();
  #isStopped = false;

  /** `changed` is called when the addresses of a name, or its problem, have changed. */
  constructor(
    options: AddressesOptions,
    resolve: ResolveReplicaHost,
    changed: (change: AddressChange) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#changed = changed;
  }

  /** The last known addresses of a host, sorted; empty if they are unknown or the host is not resolved. */
  of = (host: string): readonly string[] => this.#names.get(host)?.addresses ?? [];

  /** From now on resolves the names among these hosts, and no others. Returns when new names have an answer or timed out. */
  async follow(hosts: Iterable<string>): Promise<void> {
    if (this.#options.intervalMs === 0) return;
    const wanted = new Set([...hosts].filter(isResolved));
    for (const [host, name] of this.#names)
      if (!wanted.has(host)) {
        clearTimeout(name.timer);
        this.#names.delete(host);
      }
    const added = [...wanted].filter((host) => !this.#names.has(host));
    if (added.length === 0 || this.#isStopped) return;
    const first = added.map((host) => {
      const name: Name = {
        host,
        addresses: [],
        problem: '',
        answeredMs: -Infinity,
        isAsking: false,
        timer: undefined,
      };
      this.#names.set(host, name);
      return this.#ask(name);
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, this.#options.timeoutMs)));
    await Promise.race([Promise.all(first), late]);
    clearTimeout(timer);
  }

  /** Looks the host up soon, since a replica there cannot be reached and its addresses may have changed. */
  askSoon(host: string): void {
    const name = this.#names.get(host);
    if (name === undefined || name.isAsking) return;
    this.#next(name, Math.max(0, name.answeredMs + MIN_WAIT_MS - performance.now()));
  }

  stop(): void {
    this.#isStopped = true;
    for (const { timer } of this.#names.values()) clearTimeout(timer);
  }

  #next(name: Name, waitMs: number): void {
    clearTimeout(name.timer);
    if (this.#isStopped || this.#names.get(name.host) !== name) return;
    name.timer = setTimeout(() => void this.#ask(name), waitMs).unref();
  }

  async #ask(name: Name): Promise<void> {
    name.isAsking = true;
    let addresses = name.addresses;
    let problem = '';
    try {
      const found = inOneFamily(await this.#resolve(name.host));
      if (found.length > MAX_ADDRESSES)
        problem = `it has ${found.length} addresses; the first ${MAX_ADDRESSES} are used`;
      addresses = found.slice(0, MAX_ADDRESSES);
    } catch (error) {
      problem = `${describe(error)}; addresses that stay in use: ${name.addresses.length}`;
    }
    name.isAsking = false;
    name.answeredMs = performance.now();
    if (this.#isStopped || this.#names.get(name.host) !== name) return;
    this.#next(name, this.#options.intervalMs);
    const before = name.addresses;
    const added = addresses.filter((address) => !before.includes(address));
    const removed = before.filter((address) => !addresses.includes(address));
    if (added.length + removed.length === 0 && problem === name.problem) return;
    name.addresses = addresses;
    name.problem = problem;
    this.#changed({ host: name.host, addresses, added, removed, problem });
  }
}

/**
 * The addresses of one family, each once, sorted: the family with more addresses, IPv4 if the numbers are equal, since a
 * host with both is one server, not two. With one address in each family the system chooses at each connection, since the
 * server may listen on one of them only.
 */
function inOneFamily(found: readonly { readonly address: string; readonly family: number }[]): string[] {
  const [four, six] = [4, 6].map((family) => [
    ...new Set(found.filter((one) => one.family === family).map(({ address }) => address)),
  ]) as [string[], string[]];
  if (four.length === 1 && six.length === 1) return [];
  const most = four.length >= six.length ? four : six;
  return most.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}
