// Checks the packages that weir is installed with: their licences, where they come from, and known vulnerabilities.
// Exits with 1 if there is a problem. Without access to the advisories of the registry it says so, and checks the rest.
// Invariant: package-lock.json decides what is installed, so it is all that is read.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Licences under which weir may be passed on with a package. */
export const LICENCES: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'PSF-2.0',
  'Unlicense',
]);

/** Packages that may run a script when they are installed: weir works without it. */
const WITH_SCRIPT: ReadonlySet<string> = new Set([
  // Looks for a native build, which is optional.
  'msgpackr-extract',
  // Prints a warning about version numbers.
  'protobufjs',
]);

/** A package of the lock file. */
interface LockedPackage {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
}

interface LockFile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

/** Problems of the packages of a lock file, one sentence each. Those for development only need no licence. */
export function lockProblems({ packages }: LockFile): string[] {
  const problems: string[] = [];
  for (const [
    path,
    { license = 'none', dev = false, resolved, integrity, hasInstallScript },
  ] of Object.entries(packages)) {
    if (path === '') continue;
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    if (!dev && !LICENCES.has(license))
      problems.push(`${name}: the licence ${license} is not in the list of scripts/check-dependencies.ts`);
    if (integrity === undefined || (resolved !== undefined && !resolved.startsWith('https://')))
      problems.push(`${name}: it is not from a registry, or has no checksum`);
    if (!dev && hasInstallScript === true && !WITH_SCRIPT.has(name))
      problems.push(`${name}: it runs a script when it is installed`);
  }
  return problems;
}

interface AuditReport {
  /** Set if there is no result. */
  readonly message?: string;
  readonly vulnerabilities?: Readonly<Record<string, { readonly severity: string; readonly range: string }>>;
}

/** Packages with known vulnerabilities that are high or critical. `undefined`: they could not be asked for. */
export const auditProblems = ({ vulnerabilities }: AuditReport): string[] | undefined =>
  vulnerabilities &&
  Object.entries(vulnerabilities)
    .filter(([, { severity }]) => severity === 'high' || severity === 'critical')
    .map(
      ([name, { severity, range }]) => `${name} ${range}: a known vulnerability (${severity}); see npm audit`,
    );

function audit(): AuditReport {
  const { stdout, error } = spawnSync('npm', ['audit', '--omit=dev', '--json'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return error === undefined && stdout !== ''
    ? (JSON.parse(stdout) as AuditReport)
    : { message: String(error) };
}

if (import.meta.main) {
  const lock = JSON.parse(readFileSync(`${ROOT}package-lock.json`, 'utf8')) as LockFile;
  const report = audit();
  const known = auditProblems(report);
  if (known === undefined) console.log(`known vulnerabilities were not checked: ${report.message}`);
  const problems = [...lockProblems(lock), ...(known ?? [])];
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
