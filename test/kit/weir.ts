// A real weir process for tests, with free ports, its log lines and its metrics page.
// Invariant: every process is ended by `stop`, or by `stopAll` after a test.
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import { Page } from './page.ts';
import { START_TIMEOUT_MS, until } from './until.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const BIN = fileURLToPath(new URL('../../bin/weir', import.meta.url));

export type Line = Record<string, unknown> & { event?: string };

/** The environment without variables of weir. */
const cleanEnv = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('WEIR_')));

export interface StartOptions {
  command?: 'serve' | 'run';
  /** Arguments after `--`. */
  rest?: string[];
  env?: Record<string, string>;
  cwd?: string;
  /** The launcher of another weir than that of this checkout. */
  bin?: string;
}

const running = new Set<Weir>();

export class Weir {
  readonly process: ChildProcess;
  readonly lines: Line[] = [];
  stderr = '';
  host = '';
  port = 0;
  adminPort = 0;
  /** Port of the external scaler, if it listens. */
  scalerPort = 0;

  constructor(child: ChildProcess) {
    this.process = child;
    createInterface({ input: child.stdout! }).on('line', (line) => {
      try {
        this.lines.push(JSON.parse(line) as Line);
      } catch {
        this.lines.push({ event: 'text', text: line });
      }
    });
    child.stderr!.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    // Reports a crash here, so that it does not show only as refused connections in later tests.
    child.on('exit', (code) => {
      if (code !== 0 && running.has(this))
        process.stderr.write(
          `weir ended with ${code}: ${this.stderr}${JSON.stringify(this.lines.slice(-3))}\n`,
        );
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get admin(): string {
    return `http://127.0.0.1:${this.adminPort}`;
  }

  /** Waits for the first log line that matches, and returns it. */
  expectLine(what: string, matches: (line: Line) => boolean, timeoutMs?: number): Promise<Line> {
    return until(`the log has ${what}`, () => this.lines.find(matches), timeoutMs);
  }

  /** Waits for the access-log line of the request with this id, and returns it. */
  expectExchange(id: string | null | undefined): Promise<Line> {
    return this.expectLine(
      `exchange ${id}`,
      (line) => line.event === 'exchange' && line['request_id'] === id,
    );
  }

  async page(): Promise<Page> {
    return new Page(await (await fetch(`${this.admin}/metrics`)).text());
  }

  /** Waits until a series of the metrics page has this value. */
  async expectMetric(series: string, value: number, timeoutMs?: number): Promise<void> {
    let seen: number | undefined;
    await until(
      `${series} is ${value}`,
      async () => (seen = (await this.page()).value(series)) === value,
      timeoutMs,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}; it was ${seen}`);
    });
  }

  residentBytes(): number {
    const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.process.pid}/status`, 'utf8'))?.[1];
    return Number(kib) * 1024;
  }

  /** Sends a signal and resolves to the exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    running.delete(this);
    if (this.process.exitCode !== null) return this.process.exitCode;
    this.process.kill(signal);
    const [code] = (await once(this.process, 'exit')) as [number | null];
    return code;
  }
}

/** TEST_THREADS=3 runs every weir with three data threads, but those on Unix sockets, and those that say how many. */
function threadsArgs(args: readonly string[]): string[] {
  const { TEST_THREADS: threads } = process.env;
  const isOther = args.some((arg) => /^--(threads=|(ingress-)?listen=unix:)/.test(arg));
  return threads === undefined || isOther ? [] : [`--threads=${threads}`];
}

/** Starts weir on free ports and waits until it listens. */
export async function startWeir(args: string[], options: StartOptions = {}): Promise<Weir> {
  const dataDir = join(tmpdir(), `weir-data-${randomUUID()}`);
  const child = spawn(
    options.bin ?? BIN,
    [
      options.command ?? 'serve',
      '--listen=127.0.0.1:0',
      '--admin=127.0.0.1:0',
      // A folder of its own for each test. The log store is off unless the test uses it, which saves its threads.
      `--data-dir=${dataDir}`,
      ...(args.some((arg) => /^--(data-dir|logs-)/.test(arg)) ? [] : ['--logs-capture=off']),
      ...threadsArgs(args),
      ...args,
      ...(options.rest ? ['--', ...options.rest] : []),
    ],
    { env: { ...cleanEnv(), ...options.env }, cwd: options.cwd ?? ROOT, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  child.once('exit', () => rmSync(dataDir, { recursive: true, force: true }));
  const weir = new Weir(child);
  running.add(weir);
  const listening = await until(
    'weir listens',
    () => {
      if (child.exitCode !== null) throw new Error(`weir ended with ${child.exitCode}: ${weir.stderr}`);
      return weir.lines.find((line) => line.event === 'listening');
    },
    START_TIMEOUT_MS,
  );
  const port = (address: unknown) => Number(String(address).split(':').at(-1));
  weir.port = port(listening['data']);
  weir.adminPort = port(listening['admin']);
  weir.scalerPort = port(listening['scaler']);
  return weir;
}

/** Ends all processes that still run. */
export async function stopAll(): Promise<void> {
  await Promise.all(
    Array.from(running, async (weir) => {
      // The second signal ends the drain, and the supervised replica. Two signals at once may arrive as one.
      const again = setInterval(() => weir.process.kill('SIGTERM'), 100);
      await weir.stop('SIGTERM');
      clearInterval(again);
    }),
  );
}

/** Runs a command of weir until it exits. */
export async function runWeir(
  args: string[],
  env: Record<string, string> = {},
  bin = BIN,
): Promise<{ code: number | null; out: string; err: string }> {
  const dataDir = join(tmpdir(), `weir-data-${randomUUID()}`);
  const isOpening = args[0] === 'serve' || args[0] === 'run';
  const child = spawn(bin, args, {
    env: { ...cleanEnv(), ...(isOpening && { WEIR_DATA_DIR: dataDir }), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: ROOT,
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  rmSync(dataDir, { recursive: true, force: true });
  return { code, out, err };
}
