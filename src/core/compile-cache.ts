// Keeps compiled code in a folder, by Node's compile cache, so that the next start takes less time and memory.
// Invariant: without a folder that can be used weir starts without the cache. Variables of Node win: NODE_COMPILE_CACHE
// names another folder, NODE_DISABLE_COMPILE_CACHE=1 turns it off.
import { constants, enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageFile } from './package-file.ts';

/** Below the home folder of the user; `undefined`: the user has none. */
function folderAtHome(): string | undefined {
  try {
    return join(homedir(), '.cache/weir');
  } catch {
    return undefined;
  }
}

/**
 * Uses the cache for everything that is loaded from now on. It is beside the bundle, if that folder is there or can be
 * made, or else at home. Node writes it when the process exits.
 */
export function useCompileCache(): void {
  const isUsed = (folder: string | undefined): boolean =>
    folder !== undefined && enableCompileCache(folder).status !== constants.compileCacheStatus.FAILED;
  if (!isUsed(fileURLToPath(packageFile('dist/cache')))) isUsed(folderAtHome());
}
