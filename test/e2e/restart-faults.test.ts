// Restarts that go wrong, signals during a restart, and what a restart does to connections and data.
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { Agent, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { basename, dirname, join } from 'node:path';
import { afterAll, afterEach, expect, it } from 'vitest';
import { begin, call, RawClient } from '../kit/client.ts';
import { folder, removeFolders, write } from '../kit/folder.ts';
import { search } from '../kit/log-api.ts';
import { freePort } from '../kit/port.ts';
import { bodyOf, closeReplicas, startReplica } from '../kit/replica.ts';
import { endRestarts, isRunning, Restarted } from '../kit/restarts.ts';
import { SteadyLoad } from '../kit/steady-load.ts';
import { until } from '../kit/until.ts';
import { runWeir, stopAll } from '../kit/weir.ts';

/** Processes start slowly on a busy machine. */
const TIMEOUT_MS = 90_000;
const IDLE = '--ingress-keep-alive-timeout=2s';

afterEach(async () => {
  await endRestarts();
  await stopAll();
  await closeReplicas();
});
afterAll(removeFolders);

it(
  'goes on if the new weir refuses its configuration, and restarts once it is right',
  async () => {
    const replica = await startReplica((_, res) => res.end('ok'));
    const at = folder();
    const file = join(at, 'weir.yaml');
    const valid = `deployments: [{ id: d, replicas: [{ url: '${replica.url}' }] }]\n`;
    write(at, { 'weir.yaml': valid });
    const restarted = await Restarted.start([`--config=${file}`]);
    const { weir } = restarted;
    writeFileSync(file, 'no_such_setting: 1\n');
    process.kill(restarted.pid, 'SIGUSR2');
    const line = await weir.expectLine('the failure', ({ event }) => event === 'restart failed', TIMEOUT_MS);
    expect(line['problem']).toBe('it ended with exit code 2');
    expect(weir.stderr).toContain('no_such_setting');
    expect((await call(weir.url, '/')).text).toBe('ok');
    expect((await search({ url: weir.admin }, { q: 'kind:request' })).logs).toHaveLength(1);
    writeFileSync(file, valid);
    await restarted.restart();
    expect((await call(weir.url, '/')).text).toBe('ok');
    await restarted.expectOldEnded();
    const { logs } = await search({ url: weir.admin }, { q: 'kind:request' });
    expect(logs).toHaveLength(2);
  },
  TIMEOUT_MS,
);

it(
  'serves on and tries again if the new weir dies after it got the data folder',
  async () => {
    const replica = await startReplica((_, res) => res.end('ok'));
    // Not port 0, which the second attempt would not find again.
    const restarted = await Restarted.start([
      `--replica=${replica.url}`,
      `--admin=127.0.0.1:${await freePort()}`,
    ]);
    const { weir } = restarted;
    // The keys are read after the data folder was taken.
    const keys = join(restarted.data, 'keys.json');
    writeFileSync(keys, 'broken');
    process.kill(restarted.pid, 'SIGUSR2');
    const line = await weir.expectLine('the failure', ({ event }) => event === 'restart failed', TIMEOUT_MS);
    expect(line['problem']).toMatch(/^it ended with exit code /);
    expect((await call(weir.url, '/meanwhile')).text).toBe('ok');
    writeFileSync(keys, '{"keys":[]}');
    const started = await weir.expectLine(
      'a new process',
      ({ event, pid }) => event === 'listening' && pid !== restarted.pid,
      TIMEOUT_MS,
    );
    restarted.follows(started['pid'] as number);
    await restarted.expectOldEnded(TIMEOUT_MS);
    await until('the request of the old weir is recorded', async () => {
      const { logs } = await search({ url: weir.admin }, { q: 'kind:request path:/meanwhile' });
      return logs.length === 1;
    });
  },
  TIMEOUT_MS,
);

it(
  'refuses a second weir on the same port or data folder',
  async () => {
    const replica = await startReplica((_, res) => res.end('ok'));
    const restarted = await Restarted.start([`--replica=${replica.url}`]);
    const args = ['serve', `--replica=${replica.url}`, '--admin=127.0.0.1:0', '--logs-capture=off'];
    const onPort = await runWeir([...args, `--listen=127.0.0.1:${restarted.weir.port}`]);
    expect(onPort.err).toContain('the port is in use');
    expect(onPort.code).not.toBe(0);
    const inFolder = await runWeir([
      'serve',
      `--replica=${replica.url}`,
      '--admin=127.0.0.1:0',
      '--listen=127.0.0.1:0',
      `--data-dir=${restarted.data}`,
    ]);
    expect(inFolder.err).toContain('is in use by another weir');
  },
  TIMEOUT_MS,
);

it(
  'serves a request on a connection that was idle during the restart, and then closes it',
  async () => {
    const replica = await startReplica((_, res) => res.end('ok'));
    const restarted = await Restarted.start([`--replica=${replica.url}`]);
    const lanes = [
      `GET /a HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET /b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n`,
    ];
    const clients: RawClient[] = [];
    for (const request of lanes) {
      const client = new RawClient(restarted.weir.port).send(request);
      await client.expectReceived('\r\n\r\nok');
      clients.push(client);
    }
    await restarted.restart();
    for (const [i, client] of clients.entries()) {
      expect(client.isEnded).toBe(false);
      client.received = '';
      client.send(lanes[i]!);
      await client.expectReceived('\r\n\r\nok');
      expect(client.received.toLowerCase()).toContain('\r\nconnection: close\r\n');
      await client.expectClosed();
    }
    await restarted.expectOldEnded();
  },
  TIMEOUT_MS,
);

it(
  'ends the streams of the old weir after drain_timeout once it gets SIGTERM',
  async () => {
    const replica = await startReplica((_, res) => res.write('first'));
    const restarted = await Restarted.start([`--replica=${replica.url}`, '--ingress-drain-timeout=300ms']);
    const client = new RawClient(restarted.weir.port).send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await client.expectReceived('first');
    await restarted.restart();
    const [old] = restarted.pids as [number];
    expect(isRunning(old)).toBe(true);
    process.kill(old, 'SIGTERM');
    await client.expectClosed();
    await restarted.expectOldEnded();
    await until('the request is recorded with its cause', async () => {
      const { logs } = await search({ url: restarted.weir.admin }, { q: 'kind:request cause:draining' });
      return logs.length === 1;
    });
  },
  TIMEOUT_MS,
);

it(
  'tells clients of an asynchronous request on an old connection what the new weir knows',
  async () => {
    const replica = await startReplica((_, res) => res.end('{"n":1}'));
    const restarted = await Restarted.start([`--replica=${replica.url}`, '--async-keep-results']);
    const { weir } = restarted;
    const agents = [1, 2].map(() => new Agent({ keepAlive: true, maxSockets: 1 }));
    for (const agent of agents) await call(weir.url, '/', { agent });
    await restarted.restart();
    const submitted = await call(weir.url, '/production/async_predict', {
      method: 'POST',
      body: '{"model_input":{}}',
      agent: agents[0]!,
    });
    expect(submitted.status, submitted.text).toBe(201);
    expect(submitted.headers.connection).toBe('close');
    const { request_id: id } = JSON.parse(submitted.text) as { request_id: string };
    await until('the task has run in the new weir', async () => {
      const { text } = await call(weir.url, `/async_request/${id}`);
      return (JSON.parse(text) as { status: string }).status === 'SUCCEEDED';
    });
    const status = await call(weir.url, `/async_request/${id}`, { agent: agents[1]! });
    expect(JSON.parse(status.text)).toMatchObject({ request_id: id, status: 'SUCCEEDED' });
    expect(status.headers.connection).toBe('close');
    for (const agent of agents) agent.destroy();
    await restarted.expectOldEnded();
  },
  TIMEOUT_MS,
);

it(
  'records a late request as the old weir would have: bodies, tokens, sizes and times',
  async () => {
    let stream: ServerResponse | undefined;
    const completion = {
      id: 'c1',
      object: 'chat.completion',
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
    };
    const replica = await startReplica((req, res) => {
      req.resume();
      res.setHeader('content-type', 'application/json');
      if (req.headers['x-late'] === undefined) res.end(JSON.stringify(completion));
      else {
        stream = res;
        res.flushHeaders();
      }
    });
    const restarted = await Restarted.start([`--replica=${replica.url}`, '--logs-capture=full']);
    const { weir } = restarted;
    const options = (headers: Record<string, string>) => ({
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
    });
    const body = '{"model":"m","messages":[{"role":"user","content":"hello"}]}';
    await call(weir.url, '/v1/chat/completions', { ...options({}), body });
    const req = begin(weir.url, '/v1/chat/completions', options({ 'x-late': '1' }));
    req.end(body);
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    await restarted.restart();
    stream!.end(JSON.stringify(completion));
    await bodyOf(res);
    await restarted.expectOldEnded();
    const logs = await until('both are recorded', async () => {
      const found = await search({ url: weir.admin }, { q: 'kind:request path:/v1/chat/completions' });
      return found.logs.length === 2 && found.logs;
    });
    const differing = new Set([
      'request_id',
      'seq',
      'timestamp',
      'timestamp_ns',
      'duration_ms',
      'attributes',
    ]);
    const without = (log: object, differs: (name: string) => boolean) =>
      Object.fromEntries(Object.entries(log).filter(([name]) => !differs(name)));
    const facts = logs.map((log) => ({
      ...without(log, (name) => differing.has(name)),
      attributes: without(log['attributes'] as object, (name) => /^remote$|_ms$|tokens_per/.test(name)),
    }));
    expect(facts[0]).toEqual(facts[1]);
    expect(facts[0]!.attributes).toMatchObject({ has_bodies: true });
  },
  TIMEOUT_MS,
);

it(
  'keeps the file of a Unix socket through restarts, and removes it at the end',
  async () => {
    const replica = await startReplica((_, res) => res.end('ok'));
    // As long as a path may be, with a short name, so that no longer name fits beside it.
    const top = folder();
    const at = join(top, 'd'.repeat(107 - top.length - '//w.sock'.length));
    mkdirSync(at);
    const path = join(at, 'w.sock');
    const restarted = await Restarted.start([`--replica=${replica.url}`, `--listen=unix:${path}`, IDLE]);
    const load = new SteadyLoad();
    let count = 0;
    load.repeat('unix', 1, async () => {
      expect(await getThrough(path)).toBe('ok');
      count++;
    });
    for (let i = 0; i < 2; i++) await restarted.restart();
    await restarted.expectOldEnded(30_000);
    await load.stop();
    expect(load.problems).toEqual([]);
    expect(count).toBeGreaterThan(10);
    expect(readdirSync(dirname(path))).toEqual([basename(path)]);
    process.kill(restarted.pid, 'SIGTERM');
    await until('the last weir ends', () => !isRunning(restarted.pid));
    expect(readdirSync(dirname(path))).toEqual([]);
  },
  TIMEOUT_MS,
);

/** Sends a request through a Unix socket, with a new connection. */
const getThrough = (socketPath: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const req = request({ socketPath, path: '/', agent: false });
    req.once('error', reject);
    req.once('response', (res) => void bodyOf(res).then((body) => resolve(body.toString()), reject));
    req.end();
  });
