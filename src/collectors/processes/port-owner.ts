// Finds the process that listens on a port of this machine: /proc/net/tcp names the socket, /proc/<pid>/fd its holder.
// Must stay true: only addresses of this machine are looked for, the work of one search is bounded, and a process
// that was found is not searched for again while it lives.
import { readdir, readlink } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import { ancestorsOf, isAlive, readProcess, type Process, type ProcessTable } from './process-table.ts';
import { isExpected, readSmall } from '../small-file.ts';

/** Listening sockets stand first in /proc/net/tcp, however many connections follow. */
const MAX_TCP_BYTES = 1024 * 1024;
/** Open files that one search looks at. */
const MAX_LINKS = 200_000;
/** Whoever holds a socket that was searched for in vain is another user's: so long the search is not repeated. */
const VAIN_MS = 60_000;
const LISTEN = '0A';
/** They hold ports for processes that are elsewhere: their own figures are not a replica's. */
const FORWARDERS = new Set(['docker-proxy', 'rootlessport', 'kube-proxy', 'slirp4netns', 'pasta']);

/** A listening socket. */
export interface ListeningSocket {
  readonly host: string;
  readonly port: number;
  readonly inode: string;
}

/** The listening sockets of a /proc/net/tcp or tcp6. Addresses are words in the machine's byte order: little endian. */
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
  // The URL parser writes IPv6 addresses in the one short form of RFC 5952, as a replica's URL has it.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host.startsWith('127.');

/** True when a connection to `host` stays on this machine. Names other than its own are not looked up. */
export const isOwnAddress = (host: string): boolean =>
  isLoopback(host) ||
  host === '0.0.0.0' ||
  host === '::' ||
  host === hostname() ||
  Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === host));

/** True when a socket bound to `bound` takes connections to `host`. */
const accepts = (bound: string, host: string): boolean =>
  bound === '0.0.0.0' ||
  bound === '::' ||
  bound === host ||
  (host === 'localhost' && isLoopback(bound)) ||
  !/^[\d.]+$|:/.test(host);

export class PortOwners {
  readonly #proc: string;
  readonly #known = new Map<string, Process>();
  /** Sockets whose holder was not to be seen, and when that was. */
  readonly #vain = new Map<string, { readonly sockets: string; readonly atMs: number }>();

  constructor(proc: string) {
    this.#proc = proc;
  }

  /** The process that listens there, the topmost where several share the socket; `undefined` when none is seen. */
  async find(host: string, port: number, table: () => Promise<ProcessTable>): Promise<Process | undefined> {
    const known = await this.known(host, port);
    if (known) return known;
    const key = `${host} ${port}`;
    const inodes = await this.#socketsAt(host, port);
    if (inodes.size === 0) return undefined;
    const sockets = [...inodes].join(' ');
    const vain = this.#vain.get(key);
    if (vain?.sockets === sockets && performance.now() - vain.atMs < VAIN_MS) return undefined;
    const found = await this.#holder(inodes, await table());
    if (found === undefined || FORWARDERS.has(found.name)) {
      this.#vain.set(key, { sockets, atMs: performance.now() });
      return undefined;
    }
    this.#vain.delete(key);
    this.#known.set(key, found);
    return found;
  }

  /** The process that was found there by an earlier search, if it still runs. Reads one file. */
  async known(host: string, port: number): Promise<Process | undefined> {
    const key = `${host} ${port}`;
    const known = this.#known.get(key);
    if (known === undefined) return undefined;
    const now = await readProcess(this.#proc, known.pid);
    if (now && isAlive(now) && now.started === known.started) return now;
    // Another search may have found the next one meanwhile.
    if (this.#known.get(key) === known) this.#known.delete(key);
    return undefined;
  }

  /** Forgets ports that nobody asks for any more. */
  keep(places: readonly { readonly host: string; readonly port: number }[]): void {
    const wanted = new Set(places.map(({ host, port }) => `${host} ${port}`));
    for (const map of [this.#known, this.#vain])
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

  /** Servers fork, and their children inherit the socket: of all its holders, the one that the others come from. */
  async #holder(links: ReadonlySet<string>, table: ProcessTable): Promise<Process | undefined> {
    const holders: Process[] = [];
    const left = { links: MAX_LINKS };
    for (const process of table.values())
      if (left.links > 0 && (await this.#holds(process.pid, links, left))) holders.push(process);
    const pids = new Set(holders.map(({ pid }) => pid));
    const tops = holders.filter(({ pid }) => !ancestorsOf(pid, table).some((ancestor) => pids.has(ancestor)));
    if (tops.length < 2) return tops[0];
    // Workers that each have a socket of their own (SO_REUSEPORT) are one server when one process has started them.
    const parent = table.get(tops[0]!.parent);
    const isTheirs =
      parent !== undefined && parent.pid !== 1 && tops.every((top) => top.parent === parent.pid);
    const isOurs = parent?.pid === process.pid || ancestorsOf(process.pid, table).includes(parent?.pid ?? 0);
    return isTheirs && !isOurs ? parent : tops.sort((a, b) => a.pid - b.pid)[0];
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
      // Another user's process, or one that has just ended or closed that file.
      if (isExpected(error)) return false;
      throw error;
    }
  }
}
