// Metrics of language models that both lanes share, with replicas that respond as the usual servers do.
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AcceptedBy } from '../../src/core/exchange/step-listener.ts';
import { begin, call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { APIS, ModelReplica, TOKENS } from '../kit/model-replica.ts';
import type { Page } from '../kit/page.ts';
import { until } from '../kit/until.ts';
import { startWeir, type Weir } from '../kit/weir.ts';

export interface Question {
  readonly model: string;
  readonly stream?: boolean;
}

const CHAT = '/v1/chat/completions';
const JSON_TYPE = { 'content-type': 'application/json' };

/** Asks a model over HTTP/1.1 and reads the response. */
export const ask = (weir: Weir, question: Question, path = CHAT) =>
  call(weir.url, path, { method: 'POST', headers: JSON_TYPE, body: JSON.stringify(question) });

/** Waits until so many responses with these labels are counted, and returns the page. */
export const expectResponses = (weir: Weir, count: number, ...labels: string[]): Promise<Page> =>
  until(`${count} responses are counted`, async () => {
    const page = await weir.page();
    return page.sum('weir_llm_responses_total', ...labels) === count && page;
  });

/** Waits until so many requests are counted, and expects that none of them counts for a model. */
export async function expectNoneOfModels(weir: Weir, count: number): Promise<void> {
  await until(`${count} requests are counted`, async () => {
    return (await weir.page()).sum('baseten_inference_requests_total') === count;
  });
  expect((await weir.page()).text).not.toMatch(/^weir_llm_/m);
}

/** Asks each API once plain and once streamed, and expects the tokens that they report. `by`: who must accept that. */
export async function expectTokensOfAllApis(
  weir: Weir,
  by: AcceptedBy,
  send: (weir: Weir, question: Question) => Promise<unknown>,
): Promise<void> {
  for (const model of APIS) for (const stream of [false, true]) await send(weir, { model, stream });
  const page = await expectResponses(weir, 2 * APIS.length);
  for (const api of APIS) {
    const label = `model="${api}"`;
    for (const [type, tokens] of Object.entries(TOKENS))
      expect(page.value(`weir_llm_tokens_total{${label},type="${type}"}`), `${api} ${type}`).toBe(2 * tokens);
    for (const stream of [false, true]) {
      const labels = `${label},stream="${stream}",usage="reported"`;
      expect(page.value(`weir_llm_responses_total{${labels}}`), api).toBe(1);
    }
    expect(page.value(`weir_llm_time_to_first_token_seconds_count{${label}}`), api).toBe(1);
    expect(page.value(`weir_llm_inter_token_seconds_count{${label}}`), api).toBe(TOKENS.output - 1);
  }
  expect(page.sum('weir_llm_streams_unfinished_total')).toBe(0);
  expect(page.sum('weir_llm_requests_failed_total')).toBe(0);
  const accepted = weir.lines.filter(({ event, by: one }) => event === 'request accepted' && one === by);
  expect(accepted).toHaveLength(2 * APIS.length);
}

/** Tokens in the part of a stream that has come. */
const tokensIn = (text: string): number => text.match(/"content":"[^"]/g)?.length ?? 0;

/** Begins a streamed request and waits for its first token. */
async function expectFirstToken(weir: Weir, model: string) {
  const request = begin(weir.url, CHAT, { method: 'POST', headers: JSON_TYPE });
  request.on('error', () => undefined);
  request.end(JSON.stringify({ model, stream: true }));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  response.on('error', () => undefined);
  response.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await until('the first token came', () => tokensIn(text) > 0);
  return { response, leave: () => request.destroy() };
}

/** `by`: the part of weir that accepts the requests with these arguments. */
export function llmMetricsContract(by: AcceptedBy, args: readonly string[]): void {
  describe(`metrics of models behind the ${by}`, () => {
    let model: ModelReplica;
    let weir: Weir;
    beforeAll(async () => {
      model = await new ModelReplica().start();
      weir = await startWeir(['--replica', model.url, '--llm-models=*', '--log-level=debug', ...args]);
    });
    beforeEach(() => model.reset());
    afterAll(async () => {
      await weir.stop();
      await model.close();
      removeFolders();
    });

    it('have the tokens that models report, plain and streamed, whatever their API', async () => {
      await expectTokensOfAllApis(weir, by, ask);
    });

    it('have times of tokens between those of the replica and those of the client', async () => {
      model.firstMs = 300;
      model.gapMs = 80;
      const startMs = performance.now();
      const request = begin(weir.url, CHAT, { method: 'POST', headers: JSON_TYPE });
      request.end(JSON.stringify({ model: 'timed', stream: true }));
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      const seenMs: number[] = [];
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        while (seenMs.length < tokensIn(text)) seenMs.push(performance.now());
      });
      await once(response, 'end');
      const page = await expectResponses(weir, 1, 'model="timed"');
      const sentMs = model.tokenMs;
      expect([sentMs.length, seenMs.length]).toEqual([TOKENS.output, TOKENS.output]);
      const expectBetween = (name: string, low: number, high: number): void => {
        const value = page.value(`${name}_sum{model="timed"}`)!;
        expect(value, name).toBeGreaterThanOrEqual(low);
        expect(value, name).toBeLessThanOrEqual(high);
      };
      // A timer may end a millisecond early.
      const firstMs = model.firstMs - 1;
      expectBetween('weir_llm_time_to_first_token_seconds', firstMs / 1000, (seenMs[0]! - startMs) / 1000);
      const shortest = (sentMs[2]! - seenMs[0]!) / 1000;
      const longest = (seenMs[2]! - sentMs[0]!) / 1000;
      expectBetween('weir_llm_inter_token_seconds', shortest, longest);
      expectBetween('weir_llm_time_per_output_token_seconds', shortest / 2, longest / 2);
      // On a busy machine tokens may come together.
      const fastest = shortest > 0 ? 2 / shortest : Infinity;
      expectBetween('weir_llm_output_tokens_per_second', 2 / longest, fastest);
    });

    it('count streams as unfinished if the client disconnects, the replica cuts them, or they have an error', async () => {
      const expectUnfinished = (name: string, reason: string) =>
        weir.expectMetric(`weir_llm_streams_unfinished_total{model="${name}",reason="${reason}"}`, 1);
      model.end = 'none';
      (await expectFirstToken(weir, 'left')).leave();
      await expectUnfinished('left', 'client_gone');
      const { response } = await expectFirstToken(weir, 'cut');
      model.replica.drop();
      await until('the response has ended', () => response.closed);
      await expectUnfinished('cut', 'cut');
      model.end = 'error';
      await ask(weir, { model: 'broken', stream: true });
      await expectUnfinished('broken', 'error');
      const page = await weir.page();
      for (const name of ['left', 'cut', 'broken']) {
        expect(page.sum('weir_llm_streams_unfinished_total', `model="${name}"`), name).toBe(1);
        const labels = [`model="${name}"`, 'stream="true"', 'usage="estimated"'];
        expect(page.sum('weir_llm_responses_total', ...labels), name).toBe(1);
      }
    });

    it('count estimates in times and rates, but not in tokens', async () => {
      model.gapMs = 20;
      model.end = 'no usage';
      await ask(weir, { model: 'counted', stream: true });
      const page = await expectResponses(weir, 1, 'model="counted"', 'usage="estimated"');
      expect(page.value('weir_llm_output_tokens_per_second_count{model="counted"}')).toBe(1);
      expect(page.value('weir_llm_time_per_output_token_seconds_count{model="counted"}')).toBe(1);
      expect(page.text).not.toMatch(/^weir_llm_tokens_total\{.*model="counted"/m);
      expect(page.sum('weir_llm_streams_unfinished_total', 'model="counted"')).toBe(0);
    });

    it('count a request once that is sent again', async () => {
      model.refusals.push(503, 503);
      await ask(weir, { model: 'retried', stream: true });
      const page = await expectResponses(weir, 1, 'model="retried"');
      expect(page.value('weir_retries_total{deployment_id="local",reason="answer"}')).toBe(2);
      expect(page.value('weir_llm_tokens_total{model="retried",type="output"}')).toBe(TOKENS.output);
      expect(page.value('weir_llm_requests_failed_total{model="retried"}')).toBe(0);
      expect(page.sum('weir_llm_streams_unfinished_total', 'model="retried"')).toBe(0);
    });

    it('count failed requests of a model that has responded before', async () => {
      await ask(weir, { model: 'busy' });
      model.refusals.push(429);
      await ask(weir, { model: 'busy', stream: true });
      await weir.expectMetric('weir_llm_requests_failed_total{model="busy"}', 1);
      await expectResponses(weir, 1, 'model="busy"');
    });

    it('count no GET, only followed routes, and compressed responses only of captured ones', async () => {
      const routes = [
        { path: '/quiet/', capture: 'metadata', follow: false },
        { path: '/off/', capture: 'off' },
        { path: '/captured/', capture: 'full' },
      ];
      const config = folder({ 'weir.yaml': JSON.stringify({ logs: { routes } }) });
      const folders = ['--config', `${config}/weir.yaml`, '--data-dir', folder()];
      const own = await startWeir(['--replica', model.url, ...folders, ...args]);
      await call(own.url, CHAT);
      await ask(own, { model: 'a', stream: true }, '/quiet/chat');
      await ask(own, { model: 'a' }, '/off/chat');
      model.isCompressed = true;
      await ask(own, { model: 'a', stream: true });
      await ask(own, { model: 'a' });
      await expectNoneOfModels(own, 5);
      await ask(own, { model: 'a', stream: true }, '/captured/chat');
      await ask(own, { model: 'a' }, '/captured/chat');
      const page = await expectResponses(own, 2, 'usage="reported"');
      for (const [type, tokens] of Object.entries(TOKENS))
        expect(page.value(`weir_llm_tokens_total{model="",type="${type}"}`), type).toBe(2 * tokens);
      // When its tokens came is not known.
      expect(page.text).not.toMatch(/^weir_llm_(?:time_to_first_token|inter_token|time_per_output_token)/m);
      await own.stop();
    });
  });
}
