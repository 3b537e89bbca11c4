// Variables that the launcher, bin/weir, sets for Node itself.
// Invariant: processes that weir starts do not get them.

/** Names of the variables that the launcher has set, with spaces between them. */
const NAMES = '_WEIR_SET';

/** Removes what the launcher has set. The C library has read it before. `env`: process.env or a stand-in. */
export function removeOwnVariables(env: NodeJS.ProcessEnv): void {
  const names = env[NAMES]?.split(' ') ?? [];
  for (const name of [...names, NAMES]) delete env[name];
}
