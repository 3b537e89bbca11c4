// Metrics of several threads: what the page shows is the sum of what each of them has counted.
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { causes } from '../../../src/core/errors.ts';
import { SharedArrays } from '../../../src/core/shared-arrays.ts';
import { DeploymentLabels } from '../../../src/telemetry/metrics/deployment-labels.ts';
import { llmFamilies } from '../../../src/telemetry/metrics/families/llm.ts';
import { requestFamilies } from '../../../src/telemetry/metrics/families/requests.ts';
import { MetricCounters, Metrics, ThreadCounters } from '../../../src/telemetry/metrics/metrics.ts';
import type { MetricSources } from '../../../src/telemetry/metrics/metric-sources.ts';
import { COUNTER_SETTINGS, countRequests, requestOf, type CountingJob } from '../../kit/counting-thread.ts';
import { problemsOf } from '../../kit/exposition.ts';
import { Page } from '../../kit/page.ts';

const THREADS = 3;
const threads: Worker[] = [];
afterEach(async () => void (await Promise.all(threads.splice(0).map((thread) => thread.terminate()))));

const makeCounters = (): MetricCounters => new MetricCounters(COUNTER_SETTINGS, () => -1, THREADS);

function metricsOf(counters: MetricCounters): Metrics {
  const deployments = ['a', 'b', 'c'].map((id) => ({
    options: { id, environment: '', rollout_phase: '' as const },
  }));
  const sources = {
    labels: new DeploymentLabels({ id: 'm', name: 'm' }, deployments),
    counters,
    replicaMetrics: { pages: () => [] },
  };
  return new Metrics(sources as unknown as MetricSources, [...requestFamilies, ...llmFamilies]);
}

/** Starts a thread that ends requests. `done` resolves when it has. */
function startThread(counters: MetricCounters, thread: number, requests: number, left = 0) {
  const job: CountingJob = { thread, memory: counters.memoryOf(thread), requests, left };
  const worker = new Worker(new URL('../../kit/counting-thread.ts', import.meta.url), { workerData: job });
  threads.push(worker);
  const done = new Promise<void>((resolve, reject) => {
    worker.once('message', () => resolve());
    worker.once('error', reject);
  });
  return { worker, done };
}

const all = (requests: number, ofThreads = [0, 1, 2]) =>
  ofThreads.flatMap((thread) => Array.from({ length: requests }, (_, i) => requestOf(thread, i)));

describe('metrics of three threads', () => {
  it('are exact sums, and each page while they count is a valid one', async () => {
    const requests = 40_000;
    const counters = makeCounters();
    const metrics = metricsOf(counters);
    const running = [1, 2].map((thread) => startThread(counters, thread, requests));
    const state = { isOver: false };
    const done = Promise.all(running.map((one) => one.done)).then(() => (state.isOver = true));
    let pages = 0;
    let before = 0;
    for (; !state.isOver || pages < 3; pages++) {
      const text = await metrics.page('text');
      // It checks that buckets never fall, and that the last one is the count.
      expect(problemsOf(text, false)).toEqual([]);
      const sum = new Page(text).sum('baseten_inference_requests_total');
      expect(sum).toBeGreaterThanOrEqual(before);
      before = sum;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await done;
    countRequests(counters.own, { thread: 0, memory: [], requests, left: 0 });
    const page = new Page(await metrics.page('text'));
    expect(page.sum('baseten_inference_requests_total')).toBe(3 * requests);
    expect(page.sum('baseten_end_to_end_response_time_seconds_count')).toBe(3 * requests);
    expect(page.sum('baseten_end_to_end_response_time_seconds_bucket', 'le="+Inf"')).toBe(3 * requests);
    const ended = all(requests);
    for (const cause of causes) {
      const expected = ended.filter((one) => one.cause === cause).length;
      expect(page.sum('weir_exchanges_total', `cause="${cause}"`)).toBe(expected);
    }
    const bytes = ended.reduce((sum, one) => sum + one.bytes, 0);
    expect(page.sum('baseten_request_size_bytes_sum')).toBe(bytes);
    const small = ended.filter((one) => one.bytes <= 100 && one.deployment === 2).length;
    expect(page.sum('baseten_request_size_bytes_bucket', 'le="100"', 'deployment_id="c"')).toBe(small);
    const tokens = ended.reduce((sum, one) => sum + one.tokens, 0);
    expect(page.sum('weir_llm_tokens_total', 'type="output"')).toBe(tokens);
    expect(page.sum('baseten_concurrent_requests')).toBe(0);
  });

  it('have no more statuses and models than settings allow, though threads saw different ones', async () => {
    const counters = makeCounters();
    const metrics = metricsOf(counters);
    const series = new Set<string>();
    for (const [step, thread] of [1, 2].entries()) {
      await startThread(counters, thread, 500).done;
      const page = await metrics.page('text');
      const shown = page.match(/^baseten_inference_requests_total\{.*deployment_id="a".*\}/gm)!;
      for (const one of series) expect(shown).toContain(one);
      for (const one of shown) series.add(one);
      expect(shown).toHaveLength(9);
      const models = new Set(
        Array.from(page.matchAll(/weir_llm_tokens_total\{.*model="([^"]*)"/g), ([, m]) => m),
      );
      expect(models.size).toBe(5);
      expect(models).toContain('other');
      const sum = new Page(page).sum('baseten_inference_requests_total');
      expect(sum).toBe(500 * (step + 1));
    }
  });

  it('count what a thread was doing as broken when it ends, and go on with its successor', async () => {
    const counters = makeCounters();
    const metrics = metricsOf(counters);
    const first = startThread(counters, 1, 1000, 5);
    await first.done;
    const ended = () => counters.ended(2, 'internal');
    const before = ended();
    expect([counters.open, counters.concurrent(1), counters.websockets(1)]).toEqual([5, 5, 5]);
    await first.worker.terminate();
    counters.lost(1);
    expect([counters.open, counters.concurrent(1), counters.websockets(1)]).toEqual([0, 0, 0]);
    expect(ended()).toBe(before + 5);
    await startThread(counters, 1, 1000).done;
    const page = new Page(await metrics.page('text'));
    expect(page.sum('baseten_inference_requests_total')).toBe(2000);
    for (const status of ['200', 'other']) {
      const mine = all(1000, [1]).filter((one) => one.deployment === 0);
      const own = new Set(mine.map((one) => one.status).slice(0, 8));
      const expected = mine.filter((one) => (status === 'other' ? !own.has(one.status) : one.status === 200));
      expect(
        page.sum('baseten_inference_requests_total', 'deployment_id="a"', `status_code="${status}"`),
      ).toBe(2 * expected.length);
    }
  });
});

it('refuses memory that was made with other settings', () => {
  const arrays = new SharedArrays();
  const counters = new ThreadCounters(COUNTER_SETTINGS, arrays);
  expect(counters.open).toHaveLength(1);
  const other = { ...COUNTER_SETTINGS, maxDeployments: 4 };
  expect(() => new ThreadCounters(other, new SharedArrays(arrays.buffers))).toThrow(/shared array 0 has/);
});
