// Several replicas, replicas that go down and come back, and routing.
import { writeFileSync, mkdtempSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { closeReplicas, startRawReplica, startReplica } from '../kit/replica.ts';
import { unusedAddress } from '../kit/port.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  await closeReplicas();
});

const quick = [
  '--pool-probe-interval=100ms',
  '--pool-probe-retry-interval=50ms',
  '--pool-probe-failures=1',
  '--pool-slow-return=0s',
];

it('sends a request to the replica with the fewest requests in flight', async () => {
  const held = [0, 0];
  const replicas = await Promise.all(
    [0, 1].map((i) =>
      startReplica((req, res) => {
        held[i]!++;
        if (req.url === '/hold') return;
        res.end(String(i));
      }),
    ),
  );
  const weir = await startWeir(replicas.flatMap(({ url }) => ['--replica', url]));
  const holding = [1, 2, 3].map(() => call(weir.url, '/hold').catch(() => undefined));
  await until('the replicas have three requests', () => held[0]! + held[1]! === 3);
  const [full, free] = held[0]! > held[1]! ? [0, 1] : [1, 0];
  expect([held[full], held[free]]).toEqual([2, 1]);
  for (let i = 0; i < 4; i++) expect((await call(weir.url, '/quick')).text).toBe(String(free));
  await weir.stop('SIGKILL');
  await Promise.all(holding);
});

it('spreads requests over idle replicas', async () => {
  const counts = [0, 0, 0];
  const replicas = await Promise.all(
    counts.map((_, i) => startReplica((_req, res) => (counts[i]!++, res.end()))),
  );
  const weir = await startWeir(replicas.flatMap(({ url }) => ['--replica', url]));
  for (let i = 0; i < 30; i++) await call(weir.url, '/');
  expect(counts).toEqual([10, 10, 10]);
});

it('skips a replica that refuses connections, and uses it again when it is back', async () => {
  const one = await startReplica((_, res) => res.end('one'));
  const two = await startReplica((_, res) => res.end('two'));
  const weir = await startWeir(['--replica', one.url, '--replica', two.url, ...quick]);
  await weir.expectMetric('baseten_replicas_active', 2);
  await two.close();
  await weir.expectMetric('baseten_replicas_active', 1);
  for (let i = 0; i < 6; i++) expect((await call(weir.url, '/')).text).toBe('one');
  expect((await fetch(`${weir.admin}/readyz`)).status).toBe(200);
  await startReplica((_, res) => res.end('two again'), two.port);
  await weir.expectMetric('baseten_replicas_active', 2);
  const seen = new Set<string>();
  for (let i = 0; i < 6; i++) seen.add((await call(weir.url, '/')).text);
  expect([...seen].sort()).toEqual(['one', 'two again']);
});

it('marks a replica as down at a refused connection, without waiting for a probe', async () => {
  const one = await startReplica((_, res) => res.end('one'));
  const two = await startReplica((_, res) => res.end('two'));
  const weir = await startWeir(['--replica', one.url, '--replica', two.url, '--pool-probe-interval=1d']);
  await two.close();
  const statuses = [];
  for (let i = 0; i < 10; i++) statuses.push((await call(weir.url, '/')).status);
  // The request that found the closed replica was sent to the other one.
  expect(statuses).toEqual(Array.from({ length: 10 }, () => 200));
  await weir.expectLine(
    'that the replica is down',
    (line) => line.event === 'replica is down' && line['replica'] === 'r1',
  );
});

it('queues requests while the only replica is down, and serves them when it is back', async () => {
  const only = await startReplica((_, res) => res.end('here'));
  const weir = await startWeir([
    '--replica',
    only.url,
    '--pool-probe-interval=1d',
    '--pool-probe-retry-interval=50ms',
  ]);
  await only.close();
  const waiting = [call(weir.url, '/'), call(weir.url, '/', { method: 'POST', body: 'x' })];
  await weir.expectMetric('weir_queue_length{deployment_id="local"}', 2);
  expect((await fetch(`${weir.admin}/readyz`)).status).toBe(503);
  expect((await fetch(`${weir.admin}/livez`)).status).toBe(200);
  await startReplica((_, res) => res.end('back'), only.port);
  expect((await Promise.all(waiting)).map((response) => response.text)).toEqual(['back', 'back']);
  expect((await fetch(`${weir.admin}/readyz`)).status).toBe(200);
});

it('responds 503 to waiting requests when it shuts down without a ready replica', async () => {
  const gone = await unusedAddress();
  const weir = await startWeir(['--replica', gone.url]);
  const waiting = call(weir.url, '/');
  await weir.expectMetric('weir_queue_length{deployment_id="local"}', 1);
  weir.process.kill('SIGTERM');
  const refused = await waiting;
  expect([refused.status, refused.headers['x-weir-cause']]).toEqual([503, 'draining']);
  expect(await weir.stop()).toBe(0);
});

it('responds 503 if no replica is ready and max_queue is 0', async () => {
  const only = await startReplica((_, res) => res.end('here'));
  const weir = await startWeir(['--replica', only.url, '--deployment-max-queue=0', ...quick]);
  await only.close();
  await weir.expectMetric('baseten_replicas_active', 0);
  const refused = await call(weir.url, '/');
  expect([refused.status, refused.headers['x-weir-cause'], refused.headers['retry-after']]).toEqual([
    503,
    'no_replica',
    '1',
  ]);
});

it('responds 502 after the configured number of failed connection attempts', async () => {
  const only = await startReplica((_, res) => res.end('here'));
  const weir = await startWeir(['--replica', only.url, '--proxy-retry-connect-attempts=1']);
  await only.close();
  const failed = await call(weir.url, '/');
  expect([failed.status, failed.headers['x-weir-cause']]).toEqual([502, 'connect_failed']);
});

it('counts a replica as ready once readiness_path returns 2xx', async () => {
  let isReady = false;
  const paths: string[] = [];
  const replica = await startReplica((req, res) => {
    paths.push(req.url!);
    res.writeHead(isReady ? 204 : 503).end();
  });
  const file = join(mkdtempSync(join(tmpdir(), 'weir-')), 'weir.yaml');
  writeFileSync(
    file,
    `deployments: [{ readiness_path: /healthz, replicas: [{ id: abc12, url: "${replica.url}" }] }]`,
  );
  const weir = await startWeir(['--config', file, ...quick]);
  await weir.expectMetric('baseten_replicas_starting', 1);
  await weir.expectMetric('weir_replica_ready{deployment_id="local",replica="abc12"}', 0);
  const shown = (await (await fetch(`${weir.admin}/v1/replicas`)).json()) as {
    deployments: { replicas: unknown[] }[];
  };
  expect(shown.deployments[0]!.replicas[0]).toMatchObject({
    state: 'starting',
    problem: 'GET /healthz returned 503',
  });
  isReady = true;
  await weir.expectMetric('baseten_replicas_active', 1);
  await weir.expectMetric('baseten_replicas_starting', 0);
  expect(new Set(paths)).toEqual(new Set(['/healthz']));
});

it('routes by environment and deployment, and labels metrics with both', async () => {
  const stable = await startReplica((req, res) => res.end(`stable ${req.method} ${req.url}`));
  const next = await startReplica((req, res) => res.end(`next ${req.method} ${req.url}`));
  const file = join(mkdtempSync(join(tmpdir(), 'weir-')), 'weir.yaml');
  writeFileSync(
    file,
    `model: { id: mdl1, name: llama-3 }
deployments:
  - { id: dep1, environment: production, replicas: [{ url: "${stable.url}" }] }
  - { id: dep2, environment: "", predict_path: /generate, replicas: [{ url: "${next.url}" }] }
`,
  );
  const weir = await startWeir(['--config', file]);
  const post = async (path: string) => (await call(weir.url, path, { method: 'POST', body: '{}' })).text;
  expect(await post('/production/predict')).toBe('stable POST /v1/models/model:predict');
  expect(await post('/environments/production/sync/v1/x?a=1')).toBe('stable POST /v1/x?a=1');
  expect(await post('/deployment/dep2/predict')).toBe('next POST /generate');
  expect(await post('/predict')).toBe('stable POST /v1/models/model:predict');
  expect(await post('/whatever/else')).toBe('stable POST /whatever/else');
  const wake = await call(weir.url, '/production/wake', { method: 'POST' });
  expect([wake.status, wake.text]).toEqual([202, '{}']);
  expect(wake.headers['x-baseten-request-id']).toMatch(/^[0-9a-f]{37}$/);
  const of = (deployment: string) =>
    `model_id="mdl1",model_name="llama-3",${deployment},status_code="200",is_async="false"`;
  const count = (labels: string) => `baseten_inference_requests_total{${of(labels)}}`;
  await weir.expectMetric(count('deployment_id="dep1",environment="production",rollout_phase="stable"'), 4);
  await weir.expectMetric(count('deployment_id="dep2",environment="",rollout_phase=""'), 1);
});

it.each([true, false])(
  'uses a new backend behind a shared address while all connections are busy (fast lane: %s)',
  async (isFast) => {
    let isLate = false;
    const [early, late] = [
      await startReplica((_, res) => void setTimeout(() => res.end('early'), 5)),
      await startReplica((_, res) => void setTimeout(() => res.end('late'), 5)),
    ];
    // Like a Kubernetes Service, it chooses a backend per connection.
    const service = await startRawReplica((socket) => {
      const on = connect(isLate ? late.port : early.port, '127.0.0.1');
      socket.pipe(on).pipe(socket);
      on.on('error', () => socket.destroy());
    });
    const weir = await startWeir([
      '--replica',
      service.url,
      '--proxy-replica-connection-age=300ms',
      `--proxy-fast-lane=${isFast}`,
    ]);
    const over = new AbortController();
    const latest: string[] = [];
    const load = Array.from({ length: 8 }, async (_, i) => {
      while (!over.signal.aborted) {
        const { status, text } = await call(weir.url, '/x', { method: 'POST', body: '{}' });
        expect(status).toBe(200);
        latest[i] = text;
      }
    });
    await until(
      'all clients use the early backend',
      () => latest.filter((text) => text === 'early').length === 8,
    );
    isLate = true;
    await until('all clients use the late backend', () => latest.every((text) => text === 'late'));
    over.abort();
    await Promise.all(load);
    await weir.stop('SIGKILL');
    await Promise.all([early, late, service].map((one) => one.close()));
  },
);
