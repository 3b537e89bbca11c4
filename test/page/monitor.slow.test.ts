// Monitor in a browser: dividing, comparing, zooming, and the way from a point to its requests.
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders } from '../kit/folder.ts';
import { closeReplicas } from '../kit/replica.ts';
import { stopAll } from '../kit/weir.ts';
import { browserIsMissing, closeBrowser, expectPictures, openPage } from './kit/browser.ts';
import { startFilled, type FilledWeir } from './kit/filled-weir.ts';

let filled: FilledWeir;
/** Two hours of the records, in which a replica was down. */
let hours: string;

const chart = (page: Page, title: string) => page.getByRole('img', { name: new RegExp(`^${title},`) });
const paramOf = (page: Page, name: string): string | null => new URL(page.url()).searchParams.get(name);

describe.skipIf(browserIsMissing)('Monitor', () => {
  beforeAll(async () => {
    filled = await startFilled();
    const at = (agoMs: number): string => new Date(filled.facts.endMs - agoMs).toISOString();
    hours = `start=${at(3 * 3_600_000)}&end=${at(3_600_000)}`;
  });
  afterAll(async () => {
    await closeBrowser();
    await stopAll();
    await closeReplicas();
    removeFolders();
  });

  it('divides all charts by metadata, compares them, and leads from a point to exactly its requests', async () => {
    const page = await openPage(filled.weir, `/ui/monitor?${hours}`);
    await chart(page, 'Requests').waitFor();
    // The list of fields has the metadata of recent requests.
    await page.getByText('user-').first().waitFor();
    await page.keyboard.press('b');
    await page.getByRole('option', { name: 'metadata.tier' }).click();
    await page.getByTitle(/^Compared with/).click();
    await page.getByRole('option', { name: 'the time just before' }).click();
    await page.getByRole('img', { name: /^Latency.* free .* pro / }).waitFor();
    await page
      .getByText(/was \d|[+−]\d/)
      .first()
      .waitFor();
    expect([paramOf(page, 'by'), paramOf(page, 'vs')]).toEqual(['metadata.tier', 'previous']);
    for (const title of ['Score: Grounded', 'Feedback: rating']) await chart(page, title).waitFor();
    await expectPictures(page, 'monitor');

    await chart(page, 'Requests').focus();
    for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Enter');
    await expectPictures(page, 'monitor-point');
    const row = page.getByRole('dialog').getByRole('link', { name: /^free/ });
    const counted = Number((await row.getAttribute('title'))!.replace(/\D/g, ''));
    expect(counted).toBeGreaterThan(20);
    await row.click();
    await page.waitForURL('**/ui/logs?**');
    expect(paramOf(page, 'q')).toBe('metadata.tier:free');
    const asked = new URL(page.url()).searchParams;
    const { total } = await filled.get<{ total: { count: number } | number }>(
      `/v1/logs?${asked.toString()}&with=total&limit=1`,
    );
    expect(typeof total === 'number' ? total : total.count).toBe(counted);
  });

  it('zooms all charts with one drag, and goes back', async () => {
    const page = await openPage(filled.weir, `/ui/monitor?${hours}`);
    await chart(page, 'Latency').waitFor();
    const before = page.url();
    const box = (await chart(page, 'Latency').boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.4, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, box.y + 60, { steps: 4 });
    await page.mouse.move(box.x + box.width * 0.6, box.y + 60, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL((url) => url.href !== before);
    const span = Date.parse(paramOf(page, 'end')!) - Date.parse(paramOf(page, 'start')!);
    expect(span).toBeGreaterThan(10 * 60_000);
    expect(span).toBeLessThan(60 * 60_000);
    // One step of the shorter time.
    await page.getByText(/number in (?:\d+ s|1 min)$/).waitFor();
    await chart(page, 'Errors').focus();
    await page.keyboard.press('Backspace');
    await page.waitForURL(before);
  });

  it('shows a chart as a table, and saves it as CSV', async () => {
    const page = await openPage(filled.weir, `/ui/monitor?${hours}`);
    await chart(page, 'Requests').waitFor();
    const menu = page.getByRole('button', { name: 'Requests: table and CSV' });
    await menu.click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download CSV' }).click(),
    ]);
    const rows = readFileSync(await download.path(), 'utf8')
      .trim()
      .split('\r\n');
    expect(rows[0]).toBe('time,requests');
    await menu.click();
    await page.getByRole('button', { name: 'As a table' }).click();
    const table = page.getByRole('region', { name: 'Requests, as a table' });
    expect(await table.getByRole('row').count()).toBe(rows.length);
    expect(download.suggestedFilename()).toMatch(/^weir-requests-.*\.csv$/);
  });

  it('says what is wrong with an address, in the words of weir', async () => {
    const page = await openPage(filled.weir, `/ui/monitor?${hours}&vs=never`, { statuses: [400] });
    const said = page.getByRole('alert');
    await said.waitFor();
    expect(await said.textContent()).toMatch(
      /vs: must be "previous", "day", "week" or a duration, not "never"/,
    );
  });

  it('fits a phone', async () => {
    const page = await openPage(filled.weir, `/ui/monitor?${hours}`, { width: 390, height: 844 });
    await chart(page, 'Requests').waitFor();
    await expectPictures(page, 'monitor-phone');
  });
});
