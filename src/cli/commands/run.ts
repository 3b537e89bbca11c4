// weir run: the sidecar and the one replica that it starts and supervises.
// Must stay true: weir ends only after the replica's process has.
import { WeirError } from '../../core/errors.ts';
import type { Command } from '../command.ts';
import { optionsHelp } from '../help.ts';
import { runSidecar } from './serve.ts';

export const run: Command = {
  name: 'run',
  usage: 'run --replica URL [OPTIONS] -- COMMAND [ARGUMENT …]',
  summary: 'Starts a replica, stands in front of it, and starts it again when it dies.',
  details: `Signals other than SIGTERM and SIGINT are passed on to the replica; those two drain first.\n\n${optionsHelp()}`,
  run(args) {
    const end = args.indexOf('--');
    const command = end === -1 ? [] : args.slice(end + 1);
    if (command.length === 0)
      throw new WeirError(
        'usage',
        'run needs the replica’s command behind --, such as: weir run --replica http://127.0.0.1:8000 -- python server.py',
      );
    return runSidecar(args.slice(0, end), command);
  },
};
