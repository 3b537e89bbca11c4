// Data threads that end under load, again and again: the others are unharmed, nothing is counted twice or forgotten, and
// every response that a client has is in the log store once.
import { mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { OwnStore } from '../kit/own-store.ts';
import { closeReplicas, onBody, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll } from '../kit/weir.ts';

const THREADS = 3;
const CLIENTS = 24;
const ENDS = 6;
const CAP = 8;

afterEach(async () => {
  await stopAll();
  await closeReplicas();
});

it('loses only the requests of the threads that end', async () => {
  let [atReplica, most] = [0, 0];
  const replica = await startReplica((req, res) =>
    onBody(req, (body) => {
      most = Math.max(most, ++atReplica);
      res.once('close', () => atReplica--);
      setTimeout(() => res.end(body), 2);
    }),
  );
  const [data, signals] = ['data', 'signals'].map(() => mkdtempSync(join(tmpdir(), 'weir-killed-'))) as [
    string,
    string,
  ];
  const weir = await startWeir(
    [
      `--threads=${THREADS}`,
      '--replica',
      replica.url,
      `--deployment-concurrency-target=${CAP}`,
      `--data-dir=${data}`,
      '--logs-capture=metadata',
    ],
    {
      env: {
        NODE_OPTIONS: `--import=${fileURLToPath(new URL('../kit/end-thread.mjs', import.meta.url))}`,
        TEST_END_THREAD: signals,
      },
    },
  );
  const ids: string[] = [];
  let [broken, wrong] = [0, 0];
  const load = { isOver: false };
  const client = async (n: number): Promise<void> => {
    const agent = n % 2 === 0 ? new Agent({ keepAlive: true, maxSockets: 1 }) : false;
    for (let i = 0; !load.isOver; i++) {
      const body = `${n} ${i}`;
      try {
        const response = await call(weir.url, '/x', { method: 'POST', body, agent });
        if (response.status === 200 && response.text === body)
          ids.push(response.headers['x-baseten-request-id'] as string);
        else wrong++;
      } catch {
        broken++;
      }
    }
    if (agent) agent.destroy();
  };
  const clients = Array.from({ length: CLIENTS }, (_, n) => client(n));
  for (let end = 0; end < ENDS; end++) {
    const seen = ids.length;
    await until('requests are served', () => ids.length > seen + 200);
    const thread = 1 + (end % (THREADS - 1));
    const file = join(signals, String(thread));
    writeFileSync(`${file}.new`, end % 2 === 0 ? 'error' : 'exit');
    renameSync(`${file}.new`, file);
    await until('the thread is back', () => {
      const back = weir.lines.filter(({ event }) => event === 'data thread serves requests again');
      return back.length === end + 1;
    });
  }
  load.isOver = true;
  await Promise.all(clients);
  expect(wrong).toBe(0);
  expect(new Set(ids).size).toBe(ids.length);
  // A connection that ends has at most one request. Some had not reached weir.
  expect(broken).toBeLessThanOrEqual(ENDS * CLIENTS);
  // A thread that ends leaves its requests at the replica, where they end soon.
  expect(most).toBeLessThanOrEqual(CAP * 2);
  const page = await weir.page();
  expect(page.sum('weir_exchanges_total', 'cause="ok"')).toBeGreaterThanOrEqual(ids.length);
  expect(page.sum('weir_exchanges_total')).toBeLessThanOrEqual(ids.length + broken);
  expect(page.sum('weir_replica_outstanding_requests')).toBe(0);
  expect(page.value('weir_queue_length{deployment_id="local"}')).toBe(0);
  expect(page.sum('baseten_concurrent_requests')).toBe(0);
  expect(await weir.stop()).toBe(0);
  const store = new OwnStore(join(data, 'logs'));
  const stored = store.inOrder('kind:request').map(({ requestId }) => requestId);
  store.close();
  expect(new Set(stored).size).toBe(stored.length);
  const known = new Set(stored);
  expect(ids.filter((id) => !known.has(id))).toEqual([]);
}, 120_000);
