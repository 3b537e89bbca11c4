// A real Prometheus scrapes a real weir and answers questions about it; promtool reads the page.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { isMissing } from '../kit/program.ts';
import { bodyOf, closeReplicas, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, type Weir } from '../kit/weir.ts';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe.skipIf(isMissing('prometheus', 'promtool'))('Prometheus', () => {
  let weir: Weir;
  let prometheus: ChildProcess;
  let api: string;

  beforeAll(async () => {
    const replica = await startReplica(
      (req, res) => void bodyOf(req).then(() => setTimeout(() => res.end('ok'), 20)),
    );
    weir = await startWeir(['--replica', replica.url]);
    const dir = mkdtempSync(join(tmpdir(), 'weir-prometheus-'));
    writeFileSync(
      join(dir, 'prometheus.yml'),
      `global: { scrape_interval: 200ms, scrape_timeout: 200ms }
scrape_configs:
  - job_name: weir
    static_configs: [{ targets: ["127.0.0.1:${weir.adminPort}"] }]
`,
    );
    const port = await freePort();
    api = `http://127.0.0.1:${port}/api/v1`;
    prometheus = spawn(
      'prometheus',
      [
        `--config.file=${dir}/prometheus.yml`,
        `--storage.tsdb.path=${dir}/data`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: 'ignore' },
    );
    await until(
      'Prometheus answers',
      () =>
        fetch(`${api}/status/buildinfo`).then(
          (res) => res.ok,
          () => false,
        ),
      20_000,
    );
  });
  afterAll(async () => {
    await weir?.stop('SIGKILL');
    prometheus?.kill('SIGKILL');
    await closeReplicas();
  });

  const ask = async (query: string): Promise<number | undefined> => {
    const res = await fetch(`${api}/query?query=${encodeURIComponent(query)}`);
    const { data } = (await res.json()) as { data: { result: { value: [number, string] }[] } };
    return data.result[0] === undefined ? undefined : Number(data.result[0].value[1]);
  };

  it('scrapes the page and answers for the rate of requests and the 99th percentile of their time', async () => {
    const rate = 'sum(rate(baseten_inference_requests_total{status_code="200"}[5s]))';
    const p99 =
      'histogram_quantile(0.99, sum by (le) (rate(baseten_end_to_end_response_time_seconds_bucket{status_code="200"}[5s])))';
    const seen = await until(
      'there is an answer',
      async () => {
        await Promise.all(
          Array.from({ length: 10 }, () => call(weir.url, '/predict', { method: 'POST', body: '{}' })),
        );
        const [perSecond, seconds] = [await ask(rate), await ask(p99)];
        return (
          perSecond !== undefined &&
          perSecond > 0 &&
          seconds !== undefined &&
          !Number.isNaN(seconds) && { perSecond, seconds }
        );
      },
      20_000,
    );
    // The replica takes 20 ms: the quantile lies in the buckets above that.
    expect(seen.seconds).toBeGreaterThan(0.01);
    expect(seen.seconds).toBeLessThan(5);
    expect(await ask('up{job="weir"}')).toBe(1);
    expect(await ask('baseten_replicas_active')).toBe(1);
  });

  it('promtool has nothing to say against the page', async () => {
    const { text } = await weir.page();
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    expect(checked.stdout + checked.stderr).toBe('');
    expect(checked.status).toBe(0);
  });
});
