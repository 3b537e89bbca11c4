// The admin server that the flags of a command name, for commands that are not searches.
import { clientFiles, readClientTls } from '../client-tls.ts';
import { adminAccess, type AdminTarget } from './admin-client.ts';

const one = { type: 'string' } as const;

/** Flags that say which admin server is called, and how. */
export const TARGET_FLAGS = {
  url: one,
  key: one,
  'ca-file': one,
  'cert-file': one,
  'key-file': one,
} as const;
type TargetFlags = { readonly [name in keyof typeof TARGET_FLAGS]?: string | undefined };

/** The target of flags, else of variables. `undefined`: `problems` says what is wrong with them. */
export function adminTarget(
  flags: TargetFlags,
  env: NodeJS.ProcessEnv,
  problems: string[],
): AdminTarget | undefined {
  const access = adminAccess(flags, env, problems);
  const read = readClientTls(clientFiles((name) => flags[name], env));
  if ('problems' in read) problems.push(...read.problems);
  return 'problems' in read || problems.length > 0 ? undefined : { ...access, tls: read.tls };
}
