// Logs in a real browser: the live tail without gap and double, and a long list.
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders } from '../kit/folder.ts';
import { closeReplicas } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { stopAll } from '../kit/weir.ts';
import { browserIsMissing, closeBrowser, expectPictures, openPage } from './kit/browser.ts';
import { startCutProxy, type CutProxy } from './kit/cut-proxy.ts';
import { startFilled, type FilledWeir } from './kit/filled-weir.ts';

let filled: FilledWeir;
let proxy: CutProxy;

beforeAll(async () => {
  filled = await startFilled();
  proxy = await startCutProxy(filled.weir.admin);
});

afterAll(async () => {
  await closeBrowser();
  await proxy.close();
  await stopAll();
  await closeReplicas();
  removeFolders();
});

const rowsOf = (page: Page): Locator => page.locator('.rows .l:not([hidden])');

/** Stores lines `word 1` to `word n`, of which the store keeps the order. */
async function post(word: string, from: number, to: number): Promise<void> {
  const lines = Array.from({ length: to - from + 1 }, (_, i) => `${word} ${from + i}`);
  const res = await fetch(`${filled.weir.admin}/v1/logs?replica=abc12`, {
    method: 'POST',
    headers: { 'Content-Type': 'text/plain' },
    body: lines.join('\n'),
  });
  expect(res.status).toBe(200);
}

/** Number of rows of the list. */
const countOf = (page: Page): Promise<number> =>
  page.locator('.rows').evaluate((grid) => Number(grid.getAttribute('aria-rowcount')) - 1);

/** Messages of all rows, in their order: scrolls through the list. */
const messagesOf = (page: Page): Promise<string[]> =>
  page.locator('.rows').evaluate(async (grid) => {
    const found = new Map<number, string>();
    const read = (): void => {
      for (const row of grid.querySelectorAll('.l:not([hidden])'))
        found.set(Number(row.getAttribute('aria-rowindex')), row.querySelector('.c-message')!.textContent);
    };
    const frame = (): Promise<unknown> => new Promise((resolve) => requestAnimationFrame(resolve));
    for (let top = 0; top <= grid.scrollHeight; top += 24 * 40) {
      grid.scrollTo(0, top);
      await frame();
      await frame();
      read();
    }
    return [...found].sort(([a], [b]) => a - b).map(([, text]) => text);
  });

/** `word n` down to `word 1`. */
const expected = (word: string, n: number): string[] =>
  Array.from({ length: n }, (_, i) => `${word} ${n - i}`);

describe.skipIf(browserIsMissing)('the live tail', { timeout: 60_000 }, () => {
  it('has no gap and no double when one scrolls, catches up, and connections break', async () => {
    const page = await openPage(proxy, '/ui/logs?q=tailed&live=1', { mayDisconnect: true });
    await page.locator('.live .pulse:not(.still)').waitFor();
    await post('tailed', 1, 500);
    await until('they are there', async () => (await countOf(page)) === 500, 20_000);

    await page.locator('.rows').evaluate((grid) => grid.scrollTo(0, 2400));
    await page.getByText('You scrolled').waitFor();
    const top = await page.locator('.rows').evaluate((grid) => grid.scrollTop);
    await post('tailed', 501, 1500);
    await page
      .locator('.live')
      .getByText(/1.?000 new/)
      .waitFor();
    expect(await page.locator('.rows').evaluate((grid) => grid.scrollTop)).toBe(top);
    expect(await countOf(page)).toBe(500);
    await expectPictures(page, 'logs-live');

    proxy.cut();
    await post('tailed', 1501, 1600);
    await page
      .locator('.live')
      .getByText(/1.?100 new/)
      .waitFor();
    await page.keyboard.press('End');
    await until('the list has caught up', async () => (await countOf(page)) === 1600);
    proxy.cut();
    await post('tailed', 1601, 2000);
    await until('it goes on', async () => (await countOf(page)) === 2000);
    expect(await messagesOf(page)).toEqual(expected('tailed', 2000));
    await page.keyboard.press(' ');
    await page.waitForURL((url) => !url.search.includes('live='));
  });

  it('says what it left out, at its place, and loads it', async () => {
    const page = await openPage(filled.weir, '/ui/logs?q=flooded&live=1');
    await page.locator('.live .pulse:not(.still)').waitFor();
    await post('flooded', 1, 100);
    await until('they are there', async () => (await countOf(page)) === 100, 20_000);
    await page.locator('.rows').evaluate((grid) => grid.scrollTo(0, 1200));
    await page.getByText('You scrolled').waitFor();
    await post('flooded', 101, 6000);
    await post('flooded', 6001, 12_000);
    await page
      .getByText(/1.?900 left out/)
      .first()
      .waitFor();
    await page.keyboard.press('End');
    await until('the list has caught up', async () => (await countOf(page)) === 10_101);
    // The oldest of those that waited were left out: the gap is above what was there before.
    await page.locator('.rows').evaluate((grid) => grid.scrollTo(0, 9990 * 24));
    const gap = page.locator('.rows .l.gap:not([hidden])');
    await gap.getByText(/1.?900 records/).waitFor();
    await gap.click();
    await page.keyboard.press('Enter');
    await until('the gap is filled', async () => (await countOf(page)) === 12_000);
    expect(await gap.count()).toBe(0);
    await until('nothing is left out', async () => (await page.getByText(/left out/).count()) === 0);
  });
});

describe.skipIf(browserIsMissing)('a long list', { timeout: 60_000 }, () => {
  it('is read page by page with few elements and no empty row', async () => {
    const { endMs } = filled.facts;
    const range = `start=${new Date(endMs - 86_400_000).toISOString()}&end=${new Date(endMs).toISOString()}`;
    const page = await openPage(filled.weir, `/ui/logs?${range}`);
    await rowsOf(page).first().waitFor();
    const heightOf = (): Promise<number> => page.locator('.rows').evaluate((grid) => grid.scrollHeight);
    for (let rows = await heightOf(); rows < 5000 * 24; rows = await heightOf()) {
      await page.keyboard.press('End');
      await until('more rows are there', async () => (await heightOf()) > rows);
    }
    await page.keyboard.press('Home');
    await page.keyboard.press('PageDown');
    const empty = await page.locator('.rows').evaluate(async (grid) => {
      const frame = (): Promise<unknown> => new Promise((resolve) => requestAnimationFrame(resolve));
      let found = 0;
      for (let i = 0; i < 40; i++) {
        grid.scrollTo(0, ((i * 7919) % 100) * 0.01 * (grid.scrollHeight - 2000));
        await frame();
        await frame();
        const { top, bottom } = grid.getBoundingClientRect();
        const seen = [...grid.querySelectorAll('.l:not([hidden])')].filter((row) => {
          const at = row.getBoundingClientRect();
          return at.bottom > top + 28 && at.top < bottom;
        });
        if (seen.length < 20 || seen.some((row) => row.querySelector('.c-time')!.textContent === '')) found++;
      }
      return found;
    });
    expect(empty).toBe(0);
    expect(await page.locator('.rows .l').count()).toBeLessThanOrEqual(200);
  });
});
