// Finds the process that listens on a port of this machine: /proc/net/tcp has the socket, /proc/<pid>/fd its owner.
// Invariant: only addresses of this machine are searched, the work of one search is bounded, and a process that was
// found is not searched again while it runs.
import { readdir, readlink } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import { isLoopback } from '../../core/loopback.ts';
import { ancestorsOf, isAlive, readProcess, type Process, type ProcessTable } from './process-table.ts';
import { isExpected, readSmall } from '../small-file.ts';

/** Listening sockets come before connections in /proc/net/tcp, so its beginning is enough. */
const MAX_TCP_BYTES = 1024 * 1024;
/** Maximum number of open files that one search reads. */
const MAX_LINKS = 200_000;
/** Time before a failed search for the same socket is repeated. Its owner belongs to another user. */
const NOT_FOUND_MS = 60_000;
const LISTEN = '0A';
/** Programs that forward a port to another process. Their CPU and memory are not those of a replica. */
const PORT_FORWARDERS = new Set(['docker-proxy', 'rootlessport', 'kube-proxy', 'slirp4netns', 'pasta']);

/** A listening socket. */
export interface ListeningSocket {
  readonly host: string;
  readonly port: number;
  readonly inode: string;
}

/** The listening sockets in /proc/net/tcp or tcp6. Addresses are 32-bit words in little endian byte order. */
export function parseTcp(text: string): ListeningSocket[] {
  return Array.from(
    text.matchAll(/^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) \S+ ([0-9A-F]{2}) (?:\S+ +){5}(\d+)/gm),
    ([, address, port, state, inode]) =>
      state === LISTEN
        ? { host: hostOf(address!), port: Number.parseInt(port!, 16), inode: inode! }
        : undefined,
  ).filter((socket) => socket !== undefined);
}

function hostOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  for (let i = 0; i < bytes.length; i += 4) bytes.subarray(i, i + 4).reverse();
  const v4 = (four: Buffer) => Array.from(four).join('.');
  if (bytes.length === 4) return v4(bytes);
  if (bytes.subarray(0, 12).toString('hex') === '00000000000000000000ffff') return v4(bytes.subarray(12));
  const groups = bytes
    .toString('hex')
    .match(/.{4}/g)!
    .map((group) => Number.parseInt(group, 16).toString(16));
  // The URL parser normalizes IPv6 addresses (RFC 5952), as in a replica's URL.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/** True if `host` is this machine. Names are not resolved; only the machine's own name is known. */
export const isOwnAddress = (host: string): boolean =>
  isLoopback(host) ||
  host === '0.0.0.0' ||
  host === '::' ||
  host === hostname() ||
  Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === host));

/** True if a socket that is bound to `bound` accepts connections to `host`. */
const accepts = (bound: string, host: string): boolean =>
  bound === '0.0.0.0' ||
  bound === '::' ||
  bound === host ||
  (host === 'localhost' && isLoopback(bound)) ||
  !/^[\d.]+$|:/.test(host);

export class PortOwners {
  readonly #proc: string;
  readonly #known = new Map<string, Process>();
  /** Failed searches: the sockets, and performance.now() of the search. */
  readonly #notFound = new Map<string, { readonly sockets: string; readonly atMs: number }>();

  constructor(proc: string) {
    this.#proc = proc;
  }

  /**
   * The process that listens there; if several share the socket, their common ancestor. `undefined` if none is found.
   */
  async find(host: string, port: number, table: () => Promise<ProcessTable>): Promise<Process | undefined> {
    const known = await this.known(host, port);
    if (known) return known;
    const key = `${host} ${port}`;
    const inodes = await this.#socketsAt(host, port);
    if (inodes.size === 0) return undefined;
    const sockets = [...inodes].join(' ');
    const failed = this.#notFound.get(key);
    if (failed?.sockets === sockets && performance.now() - failed.atMs < NOT_FOUND_MS) return undefined;
    const found = await this.#holder(inodes, await table());
    if (found === undefined || PORT_FORWARDERS.has(found.name)) {
      this.#notFound.set(key, { sockets, atMs: performance.now() });
      return undefined;
    }
    this.#notFound.delete(key);
    this.#known.set(key, found);
    return found;
  }

  /** The process that an earlier search found, if it still runs. Reads one file. */
  async known(host: string, port: number): Promise<Process | undefined> {
    const key = `${host} ${port}`;
    const known = this.#known.get(key);
    if (known === undefined) return undefined;
    const now = await readProcess(this.#proc, known.pid);
    if (now && isAlive(now) && now.started === known.started) return now;
    // A concurrent search may have replaced it.
    if (this.#known.get(key) === known) this.#known.delete(key);
    return undefined;
  }

  /** Forgets all other ports. */
  keep(ports: readonly { readonly host: string; readonly port: number }[]): void {
    const wanted = new Set(ports.map(({ host, port }) => `${host} ${port}`));
    for (const map of [this.#known, this.#notFound])
      for (const key of map.keys()) if (!wanted.has(key)) map.delete(key);
  }

  async #socketsAt(host: string, port: number): Promise<Set<string>> {
    const texts = await Promise.all(
      ['tcp', 'tcp6'].map((name) => readSmall(`${this.#proc}/net/${name}`, MAX_TCP_BYTES)),
    );
    const sockets = texts.flatMap((text) => parseTcp(text ?? ''));
    return new Set(
      sockets.filter((s) => s.port === port && accepts(s.host, host)).map(({ inode }) => `socket:[${inode}]`),
    );
  }

  /** Of all processes that hold the socket, the ancestor of the others, since forked children inherit it. */
  async #holder(links: ReadonlySet<string>, table: ProcessTable): Promise<Process | undefined> {
    const holders: Process[] = [];
    const left = { links: MAX_LINKS };
    for (const process of table.values())
      if (left.links > 0 && (await this.#holds(process.pid, links, left))) holders.push(process);
    const pids = new Set(holders.map(({ pid }) => pid));
    const tops = holders.filter(({ pid }) => !ancestorsOf(pid, table).some((ancestor) => pids.has(ancestor)));
    if (tops.length < 2) return tops[0];
    // Workers with a socket each (SO_REUSEPORT) are one server if the same process started them.
    const parent = table.get(tops[0]!.parent);
    const isCommonParent =
      parent !== undefined && parent.pid !== 1 && tops.every((top) => top.parent === parent.pid);
    const isOwnAncestor =
      parent?.pid === process.pid || ancestorsOf(process.pid, table).includes(parent?.pid ?? 0);
    return isCommonParent && !isOwnAncestor ? parent : tops.sort((a, b) => a.pid - b.pid)[0];
  }

  async #holds(pid: number, links: ReadonlySet<string>, left: { links: number }): Promise<boolean> {
    try {
      const directory = `${this.#proc}/${pid}/fd`;
      for (const fd of await readdir(directory)) {
        if (left.links-- <= 0) return false;
        if (links.has(await readlink(`${directory}/${fd}`))) return true;
      }
      return false;
    } catch (error) {
      // A process of another user, or one that ended or closed the file meanwhile.
      if (isExpected(error)) return false;
      throw error;
    }
  }
}
