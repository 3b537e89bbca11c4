// Takes the path of a Unix socket before a server listens on it.
// Invariant: only the file of a socket that no process listens on is removed.
import { lstatSync, readdirSync, readFileSync, readlinkSync, unlinkSync, type Stats } from 'node:fs';
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { describe } from '../../core/errors.ts';

/**
 * Removes the socket file that an ended process has left at `path`. Returns '', or why a server cannot listen there: the
 * end of a sentence.
 */
export async function freeSocketPath(path: string): Promise<string> {
  const found = statOf(path);
  if (found === undefined) return '';
  if (!found.isSocket()) return 'a file is there that is not a socket';
  const code = await connectCode(path);
  if (code !== 'ECONNREFUSED') return code === '' || code === 'EAGAIN' ? inUse(path) : `its socket: ${code}`;
  try {
    // Another process may have replaced it meanwhile.
    if (statOf(path)?.ino === found.ino) unlinkSync(path);
    return '';
  } catch (error) {
    return `the socket of an ended process cannot be removed: ${describe(error)}`;
  }
}

/** The name that a socket at `path` is bound to before it is renamed (listen.ts), which /proc goes on to show. */
export const boundPath = (path: string): string => `${boundPrefix(path)}${process.pid}`;

const boundPrefix = (path: string): string =>
  join(dirname(path), `.w${createHash('sha256').update(basename(path)).digest('hex').slice(0, 6)}-`);

/** Which file is at `path`; `undefined`: none. */
export function fileAt(path: string): string | undefined {
  const found = statOf(path);
  return found && `${found.dev}:${found.ino}`;
}

const statOf = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });

/** The error code of a connection to the socket; empty if it succeeds. */
const connectCode = (path: string): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve('');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });

function inUse(path: string): string {
  const pid = listenerOf(path);
  return `${pid === undefined ? 'another process' : `process ${pid}`} listens there`;
}

/**
 * Process that listens on a Unix socket, from /proc. `undefined` if it cannot be found, for example since it is another
 * user's.
 */
function listenerOf(path: string): number | undefined {
  const inodes = readText('/proc/net/unix')
    .split('\n')
    .flatMap((line) => {
      // Num RefCount Protocol Flags Type St Inode Path; a listening socket has the flag __SO_ACCEPTCON.
      const [, , , flags, , , inode, ...name] = line.trim().split(/\s+/);
      const bound = name.join(' ');
      const isIt = bound === path || bound.startsWith(boundPrefix(path));
      return isIt && flags === '00010000' ? [`socket:[${inode}]`] : [];
    });
  if (inodes.length === 0) return undefined;
  const pids = readNames('/proc').filter((name) => /^\d+$/.test(name));
  const pid = pids.find((one) =>
    readNames(`/proc/${one}/fd`).some((fd) => inodes.includes(readTarget(`/proc/${one}/fd/${fd}`))),
  );
  return pid === undefined ? undefined : Number(pid);
}

/** Processes end, and those of other users cannot be read: what is missing counts as empty. */
function orEmpty<T>(read: () => T, empty: T): T {
  try {
    return read();
  } catch {
    return empty;
  }
}
const readText = (file: string): string => orEmpty(() => readFileSync(file, 'utf8'), '');
const readNames = (folder: string): string[] => orEmpty(() => readdirSync(folder), []);
const readTarget = (link: string): string => orEmpty(() => readlinkSync(link), '');
