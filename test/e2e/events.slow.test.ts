// Lifecycle events: each is caused with the real binary and found in every place where users search.
import { existsSync, openSync, closeSync, readdirSync, statSync, writeFileSync, writeSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { expectEvent, eventsOf } from '../kit/events.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { answering, linesOf, Receiver } from '../kit/otlp-receiver.ts';
import { isMissing } from '../kit/program.ts';
import { messages, post, search } from '../kit/log-api.ts';
import { RedisServer } from '../kit/redis.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { EventClient } from '../kit/sse.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

const receivers = new Set<Receiver>();

afterEach(async () => {
  await stopAll();
  await closeReplicas();
  await Promise.all(Array.from(receivers, (one) => one.stop()));
  receivers.clear();
  removeFolders();
});

const adminOf = (weir: Weir) => ({ url: weir.admin });
const quick = [
  '--pool-probe-interval=50ms',
  '--pool-probe-retry-interval=50ms',
  '--pool-probe-timeout=1s',
  '--pool-slow-return=0s',
];
const ok: RequestListener = (_, res) => void res.end('ok');

async function receiver(): Promise<Receiver> {
  const one = await new Receiver().start();
  receivers.add(one);
  return one;
}

/** Exports stored records to a receiver from now on. */
async function exportTo(weir: Weir, connection: object): Promise<string> {
  const { status, text } = await call(weir.admin, '/v1/otel/connections', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(connection),
  });
  expect(status, text).toBe(201);
  return (JSON.parse(text) as { id: string }).id;
}

interface ContractLine {
  readonly message: string;
  readonly level: string;
  readonly replica: string | null;
}

/** The lines of a deployment or environment in the contract's log API, the oldest first. */
async function contractLines(weir: Weir, target: string): Promise<ContractLine[]> {
  const { status, text } = await call(weir.admin, `/v1/models/mdl1/${target}/logs?direction=asc&limit=1000`);
  expect(status, text).toBe(200);
  return (JSON.parse(text) as { logs: ContractLine[] }).logs;
}

/** Starts weir with a configuration file of these deployments; `write` changes the file. */
async function startWith(deployments: readonly object[], ...args: string[]) {
  const file = join(folder(), 'weir.yaml');
  const write = (text: string | readonly object[]) =>
    writeFileSync(file, typeof text === 'string' ? text : JSON.stringify({ deployments: text }));
  write(deployments);
  const data = folder();
  const options = ['--config', file, `--data-dir=${data}`, '--model-id=mdl1', ...quick, ...args];
  return { weir: await startWeir(options), data, options, write };
}

it('reports starts and stops in search, live tail, the contract API, weir logs and OTLP', async () => {
  const [one, two] = [await startReplica(ok), await startReplica(ok)];
  const deployments = [
    { id: 'dep1', environment: 'production', replicas: [{ id: 'a', url: one.url }] },
    { id: 'dep2', environment: 'staging', replicas: [{ id: 'b', url: two.url }] },
  ];
  const { weir, data, options } = await startWith(deployments);
  const ready = await expectEvent(adminOf(weir), 'replica_ready', ({ replica }) => replica === 'a');
  expect(ready).toMatchObject({
    kind: 'event',
    source: 'weir',
    level: 'INFO',
    deployment: 'dep1',
    environment: 'production',
    replica: 'a',
    message: 'Replica a is ready.',
    attributes: { from: 'starting', url: one.url },
  });
  expect(ready['duration_ms']).toBeUndefined();
  await expectEvent(adminOf(weir), 'replica_ready', ({ replica }) => replica === 'b');
  const found = await eventsOf(adminOf(weir));
  const of = (deployment: string) =>
    found.filter((event) => event['deployment'] === deployment).map(({ attributes }) => attributes.event);
  for (const deployment of ['dep1', 'dep2'])
    expect(of(deployment)).toEqual(['deployment_added', 'replica_started', 'replica_ready']);
  const started = found.find(({ attributes }) => attributes.event === 'weir_started')!;
  expect(started).toMatchObject({ level: 'INFO', source: 'weir' });
  expect(started.message).toContain(`started; listening for clients on 127.0.0.1:${weir.port}`);
  for (const name of ['deployment', 'environment', 'replica']) expect(started).not.toHaveProperty(name);

  // By field, by text, and counted by kind.
  expect(messages(await search(adminOf(weir), { q: 'event:replica_ready replica:a' }))).toEqual([
    ready.message,
  ]);
  expect(messages(await search(adminOf(weir), { q: 'kind:event "replica a" ready' }))).toEqual([
    ready.message,
  ]);
  const { text } = await call(weir.admin, '/v1/logs/fields/kind/values');
  expect(JSON.parse(text)).toMatchObject({ values: [{ value: 'event', count: found.length }] });

  // Events of weir itself belong to every deployment.
  const shown = (list: readonly ContractLine[]) => list.map(({ message }) => message);
  const first = await contractLines(weir, 'deployments/dep1');
  expect(first).toContainEqual(
    expect.objectContaining({ message: ready.message, level: 'INFO', replica: 'a' }),
  );
  expect(shown(first)).toContain(started.message);
  expect(shown(first).join()).not.toContain('Replica b');
  const staging = shown(await contractLines(weir, 'environments/staging'));
  expect(staging).toContain('Replica b is ready.');
  expect(staging).toContain(started.message);
  expect(staging.join()).not.toContain('Replica a');

  const listed = await runWeir(['logs', '--url', weir.admin]);
  expect(listed.out).toContain(`(a) ${ready.message}`);
  const csv = await call(weir.admin, '/v1/logs?format=csv&kind=event');
  expect(csv.text).toContain(ready.message);

  const otlpReceiver = await receiver();
  await exportTo(weir, {
    endpoint_url: otlpReceiver.url,
    start_from: 'earliest',
    attributes: ['model_version_id', 'environment', 'replica', 'kind', 'source', 'event'],
  });
  const tail = await new EventClient(`${weir.admin}/v1/logs?kind=event`).open();
  await until('the live tail has an event', () => tail.lastId !== '');
  expect((await call(weir.admin, '/v1/replicas/dep1/a/drain', { method: 'POST' })).status).toBe(200);
  await until('the live tail has the drain', () =>
    tail.events.some(
      ({ data: { attributes } }) => (attributes as { event: string }).event === 'replica_drained',
    ),
  );
  expect(await weir.stop()).toBe(0);

  const names = otlpReceiver.logs.map(({ attributes = [] }) =>
    Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue])),
  );
  expect(names.filter(({ event }) => event === 'replica_ready' || event === 'replica_drained')).toEqual(
    expect.arrayContaining([
      {
        event: 'replica_drained',
        kind: 'event',
        source: 'weir',
        replica: 'a',
        model_version_id: 'dep1',
        environment: 'production',
      },
    ]),
  );
  // The last event is stored and sent before the process ends.
  expect(linesOf(otlpReceiver.logs).at(-1)).toBe('weir stopped.');
  const again = await startWeir([...options, `--data-dir=${data}`]);
  const end = (await eventsOf(adminOf(again))).map(({ attributes }) => attributes.event);
  const stoppedAt = end.indexOf('weir_stopped');
  expect(end.slice(stoppedAt - 1, stoppedAt + 1)).toEqual(['weir_draining', 'weir_stopped']);
  expect(weir.lines.at(-1)).toMatchObject({ event: 'stopped', level: 'info' });
}, 60_000);

it('reports the exit of a supervised process in the words of the contract, with code, signal, delay and restart count', async () => {
  const free = await startReplica(ok);
  await free.close();
  const source = `require('node:http').createServer((req, res) => req.url === '/die' ? process.exit(3) : res.end(String(process.pid))).listen(${free.port}, '127.0.0.1')`;
  const weir = await startWeir(
    [
      `--replica=http://127.0.0.1:${free.port}`,
      `--data-dir=${folder()}`,
      '--model-id=mdl1',
      '--deployment-id=dep1',
      '--deployment-environment=staging',
      '--child-restart-delay=20ms',
      ...quick,
    ],
    { command: 'run', rest: [process.execPath, '-e', source] },
  );
  const where = { deployment: 'dep1', environment: 'staging', replica: 'r0', source: 'weir', kind: 'event' };
  expect(await expectEvent(adminOf(weir), 'process_started')).toMatchObject({ ...where, level: 'INFO' });
  await expectEvent(adminOf(weir), 'replica_ready');
  const pid = Number((await call(weir.url, '/')).text);
  expect((await call(weir.url, '/die')).status).toBe(502);
  expect(await expectEvent(adminOf(weir), 'process_died')).toMatchObject({
    ...where,
    level: 'ERROR',
    message: 'Model terminated unexpectedly. Exit code: 3, reason: Error, restart count: 1',
    attributes: { code: 3, exit_code: 3, restart_count: 1, restart_in_ms: expect.any(Number) },
  });
  const restarted = await expectEvent(adminOf(weir), 'process_restarted');
  expect(restarted).toMatchObject({ ...where, level: 'INFO', attributes: { restart_count: 1 } });
  expect(restarted.message).toMatch(
    /^Replica process restarted after a pause of \d+ ms \(pid \d+, restart count: 1\)\.$/,
  );
  expect(restarted.attributes['pid']).not.toBe(pid);
  const second = await until('the restarted process serves', async () => {
    const { status, text } = await call(weir.url, '/');
    return status === 200 && Number(text);
  });
  process.kill(second, 'SIGKILL');
  expect(
    await expectEvent(adminOf(weir), 'process_died', ({ attributes }) => attributes['restart_count'] === 2),
  ).toMatchObject({
    message: 'Model terminated unexpectedly. Exit code: 137, reason: Error, restart count: 2',
    attributes: { signal: 'SIGKILL', exit_code: 137 },
  });
  await expectEvent(adminOf(weir), 'replica_starting');
  const lines = await contractLines(weir, 'environments/staging');
  expect(lines).toContainEqual(
    expect.objectContaining({
      message: 'Model terminated unexpectedly. Exit code: 3, reason: Error, restart count: 1',
      level: 'ERROR',
      replica: 'r0',
    }),
  );
}, 30_000);

it('reports why a replica goes down, is ejected, drained or resumed', async () => {
  const handlers: RequestListener[] = [ok, ok];
  const replicas = await Promise.all(
    handlers.map((_, i) => startReplica((req, res) => handlers[i]!(req, res))),
  );
  const { weir } = await startWith(
    [
      {
        id: 'dep1',
        environment: 'production',
        readiness_path: '/health',
        liveness_path: '/live',
        replicas: replicas.map(({ url }, i) => ({ id: `r${i}`, url })),
      },
    ],
    '--pool-probe-failures=2',
    '--pool-liveness-failures=2',
    '--pool-eject-failures=2',
    '--pool-eject-time=500ms',
  );
  const where = (replica: string) => ({ deployment: 'dep1', environment: 'production', replica });
  for (const replica of ['r0', 'r1'])
    await expectEvent(adminOf(weir), 'replica_ready', (event) => event['replica'] === replica);

  handlers[0] = (req, res) => void res.writeHead(req.url === '/health' ? 500 : 200).end();
  const down = await expectEvent(adminOf(weir), 'replica_down');
  expect(down).toMatchObject({
    ...where('r0'),
    level: 'WARN',
    attributes: { from: 'ready', problem: 'GET /health returned 500' },
  });
  expect(down.message).toMatch(/^Health check failed\. Replica r0 is down .*: GET \/health returned 500$/);
  handlers[0] = ok;
  expect(
    await expectEvent(adminOf(weir), 'replica_ready', ({ attributes }) => attributes['from'] === 'down'),
  ).toMatchObject({ ...where('r0'), level: 'INFO' });

  handlers[0] = (req, res) => (req.url === '/x' ? void req.socket.destroy() : ok(req, res));
  const ejected = await until('the replica is ejected', async () => {
    await call(weir.url, '/x').catch(() => undefined);
    return (await eventsOf(adminOf(weir))).find(({ attributes }) => attributes.event === 'replica_ejected');
  });
  expect(ejected).toMatchObject({ ...where('r0'), level: 'WARN' });
  expect(ejected.message).toContain('Replica r0 was ejected');
  handlers[0] = ok;
  await expectEvent(adminOf(weir), 'replica_ready', ({ attributes }) => attributes['from'] === 'ejected');

  await call(weir.admin, '/v1/replicas/dep1/r1/drain', { method: 'POST' });
  expect(await expectEvent(adminOf(weir), 'replica_drained')).toMatchObject({
    ...where('r1'),
    level: 'INFO',
    message: 'Replica r1 was drained: it gets no more requests; still running: 0.',
  });
  await call(weir.admin, '/v1/replicas/dep1/r1/resume', { method: 'POST' });
  expect(await expectEvent(adminOf(weir), 'replica_resumed')).toMatchObject({
    ...where('r1'),
    level: 'INFO',
  });

  handlers[1] = (req, res) => void res.writeHead(req.url === '/live' ? 500 : 200).end();
  const unhealthy = await expectEvent(adminOf(weir), 'replica_unhealthy');
  expect(unhealthy).toMatchObject({ ...where('r1'), level: 'ERROR' });
  expect(unhealthy.message).toMatch(
    /^Health check failed\. Replica r1 needs a restart: .*GET \/live returned 500$/,
  );
  // The line in weir's own log has the same facts.
  await weir.expectLine(
    'the same line in the log',
    (line) => line.event === 'replica is down' && line['replica'] === 'r0',
  );
}, 30_000);

it('reports a replica as started when it responds, even if it is not ready', async () => {
  let isReady = false;
  const replica = await startReplica((_, res) => void res.writeHead(isReady ? 200 : 503).end());
  const { weir } = await startWith([
    {
      id: 'dep1',
      environment: 'production',
      readiness_path: '/health',
      replicas: [{ id: 'a', url: replica.url }],
    },
  ]);
  expect(await expectEvent(adminOf(weir), 'replica_started')).toMatchObject({
    deployment: 'dep1',
    replica: 'a',
  });
  expect(await expectEvent(adminOf(weir), 'replica_not_ready')).toMatchObject({
    level: 'WARN',
    message: 'Health check failed. Replica a is not ready: GET /health returned 503',
  });
  expect((await eventsOf(adminOf(weir))).some(({ attributes }) => attributes.event === 'replica_ready')).toBe(
    false,
  );
  isReady = true;
  await expectEvent(adminOf(weir), 'replica_ready');
});

it('reports each changed deployment of a configuration, and the mistakes of an invalid one', async () => {
  const [one, two, three] = [await startReplica(ok), await startReplica(ok), await startReplica(ok)];
  const dep1 = { id: 'dep1', environment: 'production', replicas: [{ id: 'a', url: one.url }] };
  const dep2 = { id: 'dep2', environment: 'staging', replicas: [{ id: 'b', url: two.url }] };
  const { weir, write } = await startWith([dep1, dep2]);
  write('deployments: [{ id: dep1, nonsense: 1 }]');
  const refused = await expectEvent(adminOf(weir), 'configuration_refused');
  expect(refused).toMatchObject({ level: 'ERROR' });
  expect(refused.message).toMatch(/^Configuration refused; the previous one stays in use: .*nonsense/);

  const weighted = { ...dep1, traffic_weight: 3 };
  write([weighted, { ...dep2, environment: 'production', rollout_phase: 'promoting' }]);
  expect(await expectEvent(adminOf(weir), 'deployment_promoting')).toMatchObject({
    level: 'INFO',
    deployment: 'dep2',
    environment: 'production',
  });
  expect(await expectEvent(adminOf(weir), 'deployment_weight_changed')).toMatchObject({
    deployment: 'dep1',
    message: 'Traffic weight of deployment dep1 of environment production changed from 100 to 3.',
    attributes: { from: 100, to: 3 },
  });
  await expectEvent(adminOf(weir), 'configuration_reloaded');

  const dep3 = { id: 'dep3', environment: 'staging', replicas: [{ id: 'd', url: three.url }] };
  const promoted = { ...dep2, environment: 'production', rollout_phase: 'stable' };
  write([{ ...promoted, replicas: [{ id: 'c', url: three.url }] }, dep3]);
  expect(await expectEvent(adminOf(weir), 'deployment_promoted')).toMatchObject({
    level: 'INFO',
    deployment: 'dep2',
    environment: 'production',
    message: 'Deployment dep2 was promoted to environment production.',
  });
  expect(await expectEvent(adminOf(weir), 'deployment_removed')).toMatchObject({
    deployment: 'dep1',
    environment: 'production',
  });
  expect(
    await expectEvent(adminOf(weir), 'deployment_added', ({ deployment }) => deployment === 'dep3'),
  ).toMatchObject({ environment: 'staging', attributes: { replicas: 1 } });
  expect(await expectEvent(adminOf(weir), 'replica_added')).toMatchObject({
    deployment: 'dep2',
    replica: 'c',
  });
  expect(await expectEvent(adminOf(weir), 'replica_removed')).toMatchObject({
    deployment: 'dep2',
    replica: 'b',
  });
  // Lines of a removed deployment are still found, together with weir's own events.
  const linesOfRemoved = (await contractLines(weir, 'deployments/dep1')).map(({ message }) => message);
  expect(linesOfRemoved).toContain(
    'Deployment dep1 of environment production was removed; running requests may finish.',
  );
  expect(linesOfRemoved).toContain('Configuration reloaded.');
}, 30_000);

it('reports a change of the desired replicas', async () => {
  const replica = await startReplica((req, res) => (req.url === '/hold' ? undefined : ok(req, res)));
  const { weir } = await startWith(
    [{ id: 'dep1', environment: 'production', replicas: [{ id: 'a', url: replica.url }] }],
    '--scale-max-replica=5',
    '--scale-concurrency-target=1',
    '--scale-autoscaling-window=10s',
  );
  const held = Array.from({ length: 8 }, () =>
    call(weir.url, '/hold').then(
      () => undefined,
      () => undefined,
    ),
  );
  const scaled = await expectEvent(adminOf(weir), 'deployment_scaled');
  expect(scaled).toMatchObject({ level: 'INFO', deployment: 'dep1', environment: 'production' });
  expect(scaled.message).toMatch(/^Desired replicas of deployment dep1 scaled up from 1 to \d\.$/);
  expect(scaled.attributes).toMatchObject({ from: 1, reason: 'up' });
  replica.drop();
  await Promise.all(held);
}, 30_000);

it('reports that an exporter pauses and resumes, also to its own receiver', async () => {
  const { weir } = await startWith([
    { id: 'dep1', environment: 'production', replicas: [{ url: 'http://127.0.0.1:9' }] },
  ]);
  const otlpReceiver = await receiver();
  otlpReceiver.otherwise = answering(503);
  await exportTo(weir, { name: 'far', endpoint_url: otlpReceiver.url });
  await post(adminOf(weir), 'a line\n');
  const paused = await expectEvent(adminOf(weir), 'export_paused');
  expect(paused).toMatchObject({ level: 'WARN', attributes: { destination: 'far' } });
  expect(paused.message).toMatch(/^Export to far is paused: .*503/);
  otlpReceiver.otherwise = answering(200);
  const resumed = await expectEvent(adminOf(weir), 'export_resumed');
  expect(resumed).toMatchObject({ level: 'INFO', attributes: { destination: 'far' } });
  await until('the receiver has both', () =>
    [paused, resumed].every(({ message }) => linesOf(otlpReceiver.logs).includes(message)),
  );
}, 30_000);

it.skipIf(isMissing('redis-server'))(
  'reports that the store of the queue is lost and back',
  async () => {
    const redis = await RedisServer.start();
    try {
      const { weir } = await startWith(
        [{ id: 'dep1', environment: 'production', replicas: [{ url: 'http://127.0.0.1:9' }] }],
        `--async-store=${redis.url}`,
      );
      await redis.kill();
      expect(await expectEvent(adminOf(weir), 'queue_store_lost')).toMatchObject({
        level: 'WARN',
        attributes: { problem: expect.stringMatching(/./) as string },
      });
      await redis.start();
      expect(await expectEvent(adminOf(weir), 'queue_store_back')).toMatchObject({ level: 'INFO' });
    } finally {
      await redis.stop();
    }
  },
  60_000,
);

/** Overwrites all pages of a file but the first. */
function damage(path: string): void {
  for (const one of [path, `${path}-wal`]) {
    const size = existsSync(one) ? statSync(one).size : 0;
    if (size <= 4096) continue;
    const fd = openSync(one, 'r+');
    writeSync(fd, Buffer.alloc(size - 4096, 'not a database! '), 0, undefined, 4096);
    closeSync(fd);
  }
}

it('reports a damaged file of the log store that was set aside, in the next file', async () => {
  const { weir, data, options } = await startWith([
    { id: 'dep1', environment: 'production', replicas: [{ url: 'http://127.0.0.1:9' }] },
  ]);
  await post(
    adminOf(weir),
    Array.from({ length: 500 }, (_, i) => ({ message: `old ${i}` })),
  );
  expect(await weir.stop()).toBe(0);
  const file = readdirSync(join(data, 'logs')).find((name) => /^logs-.*\.sqlite$/.test(name));
  damage(join(data, 'logs', file!));
  const again = await startWeir([...options, `--data-dir=${data}`]);
  const damaged = await expectEvent(adminOf(again), 'log_store_damaged');
  expect(damaged).toMatchObject({ level: 'ERROR', source: 'weir' });
  expect(damaged.message).toMatch(
    /^A part of the log store is damaged and was set aside \(.*\.damaged-\d+\): /,
  );
}, 30_000);

it('limits the events of a replica that keeps going up and down', async () => {
  let isUp = true;
  const replica = await startReplica((_, res) => void res.writeHead(isUp ? 200 : 500).end());
  const { weir, data, options } = await startWith(
    [
      {
        id: 'dep1',
        environment: 'production',
        readiness_path: '/health',
        replicas: [{ id: 'a', url: replica.url }],
      },
    ],
    '--pool-probe-failures=1',
  );
  const state = (name: string) =>
    weir.expectMetric(`weir_replica_state{deployment_id="dep1",replica="a",state="${name}"}`, 1);
  await state('ready');
  const times = 15;
  for (let i = 0; i < times; i++) {
    isUp = false;
    await state('down');
    isUp = true;
    await state('ready');
  }
  const named = async (one: Weir) =>
    (await eventsOf(adminOf(one))).filter(({ attributes }) => attributes.event === 'replica_down');
  // The limit is per minute; on a slow machine the test may take longer than one.
  expect((await named(weir)).length).toBeLessThan(times);
  expect(await weir.stop()).toBe(0);
  const again = await startWeir([...options, `--data-dir=${data}`]);
  const down = await named(again);
  const suppressed = down.reduce((sum, { attributes }) => sum + Number(attributes['suppressed'] ?? 0), 0);
  // Each event is stored, or counted in a later one.
  expect(down.length + suppressed).toBe(times);
  expect(weir.lines.filter(({ event }) => event === 'replica is down').length).toBe(down.length);
}, 120_000);

it('writes events to weir’s own log if there is no log store', async () => {
  const replica = await startReplica(ok);
  const weir = await startWeir(['--replica', replica.url, '--logs-capture=off']);
  await weir.expectLine('the ready replica', ({ event }) => event === 'replica is ready');
  expect(await weir.stop()).toBe(0);
  expect(weir.lines.map(({ event }) => event)).toEqual(
    expect.arrayContaining(['deployment added', 'listening', 'draining', 'stopped']),
  );
});
