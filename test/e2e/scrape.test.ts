// The admin server: the metrics page, the probes, and access to the rest.
import { request } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { catalogue } from '../../src/core/errors.ts';
import { call } from '../kit/client.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { FakeNvidiaSmi } from '../kit/fake-nvidia-smi.ts';
import { until } from '../kit/until.ts';
import { startWeir, type Weir } from '../kit/weir.ts';

const COMMON =
  'model_id="local",model_name="local",deployment_id="local",environment="production",rollout_phase="stable"';

/** Type and labels of the first series of every family of the contract, by name. */
const shape = (text: string) => {
  const seen: Record<string, string> = {};
  for (const [, name, type] of text.matchAll(/^# TYPE (baseten_\S+) (\S+)$/gm)) {
    const labels = new RegExp(`^${name}(?:_bucket)?\\{(.*)\\}`, 'm').exec(text)?.[1] ?? '';
    seen[name!] = `${type} ${[...labels.matchAll(/(\w+)=/g)]
      .map((m) => m[1])
      .filter((l) => l !== 'le')
      .join(' ')}`;
  }
  return seen;
};

/** Type and labels of every family of the contract, by name. */
const C = 'model_id model_name deployment_id environment rollout_phase';
const S = `${C} status_code is_async`;
const golden = {
  baseten_inference_requests_total: `counter ${S}`,
  baseten_end_to_end_response_time_seconds: `histogram ${S}`,
  baseten_time_to_first_byte_seconds: `histogram ${S}`,
  baseten_request_size_bytes: `histogram ${S}`,
  baseten_response_size_bytes: `histogram ${S}`,
  baseten_concurrent_requests: `gauge ${C}`,
  baseten_async_queue_size: `gauge ${C}`,
  baseten_time_in_async_queue_seconds: `histogram ${C}`,
  baseten_async_webhook_requests_total: `counter ${C}`,
  baseten_async_webhook_latency_seconds: `histogram ${C}`,
  baseten_ongoing_websocket_connections: `gauge ${C}`,
  baseten_container_restarts_total: `counter ${C}`,
  baseten_pod_readiness: `gauge ${C} condition`,
  baseten_replicas_active: `gauge ${C}`,
  baseten_replicas_starting: `gauge ${C}`,
  baseten_container_cpu_usage_seconds_total: `counter ${C} replica`,
  baseten_container_cpu_memory_working_set_bytes: `gauge ${C} replica`,
  baseten_gpu_memory_used: `gauge ${C} replica gpu`,
  baseten_gpu_utilization: `gauge ${C} replica gpu`,
};

it('has series of every family of the contract, with its labels, for a supervised replica with two GPUs', async () => {
  const free = await startReplica(() => undefined);
  await free.close();
  const standIn = new FakeNvidiaSmi('h100x2');
  const source = `require('node:http').createServer((_, res) => res.end('x')).listen(${free.port}, '127.0.0.1')`;
  const weir = await startWeir(
    [
      '--replica',
      `http://127.0.0.1:${free.port}`,
      '--pool-probe-retry-interval=50ms',
      '--samplers-container-interval=200ms',
      '--samplers-gpu-interval=200ms',
    ],
    { command: 'run', rest: [process.execPath, '-e', source], env: standIn.env },
  );
  expect((await call(weir.url, '/')).status).toBe(200);
  await until('every family has its series', async () => {
    return Object.entries(shape((await weir.page()).text)).every(([, labels]) => labels.includes('model_id'));
  });
  expect(shape((await weir.page()).text)).toEqual(golden);
  expect(await weir.stop()).toBe(0);
});

describe('the metrics page', () => {
  let weir: Weir;
  beforeAll(async () => {
    const replica = await startReplica((req, res) => {
      res.statusCode = Number(req.url!.slice(1)) || 200;
      res.end('x'.repeat(100));
    });
    weir = await startWeir([
      '--replica',
      replica.url,
      '--metrics-max-status-codes=8',
      '--samplers-gpu=false',
    ]);
    for (const status of [200, 200, 404]) await call(weir.url, `/${status}`, { method: 'POST', body: 'abc' });
    await weir.expectMetric('baseten_inference_requests_total{status_code="404",is_async="false"}', 1);
    // This process is the replica, found by its port.
    await weir.expectMetric(
      'weir_container_source_info{deployment_id="local",replica="r0",source="process_tree"}',
      1,
    );
  });
  afterAll(async () => {
    await weir.stop('SIGKILL');
    await closeReplicas();
  });

  it('has the families of the contract, with their types and labels', async () => {
    expect(shape((await weir.page()).text)).toEqual({
      ...golden,
      // Restarts are unknown without a supervised replica or Kubernetes, and there is no GPU.
      baseten_container_restarts_total: 'counter ',
      baseten_gpu_memory_used: 'gauge ',
      baseten_gpu_utilization: 'gauge ',
    });
  });

  it('counts requests, in cumulative buckets', async () => {
    const page = await weir.page();
    const ok = 'status_code="200",is_async="false"';
    expect(page.value(`baseten_inference_requests_total{${ok}}`)).toBe(2);
    expect(page.value(`baseten_request_size_bytes_bucket{le="64",${ok}}`)).toBe(2);
    expect(page.value(`baseten_response_size_bytes_bucket{le="64",${ok}}`)).toBe(0);
    expect(page.value(`baseten_response_size_bytes_bucket{le="256",${ok}}`)).toBe(2);
    expect(page.value(`baseten_response_size_bytes_bucket{le="+Inf",${ok}}`)).toBe(2);
    expect(page.value(`baseten_end_to_end_response_time_seconds_bucket{le="1200",${ok}}`)).toBe(2);
    expect(page.value(`weir_exchanges_total{deployment_id="local",cause="ok",origin=""}`)).toBe(3);
  });

  it('has the version and the resource use of weir', async () => {
    const page = await weir.page();
    expect(page.text).toMatch(/^weir_build_info\{version="\d+\.\d+\.\d+",node="24\.[\d.]+"\} 1$/m);
    for (const name of [
      'weir_event_loop_lag_p99_seconds',
      'weir_process_cpu_seconds_total',
      'weir_process_resident_memory_bytes',
      'weir_replica_connections',
    ])
      expect(page.names).toContain(name);
    expect(page.value('weir_process_resident_memory_bytes{}')).toBeGreaterThan(1e7);
    expect(page.value('weir_log_lines_dropped_total{}')).toBe(0);
  });

  it('is text 0.0.4 or OpenMetrics 1.0 by the Accept header, at repeated requests in any order', async () => {
    const get = async (accept: string) => {
      const res = await fetch(`${weir.admin}/metrics`, { headers: { accept } });
      return { type: res.headers.get('content-type'), text: await res.text() };
    };
    const prometheus3 =
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2';
    for (let i = 0; i < 2; i++) {
      const text = await get('text/plain');
      expect(text.type).toBe('text/plain; version=0.0.4; charset=utf-8');
      expect(text.text).toMatch(/^# TYPE baseten_inference_requests_total counter$/m);
      expect(text.text).not.toContain('# EOF');
      const open = await get(prometheus3);
      expect(open.type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
      expect(open.text).toMatch(/^# TYPE baseten_inference_requests counter$/m);
      expect(open.text).toMatch(/^baseten_inference_requests_total\{.*\} \d+$/m);
      expect(open.text.endsWith('# EOF\n')).toBe(true);
    }
    expect((await get('*/*')).type).toMatch(/^text\/plain/);
    expect((await get('text/html')).type).toMatch(/^text\/plain/);
  });

  it('is compressed for clients that accept gzip', async () => {
    const raw = await new Promise<{ encoding: string | undefined; body: Buffer }>((resolve) =>
      request(`${weir.admin}/metrics`, { headers: { 'accept-encoding': 'gzip' } }, (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('end', () =>
          resolve({ encoding: res.headers['content-encoding'], body: Buffer.concat(chunks) }),
        );
      }).end(),
    );
    expect(raw.encoding).toBe('gzip');
    expect(gunzipSync(raw.body).toString()).toContain(`baseten_concurrent_requests{${COMMON}} 0`);
    const plain = await call(weir.admin, '/metrics', { headers: { 'accept-encoding': 'gzip;q=0' } });
    expect(plain.headers['content-encoding']).toBeUndefined();
  });

  it('limits the number of series whatever status codes a replica sends', async () => {
    for (let status = 600; status < 640; status++) await call(weir.url, `/${status}`);
    await weir.expectMetric('weir_exchanges_total{deployment_id="local",cause="ok",origin=""}', 43);
    const page = await weir.page();
    const codes = [...page.text.matchAll(/^baseten_inference_requests_total\{.*status_code="(\w+)"/gm)].map(
      (m) => m[1],
    );
    expect(codes).toHaveLength(9);
    expect(codes).toContain('other');
    expect(page.sum('baseten_inference_requests_total')).toBe(43);
  });

  it('labels each cause with its origin', async () => {
    await call(weir.url, '/deployment/nope/predict', { method: 'POST' });
    await weir.expectMetric(
      'weir_exchanges_total{deployment_id="",cause="unknown_target",origin="client"}',
      1,
    );
    expect(new Set(Object.values(catalogue).map((row) => row.origin))).toEqual(
      new Set(['client', 'weir', 'replica']),
    );
  });
});

it('sets the buckets of the histograms by settings', async () => {
  const replica = await startReplica((_, res) => res.end('x'));
  const weir = await startWeir([
    '--replica',
    replica.url,
    '--metrics-duration-buckets=0.5,60',
    '--metrics-size-buckets=1,2',
    '--identity-trust-inbound',
  ]);
  const { headers } = await call(weir.url, '/', { headers: { 'x-baseten-request-id': 'mine-1' } });
  // The request id of a trusted client is kept.
  expect(headers['x-baseten-request-id']).toBe('mine-1');
  await weir.expectMetric('baseten_inference_requests_total{status_code="200",is_async="false"}', 1);
  const { text } = await weir.page();
  const bounds = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)"`, 'gm'))].map((m) => m[1]);
  expect(bounds('baseten_end_to_end_response_time_seconds')).toEqual(['0.5', '60', '+Inf']);
  expect(bounds('baseten_response_size_bytes')).toEqual(['1', '2', '+Inf']);
  await weir.stop('SIGKILL');
  await replica.close();
});

describe('the admin server', () => {
  const status = async (weir: Weir, path: string, headers: Record<string, string> = {}, method = 'GET') =>
    (await call(weir.admin, path, { method, headers })).status;

  it('shows settings and replicas only to this machine if no key is set', async () => {
    const replica = await startReplica((_, res) => res.end());
    const weir = await startWeir(['--replica', replica.url]);
    expect(await status(weir, '/v1/settings')).toBe(200);
    expect(await status(weir, '/v1/replicas')).toBe(200);
    // Like DNS rebinding: a web page whose host name resolves to this machine.
    expect(await status(weir, '/v1/settings', { host: 'evil.example' })).toBe(401);
    expect(await status(weir, '/metrics', { host: 'evil.example' })).toBe(200);
    expect(await status(weir, '/nothing')).toBe(404);
    expect(await status(weir, '/metrics', {}, 'POST')).toBe(405);
    await weir.stop('SIGKILL');
    await replica.close();
  });

  it('requires the key if one is set, and never shows it', async () => {
    const key = 'a-key-of-some-length';
    const replica = await startReplica((_, res) => res.end());
    const weir = await startWeir(['--replica', replica.url], { env: { WEIR_ADMIN_KEY: key } });
    expect(await status(weir, '/v1/settings')).toBe(401);
    expect(await status(weir, '/v1/settings', { authorization: 'Bearer wrong' })).toBe(401);
    expect(await status(weir, '/v1/settings', { authorization: `Api-Key ${key}` })).toBe(200);
    const shown = await call(weir.admin, '/v1/settings', { headers: { authorization: `Bearer ${key}` } });
    expect(shown.status).toBe(200);
    expect(shown.text).toContain('***');
    expect(shown.text).not.toContain(key);
    for (const path of ['/metrics', '/livez', '/readyz']) expect(await status(weir, path)).toBe(200);
    await weir.stop('SIGKILL');
    await replica.close();
  });
});
