// A real Prometheus scrapes a real weir, and promtool checks its page.
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../kit/client.ts';
import { isMissing } from '../kit/program.ts';
import { startPrometheus, type Prometheus } from '../kit/prometheus.ts';
import { bodyOf, closeReplicas, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, type Weir } from '../kit/weir.ts';

describe.skipIf(isMissing('prometheus', 'promtool'))('Prometheus', () => {
  let weir: Weir;
  let prometheus: Prometheus;

  beforeAll(async () => {
    const replica = await startReplica(
      (req, res) => void bodyOf(req).then(() => setTimeout(() => res.end('ok'), 20)),
    );
    weir = await startWeir(['--replica', replica.url]);
    prometheus = await startPrometheus(weir.adminPort);
  });
  afterAll(async () => {
    await weir?.stop('SIGKILL');
    await prometheus?.stop();
    await closeReplicas();
  });

  const ask = (query: string) => prometheus.query(query);

  it('computes the request rate and the 99th percentile of response times', async () => {
    const rate = 'sum(rate(baseten_inference_requests_total{status_code="200"}[5s]))';
    const p99 =
      'histogram_quantile(0.99, sum by (le) (rate(baseten_end_to_end_response_time_seconds_bucket{status_code="200"}[5s])))';
    const seen = await until(
      'both queries have a result',
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

  it('accepts the page in promtool check metrics', async () => {
    const { text } = await weir.page();
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    expect(checked.stdout + checked.stderr).toBe('');
    expect(checked.status).toBe(0);
  });
});
