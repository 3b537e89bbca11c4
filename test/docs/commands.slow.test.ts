// The commands of the guides, run against the real binary: one weir for each guide.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { FILES } from '../../scripts/reference/files-page.ts';
import { call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { GuideShell } from '../kit/guide-shell.ts';
import { blocksOf, commandsOf, GUIDES } from '../kit/markdown-pages.ts';
import { closeReplicas, startReplica, onBody } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const ID = '31255019cf83c4d0c7492a5006591e1f502a5';
/** Body of a task that never ends. */
const OCCUPIED = '{"model_input": {"prompt": "occupied"}}';

/** Names of files that docs/reference/files.md lists, as patterns; SQLite's own files belong to theirs, and all of a folder. */
const listed = FILES.flatMap(([names]) => names.split(', ')).map((name) => {
  const pattern = name
    .replace('DAY', '\\d{8}')
    .replace('SEQ', '\\d+')
    .replace('-rN', '-r\\d+')
    .replaceAll('.', '\\.')
    .replace(/\/$/, '/.*');
  return new RegExp(`^${pattern}(?:-wal|-shm)?$`);
});
/** Every file below the data folder of a weir has been listed. */
function expectListedFiles(dataDir: string): void {
  for (const entry of readdirSync(dataDir, { recursive: true, withFileTypes: true })) {
    // A temporary file is renamed in a moment (core/atomic-file.ts).
    if (!entry.isFile() || entry.name.endsWith('.tmp')) continue;
    const name = join(entry.parentPath, entry.name).slice(dataDir.length + 1);
    expect(
      listed.some((pattern) => pattern.test(name)),
      name,
    ).toBe(true);
  }
}

afterEach(async () => {
  await stopAll();
  await closeReplicas();
});
afterAll(removeFolders);

async function start(dataDir: string): Promise<{ weir: Weir; replica: string }> {
  const { url } = await startReplica((req, res) => {
    void onBody(req, (body) => {
      if (body.includes('occupied')) return;
      res.setHeader('content-type', 'application/json');
      res.end('{}');
    });
  });
  const replicas = [{ id: 'r0', url }];
  const deployments = ['dep1', 'dep2'].map((id) => ({ id, environment: 'production', replicas }));
  const file = join(
    folder({ 'weir.yaml': JSON.stringify({ deployments, async: { concurrency: 1 } }) }),
    'weir.yaml',
  );
  return { weir: await startWeir([`--config=${file}`, `--data-dir=${dataDir}`]), replica: url };
}

/** Sends a request that belongs to a trace, and resolves to its id and sequence number once it is recorded. */
async function recorded(weir: Weir): Promise<{ id: string; seq: number }> {
  const headers = { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` };
  const { headers: sent } = await call(weir.url, '/predict', { method: 'POST', body: '{}', headers });
  const id = sent['x-baseten-request-id'] as string;
  const seq = await until('the request is recorded', async () => {
    const { text } = await call(weir.admin, `/v1/logs?request_id=${id}`);
    return (JSON.parse(text) as { logs: { seq: number }[] }).logs[0]?.seq;
  });
  return { id, seq };
}

/** Guides with commands that need no certificate. */
const pages = GUIDES.filter(({ file }) => file.startsWith('docs/guides/') && !file.endsWith('/tls.md'));

describe('every command that asks weir works as printed', () => {
  const ran = new Map<string, number>();

  it.each(pages)('$file', async (page) => {
    const commands = blocksOf([page], 'sh').flatMap(({ text }) => commandsOf(text));
    if (!commands.some((command) => /^(?:curl|echo|weir (?:logs|health))/.test(command))) return;
    const dataDir = join(folder(), 'data');
    const { weir, replica } = await start(dataDir);
    const { id, seq } = await recorded(weir);
    await call(weir.url, '/async_predict', { method: 'POST', body: OCCUPIED });
    const shell = new GuideShell(weir, folder(), [
      [ID, id],
      ['/4711/', `/${seq}/`],
      ['http://127.0.0.1:4318/v1', `${replica}/v1`],
      ['http://127.0.0.1:4318', weir.admin],
      ['https://api.honeycomb.io', replica],
    ]);
    let count = 0;
    for (const command of commands) if ((await shell.run(command)) !== undefined) count++;
    ran.set(page.file, count);
    expectListedFiles(dataDir);
  });

  it('has run the commands of the guides with most of them', () => {
    for (const [name, least] of Object.entries({ logs: 13, async: 4, 'otlp-export': 8, keys: 3, routing: 2 }))
      expect(ran.get(`docs/guides/${name}.md`), name).toBeGreaterThanOrEqual(least);
  });
});
