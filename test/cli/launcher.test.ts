// bin/weir: what it runs, and what it sets for Node.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { removeOwnVariables } from '../../src/cli/own-variables.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { ROOT } from '../kit/weir.ts';

let root: string;
beforeEach(() => {
  root = folder();
  cpSync(join(ROOT, 'bin'), join(root, 'bin'), { recursive: true });
  for (const path of ['src', 'dist/weir']) mkdirSync(join(root, path), { recursive: true });
  writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  writeFileSync(join(root, 'package-lock.json'), '{}');
  const program = (name: string) =>
    `console.log(${JSON.stringify(name)}, process.env.MALLOC_ARENA_MAX, process.env._WEIR_SET)`;
  writeFileSync(join(root, 'src/main.ts'), program('sources'));
  writeFileSync(join(root, 'dist/weir/main.js'), program('bundle'));
  for (const path of ['src', 'src/main.ts', 'package-lock.json']) changedAt(path, 1000);
  changedAt('dist/weir/main.js', 2000);
});
afterAll(removeFolders);

const changedAt = (path: string, seconds: number): void => utimesSync(join(root, path), seconds, seconds);

function output(more: Record<string, string> = {}): string {
  const { MALLOC_ARENA_MAX: _, ...others } = process.env;
  const env = { ...others, ...more, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` };
  const { stdout, stderr } = spawnSync(join(root, 'bin/weir'), { env, encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout.trim();
}

it('runs the bundle of a package, which has no sources', () => {
  rmSync(join(root, 'src'), { recursive: true });
  expect(output()).toMatch(/^bundle /);
});

it('runs the sources of a checkout without a bundle', () => {
  rmSync(join(root, 'dist'), { recursive: true });
  expect(output()).toMatch(/^sources /);
});

it('runs the bundle of a checkout if no source is newer', () => expect(output()).toMatch(/^bundle /));

it.each(['src/main.ts', 'src', 'package-lock.json'])(
  'runs the sources if %s is newer than the bundle',
  (path) => {
    changedAt(path, 3000);
    expect(output()).toMatch(/^sources /);
  },
);

it('limits the arenas of glibc, unless the environment does', () => {
  expect(output()).toBe('bundle 2 MALLOC_ARENA_MAX');
  expect(output({ MALLOC_ARENA_MAX: '7' })).toBe('bundle 7 undefined');
});

it('keeps what it sets from processes that weir starts', () => {
  const env = { MALLOC_ARENA_MAX: '2', _WEIR_SET: 'MALLOC_ARENA_MAX', PATH: '/bin' };
  removeOwnVariables(env);
  expect(env).toEqual({ PATH: '/bin' });
  const own = { MALLOC_ARENA_MAX: '7' };
  removeOwnVariables(own);
  expect(own).toEqual({ MALLOC_ARENA_MAX: '7' });
});
