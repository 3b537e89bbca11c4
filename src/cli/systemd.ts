// Tells systemd about the state of weir, with the program systemd-notify, since Node has no datagram sockets of Unix.
// Invariant: without NOTIFY_SOCKET nothing is run, and a failure changes nothing for clients.
import { execFile } from 'node:child_process';
import { describe } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';

const TIMEOUT_MS = 10_000;

/**
 * Sends states such as `READY=1` (sd_notify(3)). Resolves when systemd has them, or after a warning. The unit needs
 * `NotifyAccess=all`, since another process sends them.
 */
export function notifySystemd(env: NodeJS.ProcessEnv, states: readonly string[], log: Logger): Promise<void> {
  if (!env['NOTIFY_SOCKET']) return Promise.resolve();
  return new Promise((resolve) =>
    execFile('systemd-notify', states, { env, timeout: TIMEOUT_MS }, (error) => {
      if (error) log.warn('systemd cannot be notified', { states, problem: describe(error) });
      resolve();
    }),
  );
}
