// Whose pages are fetched is asked before each round: replicas come and go while weir runs.
import { afterEach, expect, it } from 'vitest';
import { Logger } from '../../../src/core/logger.ts';
import { read } from '../../../src/core/settings.ts';
import { mergeOptions } from '../../../src/collectors/replica-metrics/options.ts';
import { ReplicaMetrics, type Scraped } from '../../../src/collectors/replica-metrics/replica-metrics.ts';
import { closeReplicas, startReplica } from '../../kit/replica.ts';
import { until } from '../../kit/until.ts';

const log = new Logger(
  { write: () => undefined, flush: () => undefined, dropped: () => 0 },
  { level: 'error', isText: false },
);

function settings(input: Record<string, unknown>) {
  const result = read(mergeOptions, input);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.settings;
}

async function replica(id: string, page: string): Promise<Scraped> {
  const { port } = await startReplica((_, res) => res.end(page));
  return {
    deployment: 'd',
    id,
    url: { host: '127.0.0.1', port, authority: `127.0.0.1:${port}`, tls: undefined },
  };
}

let scraper: ReplicaMetrics | undefined;
afterEach(async () => {
  scraper?.stop();
  await closeReplicas();
});

it('a replica that is gone is forgotten with all its figures, and a new one is fetched', async () => {
  const [a, b, c] = [
    await replica('a', 'x 1\n'),
    await replica('b', 'x 2\ny 1\nbad\n'),
    await replica('c', 'x 3\n'),
  ];
  let replicas = [a, b];
  scraper = new ReplicaMetrics(settings({ path: '/metrics', interval: '100ms' }), () => replicas, log);
  scraper.start();
  const names = () => scraper!.readings().flatMap(({ replica, isWell }) => (isWell ? [replica] : []));
  await until('both are there', () => names().length === 2);
  expect(scraper.readings()).toMatchObject([
    { replica: 'a', series: 1, faults: new Map() },
    { replica: 'b', series: 2 },
  ]);
  expect(scraper.readings()[1]!.faults.get('bad_line')).toBeGreaterThan(0);
  replicas = [a, c];
  await until('b is gone and c is there', () => names().join() === 'a,c');
  expect(scraper.pages().map((page) => page.get('x')?.text)).toEqual([
    'x{deployment_id="d",replica="a"} 1\n',
    'x{deployment_id="d",replica="c"} 3\n',
  ]);
});

it('what two replicas say differently of a name is the first one’s until that one is gone', async () => {
  const [a, b] = [await replica('a', '# TYPE x gauge\nx 1\n'), await replica('b', '# TYPE x counter\nx 2\n')];
  let replicas = [a];
  scraper = new ReplicaMetrics(settings({ path: '/metrics', interval: '100ms' }), () => replicas, log);
  scraper.start();
  const types = () => scraper!.pages().map((page) => page.get('x')?.type);
  await until('the first is there', () => types().join() === 'gauge');
  replicas = [a, b];
  await until('the second has come', () => scraper!.readings()[1]?.faults.has('name_conflict'));
  expect(types()).toEqual(['gauge', undefined]);
  replicas = [b];
  await until('the second is believed', () => types().join() === 'counter');
});
