// Makes a server listen on an address.
// Invariant: a Unix socket has its mode before a client can connect to it.
import { chmodSync, renameSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { WeirError } from '../../core/errors.ts';
import { formatAddress, unixAddress, type Address } from '../../core/address.ts';
import { freeSocketPath, fileAt } from './unix-socket.ts';

/** Connections that may wait to be accepted. The operating system may allow fewer. */
const BACKLOG = 4096;

/** Mask of a socket file until it has its mode: only the owner may connect. */
const OWNER_ONLY = 0o177;

export interface ListenOptions {
  readonly listen: Address;
  /** Mode of the file of a Unix socket, in octal digits. */
  readonly socket_mode: string;
}

/** Who else listens on the port: nobody; further threads of this process; threads of this process that listen already. */
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
  const { path } = address;
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

/** Node binds a Unix socket before `listen` returns. */
function listenOnSocket(server: Server, path: string, mode: number, listening: () => void): void {
  const before = process.umask(OWNER_ONLY);
  try {
    server.listen({ path, backlog: BACKLOG }, listening);
  } finally {
    process.umask(before);
  }
  if (!server.listening) return;
  chmodSync(path, mode);
  keepOthers(server, path);
}

/** Node removes the path when the server is closed, whatever is there then: it may be the socket of another process. */
function keepOthers(server: Server, path: string): void {
  const own = fileAt(path);
  const close = server.close.bind(server);
  server.close = (done) => {
    const now = fileAt(path);
    const isOther = now !== undefined && now !== own;
    const aside = `${path}.${process.pid}`;
    try {
      if (isOther) renameSync(path, aside);
    } catch {
      // The folder cannot be changed, so Node cannot remove the file either.
      return close(done);
    }
    close(done);
    if (isOther) renameSync(aside, path);
    return server;
  };
}

function listenError(address: Address, reason: string, option: string, cause?: Error): WeirError {
  const detail = `cannot listen on ${formatAddress(address)}: ${reason}; choose another address with ${option}`;
  return new WeirError('listen_failed', detail, { cause });
}

/** The address that a server listens on, with the port that was chosen for port 0. */
export function boundAddress(server: Server): Address {
  const bound = server.address() as AddressInfo | string;
  return typeof bound === 'string' ? unixAddress(bound) : { host: bound.address, port: bound.port };
}
