// GET and PUT /v1/prices over HTTP.
import { afterEach, describe, expect, it } from 'vitest';
import type { PriceAnswer, PricesAnswer } from '../../../../src/control/admin/answers/settings-answers.ts';
import { Prices } from '../../../../src/telemetry/llm/prices.ts';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { configOf } from '../../../kit/deployment.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { startWeir, stopAll } from '../../../kit/weir.ts';

afterEach(async () => {
  await closeAdmins();
  await stopAll();
  removeFolders();
});

const entry = (model: string, more: object = {}) => ({ model, input: 1, output: 2, ...more });

async function put(url: string, body: unknown, headers: Record<string, string> = {}) {
  const { status, text } = await call(url, '/v1/prices', {
    method: 'PUT',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status, text, json: JSON.parse(text) as { error: string; [name: string]: unknown } };
}
const get = async (url: string): Promise<unknown> => JSON.parse((await call(url, '/v1/prices')).text);

/** The server refuses a list with 400 and this detail, and its prices are the same as before. */
async function expectRefused(server: OpenAdmin, body: unknown, detail: string): Promise<void> {
  const before = await get(server.url);
  const refused = await put(server.url, body);
  expect(refused.status).toBe(400);
  expect(refused.json.error).toBe(`Invalid prices: ${detail}`);
  expect(await get(server.url)).toEqual(before);
}

describe('PUT /v1/prices', () => {
  it('replaces the prices and responds with all of them', async () => {
    const { url } = await startAdmin();
    expect(await get(url)).toMatchObject({ currency: 'USD', prices: [] });
    await put(url, { prices: [entry('old')] });
    const { status, json } = await put(url, {
      currency: 'USD',
      prices: [
        entry('gpt-4o', { cached: 0.5, reasoning: 3, valid_from: '2026-12-01' }),
        entry('gpt-4o', { cached: null, reasoning: null, valid_from: null }),
      ],
    });
    expect(status).toBe(200);
    expect(json).toMatchObject({
      currency: 'USD',
      prices: [
        {
          model: 'gpt-4o',
          input: 1,
          output: 2,
          cached: 0.5,
          reasoning: 3,
          valid_from: '2026-12-01T00:00:00.000Z',
          source: 'api',
        },
        { model: 'gpt-4o', input: 1, output: 2, cached: 1, reasoning: 2, valid_from: null, source: 'api' },
      ],
    });
    expect(await get(url)).toEqual(json);
  });

  const number = 'must be a number from 0 to 1000000000, such as 0.15';
  const example = '{"prices": [{"model": "gpt-4o", "input": 2.5, "output": 10}]}';

  it.each([
    [[], `prices are sent as an object such as ${example}`],
    [{}, `prices: is missing, must be a list, such as in ${example}`],
    [{ prices: {} }, `prices: must be a list, such as in ${example}`],
    [{ prices: ['a'] }, 'prices[0]: must be an object'],
    [{ prices: [null] }, 'prices[0]: must be an object'],
    [{ prices: [entry('a'), { model: 'b', input: 1 }] }, `prices[1].output is missing, ${number}`],
    [{ prices: [entry('a', { input: '1' })] }, `prices[0].input is "1", ${number}`],
    [{ prices: [entry('a', { input: null })] }, `prices[0].input is missing, ${number}`],
    [{ prices: [entry('a', { cached: -1 })] }, `prices[0].cached is -1, ${number}`],
    [{ prices: [entry('a', { output: 1e10 })] }, `prices[0].output is 10000000000, ${number}`],
    [
      { prices: [entry('a', { valid_from: 'soon' })] },
      'prices[0].valid_from is "soon", must be a time such as 2026-12-01 or 2026-12-01T08:00:00Z (without a zone: UTC)',
    ],
    [
      { prices: [entry('a b')] },
      'prices[0].model is "a b", must be the name of a model, which may contain *: 1 to 256 visible ASCII characters',
    ],
    [{ prices: [entry('a', { cache: 1 })] }, 'prices[0]: unknown field "cache"; did you mean "cached"?'],
    [{ price: [], prices: [] }, 'unknown field "price"; did you mean "prices"?'],
    [{ prices: [], currency: 'usd' }, 'currency: must be three capital letters, such as USD or EUR'],
    [
      { prices: [], currency: 'EUR' },
      'currency: is EUR, must be USD as in llm.currency, since all prices have one currency',
    ],
    [
      { prices: [entry('a'), entry('a')] },
      'prices[1]: prices[0] has the same model "a" and the same valid_from; remove one of them, or change its valid_from',
    ],
    [
      { prices: [entry('*'), entry('a')] },
      'prices[1]: "a" never gets this price, since prices[0] "*" matches the same names before it; move it in front of that one',
    ],
  ])('refuses %j and changes nothing', async (body, detail) => {
    const server = await startAdmin();
    await put(server.url, { prices: [entry('kept')] });
    await expectRefused(server, body, detail);
  });

  it('names all problems, at most ten', async () => {
    const server = await startAdmin();
    const refused = await put(server.url, {
      prices: Array.from({ length: 15 }, () => ({ model: 'a', input: -1, output: 1 })),
    });
    expect(refused.json.error).toContain('prices[9].input is -1');
    expect(refused.json.error).toMatch(/; and 5 more$/);
  });

  it('accepts 10,000 entries, and refuses one more', async () => {
    const server = await startAdmin();
    const many = Array.from({ length: 10_000 }, (_, i) => entry(`model-${i}-*z`));
    expect((await put(server.url, { prices: many })).status).toBe(200);
    await expectRefused(
      server,
      { prices: [...many, entry('a')] },
      'prices: has 10001 entries, must have at most 10000',
    );
  });

  it('refuses more than 1,000 models that begin with *', async () => {
    const server = await startAdmin();
    const many = Array.from({ length: 1000 }, (_, i) => entry(`*-${i}`));
    expect((await put(server.url, { prices: many })).status).toBe(200);
    await expectRefused(
      server,
      { prices: [...many, entry('*x')] },
      'prices: has 1001 models that begin with *, must have at most 1000',
    );
  });

  it('refuses a body of more than 1 MiB, and one that is not JSON', async () => {
    const { url } = await startAdmin();
    expect((await put(url, ' '.repeat(2 ** 20 + 1))).status).toBe(413);
    expect((await put(url, '{')).status).toBe(400);
    expect((await put(url, '{"prices": []}', { 'content-type': 'text/plain' })).status).toBe(415);
  });

  it('says that nothing can be stored without a data folder, and still lists prices', async () => {
    const prices = new Prices(configOf().llm, undefined, undefined as never);
    const { url } = await startAdmin({ deps: { prices } });
    const { status, json } = await put(url, { prices: [] });
    expect(status).toBe(501);
    expect(json.error).toBe(
      'Prices cannot be stored, since this weir keeps nothing on disk: set logs.capture to metadata or async.store to file, or write them into llm.prices of the configuration',
    );
    expect(await get(url)).toMatchObject({ currency: 'USD', prices: [] });
  });
});

describe('one price', () => {
  const ask = async (url: string, method: string, path: string, body?: unknown) => {
    const { status, text } = await call(url, path, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status, text, price: (text === '' ? {} : JSON.parse(text)) as PriceAnswer };
  };
  const list = async (url: string): Promise<readonly PriceAnswer[]> =>
    ((await get(url)) as PricesAnswer).prices;
  const add = (url: string, model: string, more: object = {}) =>
    ask(url, 'POST', '/v1/prices', entry(model, more));

  it('is added in front of the first pattern that fits its model', async () => {
    const { url } = await startAdmin();
    await put(url, { prices: [entry('o3'), entry('gpt-*'), entry('*')] });
    expect((await add(url, 'gpt-4o')).status).toBe(201);
    expect((await add(url, 'gpt-4o', { valid_from: '2026-11-01' })).status).toBe(201);
    await add(url, 'llama-*');
    expect((await list(url)).map(({ model }) => model)).toEqual([
      'o3',
      'gpt-4o',
      'gpt-*',
      'llama-*',
      '*',
      'gpt-4o',
    ]);
  });

  it('with a later time leaves the earlier one in the list', async () => {
    const { url } = await startAdmin();
    await add(url, 'm');
    await add(url, 'm', { input: 3, valid_from: '2026-01-01' });
    await add(url, 'm', { input: 4, valid_from: '2100-01-01' });
    expect((await list(url)).map(({ input, period }) => [input, period])).toEqual([
      [1, 'past'],
      [3, 'current'],
      [4, 'future'],
    ]);
  });

  it('can be changed and removed by its id, also after a restart', async () => {
    const path = folder();
    const first = await startAdmin({ path });
    const { price } = await add(first.url, 'm', { cached: 0.5 });
    await first.stop();
    const { url } = await startAdmin({ path });
    const changed = await ask(url, 'PATCH', `/v1/prices/${price.id}`, { output: 9, cached: null });
    expect(changed.price).toEqual({ ...price, output: 9, cached: 1, reasoning: 9 });
    const moved = await ask(url, 'PATCH', `/v1/prices/${price.id}`, { model: 'm2' });
    expect(moved.price.id).not.toBe(price.id);
    expect((await ask(url, 'PATCH', `/v1/prices/${price.id}`, { output: 1 })).status).toBe(404);
    expect((await ask(url, 'DELETE', `/v1/prices/${moved.price.id}`)).status).toBe(204);
    expect(await list(url)).toEqual([]);
    expect((await ask(url, 'DELETE', `/v1/prices/${moved.price.id}`)).status).toBe(404);
  });

  it('is refused with its problems, and nothing changes', async () => {
    const { url } = await startAdmin();
    await put(url, { prices: [entry('m'), entry('x')] });
    const before = await list(url);
    const wrong = await ask(url, 'POST', '/v1/prices', { model: 'y', input: -1, outpt: 2 });
    expect(wrong.status).toBe(400);
    expect(wrong.text).toContain('Invalid price: input is -1');
    expect(wrong.text).toContain('unknown field \\"outpt\\"; did you mean \\"output\\"?');
    expect((await add(url, 'm')).text).toContain('has the same model');
    const taken = await ask(url, 'PATCH', `/v1/prices/${before[1]!.id}`, { model: 'm' });
    expect(taken.status).toBe(400);
    expect((await ask(url, 'PATCH', `/v1/prices/${before[1]!.id}`, 5)).status).toBe(400);
    expect(await list(url)).toEqual(before);
  });

  it('of the configuration is not changed', async () => {
    const path = folder();
    const log = { event: () => undefined } as never;
    const prices = new Prices(
      { ...configOf().llm, prices: [{ model: 'a', input: 1, output: 2 }] },
      path,
      log,
    );
    const { url } = await startAdmin({ path, deps: { prices } });
    const [{ id } = { id: '' }] = await list(url);
    for (const method of ['PATCH', 'DELETE']) {
      const { status, text } = await ask(url, method, `/v1/prices/${id}`, { input: 2 });
      expect(status).toBe(400);
      expect(text).toContain('llm.prices of the configuration');
    }
  });

  it('holds when several are added at once', async () => {
    const { url } = await startAdmin();
    await Promise.all(['a', 'b', 'c', 'd'].map((model) => add(url, model)));
    expect((await list(url)).map(({ model }) => model).sort()).toEqual(['a', 'b', 'c', 'd']);
  });
});

describe('a running weir', () => {
  it('keeps the prices of the API over a restart, before those of its configuration', async () => {
    const path = folder({
      'weir.yaml': 'llm:\n  currency: EUR\n  prices:\n    - { model: a, input: 1, output: 2 }\n',
    });
    const args = ['--replica=http://127.0.0.1:9', `--config=${path}/weir.yaml`, `--data-dir=${path}/data`];
    const first = await startWeir(args);
    const { json } = await put(first.admin, { prices: [entry('b')] });
    expect(json).toMatchObject({
      currency: 'EUR',
      prices: [
        { model: 'b', source: 'api' },
        { model: 'a', source: 'config' },
      ],
    });
    await first.stop('SIGKILL');
    const second = await startWeir(args);
    expect(await get(second.admin)).toMatchObject({ prices: json['prices'] });
  });

  it('starts with a damaged file of prices and says so', async () => {
    const path = folder({ 'prices.json': '{"prices": [' });
    const weir = await startWeir(['--replica=http://127.0.0.1:9', `--data-dir=${path}`]);
    await weir.expectLine('the damaged file', ({ event }) => event === 'stored prices are unusable');
    expect(await get(weir.admin)).toMatchObject({ currency: 'USD', prices: [] });
  });

  it('without a data folder refuses prices', async () => {
    const weir = await startWeir([
      '--replica=http://127.0.0.1:9',
      '--logs-capture=off',
      '--async-store=memory',
    ]);
    expect((await put(weir.admin, { prices: [] })).status).toBe(501);
  });
});
