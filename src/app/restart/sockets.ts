// Inherited sockets in the configuration, and the sockets that a running weir passes on.
import { closeSync } from 'node:fs';
import { formatAddress, type Address } from '../../core/address.ts';
import {
  SERVER_NAMES,
  type InheritedSocket,
  type InheritedSockets,
  type ServerName,
} from '../../core/inherited-sockets.ts';
import type { Config } from '../../config/config.ts';
import { listeningFd, shareSocket } from '../../protocol/http/listen.ts';
import type { Modules } from '../modules.ts';

/** The section of the settings of a server. */
const SECTIONS = { data: 'ingress', admin: 'admin', scaler: 'scale' } as const satisfies Record<
  ServerName,
  keyof Config
>;

/** A socket that a running weir passes on to the next one. */
export type PassedSocket = InheritedSocket & { readonly name: ServerName };

/** The configuration with the inherited sockets. Closes those that were made for another address than it has. */
export function withSockets(config: Config, sockets: InheritedSockets): Config {
  const used: { [section: string]: unknown } = {};
  for (const [name, { fd, madeFor }] of sockets) {
    const section = SECTIONS[name];
    const { listen } = config[section];
    const isUsed = name !== 'scaler' || config.scale.keda;
    if (isUsed && (madeFor === '' || madeFor === formatAddress(listen)))
      used[section] = { ...config[section], listen: { ...listen, inherited: { fd, isOwn: madeFor !== '' } } };
    else closeSync(fd);
  }
  return { ...config, ...used };
}

/** The listening sockets of a running weir. `inherited`: those with which it was started. */
export function socketsOf(modules: Modules, inherited: InheritedSockets): PassedSocket[] {
  const { config } = modules;
  return SERVER_NAMES.flatMap((name) => {
    const server = listenersOf(modules)[name];
    if (server?.listening !== true) return [];
    const { listen }: { listen: Address } = config[SECTIONS[name]];
    // One of systemd's stays in use whatever the settings say.
    const madeFor = inherited.get(name)?.madeFor ?? formatAddress(listen);
    return [{ name, fd: listeningFd(server), madeFor }];
  });
}

/** The next weir has the sockets, so that closing them here must not remove their files. */
export function shareSockets(modules: Modules): void {
  for (const server of Object.values(listenersOf(modules))) if (server?.listening) shareSocket(server);
}

const listenersOf = ({ dataServer, admin, autoscaler }: Modules) => ({
  data: dataServer.listener,
  admin: admin.listener,
  scaler: autoscaler.listener,
});
