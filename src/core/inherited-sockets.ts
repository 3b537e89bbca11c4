// Listening sockets that weir has inherited: from systemd (sd_listen_fds(3)), or from the weir that it replaces.
// Invariant: the variables that name them are removed from the environment, so that child processes do not take them.
import { WeirError } from './errors.ts';

export const SERVER_NAMES = ['data', 'admin', 'scaler'] as const;
/** A server, as sockets are named. */
export type ServerName = (typeof SERVER_NAMES)[number];

export interface InheritedSocket {
  readonly fd: number;
  /** The address of the settings that it was made for; '' if it is to be used whatever the settings say. */
  readonly madeFor: string;
}
export type InheritedSockets = ReadonlyMap<ServerName, InheritedSocket>;

/** The first descriptor that systemd passes. */
const FIRST_FD = 3;

const isServerName = (name: string): name is ServerName => (SERVER_NAMES as readonly string[]).includes(name);

/**
 * Takes the sockets of systemd out of the environment. One socket without a known name is that of the data server. Throws
 * a WeirError for names that cannot be assigned.
 */
export function takeSystemdSockets(env: NodeJS.ProcessEnv, pid = process.pid): InheritedSockets {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  const sockets = new Map<ServerName, InheritedSocket>();
  if (Number(LISTEN_PID) !== pid) return sockets;
  const count = Number(LISTEN_FDS ?? 0);
  const names = LISTEN_FDNAMES.split(':');
  for (let i = 0; i < count; i++) {
    const name = names[i] ?? '';
    const server = isServerName(name) ? name : count === 1 ? 'data' : undefined;
    if (server === undefined)
      throw new WeirError(
        'usage',
        `systemd passes a socket named "${name}"; name each with FileDescriptorName= in a socket unit of its own: ${SERVER_NAMES.join(', ')}`,
      );
    if (sockets.has(server))
      throw new WeirError(
        'usage',
        `systemd passes two sockets named "${server}"; weir takes one for each server`,
      );
    sockets.set(server, { fd: FIRST_FD + i, madeFor: '' });
  }
  return sockets;
}
