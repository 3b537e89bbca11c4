// A process that records at full speed is killed at random moments: what was acknowledged is there, once and in order.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { attributesOf, type LogRecord } from '../../../src/telemetry/logs/log-record.ts';
import { listSegments } from '../../../src/telemetry/logs/store/segments.ts';
import { folder, removeFolders } from '../../kit/folder.ts';
import { closeStores, OwnStore } from '../../kit/own-store.ts';
import { until } from '../../kit/until.ts';

const PROGRAM = fileURLToPath(new URL('../../kit/record-until-killed.ts', import.meta.url));
const ROUNDS = Number(process.env['KILL_ROUNDS'] ?? 4);
/** Rounds with the same folder, so that files grow. */
const ROUNDS_PER_FOLDER = 3;
/** At full speed a block is sealed several times a second. */
const FULL_SPEED = 300;
const MODERATE_SPEED = 2;

const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  closeStores();
  removeFolders();
});

/** What the program had printed when it was killed. */
interface Killed {
  /** When each number of requests was sent, in milliseconds. */
  readonly sent: { readonly requests: number; readonly ms: number }[];
  /** Requests that were counted as stored. */
  stored: number;
  /** Posts that were acknowledged. */
  readonly acknowledged: number[];
}

/** Runs the program, and kills it `ms` milliseconds after the first request was stored. */
async function killed(data: string, perMillisecond: number, ms: number): Promise<Killed> {
  const seen: Killed = { sent: [], stored: 0, acknowledged: [] };
  const child = spawn(process.execPath, [PROGRAM, data, String(perMillisecond)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  const logged: string[] = [];
  const output = createInterface({ input: child.stdout });
  output.on('line', (text) => {
    const [what, number, at] = text.split(' ');
    if (what === 'sent') seen.sent.push({ requests: Number(number), ms: Number(at) });
    else if (what === 'stored') seen.stored = Number(number);
    else if (what === 'acknowledged') seen.acknowledged.push(Number(number));
    else logged.push(text);
  });
  await until('a request is stored', () => seen.stored > 0, 30_000);
  const sinceMs = performance.now();
  await until('its time has come', () => performance.now() - sinceMs >= ms);
  child.kill('SIGKILL');
  await Promise.all([once(child, 'exit'), once(output, 'close')]);
  expect(logged).toEqual([]);
  return seen;
}

function expectIntact(data: string): void {
  for (const { path } of listSegments(join(data, 'logs'))) {
    const file = new DatabaseSync(path);
    expect(file.prepare('PRAGMA integrity_check').get(), path).toEqual({ integrity_check: 'ok' });
    file.close();
  }
}

const numberOf = (record: LogRecord): number => attributesOf(record)['request_bytes'] as number;

/** Checks the records from `fromSeq` on, those of this round. Returns the numbers of its requests. */
function expectRecords(records: readonly LogRecord[], { stored, acknowledged }: Killed): Set<number> {
  const requests = records.filter(({ kind }) => kind === 'request').map(numberOf);
  for (const [i, number] of requests.entries())
    if (i > 0 && number <= requests[i - 1]!) expect(number).toBeGreaterThan(requests[i - 1]!);
  expect(requests.length).toBeGreaterThanOrEqual(stored);
  const lines = records.filter(({ kind }) => kind === 'line').map(({ message }) => message);
  // Posts are stored whole and in order.
  const posts = lines.length / 2;
  expect(lines).toEqual(
    Array.from({ length: posts }, (_, i) => [`post ${i + 1} first`, `post ${i + 1} second`]).flat(),
  );
  expect(posts).toBeGreaterThanOrEqual(acknowledged.at(-1) ?? 0);
  return new Set(requests);
}

it(
  'keeps what was acknowledged, without a gap or a repetition, when it is killed while it drains and seals',
  async () => {
    let data = '';
    let before = 0;
    for (let round = 0; round < ROUNDS; round++) {
      if (round % ROUNDS_PER_FOLDER === 0) {
        removeFolders();
        data = folder();
        before = 0;
      }
      const seen = await killed(data, FULL_SPEED, Math.random() * 600);
      expectIntact(data);
      const store = new OwnStore(join(data, 'logs'));
      expect(store.logged).toEqual([]);
      const records = store.inOrder();
      store.close();
      for (const [i, { seq }] of records.entries()) if (seq !== i + 1) expect(seq).toBe(i + 1);
      expectRecords(records.slice(before), seen);
      before = records.length;
    }
  },
  30_000 + ROUNDS * 10_000,
);

it(
  'loses at most the last 60 ms of requests when it is killed under moderate load',
  async () => {
    const data = folder();
    let before = 0;
    const lostMs: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const seen = await killed(data, MODERATE_SPEED, 50 + Math.random() * 200);
      const store = new OwnStore(join(data, 'logs'));
      const records = store.inOrder();
      store.close();
      const kept = expectRecords(records.slice(before), seen);
      before = records.length;
      const last = seen.sent.at(-1)!;
      // Nothing is lost between two requests that are kept.
      const lost = Array.from({ length: last.requests }, (_, i) => i + 1).filter((n) => !kept.has(n));
      expect(lost).toEqual(Array.from({ length: lost.length }, (_, i) => kept.size + i + 1));
      const oldest = seen.sent.find(({ requests }) => requests > kept.size);
      lostMs.push(oldest === undefined ? 0 : last.ms - oldest.ms);
    }
    // On a busy machine a thread may wait for a processor. In the middle round it does not.
    expect(lostMs.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)]).toBeLessThan(60);
  },
  30_000 + ROUNDS * 10_000,
);
