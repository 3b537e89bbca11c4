// The metrics of language models: the shared suite in the fast lane, queued requests, and the label `model`.
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import {
  ask,
  expectNoneOfModels,
  expectResponses,
  expectTokensOfAllApis,
  llmMetricsContract,
  type Question,
} from '../contract/llm-metrics.ts';
import { call } from '../kit/client.ts';
import { problemsOf } from '../kit/exposition.ts';
import { ModelReplica } from '../kit/model-replica.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

llmMetricsContract('fast lane', []);

let model: ModelReplica;
beforeEach(async () => {
  model = await new ModelReplica().start();
});
afterEach(() => model.close());
afterAll(stopAll);

const start = (...args: string[]): Promise<Weir> => startWeir(['--replica', model.url, ...args]);

async function submit(weir: Weir, question: Question): Promise<void> {
  const body = JSON.stringify({ model_input: question });
  const { status, text } = await call(weir.url, '/production/async_predict', { method: 'POST', body });
  expect(status, text).toBe(201);
}

it('counts the tokens of queued requests like those of others', async () => {
  const weir = await start('--llm-models=*', '--log-level=debug');
  await expectTokensOfAllApis(weir, 'queue', submit);
});

it('counts nothing if the setting is off', async () => {
  const weir = await start('--llm-follow=false');
  await ask(weir, { model: 'a', stream: true });
  await ask(weir, { model: 'a' });
  await expectNoneOfModels(weir, 2);
});

it('has a series for each model in the list, and other for the rest, on valid pages', async () => {
  const weir = await start('--llm-models=listed,team-*', '--llm-max-models=1');
  for (const name of ['listed', 'team-a', 'team-b', 'a "new" one']) await ask(weir, { model: name });
  model.refusals.push(404);
  await ask(weir, { model: 'team-typo' });
  await weir.expectMetric('weir_llm_requests_failed_total{model="other"}', 1);
  const page = await expectResponses(weir, 4);
  for (const [name, count] of Object.entries({ listed: 1, 'team-a': 1, other: 2 }))
    expect(page.sum('weir_llm_responses_total', `model="${name}"`), name).toBe(count);
  for (const [accept, isOpen] of [
    ['text/plain', false],
    ['application/openmetrics-text', true],
  ] as const) {
    const { text } = await call(weir.admin, '/metrics', { headers: { accept } });
    expect(text).toContain('weir_llm_tokens_total{');
    expect(problemsOf(text, isOpen)).toEqual([]);
  }
});
