// The command line: which command, its help, and the exit code. Must stay true: a mistake of the caller is answered
// with what is wrong on stderr and code 64, never with a stack trace.
import { Fault } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { version } from '../version.ts';
import { check } from './commands/check.ts';
import { health } from './commands/health.ts';
import { logs } from './commands/logs.ts';
import { run } from './commands/run.ts';
import { EXIT } from './problems.ts';
import type { Command } from './command.ts';
import { serve } from './commands/serve.ts';
import { showSettings } from './commands/settings.ts';

const commands: readonly Command[] = [serve, run, check, showSettings, health, logs];

const overview = (): string =>
  [
    'weir: a sidecar in front of model replicas. It forwards, measures and remembers every request.',
    '',
    'Usage: weir COMMAND [OPTIONS]',
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`),
    '',
    'weir COMMAND --help tells more. weir --version prints the version.',
    '',
  ].join('\n');

/** Runs a command line and resolves to its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const [word, ...rest] = args;
  if (word === undefined || word === '--help' || word === '-h' || word === 'help') {
    process.stdout.write(overview());
    return word === undefined ? EXIT.usage : EXIT.ok;
  }
  if (word === '--version' || word === '-v') {
    process.stdout.write(`${version}\n`);
    return EXIT.ok;
  }
  const command = commands.find(({ name }) => name === word);
  if (command === undefined) {
    const near = nearest(
      word,
      commands.map(({ name }) => name),
    );
    const hint = near === undefined ? 'weir --help lists the commands' : `did you mean ${near}?`;
    process.stderr.write(`weir: unknown command ${JSON.stringify(word)}; ${hint}\n`);
    return EXIT.usage;
  }
  const own = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
  if (own.includes('--help') || own.includes('-h')) {
    process.stdout.write(`Usage: weir ${command.usage}\n\n${command.summary}\n\n${command.details}\n`);
    return EXIT.ok;
  }
  try {
    return await command.run(rest);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    process.stderr.write(`weir: ${error.message}\n`);
    return error.code === 'usage' ? EXIT.usage : EXIT.unavailable;
  }
}
