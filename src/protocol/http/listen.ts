// Makes a server listen on an address, or on a socket that the process has inherited.
// Invariant: a Unix socket has its mode before a client can connect to it. A socket that another process listens on too
// goes on when this one stops: no connection that waits to be accepted is lost, and the file of a Unix socket stays.
import { chmodSync, closeSync, openSync, renameSync, unlinkSync } from 'node:fs';
import { createServer, Server, type AddressInfo } from 'node:net';
import { basename, dirname } from 'node:path';
import { WeirError } from '../../core/errors.ts';
import { formatAddress, MAX_SOCKET_PATH_BYTES, unixAddress, type Address } from '../../core/address.ts';
import { boundPath, freeSocketPath, fileAt } from './unix-socket.ts';

/** Connections that may wait to be accepted. The operating system may allow fewer. */
const BACKLOG = 4096;

/** Mask of a socket file until it has its mode: only the owner may connect. */
const OWNER_ONLY = 0o177;

export interface ListenOptions {
  readonly listen: Address;
  /** Mode of the file of a Unix socket, in octal digits. */
  readonly socket_mode: string;
}

/** What else listens on the port: nothing; further threads of this process; threads of this process that listen already. */
export type PortUse = 'alone' | 'first' | 'further';

/**
 * Listens on an address. Removes the file of a Unix socket that an ended process has left. Rejects with a WeirError
 * `listen_failed`, also if another process listens on a port that is to be shared with threads. `option`: the flag that
 * sets the address.
 */
export async function listen(
  server: Server,
  { listen: address, socket_mode }: ListenOptions,
  option: string,
  use: PortUse = 'alone',
): Promise<void> {
  const { path, inherited } = address;
  if (inherited !== undefined && use !== 'alone')
    throw listenError(address, 'an inherited socket serves one thread, and threads is above 1', option);
  if (inherited !== undefined) return listenOnInherited(server, address, inherited, option);
  const problem = path === undefined ? '' : await freeSocketPath(path);
  if (problem !== '') throw listenError(address, problem, option);
  if (use === 'first' && address.port !== 0) await expectFree(address, option);
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' && path === undefined ? 'the port is in use' : error.message;
      reject(listenError(address, reason, option, error));
    };
    server.once('error', failed);
    const listening = () => {
      server.off('error', failed);
      resolve();
    };
    if (path === undefined)
      server.listen({ ...address, backlog: BACKLOG, reusePort: use !== 'alone' }, listening);
    else listenOnSocket(server, path, parseInt(socket_mode, 8), listening);
  });
}

/** A port that is shared could be taken from another process that shares it too, so it is tried alone first. */
async function expectFree(address: Address, option: string): Promise<void> {
  const server = createServer();
  await listen(server, { listen: address, socket_mode: '' }, option);
  await new Promise((resolve) => server.close(resolve));
}

/** The kind of the socket must be that of the address, since the address says how clients are called. */
function listenOnInherited(
  server: Server,
  address: Address,
  { fd, isOwn }: NonNullable<Address['inherited']>,
  option: string,
): Promise<void> {
  const { path } = address;
  return new Promise((resolve, reject) => {
    const failed = (error: Error) =>
      reject(
        listenError(address, `the inherited socket ${fd} cannot be used: ${error.message}`, option, error),
      );
    server.once('error', failed);
    server.listen({ fd, backlog: BACKLOG }, () => {
      server.off('error', failed);
      const isUnix = server.address() === null;
      if (isUnix === (path !== undefined)) {
        // The file of systemd's socket is systemd's.
        if (path !== undefined && isOwn) removeAtClose(server, path);
        return resolve();
      }
      const kind = isUnix ? 'a Unix socket' : 'a TCP socket';
      server.close();
      reject(listenError(address, `the inherited socket ${fd} is ${kind}`, option));
    });
  });
}

/**
 * Node binds a Unix socket before `listen` returns, and removes the path that it has bound when the server is closed. It
 * binds another name in the folder, which is renamed, so that the file is replaced at once and kept if it is to stay. A
 * name that is too long for a socket is reached through a descriptor of its folder.
 */
function listenOnSocket(server: Server, path: string, mode: number, listening: () => void): void {
  const bound = boundPath(path);
  const isLong = Buffer.byteLength(bound) > MAX_SOCKET_PATH_BYTES;
  const folder = isLong ? openSync(dirname(path), 'r') : -1;
  const before = process.umask(OWNER_ONLY);
  try {
    server.listen(
      { path: isLong ? `/proc/self/fd/${folder}/${basename(bound)}` : bound, backlog: BACKLOG },
      listening,
    );
  } finally {
    process.umask(before);
    if (isLong) closeSync(folder);
  }
  if (!server.listening) return;
  chmodSync(bound, mode);
  renameSync(bound, path);
  removeAtClose(server, path);
}

/** Servers whose Unix socket another process listens on too. */
const shared = new WeakSet<Server>();

/** Removes the file of the socket when the server is closed, unless it is the socket of another process by then. */
function removeAtClose(server: Server, path: string): void {
  const own = fileAt(path);
  const close = server.close.bind(server);
  server.close = (done) => {
    const isOpen = server.listening;
    close(done);
    if (isOpen && !shared.has(server) && fileAt(path) === own) unlinkSync(path);
    return server;
  };
}

/** The file descriptor of the socket on which a server listens. */
export function listeningFd(server: Server): number {
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  return fd;
}

/** Another process listens on the socket too: its file stays when the server is closed. */
export const shareSocket = (server: Server): void => void shared.add(server);

/**
 * Stops accepting connections, since another process accepts them. Those that are open go on, also idle ones: `close` of
 * an HTTP server would close these. Resolves when none is left.
 */
export function leaveSocket(server: Server): Promise<void> {
  shareSocket(server);
  return new Promise((resolve) => void Server.prototype.close.call(server, () => resolve()));
}

function listenError(address: Address, reason: string, option: string, cause?: Error): WeirError {
  const detail = `cannot listen on ${formatAddress(address)}: ${reason}; choose another address with ${option}`;
  return new WeirError('listen_failed', detail, { cause });
}

/** The address that a server listens on, with the port that was chosen for port 0. `wanted`: the one of its settings. */
export function boundAddress(server: Server, { path }: Address): Address {
  if (path !== undefined) return unixAddress(path);
  const { address, port } = server.address() as AddressInfo;
  return { host: address, port };
}
