// Settings in a real browser: sizes of screens, API keys, and what keys of few scopes can do.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders } from '../kit/folder.ts';
import { closeReplicas } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { stopAll } from '../kit/weir.ts';
import { browserIsMissing, closeBrowser, expectNowhere, expectPictures, openPage } from './kit/browser.ts';
import { startFilled, type FilledWeir } from './kit/filled-weir.ts';
import { HOSTILE_NAME } from './kit/hostile.ts';

let filled: FilledWeir;
/** The key that is made first. */
let first = '';

beforeAll(async () => {
  filled = await startFilled();
  const { id } = await filled.send<{ id: string }>('POST', '/v1/project', { name: 'support' });
  await filled.send('POST', '/v1/project_tag', { project_id: id, name: HOSTILE_NAME });
  await filled.send('POST', '/v1/prices', { model: 'm'.repeat(200), input: 0.1, output: 0.2 });
  await filled.send('POST', '/v1/otel/connections', {
    name: HOSTILE_NAME,
    endpoint_url: `http://127.0.0.1:9/${'long/'.repeat(30)}`,
  });
  await filled.send('POST', '/v1/project_score', {
    name: HOSTILE_NAME,
    config: {
      online: {
        source: 'requests',
        sampling_rate: 0.5,
        scorers: [{ type: 'global', name: 'ValidJSON' }],
      },
    },
  });
});

afterAll(async () => {
  await closeBrowser();
  await stopAll();
  await closeReplicas();
  removeFolders();
});

/** Makes a key by the API. */
const makeKey = (
  name: string,
  scopes: readonly string[],
): Promise<{ readonly id: string; readonly key: string }> =>
  filled.send('POST', '/v1/keys', { name, scopes }, first);

const SECTIONS = [
  ['Connections', 'connections'],
  ['API keys', 'keys'],
  ['Tags', 'tags'],
  ['Online scoring', 'scoring'],
  ['Prices', 'prices'],
  ['Configuration', 'config'],
] as const;

describe.skipIf(browserIsMissing)('on a phone', () => {
  it.each(SECTIONS)('%s fits the screen', async (title, section) => {
    // 320 pixels are also 1,280 at a zoom of 400 %.
    for (const width of [320, 390]) {
      const page = await openPage(filled.weir, `/ui/settings/${section}`, { width, height: 844 });
      await page.getByRole('heading', { level: 1, name: title }).waitFor();
      await page.locator('.sbody .panel > :is(table, .empty)').waitFor();
      if (section !== 'config') {
        await page.getByRole('button', { name: /^(?:Connection|Key|Tag|Rule|Price) n$/ }).click();
        await page.getByRole('textbox').first().waitFor();
      }
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      expect(await page.evaluate(() => 'pwned' in window)).toBe(false);
      if (width === 390) await expectPictures(page, `settings-${section}-390`);
    }
  });
});

// The last ones: as soon as a key exists, all requests need one.
describe.skipIf(browserIsMissing)('keys', () => {
  it('are shown once, and open the page', async () => {
    const page = await openPage(filled.weir, '/ui/settings/keys');
    await page.getByText('There is no key').waitFor();
    await page.keyboard.press('n');
    await page.getByLabel('Name', { exact: true }).fill('oncall');
    await page.getByRole('button', { name: 'Make key' }).click();
    const key = (await page.locator('.newkey code').textContent())!;
    expect(key).toMatch(/^weir_/);
    first = key;
    // This page goes on with the key; another one asks for it.
    await page.getByText('now, this page').waitFor();
    await page.getByRole('button', { name: 'Done' }).click();
    await expectNowhere(page, key);
    const other = await openPage(filled.weir, '/ui/settings/keys', { statuses: [401] });
    await other.getByText('weir wants a key').waitFor();

    const second = await openPage(filled.weir, '/ui/settings/keys', { key });
    await second.getByText('now, this page').waitFor();
    await expectPictures(second, 'settings-keys');
    expect(await second.content()).not.toContain(key);
    expect(JSON.stringify(filled.weir.lines)).not.toContain(key);
  });

  it('open what their scopes allow, and the rest says which scope it needs', async () => {
    for (const [scope, opens, needs] of [
      ['logs:read', 'tags', 'connections'],
      ['export', 'connections', 'tags'],
    ] as const) {
      const { key } = await makeKey(scope, [scope]);
      const page = await openPage(filled.weir, `/ui/settings/${needs}`, { key, statuses: [403] });
      await page.getByText(/^This needs the scope/).waitFor();
      await page.goto(`${filled.weir.admin}/ui/settings/${opens}`);
      await page.getByRole('table').waitFor();
      await page.goto(`${filled.weir.admin}/ui/settings/keys`);
      await page.getByText('This needs the scope admin').waitFor();
      await page.goto(`${filled.weir.admin}/ui/exports`);
      const request = page.getByRole('button', { name: /^Request data/ });
      const isOff = scope === 'export' ? 'true' : null;
      await until('the button is right', async () => (await request.getAttribute('aria-disabled')) === isOff);
      await expectPictures(page, `exports-${scope.replace(':', '-')}`);
    }
  });

  it('that were used are removed by their name; the page of a removed one asks for another', async () => {
    const { key, id } = await makeKey('second <b>', ['admin']);
    const page = await openPage(filled.weir, '/ui/settings/tags', { key, statuses: [401] });
    await page.getByRole('table').waitFor();
    const other = await openPage(filled.weir, '/ui/settings/keys', { key: first });
    const row = other.getByRole('row').filter({ hasText: id });
    await row.getByRole('button', { name: 'Remove' }).click();
    await row.getByText('its clients get 401 at once').waitFor();
    expect(await row.getByRole('button', { name: 'Remove' }).getAttribute('aria-disabled')).toBe('true');
    await row.getByRole('textbox').fill('second <b>');
    await row.getByRole('button', { name: 'Remove' }).click();
    await row.waitFor({ state: 'detached' });
    const own = other.getByRole('row').filter({ hasText: 'now, this page' });
    expect(await own.getByTitle('This page uses it.').count()).toBe(1);

    await page.keyboard.press('n');
    await page.keyboard.type('typed before');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByLabel(/key/i).first().waitFor();
    await expectNowhere(page, key);
  });
});
