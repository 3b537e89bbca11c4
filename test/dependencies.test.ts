// The packages that weir is installed with may be passed on, come from a registry, and run nothing at installation.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { auditProblems, lockProblems } from '../scripts/check-dependencies.ts';

const lockOf = (name: string, one: object) => ({
  packages: { '': {}, [`node_modules/${name}`]: { license: 'MIT', integrity: 'sha512-x', ...one } },
});

describe('the check of dependencies', () => {
  it('passes for the packages of this version', () => {
    const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Parameters<typeof lockProblems>[0];
    expect(Object.keys(lock.packages).length).toBeGreaterThan(100);
    expect(lockProblems(lock)).toEqual([]);
  });

  it.each([
    ['a licence that is not in the list', { license: 'GPL-3.0' }, /the licence GPL-3.0/],
    ['no licence', { license: undefined }, /the licence none/],
    ['no checksum', { integrity: undefined }, /no checksum/],
    ['a source that is not a registry', { resolved: 'git+ssh://git@host/x.git' }, /not from a registry/],
    ['a script at installation', { hasInstallScript: true }, /runs a script/],
  ])('names a package with %s', (_, one, problem) => {
    expect(lockProblems(lockOf('@scope/name', one))).toEqual([expect.stringMatching(problem)]);
    expect(lockProblems(lockOf('@scope/name', one))[0]).toMatch(/^@scope\/name: /);
  });

  it('needs no licence of packages that are only for development', () => {
    expect(lockProblems(lockOf('tool', { dev: true, license: 'GPL-3.0' }))).toEqual([]);
  });

  it('names packages with vulnerabilities that are high or critical, and says if nothing is known', () => {
    const of = (severity: string) => ({ severity, range: '<2' });
    expect(auditProblems({ vulnerabilities: { a: of('high'), b: of('low'), c: of('critical') } })).toEqual([
      expect.stringContaining('a <2'),
      expect.stringContaining('c <2'),
    ]);
    expect(auditProblems({ message: 'no network' })).toBeUndefined();
  });
});
