// weir settings: every value and where it came from. Must stay true: a secret is never printed.
import { explain, load } from '../../config/config.ts';
import type { Command } from '../command.ts';
import { optionsHelp } from '../help.ts';
import { EXIT, printProblems } from '../usage-errors.ts';

export const showSettings: Command = {
  name: 'settings',
  usage: 'settings [--config weir.yaml] [OPTIONS]',
  summary: 'Prints every setting, its value and where that came from.',
  details: optionsHelp(),
  async run(args) {
    const loaded = load(args, process.env, { replica: 'optional' });
    if (!loaded.ok) return printProblems(loaded.problems);
    const rows = explain(loaded.config, loaded.given);
    const width = (of: (row: (typeof rows)[number]) => string) =>
      Math.max(...rows.map((row) => of(row).length));
    const [keys, values] = [
      width((row) => row.key),
      Math.min(
        60,
        width((row) => row.value),
      ),
    ];
    for (const { key, value, origin } of rows)
      process.stdout.write(`${key.padEnd(keys)}  ${value.padEnd(values)}  ${origin}\n`);
    return EXIT.ok;
  },
};
