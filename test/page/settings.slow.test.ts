// Settings in a real browser: connections, tags, scoring, prices and the configuration.
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders } from '../kit/folder.ts';
import { answering, Receiver } from '../kit/otlp-receiver.ts';
import { closeReplicas } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { stopAll } from '../kit/weir.ts';
import { browserIsMissing, closeBrowser, expectNowhere, expectPictures, openPage } from './kit/browser.ts';
import { startFilled, type FilledWeir } from './kit/filled-weir.ts';
import { HOSTILE_NAME } from './kit/hostile.ts';

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

const byText = (a: string, b: string): number => (a < b ? -1 : 1);

/** Posts to the admin API, as another client does. */
const post = <T>(path: string, body: unknown): Promise<T> => filled.send('POST', path, body);

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

  it('are made once by two clicks, and keep what another client changes meanwhile', async () => {
    receiver.otherwise = answering(200);
    const page = await openSettings('connections');
    await page.getByRole('table').waitFor();
    await page.keyboard.press('n');
    await page.keyboard.type('twice');
    await page.getByLabel('Endpoint').fill(receiver.url);
    await page.getByRole('button', { name: 'Make connection' }).dblclick();
    await page.getByRole('table').getByRole('link', { name: 'twice' }).waitFor();
    const { connections } = await filled.get<{ connections: { id: string; name: string }[] }>(
      '/v1/otel/connections',
    );
    expect(connections.map(({ name }) => name).toSorted(byText)).toEqual(['collector', 'twice']);
    const path = `/v1/otel/connections/${connections.find(({ name }) => name === 'twice')!.id}`;

    await page.getByLabel('Name', { exact: true }).fill(HOSTILE_NAME);
    await filled.send('PATCH', path, { query: 'level>=warn' });
    await until('the page has it', async () => (await page.getByLabel('Filter').inputValue()) !== '');
    await page.keyboard.press('Control+Enter');
    await page.getByTitle('Nothing is changed.').waitFor();
    expect(await filled.get(path)).toMatchObject({ name: HOSTILE_NAME.trim(), query: 'level>=warn' });
    expect(await page.evaluate(() => 'pwned' in window)).toBe(false);
  });

  it('ask for the header value anew when the receiver is another one, and forget it when it is saved', async () => {
    const page = await openSettings('connections');
    await page.getByRole('table').getByRole('link', { name: 'collector' }).click();
    await page.getByText('Its value is set, and never shown').waitFor();
    await page.getByLabel('Endpoint').fill('http://127.0.0.2:4318/v1/logs');
    await page.getByText('The value that was set is not sent to another receiver').waitFor();
    await page.getByLabel('Endpoint').fill(receiver.url);
    await page.getByRole('button', { name: 'Replace' }).click();
    await page.getByLabel('Value of the header').fill('another-secret');
    await page.getByRole('button', { name: 'Earliest' }).click();
    await page.getByText('All records that the store keeps are sent again').waitFor();
    await page.getByRole('button', { name: 'Where it is' }).click();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Its value is set, and never shown').waitFor();
    await expectNowhere(page, 'another-secret');
  });

  it('are removed only after a question, which a double click does not answer', async () => {
    const page = await openSettings('connections');
    const { connections } = await filled.get<{ connections: { id: string }[] }>('/v1/otel/connections');
    for (const { id } of connections) {
      await page.goto(`${filled.weir.admin}/ui/settings/connections/${id}`);
      await page.getByRole('button', { name: 'Remove' }).dblclick();
      const question = page.getByRole('alertdialog');
      await question.getByText('Nothing more is sent to it').waitFor();
      await page.keyboard.press('Escape');
      await question.waitFor({ state: 'detached' });
      // The focus is where it was: Enter asks again.
      await until('the focus is back', () =>
        page.evaluate(() => document.activeElement?.textContent === 'Remove'),
      );
      await page.keyboard.press('Enter');
      await question.waitFor();
    }
    await page.getByRole('alertdialog').getByRole('button', { name: 'Remove' }).click();
    await until('one is removed', async () => {
      const left = await filled.get<{ connections: unknown[] }>('/v1/otel/connections');
      return left.connections.length === connections.length - 1;
    });
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
  it('are changed one by one: those of another client stay', async () => {
    await post('/v1/prices', { model: 'first', input: 1, output: 2 });
    const page = await openSettings('prices');
    const row = (model: string): Locator => page.getByRole('row').filter({ hasText: model });
    await row('first').getByRole('button', { name: 'Edit' }).click();
    await post('/v1/prices', { model: 'of-another-client', input: 1, output: 2 });
    await page.getByLabel('Output', { exact: true }).fill('0x10');
    await page.getByText('Must be a number').waitFor();
    await page.getByLabel('Output', { exact: true }).fill('2.5');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('cell', { name: 'of-another-client' }).waitFor();
    const models = async (): Promise<string[]> => {
      const { prices } = await filled.get<{ prices: { model: string; output: number }[] }>('/v1/prices');
      return prices.map(({ model, output }) => `${model} ${output}`).toSorted(byText);
    };
    expect(await models()).toEqual(['first 2.5', 'llama-3* 3.6', 'of-another-client 2']);
    for (const model of ['first', 'of-another-client']) {
      await row(model).getByRole('button', { name: 'Remove' }).click();
      await page.getByRole('alertdialog').getByRole('button', { name: 'Remove' }).click();
      await page.getByRole('cell', { name: model }).waitFor({ state: 'detached' });
    }
    expect(await models()).toEqual(['llama-3* 3.6']);
  });

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

  it('are put in order by keys and by dragging, and stay so', async () => {
    const { id } = await post<{ id: string }>('/v1/project', { name: 'support' });
    for (const name of ['golden', HOSTILE_NAME]) await post('/v1/project_tag', { project_id: id, name });
    const page = await openSettings('tags');
    const names = async (on: Page): Promise<string[]> =>
      (await on.locator('.tagtable .tag .el').allTextContents()).map((name) => name.slice(0, 6));
    await page.getByRole('link', { name: 'golden' }).waitFor();
    expect(await names(page)).toEqual(['<img s', 'golden', 'triage']);
    const grip = page.getByRole('button', { name: 'Move triage' });
    await grip.focus();
    await page.keyboard.press('Alt+ArrowUp');
    await page.keyboard.press('Alt+ArrowUp');
    await page.keyboard.press('Alt+ArrowUp');
    expect(await names(page)).toEqual(['triage', '<img s', 'golden']);
    await page
      .getByRole('button', { name: 'Move golden' })
      .dragTo(page.getByRole('link', { name: 'triage' }));
    expect(await names(page)).toEqual(['golden', 'triage', '<img s']);
    await until('weir has the order', async () => {
      const { objects } = await filled.get<{ objects: { name: string; position: string | null }[] }>(
        '/v1/project_tag',
      );
      const placed = objects.toSorted((a, b) => ((a.position ?? '~') < (b.position ?? '~') ? -1 : 1));
      return placed.map(({ name }) => name.slice(0, 6)).join() === 'golden,triage,<img s';
    });
    const other = await openPage(filled.weir, '/ui/settings/tags', { beside: page });
    await other.getByRole('link', { name: 'golden' }).waitFor();
    expect(await names(other)).toEqual(['golden', 'triage', '<img s']);
    expect(await page.evaluate(() => 'pwned' in window)).toBe(false);
  });

  it('are not taken for another one of the same name', async () => {
    const page = await openSettings('tags');
    await page.getByRole('link', { name: 'golden' }).waitFor();
    await page.keyboard.press('n');
    await page.keyboard.type('golden');
    await page.getByLabel('Project').fill('support');
    await page.getByTitle('A tag of this name exists.').waitFor();
    await page.keyboard.press('Control+Enter');
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('golden');
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

describe.skipIf(browserIsMissing)('a rule', () => {
  it('keeps its sampling rate when it is off for a while, and can lose its filter', async () => {
    const { id } = await post<{ id: string }>('/v1/project_score', {
      name: 'a judge of few',
      score_type: 'online',
      config: {
        online: {
          source: 'requests',
          sampling_rate: 0.05,
          filter: 'status:2xx',
          scorers: [{ type: 'global', name: 'ValidJSON', options: { schema: { type: 'object' } } }],
        },
      },
    });
    const online = async (): Promise<unknown> =>
      (await filled.get<{ config: { online: object } }>(`/v1/project_score/${id}`)).config.online;
    const page = await openPage(filled.weir, `/ui/settings/scoring/${id}`);
    const power = page.getByRole('switch', { name: 'Score by a judge of few' });
    await power.click();
    await until('it is off', async () => (await power.getAttribute('aria-checked')) === 'false');
    await power.click();
    await until('it is on', async () => (await power.getAttribute('aria-checked')) === 'true');
    expect(await online()).toMatchObject({ sampling_rate: 0.05 });
    await page.getByLabel('Filter').fill('level>=wran');
    await page.getByText('did you mean "warn"?').waitFor();
    expect(await page.getByRole('button', { name: 'Save' }).getAttribute('title')).toBe(
      'The filter has a problem.',
    );
    await page.getByLabel('Filter').fill('');
    await page.getByLabel('Sampling rate, percent').fill('1e9');
    await page.getByText('Must be a number from 0 to 100').waitFor();
    await page.getByLabel('Sampling rate, percent').fill('5');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByTitle('Nothing is changed.').waitFor();
    expect(await online()).toMatchObject({
      filter: null,
      sampling_rate: 0.05,
      scorers: [{ name: 'ValidJSON', options: { schema: { type: 'object' } } }],
    });
  });
});
