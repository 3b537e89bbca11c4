// External programs that system tests use. If one is missing, its tests are skipped, or fail if CI is set.
import { spawnSync } from 'node:child_process';

const isInstalled = (name: string): boolean => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;

/** True if tests that need these programs must be skipped. */
export const isMissing = (...names: string[]): boolean => !process.env['CI'] && !names.every(isInstalled);
