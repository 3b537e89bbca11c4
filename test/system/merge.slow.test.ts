// Merged metrics pages of replicas, read by Prometheus and promtool.
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { problemsOf } from '../kit/exposition.ts';
import { anyPage, HISTOGRAM, see } from '../kit/merge.ts';
import { isMissing } from '../kit/program.ts';
import { startPrometheus, type Prometheus } from '../kit/prometheus.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll } from '../kit/weir.ts';

/** Exit codes of promtool check metrics: 1 cannot be read, 3 could be better named. */
const UNREADABLE = 1;
const promtool = (input: string) => spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' });

describe.skipIf(isMissing('promtool'))('promtool', () => {
  it('accepts the merged page of any input', () => {
    // Without this the next line would prove nothing.
    expect(promtool('a 1\na{b="c} 1\n').status).toBe(UNREADABLE);
    for (const page of fc.sample(anyPage, { numRuns: 60, seed: 8 })) {
      const { text } = see(page);
      const { status, stderr } = promtool(text);
      expect(status === UNREADABLE ? `${stderr}\n${text}` : '').toBe('');
    }
  });
});

describe.skipIf(isMissing('prometheus'))('Prometheus', () => {
  let prometheus: Prometheus | undefined;
  afterEach(async () => {
    await prometheus?.stop();
    await stopAll();
    await closeReplicas();
  });

  it('scrapes weir and finds the valid series of a page with many invalid ones', async () => {
    const bad = fc.sample(anyPage, { numRuns: 30, seed: 9 }).join('');
    const replica = await startReplica((_, res) => {
      res.setHeader('content-type', 'text/plain; version=0.0.4');
      res.end(`# TYPE fine_total counter\nfine_total{le="x"} 41\n${HISTOGRAM}${bad}`);
    });
    const weir = await startWeir([
      '--replica',
      replica.url,
      '--merge-metrics-path=/metrics',
      '--merge-metrics-interval=100ms',
    ]);
    await weir.expectMetric('fine_total{deployment_id="local",replica="r0",le="x"}', 41);
    for (const [accept, isOpen] of [
      ['text/plain', false],
      ['application/openmetrics-text', true],
    ] as const) {
      const text = await (await fetch(`${weir.admin}/metrics`, { headers: { accept } })).text();
      expect(problemsOf(text, isOpen)).toEqual([]);
    }
    prometheus = await startPrometheus(weir.adminPort);
    const ask = (query: string) => prometheus!.query(query);
    const found = await until(
      'Prometheus has it',
      async () => await ask('fine_total{deployment_id="local",replica="r0"}'),
      20_000,
    );
    expect(found).toBe(41);
    expect(await ask('up{job="weir"}')).toBe(1);
    expect(await ask('count(lat_seconds_bucket{replica="r0"})')).toBe(3);
    expect(await ask('weir_merge_success')).toBe(1);
    expect(await ask('weir_merge_errors_total{reason="bad_label"}')).toBeGreaterThan(0);
  });
});
