// GET /v1/overview of a real weir whose replica dies.
import { afterEach, expect, it } from 'vitest';
import type { OverviewJson } from '../../src/control/admin/overview/overview-json.ts';
import { verdictText } from '../../src/control/admin/overview/verdict-text.ts';
import { call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { freePort } from '../kit/port.ts';
import { closeReplicas, onBody, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

afterEach(async () => {
  await stopAll();
  await closeReplicas();
  removeFolders();
});

const json = async <T>(weir: Weir, path: string): Promise<T> =>
  (await (await fetch(`${weir.admin}${path}`)).json()) as T;
const overviewOf = (weir: Weir) => json<OverviewJson>(weir, '/v1/overview');

it('says within 10 seconds which replica died, and how to find the requests that failed with it', async () => {
  const dying = await startReplica((req, res) => void (req.method === 'POST' || res.end('ok')));
  const living = await startReplica((_, res) => void res.end('{}'));
  const weir = await startWeir([
    `--data-dir=${folder()}`,
    `--replica=${dying.url}`,
    `--replica=${living.url}`,
    '--deployment-concurrency-target=4',
  ]);
  await weir.expectMetric('weir_replica_ready{deployment_id="local",replica="r0"}', 1);
  const before = await overviewOf(weir);
  expect(before.verdict).toMatchObject({
    level: 'ok',
    since_ns: null,
    parts: [{ rule: 'all_well', ready: 2 }],
  });

  const running = Array.from({ length: 4 }, () => call(weir.url, '/predict', { method: 'POST', body: '{}' }));
  await until('the dying replica has requests', () => dying.open > 0);
  const diedMs = performance.now();
  await dying.close();
  const failed = (await Promise.all(running)).filter(({ status }) => status === 502);
  const cut = failed.length;
  expect(cut).toBeGreaterThan(0);

  const overview = await until(
    'the overview is degraded',
    async () => {
      const found = await overviewOf(weir);
      return found.verdict.level === 'degraded' && found;
    },
    10_000,
  );
  expect(performance.now() - diedMs).toBeLessThan(10_000);
  const [part] = overview.verdict.parts;
  expect(part).toMatchObject({ rule: 'replica_down', replica: 'r0', failed: cut, is_felt: true });
  expect(verdictText(overview.verdict, overview.at_ns)).toMatch(
    /^Degraded since .* Replica r0 is down: connection refused/,
  );
  expect(overview.replicas[0]).toMatchObject({ id: 'r0', state: 'down', failed: cut });
  expect(overview.replicas[1]).toMatchObject({ id: 'r1', state: 'ready', target: 4 });

  const found = await until('the requests are stored', async () => {
    const { logs } = await json<{ logs: { request_id: string; status: number }[] }>(
      weir,
      `/v1/logs?q=${encodeURIComponent(part!.q)}`,
    );
    return logs.length >= cut && logs;
  });
  expect(found.map(({ status }) => status)).toEqual(failed.map(() => 502));
  const [cause] = overview.causes;
  expect(cause).toMatchObject({ cause: 'reset_midway', origin: 'replica', count: cut, replica: 'r0' });
  expect(found.map((one) => one.request_id)).toContain(cause!.example_request_id);
});

it('shows the figures of a model that streams, and CPU and memory of its process', async () => {
  const port = await freePort();
  const weir = await startWeir(
    [`--replica=http://127.0.0.1:${port}`, '--samplers-container-interval=200ms'],
    {
      command: 'run',
      rest: [process.execPath, 'examples/replica/server.ts', String(port)],
      env: { TOKEN_MS: '1' },
    },
  );
  await until('the replica is ready', async () => (await fetch(`${weir.admin}/readyz`)).ok, 20_000);
  const body = JSON.stringify({
    model: 'example',
    stream: true,
    messages: [{ role: 'user', content: 'hello' }],
  });
  const headers = { 'content-type': 'application/json' };
  for (let i = 0; i < 3; i++)
    expect((await call(weir.url, '/v1/chat/completions', { method: 'POST', headers, body })).status).toBe(
      200,
    );
  const overview = await until('the overview has all figures', async () => {
    const found = await overviewOf(weir);
    const { ttft, requests } = found.figures;
    const isWhole = ttft.p95 !== null && requests.count === 3 && found.replicas[0]!.memory_bytes !== null;
    return isWhole && found;
  });
  expect(overview.figures.tokens.now).toBeGreaterThan(0);
  expect(overview.replicas[0]).toMatchObject({ restarts: 0, probe: { is_ok: true } });
  expect(overview.replicas[0]!.ttft_p95_ms).toBeGreaterThan(0);
});

it('gives a query for each cause that finds as many requests as it counts', async () => {
  const replica = await startReplica((req, res) => {
    if (req.method !== 'POST') return void res.end('ok');
    void onBody(req, (body) => {
      const wanted = body.toString();
      if (wanted === 'cut') return void req.socket.destroy();
      if (wanted !== 'stream') return void res.writeHead(Number(wanted)).end('{}');
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.end('data: {"error":{"message":"CUDA out of memory","type":"server_error"}}\n\n');
    });
  });
  const weir = await startWeir([`--data-dir=${folder()}`, `--replica=${replica.url}`]);
  await weir.expectMetric('weir_replica_ready{deployment_id="local",replica="r0"}', 1);
  const post = (body: string): Promise<unknown> =>
    call(weir.url, '/v1/chat/completions', {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });
  for (const body of ['500', '500', '500', '404', '404', 'stream', 'cut', '200']) await post(body);
  const { causes, figures } = await overviewOf(weir);
  const counts = Object.fromEntries(causes.map(({ cause, count }) => [cause, count]));
  expect(counts).toMatchObject({ answer_5xx: 3, answer_4xx: 2, stream_error: 1, reset_midway: 1 });
  expect(figures.errors).toMatchObject({ failed: 5 });
  const total = async (q: string) =>
    (await json<{ total: number }>(weir, `/v1/logs/hits?q=${encodeURIComponent(q)}`)).total;
  for (const { q, count, cause } of causes)
    await until(`${cause} has ${count} records`, async () => (await total(q)) === count, 5000);
  expect(await total(figures.errors.q)).toBe(figures.errors.failed);
});
