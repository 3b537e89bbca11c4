// Replica metrics of a changing list of replicas.
import { afterEach, expect, it } from 'vitest';
import { Logger } from '../../../src/core/logger.ts';
import { read } from '../../../src/core/read-settings.ts';
import { replicaMetricsOptions } from '../../../src/collectors/replica-metrics/options.ts';
import {
  ReplicaMetrics,
  type ScrapedReplica,
} from '../../../src/collectors/replica-metrics/replica-metrics.ts';
import { closeReplicas, startReplica } from '../../kit/replica.ts';
import { until } from '../../kit/until.ts';

const log = new Logger(
  { write: () => undefined, flush: () => undefined, dropped: () => 0 },
  { level: 'error', isText: false },
);

function settings(input: Record<string, unknown>) {
  const result = read(replicaMetricsOptions, input);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.settings;
}

async function replica(id: string, page: string): Promise<ScrapedReplica> {
  const { port } = await startReplica((_, res) => res.end(page));
  return {
    deployment: 'd',
    id,
    url: { host: '127.0.0.1', port, path: undefined, authority: `127.0.0.1:${port}`, tls: undefined },
  };
}

let scraper: ReplicaMetrics | undefined;
afterEach(async () => {
  scraper?.stop();
  await closeReplicas();
});

it('drops the page of a removed replica and fetches that of a new one', async () => {
  const [a, b, c] = [
    await replica('a', 'x 1\n'),
    await replica('b', 'x 2\ny 1\nbad\n'),
    await replica('c', 'x 3\n'),
  ];
  let replicas = [a, b];
  scraper = new ReplicaMetrics(settings({ path: '/metrics', interval: '100ms' }), () => replicas, log);
  scraper.start();
  const names = () => scraper!.readings().flatMap(({ replica, isSuccess }) => (isSuccess ? [replica] : []));
  await until('both are there', () => names().length === 2);
  expect(scraper.readings()).toMatchObject([
    { replica: 'a', series: 1, errors: new Map() },
    { replica: 'b', series: 2 },
  ]);
  expect(scraper.readings()[1]!.errors.get('bad_line')).toBeGreaterThan(0);
  replicas = [a, c];
  await until('b is gone and c is there', () => names().join() === 'a,c');
  expect(scraper.pages().map((page) => page.get('x')?.text)).toEqual([
    'x{deployment_id="d",replica="a"} 1\n',
    'x{deployment_id="d",replica="c"} 3\n',
  ]);
});

it('keeps the type of the replica that had a name first, until that replica is removed', async () => {
  const [a, b] = [await replica('a', '# TYPE x gauge\nx 1\n'), await replica('b', '# TYPE x counter\nx 2\n')];
  let replicas = [a];
  scraper = new ReplicaMetrics(settings({ path: '/metrics', interval: '100ms' }), () => replicas, log);
  scraper.start();
  const types = () => scraper!.pages().map((page) => page.get('x')?.type);
  await until('the first is there', () => types().join() === 'gauge');
  replicas = [a, b];
  await until('the second has come', () => scraper!.readings()[1]?.errors.has('name_conflict'));
  expect(types()).toEqual(['gauge', undefined]);
  replicas = [b];
  await until('the second is used', () => types().join() === 'counter');
});
