// Logs in a real browser: the query bar, facets, the time, details, context, and hostile records.
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders } from '../kit/folder.ts';
import { closeReplicas } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { stopAll } from '../kit/weir.ts';
import { browserIsMissing, closeBrowser, expectAccessible, expectPictures, openPage } from './kit/browser.ts';
import { startFilled, type FilledWeir } from './kit/filled-weir.ts';

interface LogsJson {
  readonly logs: readonly {
    readonly seq: number;
    readonly message: string;
    readonly replica?: string;
    readonly timestamp: string;
  }[];
  readonly total: { readonly count: number; readonly is_exact: boolean };
}

let filled: FilledWeir;
/** All filled records, and those of the last three hours, as parameters: relative times would move under the counts. */
let day = '';
let hours = '';

beforeAll(async () => {
  filled = await startFilled();
  const { endMs } = filled.facts;
  const range = (ms: number): string =>
    `start=${new Date(endMs - ms).toISOString()}&end=${new Date(endMs).toISOString()}`;
  day = range(86_400_000);
  hours = range(3 * 3_600_000);
});

afterAll(async () => {
  await closeBrowser();
  await stopAll();
  await closeReplicas();
  removeFolders();
});

const open = (address: string, options: Parameters<typeof openPage>[2] = {}): Promise<Page> =>
  openPage(filled.weir, `/ui/logs${address}`, options);

const queryOf = (page: Page): Locator => page.getByRole('combobox', { name: 'Query' });
const rowsOf = (page: Page): Locator => page.locator('.rows .l:not([hidden])');
/** The number of matching records that the page shows. */
const countOf = (page: Page): Locator => page.locator('.cntnum');

const plain = (text: string): string => text.replaceAll(/[\u202f\u00a0]/g, '');

/** Waits until the page shows this number of matching records. */
const expectCount = (page: Page, count: number): Promise<unknown> =>
  until(
    `${count} records`,
    async () => {
      const shown = plain((await countOf(page).textContent()) ?? '');
      if (shown.startsWith('at least')) await askAgain(page);
      return shown.startsWith(String(count));
    },
    20_000,
  );

/** Asks again by the key of the page, wherever the focus is: on a busy machine one try may not count all. */
async function askAgain(page: Page): Promise<void> {
  const counted = page.waitForResponse(/with=total/);
  await page.evaluate(() =>
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'r', bubbles: true })),
  );
  await counted;
}

/** Matching records by the API; `search`: its parameters. It asks again as well. */
async function total(search: string): Promise<number> {
  let found: LogsJson['total'] = { count: 0, is_exact: false };
  await until('all matching records are counted', async () => {
    ({ total: found } = await filled.get<LogsJson>(`/v1/logs?limit=1&with=total&${search}`));
    return found.is_exact;
  });
  return found.count;
}

/** Texts of the rows at the top, in order. */
const firstRows = (page: Page): Promise<string[]> =>
  rowsOf(page).evaluateAll((rows) =>
    rows
      .map((row) => ({ at: Number(row.getAttribute('aria-rowindex')), text: row.textContent ?? '' }))
      .sort((a, b) => a.at - b.at)
      .slice(0, 20)
      .map(({ text }) => text),
  );

describe.skipIf(browserIsMissing)('the query bar', { timeout: 60_000 }, () => {
  it('finds what the API finds, with each part in its colour', async () => {
    const page = await open(`?${hours}`);
    await rowsOf(page).first().waitFor();
    const q =
      'level>=warn replica:jm2q4 environment:production "out of memory" -health /GPU \\d+/ duration>2s OR (status:500 path:/v1/*)';
    await queryOf(page).click();
    await page.keyboard.insertText(q);
    await page.keyboard.press('Enter');
    const expected = await total(`${hours}&q=${encodeURIComponent(q)}`);
    expect(expected).toBeGreaterThan(10);
    await expectCount(page, expected);
    for (const one of ['qk', 'qo', 'qv', 'qs', 'qr', 'qn', 'qw'])
      expect(await page.locator(`.q .t .${one}`).count(), one).toBeGreaterThan(0);
    const { logs } = await filled.get<LogsJson>(`/v1/logs?${hours}&limit=20&q=${encodeURIComponent(q)}`);
    const shown = await firstRows(page);
    for (const [i, { timestamp }] of logs.entries()) expect(shown[i]).toContain(timestamp.slice(11, 19));
    await expectPictures(page, 'logs');
  });

  it('shows a typo at its place without asking, and asks after Tab', async () => {
    const page = await open(`?${hours}`);
    await rowsOf(page).first().waitFor();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await queryOf(page).click();
    await page.keyboard.type('level>=wran');
    await page.getByText('unknown level "wran"').waitFor();
    expect(await page.locator('.q .t .qbad').textContent()).toBe('wran');
    await page.getByText('not asked: 1 problem').waitFor();
    expect(asked.filter((url) => url.includes('wran'))).toEqual([]);
    await expectPictures(page, 'logs-query');
    await page.keyboard.press('Tab');
    expect(await queryOf(page).inputValue()).toBe('level>=warn');
    await expectCount(page, await total(`${hours}&q=level%3E%3Dwarn`));
    expect(page.url()).toContain('q=level');
  });

  it('completes fields and values by keys, with counts of the time that is shown', async () => {
    const page = await open(`?${hours}`);
    await rowsOf(page).first().waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('repl');
    await page.getByRole('option', { name: 'replica' }).first().waitFor();
    await page.keyboard.press('Tab');
    await until('the field is taken', async () => (await queryOf(page).inputValue()) === 'replica:');
    await page.getByRole('option', { name: 'jm2q4' }).waitFor();
    await page.keyboard.type('j');
    const option = page.getByRole('option', { name: /^jm2q4/ });
    await until('one value fits', async () => (await option.getAttribute('aria-selected')) === 'true');
    const { values } = await filled.get<{ values: { value: string; count: number }[] }>(
      `/v1/logs/fields/replica/values?${hours}`,
    );
    const known = values.find(({ value }) => value === 'jm2q4')!;
    expect(plain((await option.textContent()) ?? '')).toContain(String(known.count));
    await page.keyboard.press('Tab');
    expect(await queryOf(page).inputValue()).toBe('replica:jm2q4 ');
    await page.keyboard.press('Enter');
    await expectCount(page, await total(`${hours}&q=replica:jm2q4`));
    await page.keyboard.press('Control+z');
    expect(await queryOf(page).inputValue()).not.toBe('replica:jm2q4 ');
  });
});

describe.skipIf(browserIsMissing)('facets', { timeout: 60_000 }, () => {
  it('set conditions that Back takes back, with scroll and open record', async () => {
    const page = await open(`?${hours}`);
    const facet = page.getByRole('complementary', { name: 'Facets' });
    await facet.getByRole('checkbox', { name: /Replica jm2q4/ }).click();
    await expectCount(page, await total(`${hours}&q=replica:jm2q4`));
    expect(await queryOf(page).inputValue()).toBe('replica:jm2q4');
    // A facet does not count by its own condition.
    await facet.getByRole('checkbox', { name: /Replica def34/ }).waitFor();
    await facet.getByRole('checkbox', { name: /Level error/ }).click({ modifiers: ['Alt'] });
    await until('the level is excluded', async () =>
      (await queryOf(page).inputValue()).includes('-level:error'),
    );
    await expectCount(page, await total(`${hours}&q=replica:jm2q4%20-level:error`));

    await page.goBack();
    await expectCount(page, await total(`${hours}&q=replica:jm2q4`));
    await page.locator('.rows').evaluate((box) => box.scrollTo(0, 2400));
    await until('the place is kept', () =>
      page.evaluate(() => (history.state as { top?: number }).top === 2400),
    );
    const row = page.locator('.rows .l[aria-rowindex="105"]');
    await row.click();
    await page.keyboard.press('Enter');
    await page.locator('.det').waitFor();
    const address = page.url();
    expect(address).toContain('open=');
    const text = (await row.textContent())!;
    await page.getByRole('link', { name: 'Overview', exact: true }).click();
    await page.waitForURL(/\/ui\/(?:\?.*)?$/);
    await page.goBack();
    await page.locator('.det').waitFor();
    expect(page.url()).toBe(address);
    expect(await row.textContent()).toBe(text);
    expect(await page.locator('.rows').evaluate((box) => box.scrollTop)).toBeGreaterThan(1500);
    await page.reload();
    await page.locator('.det').waitFor();
    await row.waitFor();

    const other = await open(address.slice(address.indexOf('/ui/logs') + '/ui/logs'.length));
    await other.locator('.det').waitFor();
    expect(await queryOf(other).inputValue()).toBe('replica:jm2q4');
  });
});

describe.skipIf(browserIsMissing)('the time', { timeout: 60_000 }, () => {
  it('is chosen by a brush, taken back by Esc, halved and doubled by keys, and absolute in links', async () => {
    const page = await open('?since=24h');
    await page.locator('.histbox .chart rect').first().waitFor();
    const box = (await page.locator('.histbox').boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.4, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + 40, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL(/start=.*end=/);
    const { searchParams } = new URL(page.url());
    const [start, end] = [searchParams.get('start')!, searchParams.get('end')!];
    const bars = await until('the bars count all records', async () => {
      const hits = await filled.get<{ total: number; is_partial?: boolean }>(
        `/v1/logs/hits?start=${start}&end=${end}&step=15m`,
      );
      return hits.is_partial === true ? undefined : hits.total;
    });
    await expectCount(page, bars);
    await page.locator('.brush').waitFor();
    await page.keyboard.press('Escape');
    await page.waitForURL((url) => !url.search.includes('start='));
    await page.keyboard.press('[');
    await page.waitForURL(/since=12h/);
    await page.keyboard.press(']');
    await page.waitForURL(/since=1d/);
    await page.locator('.histbox').focus();
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Shift+ArrowLeft');
    await page.waitForURL(/start=.*end=/);
    await expectCount(page, await total(new URL(page.url()).search.slice(1)));
    await page.keyboard.press('Escape');
    await page.waitForURL((url) => !url.search.includes('start='));
    await page.locator('main').focus();
    await page.keyboard.press('Shift+L');
    await page.getByText('Link copied, with absolute times').first().waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    expect(link).toMatch(/start=.*end=/);
    expect(link).not.toContain('since=');
  });
});

describe.skipIf(browserIsMissing)('a record', { timeout: 60_000 }, () => {
  it('opens with its traceback and request, in context, and as a link', async () => {
    const page = await open(`?${day}&q=%22out+of+memory%22`);
    await rowsOf(page).first().waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    const detail = page.locator('.det');
    await detail.getByText('Traceback', { exact: true }).waitFor();
    await detail.getByText(/^request id$/).waitFor();
    expect(await detail.locator('.tb .ex').last().textContent()).toContain('torch.OutOfMemoryError');
    await expectAccessible(page);

    await page.keyboard.press('x');
    const panel = page.getByRole('complementary', { name: 'Context' });
    const own = panel.locator('.cx.me');
    await own.waitFor();
    const seq = new URL(page.url()).searchParams.get('ctx')!;
    const context = await filled.get<{ before: LogsJson['logs']; after: LogsJson['logs'] }>(
      `/v1/logs/${seq}/context?before=20&after=20`,
    );
    expect(await panel.locator('.cx').count()).toBe(context.before.length + 1 + context.after.length);
    await expectPictures(page, 'logs-context');
    await panel.getByRole('button', { name: 'All', exact: true }).click();
    await until('records of all replicas are there', async () => (await panel.locator('.cx').count()) === 41);
    const before = (await own.boundingBox())!;
    await panel.getByRole('button', { name: '20 earlier' }).click();
    await until('more lines are there', async () => (await panel.locator('.cx').count()) > 50);
    const after = (await own.boundingBox())!;
    expect(Math.abs(after.y - before.y)).toBeLessThan(2);
    await panel
      .getByRole('button', { name: 'Copy a link to this line' })
      .or(panel.getByText('Link to this line'))
      .first()
      .click();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    expect(link).toContain(`ctx=${seq}`);
    await page.keyboard.press('Escape');
    await panel.waitFor({ state: 'detached' });
  });

  it('gives its values as conditions', async () => {
    const page = await open(`?${hours}&q=status:500`);
    await rowsOf(page).first().waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.locator('.det .kvr', { hasText: 'metadata.tier' }).hover();
    const tier = await page.locator('.det .kvr', { hasText: 'metadata.tier' }).locator('.kvv').textContent();
    await page.getByRole('button', { name: /^Only metadata\.tier/ }).click();
    await until('the condition is set', async () =>
      (await queryOf(page).inputValue()).includes(`metadata.tier:${tier}`),
    );
    await expectCount(page, await total(`${hours}&q=status:500%20metadata.tier:${tier}`));
  });

  it('is copied with its neighbours as lines of text', async () => {
    const page = await open(`?${day}&q=level:error`);
    await rowsOf(page).first().waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('Shift+ArrowDown');
    await page.keyboard.press('Shift+ArrowDown');
    await page.keyboard.press('y');
    await page.getByText('3 rows copied').first().waitFor();
    const text = await page.evaluate(() => navigator.clipboard.readText());
    expect(text.split('\n')).toHaveLength(3);
    expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z {2}ERROR/);
  });
});

describe.skipIf(browserIsMissing)('hostile records', { timeout: 60_000 }, () => {
  it('are text, in the list and in the details', async () => {
    const page = await open(`?${hours}&q=hostile&wrap=1`);
    await expectCount(page, await total(`${hours}&q=hostile`));
    await rowsOf(page).first().waitFor();
    const count = await total(`${hours}&q=hostile%20kind:line`);
    for (let i = 0; i < count; i++) {
      await page.keyboard.press('j');
      await page.keyboard.press('Enter');
      await page.locator('.det').waitFor();
      await page.keyboard.press('Enter');
      await page.locator('.det').waitFor({ state: 'detached' });
    }
    const text = await page.locator('.rows').textContent();
    expect(text).toContain('<img src=x onerror="window.pwned=1">');
    for (const hidden of ['\u202e', '\u2066', '\u200b', '\u0000', '\u001b'])
      expect(text).not.toContain(hidden);
    expect(await page.evaluate(() => Object.hasOwn(window, 'pwned'))).toBe(false);
    expect(await page.locator('.rows img, .rows script, .rows a[href^="javascript"]').count()).toBe(0);
    await expectPictures(page, 'logs-hostile');
  });
});

describe.skipIf(browserIsMissing)('a download', { timeout: 60_000 }, () => {
  it('has the records that are counted, and says that it is complete', async () => {
    const page = await open(`?${day}&q=level:error`);
    await rowsOf(page).first().waitFor();
    const expected = await total(`${day}&q=level:error`);
    await page.getByRole('button', { name: 'Download', exact: true }).click();
    const begun = page.waitForEvent('download');
    await page.getByRole('button', { name: /^Download \d/ }).click();
    const file = await begun;
    await page.getByText(/rows, .*complete/).waitFor();
    const stream = await file.createReadStream();
    let text = '';
    for await (const chunk of stream) text += String(chunk);
    expect(file.suggestedFilename()).toMatch(/^weir-logs-.*\.csv$/);
    // A header, and a record for each; tracebacks have line ends in quotes.
    expect(text.match(/^\d{4}-\d\d-\d\dT/gm)).toHaveLength(expected);
    await expectPictures(page, 'logs-download');
  });
});

describe.skipIf(browserIsMissing)('Logs on a phone', { timeout: 60_000 }, () => {
  it('has rows of two lines and does not scroll sideways', async () => {
    const page = await open(`?${day}`, { width: 390, height: 844 });
    await rowsOf(page).first().waitFor();
    await expectPictures(page, 'logs-phone');
    const small = await open(`?${day}`, { width: 320, height: 700 });
    await rowsOf(small).first().waitFor();
    await until('it fits', () => small.evaluate(() => document.documentElement.scrollWidth <= 320));
  });
});
