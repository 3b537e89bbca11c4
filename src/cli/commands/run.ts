// weir run: the sidecar, with one replica as its child process.
// Invariant: weir exits only after the child process has exited.
import { WeirError } from '../../core/errors.ts';
import type { Command } from '../command.ts';
import { optionsHelp } from '../help.ts';
import { runSidecar } from './serve.ts';

export const run: Command = {
  usage: 'run --replica URL [OPTIONS] -- COMMAND [ARGUMENT …]',
  details:
    () => `SIGTERM and SIGINT drain: weir finishes running requests, then stops the replica and exits. SIGUSR1, SIGUSR2,
SIGWINCH and SIGCONT go to the replica; SIGHUP too, unless there is a configuration file or certificate to reload.

${optionsHelp()}`,
  run(args) {
    const end = args.indexOf('--');
    const command = end === -1 ? [] : args.slice(end + 1);
    if (command.length === 0)
      throw new WeirError(
        'usage',
        'weir run needs the command of the replica after --, such as: weir run --replica http://127.0.0.1:8000 -- python server.py',
      );
    return runSidecar(args.slice(0, end), command);
  },
};
