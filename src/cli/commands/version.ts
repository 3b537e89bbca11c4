// weir version: prints the version and nothing else, for scripts.
import { version } from '../../core/version.ts';
import type { Command } from '../command.ts';
import { EXIT, printProblems } from '../usage-errors.ts';

export const showVersion: Command = {
  usage: 'version',
  details: () => '',
  async run([unexpected]) {
    if (unexpected !== undefined)
      return printProblems([`unexpected argument ${JSON.stringify(unexpected)}; weir version takes none`]);
    process.stdout.write(`${version}\n`);
    return EXIT.ok;
  },
};
