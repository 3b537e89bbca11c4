// Several data threads on one port: what must be the same for all of them, and what happens if one ends.
import { mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { begin, call, type ClientResponse } from '../kit/client.ts';
import { bodyOf, closeReplicas, startReplica, type Replica } from '../kit/replica.ts';
import { recordsIn } from '../kit/stored-records.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

const THREADS = 3;
/** So many new connections reach every thread, but for one in a million runs. */
const TO_ALL = 45;

afterEach(async () => {
  await stopAll();
  await closeReplicas();
});

const adminKey = 'a-key-for-tests-admin';

/** Calls the admin API. Returns the answer as JSON, if it has one. */
async function admin(weir: Weir, method: string, path: string, body?: object): Promise<unknown> {
  const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' };
  const { text, status } = await call(weir.admin, path, { method, headers, body: JSON.stringify(body) });
  expect(status).toBeLessThan(300);
  return text === '' ? undefined : JSON.parse(text);
}

const folder = (): string => mkdtempSync(join(tmpdir(), 'weir-threads-'));

/** A replica that answers with the length of the body. */
const startEcho = (): Promise<Replica> =>
  startReplica((req, res) => {
    let length = 0;
    req.on('data', (chunk: Buffer) => (length += chunk.length));
    req.on('end', () => res.end(`${req.url} ${length}`));
  });

const start = (args: string[], env?: Record<string, string>): Promise<Weir> =>
  startWeir([`--threads=${THREADS}`, ...args], env && { env });

/** Sends requests to all threads, each on a connection of its own. */
async function toAll(
  weir: Weir,
  path: string,
  options: Parameters<typeof call>[2] = {},
): Promise<ClientResponse[]> {
  const responses: ClientResponse[] = [];
  const width = 9;
  for (let i = 0; i < TO_ALL; i += width)
    responses.push(
      ...(await Promise.all(Array.from({ length: width }, () => call(weir.url, path, options)))),
    );
  return responses;
}

describe('the setting', () => {
  it('is refused with a Unix socket', async () => {
    const { code, err } = await runWeir([
      'check',
      '--threads=2',
      '--listen=unix:/tmp/weir-threads.sock',
      '--replica=http://127.0.0.1:1',
    ]);
    expect(code).toBe(2);
    expect(err).toContain(
      'threads is 2, but ingress.listen is a Unix socket, which only one thread can serve; set threads to 1, or listen on host:port',
    );
  });

  it('is a number or auto', async () => {
    const { code, err } = await runWeir(['check', '--threads=many', '--replica=http://127.0.0.1:1']);
    expect(code).toBe(2);
    expect(err).toContain('threads is "many", must be auto, or a whole number from 1 to 64');
  });
});

it('counts and logs every request of every thread exactly once', async () => {
  const replica = await startEcho();
  const weir = await start(['--replica', replica.url]);
  const responses = await toAll(weir, '/x', { method: 'POST', body: 'abc' });
  expect(new Set(responses.map(({ text }) => text))).toEqual(new Set(['/x 3']));
  const ids = responses.map(({ headers }) => headers['x-baseten-request-id'] as string);
  for (const id of ids) await weir.expectExchange(id);
  const logged = weir.lines
    .filter(({ event }) => event === 'exchange')
    .map((line) => String(line['request_id']));
  expect(logged.toSorted()).toEqual(ids.toSorted());
  const page = await weir.page();
  expect(page.sum('weir_exchanges_total')).toBe(TO_ALL);
});

it('stores every request with its own bodies exactly once', async () => {
  const replica = await startEcho();
  const data = folder();
  const weir = await start(['--replica', replica.url, `--data-dir=${data}`, '--logs-capture=full']);
  const bodies = Array.from({ length: TO_ALL }, (_, i) =>
    `body ${i} `.padEnd(i % 3 === 0 ? 100_000 : 100, 'x'),
  );
  await Promise.all(bodies.map((body, i) => call(weir.url, `/${i}`, { method: 'POST', body })));
  expect(await weir.stop()).toBe(0);
  const requests = recordsIn(data, 'kind:request');
  expect(requests).toHaveLength(TO_ALL);
  expect(requests.map(({ fields }) => String(fields['path'])).toSorted()).toEqual(
    bodies.map((_, i) => `/${i}`).toSorted(),
  );
  for (const { fields, request } of requests) {
    const i = Number(String(fields['path']).slice(1));
    expect(request?.startsWith(`body ${i} `)).toBe(true);
  }
}, 60_000);

it('never sends a replica more than its concurrency, and serves all that wait', async () => {
  let most = 0;
  const replica: Replica = await startReplica((_, res) => {
    most = Math.max(most, replica.open);
    setTimeout(() => res.end('ok'), 5);
  });
  const weir = await start(['--replica', replica.url, '--deployment-concurrency-target=2']);
  const responses = await Promise.all(Array.from({ length: TO_ALL }, () => call(weir.url, '/')));
  expect(responses.map(({ status }) => status)).toEqual(responses.map(() => 200));
  expect(most).toBe(2);
  await weir.expectMetric('weir_queue_length{deployment_id="local"}', 0);
});

it('refuses a removed key in every thread as soon as the admin API has answered', async () => {
  const replica = await startEcho();
  const weir = await start(['--replica', replica.url, '--client-keys-required', `--admin-key=${adminKey}`]);
  const made = await admin(weir, 'POST', '/v1/keys', { name: 'app', scopes: ['predict'] });
  const { key, id } = made as { key: string; id: string };
  const headers = { authorization: `Bearer ${key}` };
  expect(new Set((await toAll(weir, '/', { headers })).map(({ status }) => status))).toEqual(new Set([200]));
  await admin(weir, 'DELETE', `/v1/keys/${id}`);
  expect(new Set((await toAll(weir, '/', { headers })).map(({ status }) => status))).toEqual(new Set([401]));
});

it('holds the rate of a key over all threads together', async () => {
  const replica = await startEcho();
  const weir = await start(['--replica', replica.url, '--client-keys-required', `--admin-key=${adminKey}`]);
  const wanted = { name: 'app', scopes: ['predict'], limits: { requests_per_second: 0.01 } };
  const { key } = (await admin(weir, 'POST', '/v1/keys', wanted)) as { key: string };
  const responses = await toAll(weir, '/', { headers: { authorization: `Bearer ${key}` } });
  expect(responses.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(responses.filter(({ status }) => status === 429)).toHaveLength(TO_ALL - 1);
});

it('accepts asynchronous requests in every thread, and tells of them in every thread', async () => {
  const replica = await startEcho();
  const weir = await start(['--replica', replica.url, '--async-status-rate=1000']);
  const body = JSON.stringify({ model_input: { prompt: 'x' } });
  const submitted = await toAll(weir, '/async_predict', { method: 'POST', body });
  expect(new Set(submitted.map(({ status }) => status))).toEqual(new Set([201]));
  const ids = submitted.map(({ text }) => (JSON.parse(text) as { request_id: string }).request_id);
  expect(new Set(ids).size).toBe(TO_ALL);
  const statusOf = ({ text }: ClientResponse) => (JSON.parse(text) as { status: string }).status;
  const path = `/async_request/${ids[0]}`;
  await until('the task has run', async () => statusOf(await call(weir.url, path)) === 'SUCCEEDED');
  expect(new Set((await toAll(weir, path)).map(statusOf))).toEqual(new Set(['SUCCEEDED']));
}, 60_000);

it('serves changed deployments in every thread as soon as the log says so', async () => {
  const [one, other] = [await startEcho(), await startEcho()];
  const file = join(folder(), 'weir.yaml');
  const write = (ids: Record<string, string>) => {
    const deployments = Object.entries(ids).map(
      ([id, url]) => `  - id: ${id}\n    environment: ''\n    replicas: [{ url: '${url}' }]\n`,
    );
    writeFileSync(`${file}.new`, `deployments:\n${deployments.join('')}`);
    renameSync(`${file}.new`, file);
  };
  write({ a: one.url });
  const weir = await start(['--config', file]);
  expect(new Set((await toAll(weir, '/deployment/b/predict')).map(({ status }) => status))).toEqual(
    new Set([404]),
  );
  write({ a: one.url, b: other.url });
  weir.process.kill('SIGHUP');
  await weir.expectLine('the reload', ({ event }) => event === 'configuration reloaded');
  const answers = await toAll(weir, '/deployment/b/predict', { method: 'POST', body: '{}' });
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
});

it('lets the streams of all threads end during the drain', async () => {
  const streams: ServerResponse[] = [];
  const replica = await startReplica((_, res) => {
    streams.push(res);
    res.write('first ');
  });
  const weir = await start(['--replica', replica.url]);
  const responses = await Promise.all(
    Array.from({ length: TO_ALL }, async () => {
      const req = begin(weir.url, '/');
      req.end();
      const [res] = (await once(req, 'response')) as [IncomingMessage];
      return res;
    }),
  );
  const bodies = responses.map((res) => bodyOf(res));
  const exit = weir.stop();
  await weir.expectLine('the drain', (line) => line.event === 'draining' && line['running'] === TO_ALL);
  for (const stream of streams) stream.end('last');
  for (const body of bodies) expect((await body).toString()).toBe('first last');
  expect(await exit).toBe(0);
}, 60_000);

describe('a thread that ends', () => {
  for (const how of ['error', 'exit'])
    it(`is replaced (${how}), its places at replicas are free again, and other threads are unharmed`, async () => {
      const held: ServerResponse[] = [];
      const replica = await startReplica((req, res) => {
        if (req.url === '/hold') held.push(res);
        else res.end('ok');
      });
      const signals = folder();
      const weir = await start(['--replica', replica.url, '--deployment-concurrency-target=45'], {
        NODE_OPTIONS: `--import=${fileURLToPath(new URL('../kit/end-thread.mjs', import.meta.url))}`,
        TEST_END_THREAD: signals,
      });
      const outcomes = Array.from({ length: TO_ALL }, () =>
        call(weir.url, '/hold').then(
          ({ status }) => status,
          () => 'broken',
        ),
      );
      await until('all requests are at the replica', () => held.length === TO_ALL);
      writeFileSync(join(signals, '1.new'), how);
      renameSync(join(signals, '1.new'), join(signals, '1'));
      const lost = await weir.expectLine('the end', ({ event }) => event === 'data thread ended');
      expect(lost['thread']).toBe(1);
      if (how === 'error') expect(lost['problem']).toContain('ended by the test');
      await weir.expectLine('the new thread', ({ event }) => event === 'data thread serves requests again');
      // All places of the replica are taken but those of the ended thread.
      expect(new Set((await toAll(weir, '/')).map(({ status }) => status))).toEqual(new Set([200]));
      for (const res of held) res.end('late');
      const statuses = await Promise.all(outcomes);
      const broken = statuses.filter((status) => status === 'broken').length;
      expect(broken).toBeGreaterThan(0);
      expect(statuses.filter((status) => status === 200)).toHaveLength(TO_ALL - broken);
      await until(
        'every request is counted',
        async () => (await weir.page()).sum('weir_exchanges_total') === 2 * TO_ALL,
      );
      const page = await weir.page();
      expect(page.sum('weir_exchanges_total', 'cause="ok"')).toBe(2 * TO_ALL - broken);
      expect(page.sum('weir_replica_outstanding_requests')).toBe(0);
      expect(await weir.stop()).toBe(0);
    }, 60_000);
});
