// A weir over a data folder that is filled with records, for the parts of bench/page.ts that need no load.
// Invariant: it is the real binary from the sources, with its threads; it ends with this process.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { fill, REPLICAS, type FilledFacts } from '../../test/page/kit/fill.ts';
import type { TurnOrder, TurnReport } from './turn-watch.ts';

const BIN = fileURLToPath(new URL('../../bin/weir', import.meta.url));
const WATCH = new URL('turn-watch.ts', import.meta.url).href;

const folders: string[] = [];
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'weir-bench-page-'));
  folders.push(folder);
  return folder;
}

/** A data folder with this many records of the last 24 hours. */
export interface FilledFolder {
  readonly path: string;
  readonly facts: FilledFacts;
}

export function filledFolder(records: number): FilledFolder {
  const path = newFolder();
  return { path, facts: fill(path, Math.floor(Date.now() / 60_000) * 60_000, records) };
}

export class FilledWeir {
  readonly admin: string;
  readonly data: string;
  readonly pid: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, admin: string, data: string) {
    this.#child = child;
    this.admin = admin;
    this.data = data;
    this.pid = child.pid!;
  }

  /** Starts weir over a folder. `flags`: further ones of the command line. */
  static async start(folder: string, flags: readonly string[] = []): Promise<FilledWeir> {
    const child = spawn(
      BIN,
      [
        'serve',
        `--config=${await configFile()}`,
        '--listen=127.0.0.1:0',
        '--admin=127.0.0.1:0',
        `--data-dir=${folder}`,
        '--logs-capture=full',
        ...flags,
      ],
      {
        stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
        env: { ...process.env, NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --import=${WATCH}` },
      },
    );
    children.add(child);
    for await (const line of createInterface({ input: child.stdout! })) {
      const { event, data, admin } = JSON.parse(line) as Record<string, unknown>;
      if (event !== 'listening') continue;
      child.stdout!.resume();
      return new FilledWeir(child, `http://${String(admin)}`, `http://${String(data)}`);
    }
    throw new Error('weir ended before it listened');
  }

  /** The turns of the forwarding thread while `act` runs. */
  async turns(act: () => Promise<unknown>): Promise<TurnReport> {
    await this.#order('begin');
    await act();
    return (await this.#order('end')) as TurnReport;
  }

  async stop(): Promise<void> {
    children.delete(this.#child);
    this.#child.kill('SIGTERM');
    await once(this.#child, 'exit');
  }

  async #order(order: TurnOrder): Promise<unknown> {
    this.#child.send(order);
    const [reply] = (await once(this.#child, 'message')) as [unknown];
    return reply;
  }
}

/** Starts a replica that answers `{}`, and returns its line of the configuration. */
async function replicaLine(id: string): Promise<string> {
  const server = createServer((_, res) => void res.end('{}')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `      - { id: ${id}, url: 'http://127.0.0.1:${(server.address() as AddressInfo).port}' }`;
}

/** The deployments and replicas of the records. */
async function configFile(): Promise<string> {
  const lines = await Promise.all(REPLICAS.map(replicaLine));
  const path = join(newFolder(), 'weir.yaml');
  writeFileSync(
    path,
    `model: { id: mdl1, name: llama-3 }
deployments:
  - id: dep1
    environment: production
    concurrency_target: 8
    replicas:
${lines.join('\n')}
  - id: dep2
    environment: staging
    replicas:
${await replicaLine('st1')}
`,
  );
  return path;
}
