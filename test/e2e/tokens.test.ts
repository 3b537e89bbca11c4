// What a model did for a request, with the real binary: the same numbers in the metrics, the store, the spans, the
// exports, the access log and `weir logs`, whatever the API of the model.
import { once } from 'node:events';
import { Agent, type IncomingMessage } from 'node:http';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { ask, expectResponses, type Question } from '../contract/llm-metrics.ts';
import { begin, call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { search, type Log } from '../kit/log-api.ts';
import { APIS, ModelReplica, TOKENS } from '../kit/model-replica.ts';
import type { Pair } from '../kit/otlp-messages.ts';
import { Receiver, spansIn } from '../kit/otlp-receiver.ts';
import { onBody, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

const PRICE = { input: 2, cached: 0.5, output: 10 };
/** Of TOKENS, with PRICE. */
const COST = (3 * 2 + 4 * 0.5 + 3 * 10) / 1e6;

let model: ModelReplica;
let data: string;
beforeEach(async () => {
  model = await new ModelReplica().start();
  data = folder();
});
afterEach(async () => {
  await stopAll();
  await model.close();
});
afterAll(removeFolders);

/** Starts weir with prices of all APIs except the last one. */
function start(...args: string[]): Promise<Weir> {
  const prices = APIS.slice(0, -1).map((name) => ({ model: name, ...PRICE }));
  const config = folder({ 'weir.yaml': JSON.stringify({ llm: { prices } }) });
  const fixed = ['--config', `${config}/weir.yaml`, '--replica', model.url, '--data-dir', data];
  return startWeir([...fixed, '--llm-models=*', '--trace-enabled', '--log-format=json', ...args]);
}

/** Asks a question and returns the id of the request. */
async function idOf(weir: Weir, question: Question): Promise<string> {
  const { status, headers } = await ask(weir, question);
  expect(status).toBe(200);
  return String(headers['x-baseten-request-id']);
}

/** The record of a request. */
const recordOf = (weir: Weir, id: string): Promise<Log & { attributes: Record<string, unknown> }> =>
  until(`request ${id} is stored`, async () => {
    const { logs } = await search({ url: weir.admin }, { q: `kind:request request:${id}` });
    return logs[0] as (Log & { attributes: Record<string, unknown> }) | undefined;
  });

const valuesOf = (pairs: readonly Pair[] = []): Record<string, unknown> =>
  Object.fromEntries(
    pairs.map(({ key, value }) => [
      key,
      value.intValue === undefined
        ? (value.doubleValue ?? value.stringValue ?? value.arrayValue?.values[0]?.stringValue)
        : Number(value.intValue),
    ]),
  );

const COUNTS = { input_tokens: TOKENS.input, output_tokens: TOKENS.output, cached_tokens: TOKENS.cached };
const GEN_AI = {
  'gen_ai.usage.input_tokens': TOKENS.input,
  'gen_ai.usage.output_tokens': TOKENS.output,
  'gen_ai.usage.cache_read.input_tokens': TOKENS.cached,
};

for (const lane of ['fast', 'full'])
  it(`shows the same tokens, first token and cost everywhere, in the ${lane} lane`, async () => {
    const receivers = [await new Receiver().start(), await new Receiver().start()] as const;
    const [logs, spans] = receivers;
    const ends = ['--export-endpoint', logs.url, '--export-traces-endpoint', spans.url];
    const weir = await start(`--proxy-fast-lane=${lane === 'fast'}`, '--trace-gen-ai=latest', ...ends);
    const asked = [];
    for (const name of APIS)
      for (const stream of [false, true])
        asked.push({ name, stream, id: await idOf(weir, { model: name, stream }) });
    const printed = await until('weir logs shows all requests', async () => {
      const args = ['--url', weir.admin, '--kind', 'request', '-q', `tokens:${TOKENS.input + TOKENS.output}`];
      const [text, lines] = [
        await runWeir(['logs', ...args]),
        await runWeir(['logs', ...args, '-o', 'jsonl']),
      ];
      const count = text.out.trim().split('\n').length;
      return count === asked.length && { text: text.out, lines: lines.out.trim().split('\n') };
    });
    const jsonl = printed.lines.map((line) => JSON.parse(line) as Log);
    for (const { name, stream, id } of asked) {
      const what = `${name}, ${stream ? 'stream' : 'plain'}`;
      const isPriced = name !== APIS.at(-1);
      const record = await recordOf(weir, id);
      const { attributes } = record;
      expect(attributes, what).toMatchObject({ ...COUNTS, total_tokens: 10, model: name });
      expect(attributes['finish_reason'], what).toBeTypeOf('string');
      expect(attributes['is_finished'], what).toBe(stream ? true : undefined);
      expect(attributes['is_estimate'], what).toBeUndefined();
      expect(attributes['cost'], what).toBe(isPriced ? COST : undefined);
      expect(attributes['price_input'], what).toBe(isPriced ? PRICE.input : undefined);
      const firstMs = attributes['first_token_ms'] as number | undefined;
      expect(typeof firstMs, what).toBe(stream ? 'number' : 'undefined');

      const line = await weir.expectExchange(id);
      expect(line, what).toMatchObject({
        ...COUNTS,
        model: name,
        finish_reason: attributes['finish_reason'],
      });
      expect([line['first_token_ms'], line['cost']], what).toEqual([firstMs, attributes['cost']]);

      expect(jsonl.find((one) => one['request_id'] === id)?.['attributes'], what).toEqual(attributes);
      const text = printed.text.split('\n').find((one) => one.includes(id));
      expect(text, what).toContain(`${TOKENS.input} + ${TOKENS.output} tokens`);
      if (firstMs === undefined) expect(text, what).not.toContain('ttft');
      else expect(text, what).toContain(`ttft ${firstMs.toFixed(1)}ms`);

      const { text: traceText } = await call(weir.admin, `/v1/traces/${String(record['trace_id'])}`);
      const trace = JSON.parse(traceText) as { spans: { attributes: Record<string, unknown> }[] };
      const all = JSON.stringify(trace);
      for (const [key, value] of Object.entries(GEN_AI)) expect(all, what).toContain(`"${key}":${value}`);

      const sent = await until(`the receiver has ${what}`, () =>
        logs.logs.find(({ attributes: pairs }) => valuesOf(pairs)['request_id'] === id),
      );
      expect(valuesOf(sent.attributes), what).toMatchObject({
        'gen_ai.request.model': name,
        'gen_ai.usage.input_tokens': TOKENS.input,
        'gen_ai.usage.output_tokens': TOKENS.output,
      });
      const span = await until(`the receiver has the span of ${what}`, () =>
        spans.taken
          .flatMap((one) => spansIn(one).resourceSpans.flatMap(({ scopeSpans }) => scopeSpans))
          .flatMap((one) => one.spans)
          .filter(({ traceId }) => traceId === record['trace_id'])
          .map(({ attributes: pairs }) => valuesOf(pairs))
          .find((values) => values['gen_ai.request.model'] === name),
      );
      expect(span, what).toMatchObject(GEN_AI);
      if (firstMs !== undefined)
        expect(span['gen_ai.response.time_to_first_chunk'], what).toBeCloseTo(firstMs / 1000, 6);
    }
    const page = await expectResponses(weir, asked.length, 'usage="reported"');
    for (const name of APIS) {
      for (const [type, count] of Object.entries(TOKENS))
        expect(page.value(`weir_llm_tokens_total{model="${name}",type="${type}"}`), name).toBe(2 * count);
      const cost = page.value(`weir_llm_cost_total{model="${name}",currency="USD"}`);
      if (name === APIS.at(-1)) expect(cost, name).toBeUndefined();
      else expect(cost, name).toBeCloseTo(2 * COST, 12);
    }
    for (const receiver of receivers) await receiver.stop();
  }, 60_000);

it('finds requests by what the model did', async () => {
  model.firstMs = 60;
  const weir = await start();
  const id = await idOf(weir, { model: 'vLLM', stream: true });
  const other = await idOf(weir, { model: 'OpenAI' });
  await recordOf(weir, other);
  const found = async (q: string) =>
    (await search({ url: weir.admin }, { q: `kind:request ${q}` })).logs.map((one) => one['request_id']);
  for (const q of [
    'ttft>50ms',
    'first_token>50ms',
    'model:vL*',
    'finish:stop',
    'cost>0.00001',
    'is_finished:true',
  ])
    expect(await found(q), q).toEqual([id]);
  for (const q of ['tokens>9', 'tokens:10', 'input_tokens:7', 'tps>0'])
    expect((await found(q)).includes(other), q).toBe(true);
  for (const q of ['tokens>10', 'ttft>1h', 'cost:0', 'cost>1', 'reasoning_tokens:0', 'tps<0.001'])
    expect(await found(q), q).toEqual([]);
  // Of a response that is not a stream the first byte of the body counts.
  expect(new Set(await found('ttft<1h'))).toEqual(new Set([id, other]));
});

it('keeps the price that held when another one is set', async () => {
  const weir = await start();
  const before = await idOf(weir, { model: 'vLLM' });
  await recordOf(weir, before);
  const prices = [{ model: 'vLLM', input: 0, output: 0 }];
  const body = JSON.stringify({ prices });
  const headers = { 'content-type': 'application/json' };
  expect((await call(weir.admin, '/v1/prices', { method: 'PUT', headers, body })).status).toBe(200);
  const after = await idOf(weir, { model: 'vLLM' });
  const free = { cost: 0, price_input: 0, price_output: 0, price_cached: 0, currency: 'USD' };
  expect((await recordOf(weir, after)).attributes).toMatchObject(free);
  expect((await recordOf(weir, before)).attributes).toMatchObject({
    cost: COST,
    price_input: 2,
    currency: 'USD',
  });
  expect((await weir.expectExchange(after))['cost']).toBe(0);
  await expectResponses(weir, 2);
  expect((await weir.page()).value('weir_llm_cost_total{model="vLLM",currency="USD"}')).toBeCloseTo(COST, 12);
});

for (const signal of ['SIGTERM', 'SIGKILL'] as const)
  it(`has all of it after ${signal} and a restart`, async () => {
    const first = await start();
    const asked = [];
    for (const name of APIS) for (const stream of [false, true]) asked.push({ model: name, stream });
    const ids = [];
    for (const question of asked) ids.push(await idOf(first, question));
    const records = [];
    for (const id of ids) records.push((await recordOf(first, id)).attributes);
    await first.stop(signal);
    const second = await start();
    for (const [i, id] of ids.entries())
      expect((await recordOf(second, id)).attributes, JSON.stringify(asked[i])).toEqual(records[i]);
  });

it('has no tokens, no cost and no model of a request before on the same connection', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (const lane of ['true', 'false']) {
    const weir = await start(`--proxy-fast-lane=${lane}`);
    const send = async (body: string, type: string, method = 'POST'): Promise<string> => {
      const headers = { 'content-type': type };
      const response = await call(weir.url, '/v1/x', { agent, headers, body, method });
      return String(response.headers['x-baseten-request-id']);
    };
    const isModel = new Map<string, boolean>();
    for (let i = 0; i < 12; i++) {
      const body = JSON.stringify({ model: 'SGLang', stream: i % 3 === 0 });
      isModel.set(await send(body, 'application/json'), true);
      isModel.set(await send(body, 'application/json', 'PUT'), false);
    }
    for (const [id, expected] of isModel) {
      const { attributes } = await recordOf(weir, id);
      expect(['model', 'total_tokens', 'cost', 'finish_reason'].map((key) => key in attributes)).toEqual(
        Array.from({ length: 4 }, () => expected),
      );
      expect('input_tokens' in (await weir.expectExchange(id))).toBe(expected);
    }
    await weir.stop();
  }
  agent.destroy();
});

it('has records of streams that did not come to their end', async () => {
  for (const lane of ['true', 'false']) {
    const weir = await start(`--proxy-fast-lane=${lane}`);
    const begun = async () => {
      const headers = { 'content-type': 'application/json' };
      const request = begin(weir.url, '/v1/chat/completions', { method: 'POST', headers });
      request.on('error', () => undefined);
      request.end(JSON.stringify({ model: 'vLLM', stream: true }));
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      let text = '';
      response.on('error', () => undefined);
      response.on('data', (part: Buffer) => (text += part.toString()));
      await until('the last token came', () => text.includes('flows'));
      return { request, id: String(response.headers['x-baseten-request-id']) };
    };
    model.end = 'none';
    const left = await begun();
    left.request.destroy();
    const cut = await begun();
    model.replica.drop();
    model.end = 'error';
    const broken = await idOf(weir, { model: 'vLLM', stream: true });
    const common = {
      model: 'vLLM',
      is_stream: true,
      is_finished: false,
      is_estimate: true,
      content_events: 3,
    };
    const expected = [
      [left.id, { level: 'WARN' }, { cause: 'client_gone' }],
      [cut.id, { level: 'ERROR' }, { cause: 'reset_midway' }],
      [
        broken,
        { level: 'ERROR' },
        { cause: 'ok', response_error: 'out of memory', response_error_type: '500' },
      ],
    ] as const;
    for (const [id, fields, attributes] of expected) {
      const record = await recordOf(weir, id);
      expect(record, id).toMatchObject({ ...fields, attributes: { ...common, ...attributes } });
      for (const name of [
        'input_tokens',
        'output_tokens',
        'total_tokens',
        'cost',
        'currency',
        'finish_reason',
      ])
        expect(record.attributes[name], `${id} ${name}`).toBeUndefined();
      const line = await weir.expectExchange(id);
      expect(line).toMatchObject({ model: 'vLLM', is_finished: false });
      expect('cost' in line || 'input_tokens' in line).toBe(false);
    }
    await weir.stop();
  }
});

it('has the tokens of queued requests in their records', async () => {
  const weir = await start();
  for (const name of APIS)
    for (const stream of [false, true]) {
      const body = JSON.stringify({ model_input: { model: name, stream } });
      const path = '/production/async_predict';
      const { status, text } = await call(weir.url, path, { method: 'POST', body });
      expect(status, text).toBe(201);
    }
  const logs = await until('all are stored', async () => {
    const found = await search({ url: weir.admin }, { q: `kind:request async:true tokens:10` });
    return found.logs.length === 2 * APIS.length && found.logs;
  });
  for (const name of APIS)
    expect(logs.filter(({ attributes }) => (attributes as { model: string }).model === name)).toHaveLength(2);
});

it('counts requests by model', async () => {
  const weir = await start();
  for (let i = 0; i < 9; i++) await idOf(weir, { model: APIS[i % 4]!, stream: i % 2 === 0 });
  const json = async (path: string) =>
    JSON.parse((await call(weir.admin, path)).text) as Record<string, unknown>;
  await until('all are stored', async () => {
    return (await search({ url: weir.admin }, { q: 'kind:request tokens:10' })).logs.length === 9;
  });
  expect(await json('/v1/logs/fields/model/values?q=tokens:10')).toMatchObject({
    values: [
      { value: 'vLLM', count: 3 },
      { value: 'Anthropic', count: 2 },
      { value: 'OpenAI', count: 2 },
      { value: 'SGLang', count: 2 },
    ],
    missing_count: 0,
  });
  expect(await json('/v1/logs/hits?q=model:vLLM')).toMatchObject({ total: 3 });
});

it('samples the trace of a stream that reports an error, and marks its spans', async () => {
  const weir = await start('--trace-sample-ratio=0');
  const whole = await recordOf(weir, await idOf(weir, { model: 'vLLM', stream: true }));
  expect(whole.attributes['is_sampled']).toBeUndefined();
  model.end = 'error';
  const broken = await recordOf(weir, await idOf(weir, { model: 'vLLM', stream: true }));
  expect(broken.attributes['is_sampled']).toBe(true);
  const { text } = await call(weir.admin, `/v1/traces/${String(broken['trace_id'])}`);
  expect(text.match(/"error\.type":"stream_error"/g)).toHaveLength(2);
});

it('says that a captured response is a stream also if no model made it', async () => {
  const events = await startReplica((req, res) => {
    void onBody(req, () => res.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: tick\n\n'));
  });
  const weir = await startWeir(['--replica', events.url, '--data-dir', data, '--logs-capture=full']);
  const { attributes } = await recordOf(weir, await idOf(weir, { model: 'clock' }));
  expect(attributes).toMatchObject({ model: 'clock', is_stream: true });
  await events.close();
});
