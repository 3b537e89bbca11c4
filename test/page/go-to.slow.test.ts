// Go to in a real browser: ids that are pasted, ids in addresses, commands, the list of keys.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders } from '../kit/folder.ts';
import { closeReplicas } from '../kit/replica.ts';
import { stopAll } from '../kit/weir.ts';
import { browserIsMissing, closeBrowser, expectPictures, openPage } from './kit/browser.ts';
import { startFilled, type FilledWeir } from './kit/filled-weir.ts';

let filled: FilledWeir;
beforeAll(async () => {
  if (!browserIsMissing) filled = await startFilled();
});
afterAll(async () => {
  await closeBrowser();
  await stopAll();
  await closeReplicas();
  removeFolders();
});

/** Opens the list, and puts a text into its field as a paste does. */
async function paste(page: Page, text: string): Promise<void> {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: 'Id, page' }).waitFor();
  await page.keyboard.insertText(text);
}

const chosen = (page: Page) => page.locator('.pal [role=option][aria-selected=true]');

describe.skipIf(browserIsMissing)('Ctrl K', () => {
  it('opens a request by its id, and by the end of its id', async () => {
    const { weir, facts } = filled;
    const id = facts.asyncRequest;
    const page = await openPage(weir, '/ui/exports');
    await paste(page, ` ${id.toUpperCase()}\n`);
    await chosen(page).getByText(id).waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL(`${weir.admin}/ui/r/${id}`);

    await page.goBack();
    const end = facts.failedRequest.slice(-8);
    await paste(page, end);
    await page
      .locator('.pal')
      .getByText(/^Request, by the end of the id/)
      .waitFor();
    await expectPictures(page, 'palette');
    expect(await chosen(page).locator('mark').innerText()).toBe(end);
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => url.pathname.startsWith('/ui/r/') && url.pathname.endsWith(end));
  });

  it('opens a trace by its id, and asks the id in Logs with Ctrl Enter', async () => {
    const { weir, facts } = filled;
    const { traceId } = facts.longTrace;
    const page = await openPage(weir, '/ui/exports');
    await paste(page, traceId);
    await page
      .locator('.pal')
      .getByText(/^(Trace|Request)/)
      .first()
      .waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL(
      (url) => url.pathname.includes(traceId) || url.pathname.includes(facts.longTrace.requestId),
    );
    await paste(page, traceId);
    await page.keyboard.press('Control+Enter');
    await page.waitForURL(/\/ui\/logs/);
    expect(page.url()).toBe(`${weir.admin}/ui/logs?q=${traceId}`);
  });

  it('says what was looked up if nothing has the id', async () => {
    const page = await openPage(filled.weir, '/ui/exports');
    await paste(page, 'f'.repeat(37));
    const says = page.locator('.pal .says');
    await says.waitFor();
    expect(await says.innerText()).toMatch(/^Nothing has this id\. It was looked up as a request id/);
  });

  it('finds settings by their key, pages and commands, by keyboard alone', async () => {
    const { weir } = filled;
    const page = await openPage(weir, '/ui/exports');
    await paste(page, 'retry_interval');
    await page.locator('.pal').getByText('pool.probe_retry_interval').waitFor();
    await page.keyboard.press('ArrowDown');
    expect(await chosen(page).innerText()).toContain('retry_interval');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/ui\/settings\/config\?find=.*retry_interval/);

    await paste(page, 'light');
    await page.keyboard.press('Escape');
    await page.locator('.pal').waitFor({ state: 'detached' });
    await paste(page, 'dark');
    await page.keyboard.press('Enter');
    await page.locator('html[data-theme=dark]').waitFor({ state: 'attached' });

    await paste(page, 'drain abc12');
    await chosen(page).getByText('Drain abc12').waitFor();
    await page.keyboard.press('Enter');
    await page.getByText('No request runs on it.').waitFor();
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Drain');
    await page.keyboard.press('Escape');
  });

  it('gives the focus back to what had it', async () => {
    const page = await openPage(filled.weir, '/ui/exports');
    const link = page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Monitor' });
    await link.focus();
    await paste(page, 'x');
    await page.keyboard.press('Escape');
    await page.locator('.pal').waitFor({ state: 'detached' });
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Monitor');
  });
});

describe.skipIf(browserIsMissing)('an address with an id', () => {
  it('becomes the address of what the id names', async () => {
    const { weir, facts } = filled;
    const page = await openPage(weir, '/ui/exports');
    await page.goto(`${weir.admin}/ui/id/${facts.failedRequest}`);
    await page.waitForURL(`${weir.admin}/ui/r/${facts.failedRequest}`);
    await page.goBack();
    await page.waitForURL(`${weir.admin}/ui/exports`);
    expect(new URL(page.url()).pathname).toBe('/ui/exports');
  });

  it('says what an unknown id may be', async () => {
    const page = await openPage(filled.weir, `/ui/id/${'0'.repeat(32)}`);
    await page.getByText('Nothing has the id').waitFor();
    await page.getByText(/It was looked up as .*a trace id/).waitFor();
    await expectPictures(page, 'unknown-id');
    await page.goto(`${filled.weir.admin}/ui/id/what`);
    await page.getByText('A request id of weir has 37 hex digits').waitFor();
  });

  it('of no page says which pages there are', async () => {
    const page = await openPage(filled.weir, '/ui/nothing/here');
    await page.getByText('There is no page at /ui/nothing/here').waitFor();
    await expectPictures(page, 'unknown-page');
    await page.locator('main').getByRole('link', { name: 'Overview' }).click();
    await page.locator('.kpi').first().waitFor();
  });
});

describe.skipIf(browserIsMissing)('the keys', () => {
  it('are shown with ?, and single ones can be switched off', async () => {
    const page = await openPage(filled.weir, '/ui/exports');
    await page.keyboard.press('?');
    const help = page.getByRole('dialog', { name: 'Keys' });
    await help.waitFor();
    await expectPictures(page, 'keys');
    await help.getByRole('switch', { name: 'Single keys' }).click();
    await page.keyboard.press('Escape');
    await help.waitFor({ state: 'detached' });
    await page.keyboard.press('?');
    await page.keyboard.press('Control+k');
    await page.locator('.pal').waitFor();
    expect(await help.count()).toBe(0);
  });
});
