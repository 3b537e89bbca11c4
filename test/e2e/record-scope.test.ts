// Deployment, environment and replica of records: those of the request, in the current configuration.
import { appendFileSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { begin, call } from '../kit/client.ts';
import { expectEvent } from '../kit/events.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { search, type Log } from '../kit/log-api.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  await closeReplicas();
  removeFolders();
});

const quick = ['--pool-probe-interval=50ms', '--pool-probe-retry-interval=50ms', '--pool-slow-return=0s'];
const adminOf = (weir: Weir) => ({ url: weir.admin });

/** The first record that the search finds, now or later. */
const recordOf = (weir: Weir, query: Record<string, string>): Promise<Log> =>
  until(`a record of ${JSON.stringify(query)}`, async () => (await search(adminOf(weir), query)).logs[0]);

interface Options {
  readonly args?: readonly string[];
  readonly rest?: readonly string[];
}

/** Starts weir with a configuration file; `write` changes it. */
async function startWith(deployments: readonly object[], { args = [], rest }: Options = {}) {
  const file = join(folder(), 'weir.yaml');
  const write = (list: readonly object[]) => writeFileSync(file, JSON.stringify({ deployments: list }));
  write(deployments);
  const all = ['--config', file, `--data-dir=${folder()}`, ...quick, ...args];
  const weir = await startWeir(all, rest ? { command: 'run', rest: [...rest] } : {});
  return { weir, write };
}

it('records async routes and refused requests under the deployment of their path', async () => {
  const held: (() => void)[] = [];
  const handler: RequestListener = (req, res) =>
    void (req.url === '/hold' ? held.push(() => res.end('held')) : res.end('{}'));
  const [one, two] = [await startReplica(handler), await startReplica(handler)];
  const { weir } = await startWith(
    [
      { id: 'dep1', environment: 'production', replicas: [{ id: 'a', url: one.url }] },
      {
        id: 'dep2',
        environment: 'staging',
        concurrency_target: 1,
        max_queue: 0,
        replicas: [{ id: 'b', url: two.url }],
      },
    ],
    { args: ['--proxy-max-body=1KiB', '--async-max-body=2KiB'] },
  );
  await expectEvent(adminOf(weir), 'replica_ready', ({ replica }) => replica === 'b');
  const where = { deployment: 'dep2', environment: 'staging' };
  const json = { 'content-type': 'application/json' };
  const idOf = (response: { headers: Record<string, unknown> }) =>
    String(response.headers['x-baseten-request-id']);
  const recorded = (id: string, path: string) =>
    recordOf(weir, { q: `kind:request path:${path}`, request_id: id });
  const expectRecorded = async (status: number, method: string, path: string, body?: string) => {
    const response = await call(weir.url, path, {
      method,
      headers: json,
      ...(body !== undefined && { body }),
    });
    expect(response.status, response.text).toBe(status);
    expect(await recorded(idOf(response), path)).toMatchObject({ ...where, status });
    expect(await weir.expectExchange(idOf(response))).toMatchObject(where);
  };
  const submitted = await call(weir.url, '/deployment/dep2/async_predict', {
    method: 'POST',
    headers: json,
    body: '{"model_input": {}}',
  });
  expect(submitted.status, submitted.text).toBe(201);
  const { request_id: id } = JSON.parse(submitted.text) as { request_id: string };
  expect(await recorded(id, '/deployment/dep2/async_predict')).toMatchObject({ ...where, status: 201 });
  await until('the task is done', async () =>
    (await call(weir.url, `/async_request/${id}`)).text.includes('SUCCEEDED'),
  );
  await expectRecorded(400, 'POST', '/deployment/dep2/async_predict', 'no JSON');
  await expectRecorded(413, 'POST', '/deployment/dep2/async_predict', 'x'.repeat(3000));
  await expectRecorded(413, 'POST', '/deployment/dep2/predict', 'x'.repeat(2000));
  await expectRecorded(413, 'POST', '/environments/staging/sync/x', 'x'.repeat(2000));
  await expectRecorded(405, 'GET', '/deployment/dep2/predict');
  await expectRecorded(200, 'GET', '/deployment/dep2/async_queue_status');
  await expectRecorded(202, 'POST', '/deployment/dep2/wake');
  // A route of a task belongs to the deployment of the task.
  const status = await call(weir.url, `/async_request/${id}`);
  expect(await recorded(idOf(status), `/async_request/${id}`)).toMatchObject(where);

  const holding = begin(weir.url, '/deployment/dep2/sync/hold');
  holding.end();
  await until('the replica is full', () => held.length === 1);
  await expectRecorded(429, 'POST', '/deployment/dep2/sync/x', '{}');
  held[0]!();
  // None of them counts as a running request of the deployment.
  await until('no request is running', async () => {
    const page = await weir.page();
    return page.sum('baseten_concurrent_requests', 'deployment_id="dep2"') === 0;
  });

  const page = await weir.page();
  expect(page.value('weir_exchanges_total{deployment_id="dep2",cause="too_large",origin="client"}')).toBe(3);
  // A request for an unknown deployment belongs to none.
  const unknown = await call(weir.url, '/deployment/nope/predict', { method: 'POST', body: '{}' });
  const none = await recorded(idOf(unknown), '/deployment/nope/predict');
  for (const name of ['deployment', 'environment']) expect(none).not.toHaveProperty(name);
}, 60_000);

it('records a line of a followed file under the request that it names, or the first deployment', async () => {
  const path = join(folder(), 'model.log');
  writeFileSync(path, '');
  const respond: (() => void)[] = [];
  const handler: RequestListener = (req, res) => {
    const id = String(req.headers['x-baseten-request-id']);
    appendFileSync(path, `${JSON.stringify({ message: `running ${req.url}`, request_id: id })}\n`);
    respond.push(() => res.end('ok'));
  };
  const [one, two] = [await startReplica(handler), await startReplica(handler)];
  const dep1 = { id: 'dep1', environment: 'production', replicas: [{ id: 'a', url: one.url }] };
  const dep2 = { id: 'dep2', environment: 'staging', replicas: [{ id: 'b', url: two.url }] };
  const { weir, write } = await startWith([dep1, dep2], { args: [`--logs-files=${path}`] });
  await expectEvent(adminOf(weir), 'replica_ready', ({ replica }) => replica === 'b');
  appendFileSync(path, 'the file is followed\n');
  const first = await recordOf(weir, { q: 'kind:line "the file is followed"' });
  expect(first).toMatchObject({ deployment: 'dep1', environment: 'production', replica: 'a', source: path });

  // While the request runs.
  const open = begin(weir.url, '/deployment/dep2/sync/open');
  const responseId = new Promise<string>((resolve) =>
    open.on('response', (res) => resolve(String(res.resume().headers['x-baseten-request-id']))),
  );
  open.end();
  const where = { deployment: 'dep2', environment: 'staging', replica: 'b', source: path };
  expect(await recordOf(weir, { q: 'kind:line "running /open"' })).toMatchObject(where);
  respond.pop()!();
  // And after it has ended.
  const id = await responseId;
  await recordOf(weir, { q: 'kind:request', request_id: id });
  appendFileSync(path, `late word request_id=${id}\nof no request request_id=${'0'.repeat(37)}\n`);
  expect(await recordOf(weir, { q: 'kind:line "late word"' })).toMatchObject({ ...where, request_id: id });
  expect(await recordOf(weir, { q: 'kind:line "of no request"' })).toMatchObject({ deployment: 'dep1' });

  write([{ ...dep1, environment: 'canary' }, dep2]);
  await expectEvent(adminOf(weir), 'configuration_reloaded');
  appendFileSync(path, 'after the change\n');
  expect(await recordOf(weir, { q: 'kind:line "after the change"' })).toMatchObject({
    deployment: 'dep1',
    environment: 'canary',
    replica: 'a',
  });
}, 60_000);

it('records a line of a command with several replicas under the replica of the request that it names', async () => {
  const [one, two] = [await startReplica(() => undefined), await startReplica(() => undefined)];
  const ports = [one.port, two.port];
  await Promise.all([one.close(), two.close()]);
  const source = `for (const port of ${JSON.stringify(ports)}) require('node:http').createServer((req, res) => {
    console.log(JSON.stringify({ message: 'asked ' + req.url, request_id: req.headers['x-baseten-request-id'] }));
    console.log('plain ' + req.url);
    res.end('ok');
  }).listen(port, '127.0.0.1')`;
  const at = (port: number) => `http://127.0.0.1:${port}`;
  const replicas = ports.map((port, i) => ({ id: `r${i}`, url: at(port) }));
  const { weir } = await startWith(
    [
      { id: 'dep1', environment: 'production', replicas: [replicas[0]] },
      { id: 'dep2', environment: 'staging', replicas: [replicas[1]] },
    ],
    { rest: [process.execPath, '-e', source] },
  );
  for (const id of ['r0', 'r1'])
    await expectEvent(adminOf(weir), 'replica_ready', ({ replica }) => replica === id);
  await call(weir.url, '/deployment/dep2/sync/two');
  await call(weir.url, '/deployment/dep1/sync/one');
  expect(await recordOf(weir, { q: 'kind:line "asked /two"' })).toMatchObject({
    deployment: 'dep2',
    environment: 'staging',
    replica: 'r1',
    source: 'stdout',
  });
  const first = { deployment: 'dep1', environment: 'production', replica: 'r0', source: 'stdout' };
  expect(await recordOf(weir, { q: 'kind:line "asked /one"' })).toMatchObject(first);
  // A line that names no request belongs to the first supervised replica.
  expect(await recordOf(weir, { q: 'kind:line "plain /two"' })).toMatchObject(first);
}, 30_000);

it('records lines of a supervised process under the environment of the current configuration', async () => {
  const free = await startReplica(() => undefined);
  await free.close();
  const source = `require('node:http').createServer((req, res) => { console.log('asked ' + req.url); res.end('ok'); }).listen(${free.port}, '127.0.0.1')`;
  const url = `http://127.0.0.1:${free.port}`;
  const dep1 = { id: 'dep1', environment: 'staging', replicas: [{ id: 'a', url }] };
  const { weir, write } = await startWith([dep1], { rest: [process.execPath, '-e', source] });
  await expectEvent(adminOf(weir), 'replica_ready');
  await call(weir.url, '/one');
  expect(await recordOf(weir, { q: 'kind:line "asked /one"' })).toMatchObject({
    deployment: 'dep1',
    environment: 'staging',
    replica: 'a',
  });
  write([{ ...dep1, environment: 'production', replicas: [{ id: 'renamed', url }] }]);
  await expectEvent(adminOf(weir), 'deployment_promoted');
  await call(weir.url, '/two');
  const now = { deployment: 'dep1', environment: 'production', replica: 'renamed' };
  expect(await recordOf(weir, { q: 'kind:line "asked /two"' })).toMatchObject(now);
  // Its events too.
  process.kill(Number((await expectEvent(adminOf(weir), 'process_started')).attributes['pid']), 'SIGKILL');
  expect(await expectEvent(adminOf(weir), 'process_died')).toMatchObject(now);
}, 30_000);
