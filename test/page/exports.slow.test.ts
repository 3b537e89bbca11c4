// Exports in a real browser: a draft, a started one, its file, one that is stopped, one that fails.
import { gunzipSync } from 'node:zlib';
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders } from '../kit/folder.ts';
import { closeReplicas } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { stopAll } from '../kit/weir.ts';
import { browserIsMissing, closeBrowser, expectPictures, openPage } from './kit/browser.ts';
import { startFilled, type FilledWeir } from './kit/filled-weir.ts';
import { HOSTILE_NAME } from './kit/hostile.ts';

let filled: FilledWeir;

beforeAll(async () => {
  filled = await startFilled({ args: ['--admin-denied-export-fields=config'] });
});

afterAll(async () => {
  await closeBrowser();
  await stopAll();
  await closeReplicas();
  removeFolders();
});

interface Preview {
  readonly matched_records: number;
  readonly total_records: number;
  readonly is_total_exact: boolean;
}

/** What the API says of the same request. On a busy machine one try may not count all. */
const previewOf = (query: string, from: string): Promise<Preview> =>
  until('all requests are counted', async () => {
    const filters = { query, time_of_generation_min: from };
    const preview = await filled.send<Preview>('POST', '/v1/logs/exports/preview', { filters });
    return preview.is_total_exact ? preview : undefined;
  });

/** Opens the dialog with a query of the last day, and waits for its preview. */
async function openDialog(query: string): Promise<Page> {
  const page = await openPage(filled.weir, `/ui/exports/new?q=${encodeURIComponent(query)}&since=1d`);
  await page.getByText(/requests match/).waitFor({ timeout: 20_000 });
  return page;
}

/** Opens the dialog anew until its preview has counted all requests. */
const untilCounted = (page: Page): Promise<unknown> =>
  until(
    'all requests are counted',
    async () => {
      const said = page.getByText(/requests match/);
      if ((await said.textContent())?.startsWith('at least') === false) return true;
      await page.reload();
      await said.waitFor();
      return false;
    },
    30_000,
  );

describe.skipIf(browserIsMissing)('an export', () => {
  it('is drafted with the question of Logs, started, and downloaded with as many records as its preview said', async () => {
    const page = await openDialog('status:5xx');
    await untilCounted(page);
    expect(await page.getByRole('checkbox', { name: 'config' }).isDisabled()).toBe(true);
    const from = await page.getByLabel('From').inputValue();
    const { total_records: total } = await previewOf('status:5xx', from);
    expect(total).toBeGreaterThan(0);
    const said = (await page.getByText(/requests match/).textContent())!.replaceAll(/\s/g, '');
    expect(said).toContain(`${total}ofthem`);
    await expectPictures(page, 'exports-new');
    await page.getByLabel('Name', { exact: true }).fill('Errors of the day');
    await page.getByRole('button', { name: 'none' }).click();
    for (const name of ['id', 'created_at', 'status_code'])
      await page.getByRole('checkbox', { name, exact: true }).check();
    await page.getByRole('button', { name: 'Keep as draft' }).click();

    const row = page.getByRole('row').filter({ hasText: 'Errors of the day' });
    await row.getByText('draft').waitFor();
    await row.getByRole('button', { name: 'Start' }).click();
    await row.getByText('success').waitFor();
    await expectPictures(page, 'exports');

    const arrived = page.waitForEvent('download');
    await row.getByRole('button', { name: /^Download/ }).click();
    const bytes = readFileSync(await (await arrived).path());
    const text = (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString();
    const lines = text.trimEnd().split('\n');
    expect(lines).toHaveLength(total);
    for (const line of lines)
      expect(Object.keys(JSON.parse(line) as object)).toEqual(['id', 'created_at', 'status_code']);
  });

  it('asks for the same data again, with all that it asked for', async () => {
    const page = await openPage(filled.weir, '/ui/exports');
    const row = page.getByRole('row').filter({ hasText: 'Errors of the day' });
    await row.getByRole('button', { name: 'Again', exact: true }).click();
    await page.getByText(/requests match/).waitFor();
    expect(await page.getByLabel('Filter').inputValue()).toBe('status:5xx');
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('Errors of the day');
    expect(await page.getByRole('checkbox', { name: 'request', exact: true }).isChecked()).toBe(false);
    await page.keyboard.press('Escape');
    await row.getByRole('link').click();
    await page.getByRole('link', { name: 'see in Logs' }).click();
    await page.waitForURL(/\/ui\/logs\?q=status:5xx/);
  });

  it('tells what is wrong with its filter at its place, asks nothing, and gives up what was typed only when asked', async () => {
    const page = await openDialog('');
    await page.getByLabel('Filter').fill('level>=wran');
    await page.getByText('did you mean "warn"?').waitFor();
    const request = page.getByRole('button', { name: /^Request export/ });
    expect(await request.getAttribute('aria-disabled')).toBe('true');
    await page.keyboard.press('Control+Enter');
    await page.getByLabel('From').fill('27 November');
    await page.getByText('Must be a time').waitFor();
    await page.getByLabel('From').fill('2026-02-30');
    await page.getByText('Must be a time').waitFor();
    await page.getByLabel('From').fill('');
    await page.getByLabel('Limit').fill('0');
    await page.getByText('Must be a whole number from 1').waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('What was entered is not saved').waitFor();
    await page.getByRole('button', { name: 'Go on' }).click();
    expect(await page.getByLabel('Filter').inputValue()).toBe('level>=wran');
    const close = page.getByRole('button', { name: 'Close', exact: true });
    await close.click();
    await page.getByText('What was entered is not saved').waitFor();
    await close.click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    const { total } = await filled.get<{ total: number }>('/v1/logs/exports');
    expect(total).toBe(1);
  });

  it('is made once by two clicks, with its filter as it was typed last', async () => {
    const page = await openDialog('');
    await page.getByLabel('Name', { exact: true }).fill(HOSTILE_NAME);
    await page.getByLabel('Filter').fill('status:500');
    await page.getByRole('button', { name: 'Keep as draft' }).dblclick();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    const { data } = await filled.get<{ data: { description: string; filters: { query: string } }[] }>(
      '/v1/logs/exports',
    );
    expect(data.map(({ description }) => description)).toEqual([HOSTILE_NAME.trim(), 'Errors of the day']);
    expect(data[0]!.filters.query).toBe('status:500');
    await page.getByRole('link', { name: '<img src=x' }).waitFor();
    expect(await page.evaluate(() => 'pwned' in window)).toBe(false);
    await expectPictures(page, 'exports-hostile');
  });

  it('of a client keeps the filters that the form has no field for', async () => {
    await filled.send('POST', '/v1/logs/exports', {
      filters: { status_code: '500,503' },
      description: 'of a client',
    });
    const page = await openPage(filled.weir, '/ui/exports');
    const row = page.getByRole('row').filter({ hasText: 'of a client' });
    await row.getByRole('button', { name: 'Edit' }).click();
    await page.getByText('"status_code":"500,503"').waitFor();
    await page.getByRole('button', { name: 'Keep as draft' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    const { data } = await filled.get<{ data: { filters: unknown }[] }>('/v1/logs/exports');
    expect(data[0]!.filters).toEqual({ status_code: '500,503' });
  });

  it('can be asked for on a phone', async () => {
    const page = await openPage(filled.weir, '/ui/exports', { width: 390, height: 844 });
    await page.getByRole('link', { name: 'Errors of the day' }).waitFor();
    await expectPictures(page, 'exports-390');
    await page.getByRole('button', { name: /^Request data/ }).click();
    await page.getByText(/requests match/).waitFor();
    await expectPictures(page, 'exports-new-390');
    const narrow = await openPage(filled.weir, '/ui/exports/new', { width: 320, height: 640 });
    await narrow.getByText(/requests match/).waitFor();
    expect(await narrow.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(320);
  });

  it('keeps what was typed while weir is away', async () => {
    const away = await startFilled();
    const page = await openPage(away.weir, '/ui/exports/new', { mayDisconnect: true });
    await page.getByText(/requests match/).waitFor();
    await page.getByLabel('Name', { exact: true }).fill('typed before the outage');
    await away.weir.stop();
    await page.getByRole('button', { name: 'Keep as draft' }).click();
    await page.locator('.dfoot').getByText('weir does not answer').waitFor();
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('typed before the outage');
  });

  it('runs with its progress until it is cancelled, and starts again', async () => {
    const page = await openDialog('');
    await page.getByLabel('Name', { exact: true }).fill('All of the day');
    await page.getByRole('button', { name: /^Request export/ }).click();
    const row = page.getByRole('row').filter({ hasText: 'All of the day' });
    // It may have ended already on a fast machine.
    await row.getByText(/in progress|success/).waitFor();
    const cancel = row.getByRole('button', { name: 'Cancel' });
    if ((await cancel.count()) > 0) await cancel.click({ timeout: 3000 }).catch(() => undefined);
    await row.getByText(/stopped|success/).waitFor();
    const again = row.getByRole('button', { name: 'Start again' });
    if ((await again.count()) > 0) await again.click();
    await row.getByText('success').waitFor({ timeout: 30_000 });
    expect(await row.getByRole('button', { name: /^Download/ }).count()).toBe(1);
  });
});
