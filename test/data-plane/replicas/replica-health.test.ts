// Reports of a replica that is not ready: at the first failed probe, then after growing pauses.
import { afterEach, expect, it, vi } from 'vitest';
import { load } from '../../../src/config/config.ts';
import { Pool, type FailingReplica } from '../../../src/data-plane/replicas/pool.ts';
import { closeReplicas, startReplica } from '../../kit/replica.ts';
import { unusedAddress } from '../../kit/port.ts';
import { until } from '../../kit/until.ts';

let pool: Pool | undefined;

afterEach(async () => {
  pool?.stop();
  vi.restoreAllMocks();
  await closeReplicas();
});

/** Advances the clock of the pool. */
function fastForward() {
  const now = performance.now.bind(performance);
  let aheadMs = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now() + aheadMs);
  return (ms: number) => (aheadMs += ms);
}

function watch(url: string): FailingReplica[] {
  const loaded = load([`--replica=${url}`, '--pool-probe-retry-interval=50ms'], {});
  if (!loaded.ok) throw new Error(loaded.problems.join());
  const reports: FailingReplica[] = [];
  pool = new Pool(loaded.config.deployments, loaded.config.pool, {
    changed: () => undefined,
    failing: (replica) => reports.push(replica),
    dead: () => undefined,
  });
  return reports;
}

it('reports an unreachable replica at its first probe, then after 30 s, 90 s, and so on', async () => {
  const gone = await unusedAddress();
  const forward = fastForward();
  const reports = watch(gone.url);
  await pool!.start();
  expect(reports).toMatchObject([
    { deployment: 'local', replica: 'r0', problem: `connection refused (127.0.0.1:${gone.port})` },
  ]);
  for (const [pauseMs, atMs] of [
    [30_000, 30_000],
    [60_000, 90_000],
    [120_000, 210_000],
  ] as const) {
    const before = reports.length;
    forward(pauseMs);
    await until('it is reported again', () => reports.length > before);
    expect(reports).toHaveLength(before + 1);
    expect(reports.at(-1)!.forMs).toBeGreaterThanOrEqual(atMs);
  }
});

it('pauses at most ten minutes between two reports', async () => {
  const gone = await unusedAddress();
  const forward = fastForward();
  const reports = watch(gone.url);
  await pool!.start();
  for (let i = 0; i < 12; i++) {
    const before = reports.length;
    forward(601_000);
    await until('it is reported again', () => reports.length > before);
  }
});

it('does not report a replica that is ready at its first probe', async () => {
  const replica = await startReplica(() => undefined);
  const reports = watch(replica.url);
  await pool!.start();
  expect(pool!.isReady).toBe(true);
  expect(reports).toEqual([]);
});
