// The families of language models on the metrics page, in both formats.
import { expect, it } from 'vitest';
import type { Exchange } from '../../../../src/core/exchange/exchange.ts';
import { LlmFacts } from '../../../../src/core/exchange/llm-facts.ts';
import { DeploymentLabels } from '../../../../src/telemetry/metrics/deployment-labels.ts';
import { llmFamilies } from '../../../../src/telemetry/metrics/families/llm.ts';
import { LlmTotals } from '../../../../src/telemetry/metrics/llm-totals.ts';
import { Metrics } from '../../../../src/telemetry/metrics/metrics.ts';
import type { MetricSources } from '../../../../src/telemetry/metrics/metric-sources.ts';
import { problemsOf } from '../../../kit/exposition.ts';
import { Page } from '../../../kit/page.ts';

const COMMON = 'model_id="m",model_name="n",deployment_id="d",environment="",rollout_phase=""';
const price = { input: 1, output: 1, cached: 1, reasoning: 1, currency: 'USD' };

function metricsOf(...facts: Partial<LlmFacts>[]): Metrics {
  const llm = new LlmTotals(1, { models: ['*'], max_models: 8 });
  for (const one of facts) {
    const ended = { deployment: 0, cause: 'ok', status: 200, startMs: 100, leasedMs: 200, endMs: 1200 };
    llm.closed({ ...ended, llm: Object.assign(new LlmFacts(), one) } as Exchange);
  }
  const options = { id: 'd', environment: '', rollout_phase: '' as const };
  const sources: Pick<MetricSources, 'labels'> & { counters: { llm: LlmTotals }; replicaMetrics: object } = {
    labels: new DeploymentLabels({ id: 'm', name: 'n' }, [{ options }]),
    counters: { llm },
    replicaMetrics: { pages: () => [] },
  };
  return new Metrics(sources as unknown as MetricSources, llmFamilies);
}

/** A stream with all that a stream may have. */
function stream(model: string): Partial<LlmFacts> {
  const facts = new LlmFacts();
  for (const ms of [300, 400, 500]) facts.tokenCame(ms);
  return Object.assign(facts, {
    model,
    isStream: true,
    isFinished: true,
    inputTokens: 7,
    outputTokens: 3,
    cachedTokens: 4,
    reasoningTokens: 2,
    totalTokens: 10,
    price,
    cost: 0.5,
  });
}

it('are valid in both formats, whatever names models have', async () => {
  const names = ['org/model-7b', 'a "quoted" \\ name', '模型', 'other', '200', 'true'];
  const metrics = metricsOf(...names.map(stream), { model: 'plain', isFinished: true, outputTokens: 9 });
  for (const format of ['text', 'openmetrics'] as const) {
    const page = await metrics.page(format);
    expect(problemsOf(page, format === 'openmetrics')).toEqual([]);
    for (const name of ['org/model-7b', 'a \\"quoted\\" \\\\ name', '模型', 'other', '200', 'true'])
      expect(page).toContain(`weir_llm_tokens_total{${COMMON},model="${name}",type="output"} 3\n`);
  }
});

it('have every figure of a stream, with the labels of the contract and the model', async () => {
  const page = new Page(await metricsOf(stream('a')).page('text'));
  const value = (series: string) =>
    page.value(series.replace('}', `,${COMMON},model="a"}`).replace('{,', '{'));
  expect(value('weir_llm_time_to_first_token_seconds_sum{}')).toBe(0.2);
  expect(value('weir_llm_time_to_first_token_seconds_bucket{le="0.15"}')).toBe(0);
  expect(value('weir_llm_time_to_first_token_seconds_bucket{le="0.25"}')).toBe(1);
  expect(value('weir_llm_time_per_output_token_seconds_sum{}')).toBe(0.1);
  expect(value('weir_llm_inter_token_seconds_sum{}')).toBe(0.2);
  expect(value('weir_llm_inter_token_seconds_bucket{le="0.064"}')).toBe(0);
  expect(value('weir_llm_inter_token_seconds_bucket{le="0.128"}')).toBe(2);
  expect(value('weir_llm_inter_token_seconds_count{}')).toBe(2);
  expect(value('weir_llm_output_tokens_per_second_sum{}')).toBe(10);
  expect(value('weir_llm_tokens_total{type="input"}')).toBe(7);
  expect(value('weir_llm_tokens_total{type="cached"}')).toBe(4);
  expect(value('weir_llm_tokens_total{type="reasoning"}')).toBe(2);
  expect(value('weir_llm_cost_total{currency="USD"}')).toBe(0.5);
  expect(value('weir_llm_responses_total{stream="true",usage="reported"}')).toBe(1);
  expect(value('weir_llm_responses_total{stream="false",usage="reported"}')).toBe(0);
  expect(value('weir_llm_streams_unfinished_total{reason="cut"}')).toBe(0);
  expect(value('weir_llm_requests_failed_total{}')).toBe(0);
});

it('have no series of what no response has had', async () => {
  expect(await metricsOf().page('text')).not.toMatch(/^weir_/m);
  const page = await metricsOf({ model: 'a', isFinished: true, inputTokens: 2 }).page('text');
  expect(page).toContain('type="input"} 2');
  expect(page).not.toMatch(/type="(?:output|cached|reasoning)"|^weir_llm_cost_total|_bucket/m);
});

it('keep label sets apart that have the same values under other names', () => {
  const options = { id: 'd', environment: '', rollout_phase: '' as const };
  const labels = new DeploymentLabels({ id: 'm', name: 'n' }, [{ options }]);
  expect(labels.with(0, { status_code: '200', is_async: 'false' })).not.toHaveProperty('model');
  expect(labels.with(0, { model: '200', stream: 'false' })).toMatchObject({ model: '200', stream: 'false' });
});
