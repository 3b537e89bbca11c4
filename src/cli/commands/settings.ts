// weir settings: every setting with its value and origin, or the JSON schema of the configuration file.
// Invariant: a secret is never printed.
import { explain, load } from '../../config/config.ts';
import { schema } from '../../config/schema.ts';
import { jsonSchema } from '../../core/read-settings.ts';
import type { Command } from '../command.ts';
import { optionsHelp } from '../help.ts';
import { EXIT, printProblems } from '../usage-errors.ts';

/** Longest value that widens the column of values, in characters. */
const MAX_VALUE_WIDTH = 60;

export const showSettings: Command = {
  usage: 'settings [--config weir.yaml] [OPTIONS]\n       weir settings --schema',
  details:
    () => `--schema prints the JSON schema of the configuration file instead. Editors use it to complete and check
weir.yaml: write it to weir.schema.json and begin weir.yaml with the line
  # yaml-language-server: $schema=weir.schema.json

${optionsHelp()}`,
  async run(args) {
    if (args.includes('--schema')) {
      const other = args.find((arg) => arg !== '--schema');
      if (other !== undefined)
        return printProblems([
          `unexpected argument ${JSON.stringify(other)}; --schema takes no other argument`,
        ]);
      process.stdout.write(`${JSON.stringify(jsonSchema(schema), undefined, 2)}\n`);
      return EXIT.ok;
    }
    const loaded = load(args, process.env, { replica: 'optional' });
    if (!loaded.ok) return printProblems(loaded.problems);
    const rows = explain(loaded.config, loaded.given);
    const keyWidth = Math.max(...rows.map(({ key }) => key.length));
    const valueWidth = Math.min(MAX_VALUE_WIDTH, Math.max(...rows.map(({ value }) => value.length)));
    const lines = rows.map(
      ({ key, value, origin }) => `${key.padEnd(keyWidth)}  ${value.padEnd(valueWidth)}  ${origin}\n`,
    );
    // In one write: of many small ones a slow reader would lose the last, since the process exits.
    process.stdout.write(lines.join(''));
    return EXIT.ok;
  },
};
