// Client libraries of others that tests run, unmodified, in processes of their own. They are in the package
// test/clients; its scripts are in test/clients/flows.
// Invariant: a client knows of weir only what its environment and arguments say.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** The package of the client libraries. */
const CLIENTS = fileURLToPath(new URL('../clients', import.meta.url));

/** True if the client libraries are installed (`npm run test:clients:install`). */
const isInstalled = existsSync(join(CLIENTS, 'node_modules/braintrust/package.json'));

/** True if tests that run client libraries must be skipped. In CI they fail instead. */
export const clientsAreMissing = !isInstalled && !process.env['CI'];

/** How a client script ended, and what it printed. */
export interface ClientRun {
  /** Exit code, or undefined if it was killed, for example since it took more than `timeoutMs`. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a script of test/clients/flows, by its file name. A `.mjs` file runs as it is. A `.ts` file is compiled to
 * CommonJS with esbuild first, as users do with libraries that have no usable ES module. `cwd`: where it runs.
 */
export async function runClient(
  script: string,
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
  timeoutMs = 60_000,
  cwd = CLIENTS,
): Promise<ClientRun> {
  const file = join(CLIENTS, 'flows', script);
  const program = script.endsWith('.ts')
    ? ['--input-type=commonjs', '--eval', compiled(readFileSync(file, 'utf8'))]
    : [file];
  const child = spawn(process.execPath, [...program, ...args], {
    cwd,
    env: { PATH: process.env['PATH'], HOME: CLIENTS, NODE_PATH: join(CLIENTS, 'node_modules'), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  return ended(child);
}

const BT = join(CLIENTS, 'node_modules/@braintrust/bt-linux-x64/bin/bt');

/** True if tests that run Braintrust's command line must be skipped: it is a native program for one platform. */
export const btIsMissing =
  !existsSync(BT) && !(process.env['CI'] && process.platform === 'linux' && process.arch === 'x64');

/** Runs Braintrust's command line. `home`: its folder for files. */
export function runBt(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  home: string,
  timeoutMs = 60_000,
): Promise<ClientRun> {
  return ended(
    spawn(BT, args, {
      cwd: home,
      env: { PATH: process.env['PATH'], HOME: home, NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    }),
  );
}

async function ended(child: ChildProcessByStdio<null, Readable, Readable>): Promise<ClientRun> {
  const exit = new Promise<number | undefined>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? undefined));
  });
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  return { code, stdout, stderr };
}

interface Esbuild {
  transformSync(source: string, options: { loader: string; format: string }): { code: string };
  buildSync(options: { entryPoints: string[]; bundle: true; write: false; format: string }): {
    outputFiles: { text: string }[];
  };
}

const esbuild = (): Esbuild => createRequire(join(CLIENTS, 'package.json'))('esbuild') as Esbuild;

const compiled = (source: string): string =>
  esbuild().transformSync(source, { loader: 'ts', format: 'cjs' }).code;

/** A script of test/clients/flows with its libraries, for a page of a browser. */
export const bundleClient = (script: string): string =>
  esbuild().buildSync({
    entryPoints: [join(CLIENTS, 'flows', script)],
    bundle: true,
    write: false,
    format: 'iife',
  }).outputFiles[0]!.text;
