// Hostile model servers and clients, with the real binary: nothing that they name or count harms weir or its outputs.
import { readdirSync, readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { ask } from '../contract/llm-metrics.ts';
import { call } from '../kit/client.ts';
import { problemsOf } from '../kit/exposition.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { search, type Log } from '../kit/log-api.ts';
import { closeReplicas, onBody, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

let data: string;
let response: string;
let type: string;
let url: string;
beforeEach(async () => {
  data = folder();
  type = 'application/json';
  const replica = await startReplica((req, res) => {
    void onBody(req, () => res.writeHead(200, { 'content-type': type }).end(response));
  });
  ({ url } = replica);
});
afterEach(async () => {
  await stopAll();
  await closeReplicas();
});
afterAll(removeFolders);

const start = (...args: string[]): Promise<Weir> =>
  startWeir(['--replica', url, '--data-dir', data, '--llm-models=*', ...args]);

type ModelLog = Log & { attributes: Record<string, unknown> };
const recordsOf = (weir: Weir, count: number): Promise<ModelLog[]> =>
  until(`${count} requests are stored`, async () => {
    const { logs } = await search({ url: weir.admin }, { q: 'kind:request' });
    return logs.length === count && (logs.toSorted((a, b) => a.seq - b.seq) as ModelLog[]);
  });

// oxlint-disable-next-line no-control-regex -- control characters are what it matches
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;
const NAMES = [
  'a\u001b[2J\u001b]0;title\u0007',
  'a\u009b2J',
  'a"b\\c\nd\re\u0000f\u2028',
  '\u{1f600} 模型',
  '\ud83d',
  '</script>{x="y"} 1\n# EOF\n',
  '__proto__',
  'x'.repeat(300),
  '\u{1f600}'.repeat(200),
];

it('shows names with any characters everywhere, and controls no terminal', async () => {
  const weir = await start('--log-format=json', '--trace-enabled', '--trace-gen-ai=latest');
  for (const name of NAMES) {
    response = JSON.stringify({
      id: name,
      model: `r${name}`,
      choices: [{ message: { content: 'x' }, finish_reason: name }],
      usage: { prompt_tokens: 1, completion_tokens: 2 },
    });
    expect((await ask(weir, { model: name })).text).toBe(response);
  }
  const cut = (name: string): string => name.slice(0, 256).toWellFormed();
  const records = await recordsOf(weir, NAMES.length);
  for (const [i, name] of NAMES.entries()) {
    const { attributes, trace_id: trace } = records[i]!;
    expect(attributes).toMatchObject({
      model: cut(name),
      response_model: cut(`r${name}`),
      finish_reason: cut(name),
      total_tokens: 3,
    });
    const { text } = await call(weir.admin, `/v1/traces/${String(trace)}`);
    expect(text).toContain(JSON.stringify(cut(name)));
    expect(JSON.parse(text)).toHaveProperty('spans');
  }
  const args = ['logs', '--url', weir.admin, '--kind', 'request'];
  for (const output of ['text', 'jsonl', 'csv']) {
    const { out, code } = await runWeir([...args, '-o', output]);
    expect(code).toBe(0);
    expect(out.replaceAll('\r\n', '\n'), output).not.toMatch(CONTROL);
  }
  const page = await weir.page();
  expect(page.sum('weir_llm_responses_total')).toBe(NAMES.length);
  expect(problemsOf(page.text, false)).toEqual([]);
  const lines = await until('all requests are logged', () => {
    const ofRequests = weir.lines.filter(({ event }) => event === 'exchange');
    return ofRequests.length === NAMES.length && ofRequests;
  });
  expect(lines.map((line) => line['model'])).toEqual(NAMES.map(cut));
});

it('takes no count that is not a safe whole number', async () => {
  const weir = await start('--llm-currency=USD');
  const counts = [
    '-1',
    '-0',
    '1e308',
    '1e400',
    '9007199254740992',
    '1.5',
    '"7"',
    'null',
    'true',
    '[7]',
    '{}',
    '0x7',
    'NaN',
  ];
  for (const count of counts) {
    response = `{"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":${count},"completion_tokens":${count},"prompt_tokens_details":{"cached_tokens":${count}}}}`;
    await ask(weir, { model: 'a' });
  }
  for (const { attributes } of await recordsOf(weir, counts.length))
    for (const name of ['input_tokens', 'output_tokens', 'total_tokens', 'cached_tokens', 'cost'])
      expect(attributes?.[name], name).toBeUndefined();
  expect((await weir.page()).text).not.toMatch(/^weir_llm_tokens_total\{/m);
});

it('says the same of the largest counts everywhere', async () => {
  const weir = await start();
  const most = Number.MAX_SAFE_INTEGER - 1;
  response = JSON.stringify({
    stop_reason: 'end_turn',
    usage: { input_tokens: most, cache_read_input_tokens: most, output_tokens: most },
  });
  await ask(weir, { model: 'a' });
  const [record] = await recordsOf(weir, 1);
  const page = await weir.page();
  for (const type of ['input', 'output', 'cached'])
    expect(page.value(`weir_llm_tokens_total{model="a",type="${type}"}`), type).toBe(
      record!.attributes[`${type}_tokens`],
    );
});

it('stores the cost of one request in a currency of small units', async () => {
  const config = folder({
    'weir.yaml': JSON.stringify({
      llm: { currency: 'VND', prices: [{ model: 'a', input: 400_000, output: 2_000_000 }] },
    }),
  });
  const weir = await start('--config', `${config}/weir.yaml`);
  response = JSON.stringify({
    choices: [{ finish_reason: 'stop' }],
    usage: { prompt_tokens: 150_001, completion_tokens: 9000 },
  });
  await ask(weir, { model: 'a' });
  const cost = (150_001 * 400_000 + 9000 * 2_000_000) / 1e6;
  const [record] = await recordsOf(weir, 1);
  expect(record!.attributes).toMatchObject({ cost, currency: 'VND' });
  expect((await weir.page()).sum('weir_llm_cost_total')).toBe(cost);
});

it('redacts secrets in errors of streams, on disk and in outputs', async () => {
  const weir = await start('--log-format=json');
  const secret = 'sk-abcdefghijklmnopqrstuvwxyz012345';
  type = 'text/event-stream';
  response = `data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\ndata: {"error":{"message":"bad key ${secret} \\u001b[2J","type":"${secret}"}}\n\n`;
  await ask(weir, { model: 'a', stream: true });
  const [record] = await recordsOf(weir, 1);
  expect(record).toMatchObject({ level: 'ERROR', attributes: { is_finished: false } });
  expect(String(record!.attributes['response_error'])).toMatch(/^bad key \[redacted\] ?$/);
  await weir.stop();
  expect(JSON.stringify(weir.lines)).not.toContain(secret);
  for (const name of readdirSync(join(data, 'logs')))
    expect(readFileSync(join(data, 'logs', name)).includes(secret), name).toBe(false);
});

it('redacts names of models like other texts of a record', async () => {
  const weir = await start('--logs-redact-patterns=cust-[0-9]{8}');
  const secret = 'sk-abcdefghijklmnopqrstuvwxyz012345';
  response = JSON.stringify({
    model: secret,
    choices: [{ finish_reason: 'stop' }],
    usage: { total_tokens: 3 },
  });
  await ask(weir, { model: 'ft:cust-12345678:"x"' });
  const [record] = await recordsOf(weir, 1);
  expect(record!.attributes).toMatchObject({
    model: 'ft:[redacted]:"x"',
    response_model: '[redacted]',
    finish_reason: 'stop',
  });
  await weir.stop();
  for (const name of readdirSync(join(data, 'logs'))) {
    const bytes = readFileSync(join(data, 'logs', name));
    expect([bytes.includes(secret), bytes.includes('cust-1')], name).toEqual([false, false]);
  }
});

it('has a bounded number of series and all records, however many models clients name', async () => {
  const weir = await start('--llm-max-models=8');
  response = JSON.stringify({ choices: [{ finish_reason: 'stop' }], usage: { prompt_tokens: 1 } });
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const names = Array.from({ length: 5000 }, (_, i) => `m${i}`);
  const waiting = [...names];
  const askAll = async (): Promise<void> => {
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      const body = JSON.stringify({ model: name });
      const headers = { 'content-type': 'application/json' };
      await call(weir.url, '/v1/chat/completions', { method: 'POST', headers, body, agent });
    }
  };
  await Promise.all(Array.from({ length: 8 }, askAll));
  agent.destroy();
  const page = await weir.page();
  expect(page.sum('weir_llm_responses_total')).toBe(names.length);
  expect(new Set(page.text.match(/model="[^"]*"/g)).size).toBe(9);
  // More than the texts that the recorder knows at a time.
  for (const name of ['m0', 'm2500', 'm4999'])
    await until(`${name} is found`, async () => {
      return (await search({ url: weir.admin }, { q: `model:${name}` })).logs.length === 1;
    });
  expect((await search({ url: weir.admin }, { q: 'model:m49*', limit: '1000' })).logs).toHaveLength(111);
});

it('follows a string and an event of 48 MB in little memory, and reads the usage after them', async () => {
  const weir = await start();
  const long = 'x'.repeat(48 * 1024 ** 2);
  const usage = '"usage":{"prompt_tokens":5,"completion_tokens":6}';
  response = '{}';
  await ask(weir, { model: 'a' });
  const before = weir.residentBytes();
  response = `{"choices":[{"message":{"content":"${long}"},"finish_reason":"stop"}],${usage}}`;
  expect((await ask(weir, { model: 'a' })).body.length).toBe(response.length);
  type = 'text/event-stream';
  response = `data: {"model":"${long}"}\n\ndata: {${usage}}\n\n`;
  expect((await ask(weir, { model: 'a', stream: true })).body.length).toBe(response.length);
  expect(weir.residentBytes() - before).toBeLessThan(96 * 1024 ** 2);
  const [, plain, stream] = await recordsOf(weir, 3);
  for (const { attributes } of [plain!, stream!])
    expect(attributes).toMatchObject({ model: 'a', input_tokens: 5, output_tokens: 6, total_tokens: 11 });
});
