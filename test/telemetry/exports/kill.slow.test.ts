// A process that exports is killed at random moments: in the end the file has each record once and in order.
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import type { ExportJob } from '../../../src/telemetry/exports/exports.ts';
import { folder, removeFolders } from '../../kit/folder.ts';
import { closeStores, OwnStore } from '../../kit/own-store.ts';
import { until } from '../../kit/until.ts';
import { request } from './export-store.ts';

const PROGRAM = fileURLToPath(new URL('../../kit/export-until-killed.ts', import.meta.url));
const RECORDS = 120_000;
const MAX_ROUNDS = 60;

const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  closeStores();
  removeFolders();
});

/** Runs the program, and kills it `ms` milliseconds after it has exported further. Returns the last state and rows. */
async function killed(data: string, ms: number): Promise<[state: string, rows: number]> {
  const child = spawn(process.execPath, [PROGRAM, data], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  const seen: [state: string, rows: number][] = [];
  const output = createInterface({ input: child.stdout });
  output.on('line', (text) => {
    const [state, rows] = text.split(' ');
    seen.push([state!, Number(rows)]);
  });
  await until('the export has come further', () => seen.length > 1 || seen[0]?.[0] === 'success', 30_000);
  const sinceMs = performance.now();
  await until('its time has come', () => performance.now() - sinceMs >= ms);
  child.kill('SIGKILL');
  await Promise.all([once(child, 'exit'), once(output, 'close')]);
  return seen.at(-1)!;
}

it('exports each record once, when it is killed again and again', async () => {
  const data = folder();
  const store = new OwnStore(join(data, 'logs'));
  for (let n = 0; n < RECORDS; n += 10_000)
    store.add(...Array.from({ length: 10_000 }, (_, i) => request(`r${n + i}`)));
  store.close();
  let rounds = 0;
  for (let state = ''; state !== 'success'; rounds++) {
    if (rounds === MAX_ROUNDS) throw new Error('the export does not end');
    // After ten kills it gets more time each, so that it ends soon on a busy machine, too.
    const longestMs = 150 * Math.max(1, rounds - 9);
    [state] = await killed(data, rounds === MAX_ROUNDS - 1 ? 30_000 : Math.random() * longestMs);
  }
  // It was killed in its midst, and did not begin again each time.
  expect(rounds).toBeGreaterThan(1);
  const files = readdirSync(join(data, 'exports'));
  const job = JSON.parse(
    readFileSync(
      join(
        data,
        'exports',
        files.find((name) => name.endsWith('.json'))!,
      ),
      'utf8',
    ),
  ) as ExportJob;
  const text = readFileSync(join(data, 'exports', `${job.id}.data`), 'utf8');
  const row = (n: number): string => `{"id":"r${n}","created_at":"2026-11-20T12:00:00.000Z"}\n`;
  const wanted = Array.from({ length: RECORDS }, (_, n) => row(n)).join('');
  // `toBe` would print both texts.
  expect(text === wanted).toBe(true);
  expect(job).toMatchObject({
    state: 'success',
    exportedRecords: RECORDS,
    bytes: text.length,
    sha256: createHash('sha256').update(wanted).digest('hex'),
  });
}, 180_000);
