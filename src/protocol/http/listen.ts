// Opening a door. Must stay true: a door that cannot open says why, and what to do, in one sentence.
import type { AddressInfo, Server } from 'node:net';
import { WeirError } from '../../core/errors.ts';
import { formatAddress, type Address } from '../../core/address.ts';

/** Connections that the operating system holds for us while we are busy; it may allow fewer. */
const BACKLOG = 4096;

/** Listens on an address; rejects with a Fault. `option` is the flag that sets the address. */
export function listen(server: Server, address: Address, option: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'something else is listening there' : error.message;
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

/** The address that a server really has, after port 0 became a number. */
export function boundAddress(server: Server): Address {
  const bound = server.address() as AddressInfo;
  return { host: bound.address, port: bound.port };
}
