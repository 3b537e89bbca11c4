// The metric families of a weir with one replica, in the order of the metrics page.
import { load } from '../src/config/config.ts';
import { Pool } from '../src/data-plane/replicas/pool.ts';
import { createMetrics } from '../src/telemetry/metrics/metrics.ts';

/** All families. Their sources are empty, since only names, types, labels and help texts are read. */
export function families() {
  const loaded = load(['--replica', 'http://127.0.0.1:8000'], {});
  if (!loaded.ok) throw new Error(loaded.problems.join('; '));
  const { config } = loaded;
  const pool = new Pool(config.deployments, config.pool, { changed: () => undefined, dead: () => undefined });
  return createMetrics(config.metrics, config.model, pool, {
    build: { version: '', node: '' },
    connections: () => ({ active: 0, idle: 0 }),
    pods: { followed: undefined, figures: () => undefined, childRestarts: undefined },
    merged: { pages: () => [], readings: () => [] },
    droppedLines: () => 0,
    repeats: () => ({ connect: 0, answer: 0, overBudget: 0 }),
    maxDeployments: 1,
    async: { depth: () => ({ queued: 0, inProgress: 0 }), webhooks: () => new Map() },
    samplers: { containers: () => [], gpus: () => [], gpuFigures: () => [], stats: () => [] },
    scale: () => [],
    logs: () => undefined,
    exports: () => [],
  }).metrics.families;
}
