// Makes a server listen on an address.
import type { AddressInfo, Server } from 'node:net';
import { WeirError } from '../../core/errors.ts';
import { formatAddress, type Address } from '../../core/address.ts';

/** Connections that may wait to be accepted. The operating system may allow fewer. */
const BACKLOG = 4096;

/** Listens on an address. Rejects with a WeirError `listen_failed`. `option`: the flag that sets the address. */
export function listen(server: Server, address: Address, option: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'the port is in use' : error.message;
      const detail = `cannot listen on ${formatAddress(address)}: ${reason}; choose another address with ${option}`;
      reject(new WeirError('listen_failed', detail, { cause: error }));
    };
    server.once('error', failed);
    server.listen({ ...address, backlog: BACKLOG }, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

/** The address that a server listens on, with the port that was chosen for port 0. */
export function boundAddress(server: Server): Address {
  const bound = server.address() as AddressInfo;
  return { host: bound.address, port: bound.port };
}
