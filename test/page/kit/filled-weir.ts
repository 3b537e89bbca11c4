// A real weir over a filled data folder, for tests of the page.
// Invariant: the folder is filled once in a test run; each weir has a copy of its own.
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import { folder } from '../../kit/folder.ts';
import { startReplica } from '../../kit/replica.ts';
import { until } from '../../kit/until.ts';
import { startWeir, type StartOptions, type Weir } from '../../kit/weir.ts';
import { fill, REPLICAS, type FilledFacts } from './fill.ts';

export interface FilledWeir {
  readonly weir: Weir;
  readonly facts: FilledFacts;
  /** A GET of the admin API, as JSON; throws for an error. */
  readonly get: <T = Record<string, unknown>>(path: string) => Promise<T>;
  /** A change by the admin API, as another client makes it; throws for an error. `key`: '' for none. */
  readonly send: <T = unknown>(method: string, path: string, body?: unknown, key?: string) => Promise<T>;
}

/** The filled folder of this run, and what is in it. The first test file that needs it fills it. */
async function filled(): Promise<{ readonly path: string; readonly facts: FilledFacts }> {
  const path = join(inject('runFolder'), 'filled');
  const listing = join(path, 'facts.json');
  if (isFirst(path)) {
    const facts = fill(path, Math.floor(Date.now() / 60_000) * 60_000);
    writeFileSync(`${listing}.new`, JSON.stringify(facts));
    renameSync(`${listing}.new`, listing);
  }
  await until('another test file has filled the data folder', () => existsSync(listing), 60_000);
  return { path, facts: JSON.parse(readFileSync(listing, 'utf8')) as FilledFacts };
}

/** True for one caller of all test files. */
function isFirst(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Starts a replica that answers `{}`, and returns its line of the configuration. */
async function replicaLine(id: string): Promise<string> {
  const { port } = await startReplica((_, res) => void res.end('{}'));
  return `      - { id: ${id}, url: 'http://127.0.0.1:${port}' }`;
}

/** Deployments and replicas of the records. `more`: further lines of the file. */
async function configFile(more: string): Promise<string> {
  const lines = await Promise.all(REPLICAS.map(replicaLine));
  const text = `model: { id: mdl1, name: llama-3 }
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
${more}`;
  return join(folder({ 'weir.yaml': text }), 'weir.yaml');
}

/** A request, and its answer as JSON; throws for an error. */
async function ask<T>(url: string, init: RequestInit): Promise<T> {
  const res = await fetch(url, init);
  const text = await res.text();
  if (!res.ok) throw new Error(`${url} answered ${res.status}: ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/**
 * Starts weir over a copy of the filled folder. `args`: further flags. `config`: further lines of its YAML file. To be
 * ended with `stopAll`, `closeReplicas` and `removeFolders` of test/kit.
 */
export async function startFilled({
  args = [],
  config = '',
  ...options
}: StartOptions & { readonly args?: readonly string[]; readonly config?: string } = {}): Promise<FilledWeir> {
  const { path, facts } = await filled();
  const data = folder();
  cpSync(path, data, { recursive: true });
  const weir = await startWeir(
    [`--config=${await configFile(config)}`, `--data-dir=${data}`, '--logs-capture=full', ...args],
    options,
  );
  return {
    weir,
    facts,
    get: (path) => ask(weir.admin + path, {}),
    send: (method, path, body, key = '') =>
      ask(weir.admin + path, {
        method,
        headers: {
          'Content-Type': 'application/json',
          ...(key !== '' && { Authorization: `Bearer ${key}` }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
  };
}
