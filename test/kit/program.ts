// Programs of others that system tests talk to. On a laptop a missing one skips its tests; with CI set it fails them.
import { spawnSync } from 'node:child_process';

const isThere = (name: string): boolean => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;

/** True when the tests that need these programs are to be skipped. */
export const isMissing = (...names: string[]): boolean => !process.env['CI'] && !names.every(isThere);
