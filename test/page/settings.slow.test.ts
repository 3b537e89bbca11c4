// Settings in a real browser: connections, keys, tags, scoring, prices and the configuration.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders } from '../kit/folder.ts';
import { answering, Receiver } from '../kit/otlp-receiver.ts';
import { closeReplicas } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { stopAll } from '../kit/weir.ts';
import { browserIsMissing, closeBrowser, expectPictures, openPage } from './kit/browser.ts';
import { startFilled, type FilledWeir } from './kit/filled-weir.ts';

const PRICES = `
llm:
  prices:
    - { model: 'llama-3*', input: 0.6, cached: 0.15, output: 3.6 }
`;

let filled: FilledWeir;
const receiver = new Receiver();

beforeAll(async () => {
  await receiver.start();
  filled = await startFilled({ config: PRICES });
});

afterAll(async () => {
  await closeBrowser();
  await stopAll();
  await closeReplicas();
  await receiver.stop();
  removeFolders();
});

const openSettings = (section: string): Promise<Page> => openPage(filled.weir, `/ui/settings/${section}`);

/** Posts to the admin API. */
async function post<T>(path: string, body: unknown): Promise<T> {
  const res = await fetch(filled.weir.admin + path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(res.status).toBeLessThan(300);
  return (await res.json()) as T;
}

describe.skipIf(browserIsMissing)('connections', () => {
  it('are made in the page, say why they are paused, and go on by themselves', async () => {
    receiver.otherwise = answering(401, '{"error":"invalid token"}');
    const page = await openSettings('connections');
    await page.getByText('Nothing is sent').waitFor();
    await page.keyboard.press('n');
    await page.getByLabel('Name', { exact: true }).fill('collector');
    await page.getByLabel('Endpoint').fill(receiver.url);
    await page.getByLabel('Header with the key').fill('X-Token');
    await page.getByLabel('Value of the header').fill('a-secret-value');
    await page.getByText(/stored records match/).waitFor();
    await page.getByRole('button', { name: 'Make connection' }).click();

    const table = page.getByRole('table');
    await table.getByRole('link', { name: 'collector' }).waitFor();
    await page.getByRole('button', { name: 'Test', exact: true }).click();
    await page.getByText(/^401 in/).waitFor();
    await post('/v1/logs', { message: 'a record that waits' });
    await table.getByText('paused: 401').waitFor();
    await page.getByText('The receiver responds with 401').waitFor();
    await page.getByText('invalid token').first().waitFor();
    expect(await page.content()).not.toContain('a-secret-value');
    await expectPictures(page, 'settings-connections');

    receiver.otherwise = answering(200);
    await table.getByText('running').waitFor({ timeout: 20_000 });
    await until('the record has arrived', () => receiver.taken.length > 0);
    expect(receiver.taken[0]!.headers['x-token']).toBe('a-secret-value');
    await page.getByRole('button', { name: 'Test', exact: true }).click();
    await page.getByText(/^200 in/).waitFor();
  });

  it('of a bad endpoint are refused with the sentence of weir, and what was typed stays', async () => {
    const page = await openPage(filled.weir, '/ui/settings/connections', { statuses: [400] });
    await page.getByRole('button', { name: 'Connection', exact: false }).first().click();
    await page.getByLabel('Endpoint').fill('ftp://example.com');
    await page.getByRole('button', { name: 'Make connection' }).click();
    await page
      .getByRole('alert')
      .getByText(/endpoint_url/)
      .waitFor();
    expect(await page.getByLabel('Endpoint').inputValue()).toBe('ftp://example.com');
  });
});

describe.skipIf(browserIsMissing)('the configuration', () => {
  it('is found by name, shows what was changed, and never a secret', async () => {
    const page = await openSettings('config');
    await page.getByRole('cell', { name: 'model.name', exact: true }).waitFor();
    await expectPictures(page, 'settings-config');
    await page.getByRole('button', { name: /^Changed/ }).click();
    await page.getByRole('cell', { name: 'logs.capture', exact: true }).waitFor();
    expect(await page.getByRole('cell', { name: 'logs.max_line', exact: true }).count()).toBe(0);
    await page.getByLabel('Find a setting').fill('concurrency_target');
    await page.getByRole('cell', { name: 'deployments[0].concurrency_target', exact: true }).waitFor();
    expect(await page.getByRole('cell', { name: 'logs.capture', exact: true }).count()).toBe(0);
    expect(new URL(page.url()).searchParams.get('find')).toBe('concurrency_target');
  });
});

describe.skipIf(browserIsMissing)('prices', () => {
  it('are added in the page and hold beside those of the configuration', async () => {
    const page = await openSettings('prices');
    await page.getByRole('cell', { name: 'llama-3*' }).waitFor();
    await page.keyboard.press('n');
    await page.getByLabel('Model, as requests name it').fill('bge-large');
    await page.getByLabel(/^Input, /).fill('0.02');
    await page.getByLabel('Output', { exact: true }).fill('0');
    await page.keyboard.press('Control+Enter');
    await page.getByRole('cell', { name: 'bge-large' }).waitFor();
    await expectPictures(page, 'settings-prices');
    const { prices } = await filled.get<{ prices: { model: string; source: string }[] }>('/v1/prices');
    expect(prices.map(({ model, source }) => [model, source])).toEqual([
      ['bge-large', 'api'],
      ['llama-3*', 'config'],
    ]);
  });
});

describe.skipIf(browserIsMissing)('tags', () => {
  it('get a colour and a meaning', async () => {
    const page = await openSettings('tags');
    await page.getByText('No tag is described yet').waitFor();
    await page.getByRole('button', { name: /^Tag/ }).click();
    await page.getByLabel('Name', { exact: true }).fill('triage');
    await page.getByLabel('Meaning').fill('A person has to look at it');
    await page.getByLabel('Project').fill('support');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('link', { name: 'triage' }).waitFor();
    await page.getByRole('cell', { name: 'support' }).waitFor();
    await expectPictures(page, 'settings-tags');
  });
});

describe.skipIf(browserIsMissing)('online scoring', () => {
  it('tests a rule on past requests before it is saved, then scores', async () => {
    const page = await openSettings('scoring');
    await page.getByText('No rule yet').waitFor();
    await page.keyboard.press('n');
    await page.getByLabel('Name', { exact: true }).fill('short answers');
    await page.getByRole('checkbox', { name: /MaxLength/ }).check();
    await page.getByLabel('MaxLength: max').fill('10000');
    await page.getByLabel('Filter').fill('path:/v1/chat/completions');
    await page.getByRole('button', { name: 'Test', exact: true }).click();
    await page.getByText(/^mean /).waitFor();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('link', { name: 'short answers' }).waitFor();
    await page.getByRole('table').getByText('running').waitFor();
    await expectPictures(page, 'settings-scoring');
    const { objects } = await filled.get<{ objects: { config: { online: object } }[] }>('/v1/project_score');
    expect(objects[0]!.config.online).toMatchObject({
      source: 'requests',
      filter: 'path:/v1/chat/completions',
      scorers: [{ type: 'global', name: 'MaxLength', options: { max: 10_000 } }],
    });
  });
});

// The last ones: as soon as a key exists, all requests need one.
describe.skipIf(browserIsMissing)('keys', () => {
  it('are shown once, and open the page', async () => {
    const page = await openSettings('keys');
    await page.getByText('There is no key').waitFor();
    await page.keyboard.press('n');
    await page.getByLabel('Name', { exact: true }).fill('oncall');
    await page.getByRole('button', { name: 'Make key' }).click();
    const key = (await page.locator('.newkey code').textContent())!;
    expect(key).toMatch(/^weir_/);
    // This page goes on with the key; another one asks for it.
    await page.getByText('now, this page').waitFor();
    const other = await openPage(filled.weir, '/ui/settings/keys', { statuses: [401] });
    await other.getByText('weir wants a key').waitFor();

    const second = await openPage(filled.weir, '/ui/settings/keys', { key });
    await second.getByText('now, this page').waitFor();
    await expectPictures(second, 'settings-keys');
    expect(await second.content()).not.toContain(key);
    expect(JSON.stringify(filled.weir.lines)).not.toContain(key);
  });
});
