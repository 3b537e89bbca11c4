// Exports in a real browser: a draft, a started one, its file, one that is stopped, one that fails.
import { gunzipSync } from 'node:zlib';
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders } from '../kit/folder.ts';
import { closeReplicas } from '../kit/replica.ts';
import { stopAll } from '../kit/weir.ts';
import { browserIsMissing, closeBrowser, expectPictures, openPage } from './kit/browser.ts';
import { startFilled, type FilledWeir } from './kit/filled-weir.ts';

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
}

/** What the API says of the same request. */
async function previewOf(query: string, from: string): Promise<Preview> {
  const res = await fetch(`${filled.weir.admin}/v1/logs/exports/preview`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ filters: { query, time_of_generation_min: from } }),
  });
  return (await res.json()) as Preview;
}

/** Opens the dialog with a query of the last day, and waits for its preview. */
async function openDialog(query: string): Promise<Page> {
  const page = await openPage(filled.weir, `/ui/exports/new?q=${encodeURIComponent(query)}&since=1d`);
  await page.getByText(/requests match/).waitFor();
  return page;
}

describe.skipIf(browserIsMissing)('an export', () => {
  it('is drafted with the question of Logs, started, and downloaded with as many records as its preview said', async () => {
    const page = await openDialog('status:5xx');
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

  it('tells what is wrong with its filter, and keeps what was typed', async () => {
    const page = await openPage(filled.weir, '/ui/exports/new', { statuses: [400] });
    await page.getByLabel('Filter').fill('level>=wran');
    await page.getByRole('alert').getByText(/wran/).waitFor();
    expect(await page.getByLabel('Filter').inputValue()).toBe('level>=wran');
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
