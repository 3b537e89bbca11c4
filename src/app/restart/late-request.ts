// What an old weir sends to the next one of its data folder, and where.
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { MAX_SOCKET_PATH_BYTES } from '../../core/address.ts';
import type { DeploymentIdentity } from '../../core/deployment-identity.ts';
import type { RawBodies } from '../../core/exchange/body-capture.ts';
import type { ExchangeFacts } from '../../core/exchange/late-exchange.ts';

/** A request that ended after the store was handed over. */
export interface LateRequest {
  readonly facts: ExchangeFacts;
  readonly deployment: DeploymentIdentity | undefined;
  readonly bodies: RawBodies | undefined;
}

const SOCKET = 'restart.sock';

/**
 * The socket in a data folder, on which its weir receives what old ones send. A path that is too long for a socket is
 * reached through a descriptor of the folder, until `close`.
 */
export function socketIn(folder: string): { readonly path: string; readonly close: () => void } {
  const path = join(folder, SOCKET);
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return { path, close: () => undefined };
  // oxlint-disable-next-line no-bitwise -- flags of open(2)
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  return { path: `/proc/self/fd/${fd}/${SOCKET}`, close: () => closeSync(fd) };
}
