// Configuration changes while requests are running.
import { mkdtempSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { watchFile } from '../../src/config/watch.ts';
import { begin, call } from '../kit/client.ts';
import { bodyOf, closeReplicas, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  await closeReplicas();
});

const folder = () => mkdtempSync(join(tmpdir(), 'weir-'));
const quick = ['--pool-probe-interval=50ms', '--pool-probe-retry-interval=50ms', '--pool-slow-return=0s'];
const named =
  (name: string): RequestListener =>
  (_, res) =>
    void res.end(name);

const expectReloads = (weir: Weir, times: number) =>
  until(
    `the configuration was reloaded ${times} times`,
    () => weir.lines.filter((line) => line.event === 'configuration reloaded').length === times,
  );

it('adds and removes replicas with the file and drops no request', async () => {
  const held: (() => void)[] = [];
  const one = await startReplica((req, res) => {
    if (req.url === '/hold') held.push(() => res.end('held to the end'));
    else res.end('one');
  });
  const two = await startReplica(named('two'));
  const file = join(folder(), 'weir.yaml');
  const write = (...urls: string[]) =>
    writeFileSync(
      file,
      `deployments: [{ id: dep, replicas: [${urls.map((url, i) => `{ id: r${url === one.url ? 'one' : `two${i}`}, url: "${url}" }`).join(', ')}] }]`,
    );
  write(one.url);
  const weir = await startWeir(['--config', file, ...quick]);
  const holding = begin(weir.url, '/hold');
  const body = new Promise<string>((resolve) =>
    holding.on('response', (res) => void bodyOf(res).then((bytes) => resolve(bytes.toString()))),
  );
  holding.end();
  await until('the first replica has the request', () => held.length === 1);

  // Under load, the second replica replaces the first.
  const load = { isOver: false };
  const statuses: number[] = [];
  const texts = new Set<string>();
  const clients = Promise.all(
    [1, 2, 3, 4].map(async () => {
      while (!load.isOver) {
        const { status, text } = await call(weir.url, '/x', { method: 'POST', body: '{}' });
        statuses.push(status);
        texts.add(text);
      }
    }),
  );
  write(two.url);
  weir.process.kill('SIGHUP');
  await expectReloads(weir, 1);
  await until('the second serves', () => texts.has('two'));
  const shown = await (await fetch(`${weir.admin}/v1/replicas`)).text();
  expect(shown).toContain('"leaving":true');
  expect(shown).toContain('"draining"');
  held[0]!();
  expect(await body).toBe('held to the end');
  await until('the first is gone', async () => {
    return !(await (await fetch(`${weir.admin}/v1/replicas`)).text()).includes('rone');
  });
  write(one.url, two.url);
  weir.process.kill('SIGHUP');
  await expectReloads(weir, 2);
  texts.clear();
  await until('both serve', () => texts.size === 2);
  load.isOver = true;
  await clients;
  expect(new Set(statuses)).toEqual(new Set([200]));
  expect(statuses.length).toBeGreaterThan(20);
});

it('reloads a changed file, and a file behind a changed link', async () => {
  const one = await startReplica(named('one'));
  const two = await startReplica(named('two'));
  const directory = folder();
  const yaml = (url: string) => `deployments: [{ id: dep, replicas: [{ url: "${url}" }] }]`;
  // Like a ConfigMap that Kubernetes mounts: the file is a symbolic link that is replaced.
  writeFileSync(join(directory, 'first.yaml'), yaml(one.url));
  writeFileSync(join(directory, 'second.yaml'), yaml(two.url));
  symlinkSync('first.yaml', join(directory, 'weir.yaml'));
  const weir = await startWeir(['--config', join(directory, 'weir.yaml'), ...quick]);
  expect((await call(weir.url, '/')).text).toBe('one');
  symlinkSync('second.yaml', join(directory, 'next'));
  renameSync(join(directory, 'next'), join(directory, 'weir.yaml'));
  await expectReloads(weir, 1);
  await until('the second serves', async () => (await call(weir.url, '/')).text === 'two');
});

it('reloads a file that changes back after SIGHUP, and does not reload twice what SIGHUP loaded', async () => {
  const one = await startReplica(named('one'));
  const two = await startReplica(named('two'));
  const file = join(folder(), 'weir.yaml');
  const write = (url: string) =>
    writeFileSync(file, `deployments: [{ id: dep, replicas: [{ url: "${url}" }] }]`);
  write(one.url);
  const weir = await startWeir(['--config', file, ...quick]);
  write(two.url);
  weir.process.kill('SIGHUP');
  await expectReloads(weir, 1);
  // Before the watch reads the file again.
  write(one.url);
  await expectReloads(weir, 2);
  await until('the first serves again', async () => (await call(weir.url, '/')).text === 'one');
  // The watch reports a change after two looks at the file. It must not report this one.
  write(two.url);
  weir.process.kill('SIGHUP');
  await expectReloads(weir, 3);
  const other = join(folder(), 'other.yaml');
  writeFileSync(other, '');
  let looks = 0;
  const watch = watchFile(other, 'never written', () => void looks++);
  await until('a watch that began later has reported a change', () => looks === 1);
  watch.stop();
  await expectReloads(weir, 3);
});

it('keeps a replica without an id as the same replica when it moves up in the list', async () => {
  const seen: string[] = [];
  const one = await startReplica(named('one'));
  const two = await startReplica((req) => void seen.push(req.url!));
  const file = join(folder(), 'weir.yaml');
  const write = (...urls: string[]) =>
    writeFileSync(
      file,
      `deployments: [{ id: dep, concurrency_target: 1, replicas: [${urls.map((url) => `{ url: "${url}" }`).join(', ')}] }]`,
    );
  write(one.url, two.url);
  const weir = await startWeir(['--config', file, ...quick]);
  const held = [begin(weir.url, '/a'), begin(weir.url, '/b')];
  for (const req of held) {
    req.on('error', () => undefined);
    req.end();
  }
  await until('the second replica has a request', () => seen.length === 1);
  write(two.url);
  weir.process.kill('SIGHUP');
  await expectReloads(weir, 1);
  const waiting = begin(weir.url, '/c');
  waiting.on('error', () => undefined);
  waiting.end();
  // It still has its request, under its new name.
  await weir.expectMetric('weir_queue_length{deployment_id="dep"}', 1);
  await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="dep",replica="r0"}', 1);
  expect(seen.length).toBe(1);
  for (const req of [...held, waiting]) req.destroy();
});

it('rejects an invalid file with all its problems and changes nothing', async () => {
  const one = await startReplica(named('one'));
  const file = join(folder(), 'weir.yaml');
  const good = `deployments: [{ id: dep, replicas: [{ url: "${one.url}" }] }]\n`;
  writeFileSync(file, good);
  const weir = await startWeir(['--config', file, ...quick]);
  writeFileSync(file, 'deployments: [{ id: dep, replicas: [{ url: "ftp://x" }], max_queu: 1 }]\n');
  weir.process.kill('SIGHUP');
  const refused = await weir.expectLine('the refusal', (line) => line.event === 'configuration refused');
  expect(String(refused['problems'])).toMatch(/must be a URL such as/);
  expect(String(refused['problems'])).toMatch(
    /unknown setting "deployments\[0\]\.max_queu"; did you mean "max_queue"\?/,
  );
  expect((await call(weir.url, '/')).text).toBe('one');
  // Settings that need a restart are named; the others take effect.
  writeFileSync(
    file,
    `${good.replace('id: dep', 'id: dep, concurrency_target: 3')}proxy: { max_body: 1MiB }\n`,
  );
  weir.process.kill('SIGHUP');
  const line = await weir.expectLine('what takes a restart', (one) => one.event === 'configuration reloaded');
  expect(line['take_a_restart']).toEqual(['proxy.max_body']);
  const settings = await (await fetch(`${weir.admin}/v1/settings`)).text();
  expect(settings).toMatch(/"key":"deployments\[0\]\.concurrency_target","value":"3"/);
  expect(settings).toMatch(/"key":"proxy\.max_body","value":"100MiB"/);
});

it('splits traffic by weight during a promotion, with the labels of each deployment', async () => {
  const stable = await startReplica(named('stable'));
  const next = await startReplica(named('next'));
  const file = join(folder(), 'weir.yaml');
  const write = (stableWeight: number, nextWeight: number | undefined) =>
    writeFileSync(
      file,
      `model: { id: mdl1, name: llama-3 }
deployments:
  - { id: dep1, environment: production, rollout_phase: stable, traffic_weight: ${stableWeight}, replicas: [{ url: "${stable.url}" }] }
${nextWeight === undefined ? '' : `  - { id: dep2, environment: production, rollout_phase: promoting, traffic_weight: ${nextWeight}, replicas: [{ url: "${next.url}" }] }`}
`,
    );
  write(100, undefined);
  const weir = await startWeir(['--config', file, ...quick]);
  // One connection, since each data thread divides its own requests.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = async (path: string) =>
    (await call(weir.url, path, { method: 'POST', body: '{}', agent })).text;
  const shares = async (count: number) => {
    const texts = [];
    for (let i = 0; i < count; i++)
      texts.push(await ask(['/predict', '/production/predict', '/environments/production/predict'][i % 3]!));
    return [texts.filter((text) => text === 'stable').length, texts.filter((text) => text === 'next').length];
  };
  expect(await shares(6)).toEqual([6, 0]);
  // The second deployment is added while the first one serves.
  write(90, 10);
  weir.process.kill('SIGHUP');
  await expectReloads(weir, 1);
  await weir.expectMetric('weir_replica_ready{deployment_id="dep2",replica="r0"}', 1);
  expect(await shares(40)).toEqual([36, 4]);
  expect(await ask('/deployment/dep2/predict')).toBe('next');
  write(0, 1);
  weir.process.kill('SIGHUP');
  await expectReloads(weir, 2);
  expect(await shares(9)).toEqual([0, 9]);
  const count = (id: string, phase: string, value: number) =>
    weir.expectMetric(
      `baseten_inference_requests_total{model_id="mdl1",model_name="llama-3",deployment_id="${id}",environment="production",rollout_phase="${phase}",status_code="200",is_async="false"}`,
      value,
    );
  await count('dep1', 'stable', 42);
  await count('dep2', 'promoting', 14);
  // A deployment without ready replicas gets no requests while another one has some.
  write(50, 50);
  weir.process.kill('SIGHUP');
  await expectReloads(weir, 3);
  await next.close();
  await weir.expectMetric('weir_replica_ready{deployment_id="dep2",replica="r0"}', 0);
  expect(await shares(6)).toEqual([6, 0]);
  // A deployment that is removed from the configuration is unknown.
  write(100, undefined);
  weir.process.kill('SIGHUP');
  await expectReloads(weir, 4);
  expect((await call(weir.url, '/deployment/dep2/predict', { method: 'POST' })).status).toBe(404);
  expect(await shares(3)).toEqual([3, 0]);
});

it('exits at SIGHUP if it has no configuration file', async () => {
  const one = await startReplica(named('one'));
  const weir = await startWeir(['--replica', one.url]);
  await weir.stop('SIGHUP');
  expect(weir.process.signalCode).toBe('SIGHUP');
});

it('reads the settings of a single deployment from flags and variables', async () => {
  const one = await startReplica((req, res) => void res.end(req.url));
  const weir = await startWeir(['--replica', one.url, '--deployment-predict-path=/generate'], {
    env: { WEIR_DEPLOYMENT_ID: 'dep9', WEIR_DEPLOYMENT_ENVIRONMENT: 'staging' },
  });
  expect((await call(weir.url, '/environments/staging/predict', { method: 'POST' })).text).toBe('/generate');
  expect((await call(weir.url, '/deployment/dep9/predict', { method: 'POST' })).text).toBe('/generate');
});
