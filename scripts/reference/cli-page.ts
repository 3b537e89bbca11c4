// docs/reference/cli.md: the commands, from their own help texts.
import { commands } from '../../src/cli/cli.ts';
import { optionsHelp } from '../../src/cli/help.ts';
import { CODES } from '../../src/cli/logs/admin-client.ts';
import { EXIT } from '../../src/cli/usage-errors.ts';
import { code, fenced, GENERATED, page, table } from '../markdown.ts';

const OPTIONS = 'Options: every setting that has a flag, listed in [Options](#options).';

const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'success, also after a drain',
  failed: 'failed, or `weir health` says no',
  usage: 'a mistake in flags, variables or the configuration file',
  unavailable: 'cannot start: an address or the data folder is in use, or cannot be used',
  internal: 'internal error',
};

const LOGS_MEANINGS: Readonly<Record<keyof typeof CODES, string>> = {
  ok: 'success',
  failed: 'weir cannot be reached, or the connection broke',
  usage: 'a mistake in the flags',
  auth: 'the key is missing, unknown or lacks the scope `logs:read`',
  notFound: 'there is no record of the request, or weir serves another model',
  validation: 'the query or a filter is wrong',
  server: 'weir could not respond; try again later',
  interrupted: 'ended by Ctrl-C',
};

const exitCodes = <N extends string>(
  codes: Readonly<Record<N, number>>,
  meanings: Readonly<Record<N, string>>,
): string =>
  table(
    ['exit code', 'meaning'],
    (Object.keys(codes) as N[]).map((name) => [String(codes[name]), meanings[name]]),
  );

/** The page. */
export async function cliPage(): Promise<string> {
  const options = optionsHelp();
  const loaded = await Promise.all(commands.map(({ load }) => load()));
  return page(
    '# Command line',
    GENERATED,
    'In a checkout the command is `bin/weir`, or `npm run -s weir --` with the arguments behind it. Signals that are sent' +
      ' to `npm run` do not reach weir, so containers and service units use `bin/weir`.',
    table(
      ['command', 'description'],
      commands.map(({ name, summary }) => [`[${code(`weir ${name}`)}](#weir-${name})`, summary]),
    ),
    ...commands.flatMap(({ name, summary }, i) => [
      `## weir ${name}`,
      fenced('text', `weir ${loaded[i]!.usage}`),
      summary,
      ...detailsOf(loaded[i]!.details(), options),
    ]),
    '## Options',
    'Options of `serve`, `run`, `check` and `settings`. [Settings](settings.md) has the same list as tables.',
    fenced('text', options),
    '## Exit codes',
    'All commands except `weir logs`:',
    exitCodes(EXIT, EXIT_MEANINGS),
    '`weir logs`:',
    exitCodes(CODES, LOGS_MEANINGS),
  );
}

/** What a command's help says besides its summary. The list of options, which four commands share, becomes a link. */
function detailsOf(details: string, options: string): string[] {
  const own = details.replace(options, '').trim();
  return [...(own === '' ? [] : [fenced('text', own)]), ...(details.includes(options) ? [OPTIONS] : [])];
}
