// The command line: finds the command, prints help, returns the exit code.
// Invariant: a usage error gives a message on stderr and exit code 2, never a stack trace.
import { WeirError } from '../core/errors.ts';
import { nearest } from '../core/nearest-name.ts';
import type { Command } from './command.ts';
import { removeOwnVariables } from './own-variables.ts';
import { EXIT, printProblems } from './usage-errors.ts';

/** A command that is not loaded. */
interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** All commands, in the order of `weir --help`. Each is loaded when it is used, so that short ones start fast. */
export const commands: readonly CommandEntry[] = [
  {
    name: 'serve',
    summary: 'Forwards requests to replicas that already run.',
    load: async () => (await import('./commands/serve.ts')).serve,
  },
  {
    name: 'run',
    summary: 'Starts a replica as child process, forwards requests to it, and restarts it when it dies.',
    load: async () => (await import('./commands/run.ts')).run,
  },
  {
    name: 'check',
    summary: 'Checks a configuration and lists all mistakes. Exit code 2 if there are any.',
    load: async () => (await import('./commands/check.ts')).check,
  },
  {
    name: 'settings',
    summary:
      'Prints every setting, its value and the origin of the value (flag, variable, file line or default).',
    load: async () => (await import('./commands/settings.ts')).showSettings,
  },
  {
    name: 'health',
    summary: 'Checks whether a running weir is alive (or, with --ready, ready). Exit code 0 if so, else 1.',
    load: async () => (await import('./commands/health.ts')).health,
  },
  {
    name: 'logs',
    summary: 'Prints records: log lines of replicas, requests, and lifecycle events of weir.',
    load: async () => (await import('./commands/logs.ts')).logs,
  },
  {
    name: 'keys',
    summary: 'Makes, lists and removes keys of the admin API and of clients.',
    load: async () => (await import('./commands/keys.ts')).keys,
  },
  {
    name: 'mask',
    summary: 'Shows what the rules of logs.mask do to a text or JSON body, from the argument or stdin.',
    load: async () => (await import('./commands/mask.ts')).mask,
  },
  {
    name: 'store',
    summary: 'Deletes records of a running weir, backs up its data folder, or restores a backup.',
    load: async () => (await import('./commands/store.ts')).store,
  },
  {
    name: 'version',
    summary: 'Prints the version, as weir --version does.',
    load: async () => (await import('./commands/version.ts')).showVersion,
  },
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

async function printHelp({ summary, load }: CommandEntry): Promise<number> {
  const command = await load();
  const parts = [`Usage: weir ${command.usage}`, summary, command.details()];
  process.stdout.write(`${parts.filter((part) => part !== '').join('\n\n')}\n`);
  return EXIT.ok;
}

/** The command of this name, or the text of an error. */
function find(word: string): CommandEntry | string {
  const names = [...commands.map(({ name }) => name), 'help'];
  const near = nearest(word, names);
  const hint = near === undefined ? 'run weir --help for a list' : `did you mean ${near}?`;
  return commands.find(({ name }) => name === word) ?? `unknown command ${JSON.stringify(word)}; ${hint}`;
}

/** Runs `weir help [COMMAND]`. */
async function help([word, more]: readonly string[]): Promise<number> {
  if (more !== undefined)
    return printProblems([`unexpected argument ${JSON.stringify(more)}; usage: weir help [COMMAND]`]);
  const isOverview = word === undefined || ['help', '--help', '-h'].includes(word);
  const command = isOverview ? undefined : find(word);
  if (typeof command === 'string') return printProblems([command]);
  if (command !== undefined) return printHelp(command);
  process.stdout.write(overview());
  return EXIT.ok;
}

/** Runs a command line and resolves to its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  removeOwnVariables(process.env);
  const [word, ...rest] = args;
  if (word === undefined || word === '--help' || word === '-h') {
    process.stdout.write(overview());
    return word === undefined ? EXIT.usage : EXIT.ok;
  }
  if (word === 'help') return help(rest);
  const isVersion = word === '--version' || word === '-v';
  const command = find(isVersion ? 'version' : word);
  if (typeof command === 'string') return printProblems([command]);
  const own = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
  if (own.includes('--help') || own.includes('-h')) return printHelp(command);
  try {
    const loaded = await command.load();
    return await loaded.run(isVersion ? [] : rest);
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    process.stderr.write(`weir: ${error.message}\n`);
    return error.code === 'usage' ? EXIT.usage : EXIT.unavailable;
  }
}
