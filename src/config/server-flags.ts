// Reads the flags of serve, run, check, settings and health.
// Invariant: all mistakes are reported at once, and one mistake is reported once.
import { parseArgs } from 'node:util';
import { CONFIG, pathSetBy, REPLICA, suggestion, type GivenValue } from './given-value.ts';
import { settings, type Setting } from './schema.ts';

interface ServerFlags {
  readonly given: GivenValue[];
  /** URLs of `--replica`. */
  readonly replicas: string[];
  /** The path of `--config`. */
  config: string | undefined;
  /** Arguments after `--`; `undefined` without one. */
  readonly rest: string[] | undefined;
}

const byFlag = new Map(settings.flatMap((setting) => setting.flags.map((flag) => [flag, setting] as const)));
const isSwitch = (setting: Setting): boolean => setting.info.kind === 'boolean';

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  [CONFIG.flag]: { type: 'string' },
  [REPLICA.flag]: { type: 'string', multiple: true },
  ...Object.fromEntries(
    [...byFlag].map(([flag, setting]) => [flag, { type: isSwitch(setting) ? 'boolean' : 'string' } as const]),
  ),
} as const;

export function readFlags(args: readonly string[], problems: string[]): ServerFlags {
  const end = args.indexOf('--');
  const { tokens } = parseArgs({
    args: end === -1 ? [...args] : args.slice(0, end),
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: OPTIONS,
  });
  const flags: ServerFlags = {
    given: [],
    replicas: [],
    config: undefined,
    rest: end === -1 ? undefined : args.slice(end + 1),
  };
  let isAfterUnknown = false;
  for (const token of tokens) {
    // The argument after an unknown flag is probably its value, and so not a second mistake.
    if (token.kind === 'positional' && !isAfterUnknown)
      problems.push(`unexpected argument ${JSON.stringify(token.value)}; flags begin with --`);
    isAfterUnknown = false;
    // --help is handled before the flags are read (cli/cli.ts).
    if (token.kind !== 'option' || token.name === 'help') continue;
    const setting = byFlag.get(token.name);
    if (setting && isSwitch(setting))
      flags.given.push({ path: pathSetBy(setting), value: token.value ?? true, origin: token.rawName });
    else if (!Object.hasOwn(OPTIONS, token.name)) {
      const known = Object.keys(OPTIONS).map((name) => `--${name}`);
      problems.push(`unknown flag ${token.rawName}${suggestion(`--${token.name}`, known)}`);
      isAfterUnknown = token.value === undefined;
    } else if (token.value === undefined || (!token.inlineValue && token.value.startsWith('--')))
      problems.push(`${token.rawName} needs a value`);
    else if (setting)
      flags.given.push({ path: pathSetBy(setting), value: token.value, origin: token.rawName });
    else if (token.name === CONFIG.flag) flags.config = token.value;
    else flags.replicas.push(token.value);
  }
  return flags;
}
