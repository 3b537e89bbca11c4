// The reason why no replica takes requests, as readiness checks show it.
import { afterEach, expect, it } from 'vitest';
import { load } from '../../../src/config/config.ts';
import { Pool } from '../../../src/data-plane/replicas/pool.ts';
import { unusedAddress } from '../../kit/port.ts';
import { closeReplicas, startReplica } from '../../kit/replica.ts';

const pools: Pool[] = [];

afterEach(async () => {
  for (const pool of pools.splice(0)) pool.stop();
  await closeReplicas();
});

function createPool(urls: readonly string[], readinessPath = ''): Pool {
  const loaded = load(
    [...urls.map((url) => `--replica=${url}`), `--deployment-readiness-path=${readinessPath}`],
    {},
  );
  if (!loaded.ok) throw new Error(loaded.problems.join());
  const pool = new Pool(loaded.config.deployments, loaded.config.pool, {
    changed: () => undefined,
    dead: () => undefined,
  });
  pools.push(pool);
  return pool;
}

it('names the failed probe of each replica', async () => {
  const gone = await unusedAddress();
  const loading = await startReplica((_, res) => void res.writeHead(503).end());
  const pool = createPool([gone.url, loading.url], '/health');
  await pool.start();
  expect(pool.whyNotReady()).toBe(
    `r0 connection refused (127.0.0.1:${gone.port}), last probe 0 s ago; ` +
      'r1 GET /health returned 503, last probe 0 s ago',
  );
});

it('names the state of a replica that is drained', async () => {
  const replica = await startReplica((_, res) => void res.end());
  const pool = createPool([replica.url]);
  await pool.start();
  pool.drain('local', 'r0');
  expect(pool.isReady).toBe(false);
  expect(pool.whyNotReady()).toBe('r0 is draining, last probe 0 s ago');
});

it('names replicas that were not probed yet, at most five', () => {
  const pool = createPool(Array.from({ length: 7 }, (_, i) => `http://127.0.0.1:${i + 1}`));
  expect(pool.whyNotReady()).toBe(
    'r0 not probed yet; r1 not probed yet; r2 not probed yet; r3 not probed yet; r4 not probed yet; and 2 more',
  );
});
