// The command line: finds the command, prints help, returns the exit code.
// Invariant: a usage error gives a message on stderr and exit code 2, never a stack trace.
import { WeirError } from '../core/errors.ts';
import { nearest } from '../core/nearest-name.ts';
import { check } from './commands/check.ts';
import { health } from './commands/health.ts';
import { logs } from './commands/logs.ts';
import { mask } from './commands/mask.ts';
import { run } from './commands/run.ts';
import { EXIT, printProblems } from './usage-errors.ts';
import type { Command } from './command.ts';
import { keys } from './commands/keys.ts';
import { serve } from './commands/serve.ts';
import { showSettings } from './commands/settings.ts';
import { store } from './commands/store.ts';
import { showVersion } from './commands/version.ts';

/** All commands, in the order of `weir --help`. */
export const commands: readonly Command[] = [
  serve,
  run,
  check,
  showSettings,
  health,
  logs,
  keys,
  mask,
  store,
  showVersion,
];

const overview = (): string =>
  [
    'weir is a sidecar for model serving: it forwards requests to model replicas, measures and logs them.',
    '',
    'Usage: weir COMMAND [OPTIONS]',
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`),
    '',
    'Run weir COMMAND --help for the options of a command.',
    '',
  ].join('\n');

const helpOf = ({ usage, summary, details }: Command): string =>
  `${[`Usage: weir ${usage}`, summary, details].filter((part) => part !== '').join('\n\n')}\n`;

/** The command of this name, or the text of an error. */
function find(word: string): Command | string {
  const names = [...commands.map(({ name }) => name), 'help'];
  const near = nearest(word, names);
  const hint = near === undefined ? 'run weir --help for a list' : `did you mean ${near}?`;
  return commands.find(({ name }) => name === word) ?? `unknown command ${JSON.stringify(word)}; ${hint}`;
}

/** Runs `weir help [COMMAND]`. */
function help([word, more]: readonly string[]): number {
  if (more !== undefined)
    return printProblems([`unexpected argument ${JSON.stringify(more)}; usage: weir help [COMMAND]`]);
  const isOverview = word === undefined || ['help', '--help', '-h'].includes(word);
  const command = isOverview ? undefined : find(word);
  if (typeof command === 'string') return printProblems([command]);
  process.stdout.write(command === undefined ? overview() : helpOf(command));
  return EXIT.ok;
}

/** Runs a command line and resolves to its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const [word, ...rest] = args;
  if (word === undefined || word === '--help' || word === '-h') {
    process.stdout.write(overview());
    return word === undefined ? EXIT.usage : EXIT.ok;
  }
  if (word === 'help') return help(rest);
  if (word === '--version' || word === '-v') return showVersion.run([]);
  const command = find(word);
  if (typeof command === 'string') return printProblems([command]);
  const own = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
  if (own.includes('--help') || own.includes('-h')) {
    process.stdout.write(helpOf(command));
    return EXIT.ok;
  }
  try {
    return await command.run(rest);
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    process.stderr.write(`weir: ${error.message}\n`);
    return error.code === 'usage' ? EXIT.usage : EXIT.unavailable;
  }
}
