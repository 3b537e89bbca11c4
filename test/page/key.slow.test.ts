// Keys in a real browser: none needed, wanted, wrong, expired, with one scope, and where a key may be found afterwards.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folder, removeFolders } from '../kit/folder.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';
import { browserIsMissing, closeBrowser, expectPictures, openPage } from './kit/browser.ts';

const ADMIN_KEY = 'admin-key-of-this-test-0123456789';

let open: Weir;
let guarded: Weir;
beforeAll(async () => {
  const { url } = await startReplica((_, res) => void res.end('{}'));
  const args = (): string[] => [`--data-dir=${folder()}`, `--replica=${url}`];
  open = await startWeir(args());
  guarded = await startWeir([...args(), `--admin-key=${ADMIN_KEY}`]);
});
afterAll(async () => {
  await closeBrowser();
  await stopAll();
  await closeReplicas();
  removeFolders();
});

/** Makes a key and returns it. `expires`: ISO 8601. */
async function makeKey(name: string, scopes: readonly string[], expires?: string): Promise<string> {
  const res = await fetch(`${guarded.admin}/v1/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name, scopes, ...(expires === undefined ? {} : { expires_at: expires }) }),
  });
  expect(res.status).toBeLessThan(300);
  return ((await res.json()) as { key: string }).key;
}

async function enter(page: Page, key: string): Promise<void> {
  await page.getByLabel('Key of the admin API').fill(key);
  await page.getByRole('button', { name: 'Open', exact: true }).click();
}

/** Everything that outlives the page, and what others could see of it. */
const traces = (page: Page): Promise<string> =>
  page.evaluate(() =>
    JSON.stringify([
      location.href,
      document.cookie,
      Object.entries(localStorage),
      history.state,
      performance.getEntriesByType('resource').map(({ name }) => name),
      document.documentElement.outerHTML,
    ]),
  );

describe.skipIf(browserIsMissing)('the key of the admin API', () => {
  it('is not asked for on this machine as long as there is none', async () => {
    const page = await openPage(open, '/ui/');
    await page.locator('.verdict').waitFor();
    await page.getByRole('button', { name: 'No key' }).click();
    expect(await page.getByRole('dialog', { name: 'No key' }).innerText()).toContain(
      'No key is needed from this machine.',
    );
  });

  it('is asked for, refused if it is wrong, and then opens the address that was wanted', async () => {
    const page = await openPage(guarded, '/ui/settings/keys?find=x', { statuses: [401] });
    await page.getByText('weir wants a key').waitFor();
    await expectPictures(page, 'key');
    await enter(page, 'wrong-key');
    await page.getByRole('alert').getByText('weir does not accept this key.').waitFor();
    expect(await page.getByLabel('Key of the admin API').inputValue()).toBe('wrong-key');
    await enter(page, ADMIN_KEY);
    await page.getByText('weir wants a key').waitFor({ state: 'detached' });
    expect(page.url()).toBe(`${guarded.admin}/ui/settings/keys?find=x`);
    await page.getByRole('navigation', { name: 'Settings' }).waitFor();

    // It is kept nowhere, so a new document needs it again.
    expect(await traces(page)).not.toContain(ADMIN_KEY);
    expect(await page.evaluate(() => JSON.stringify(Object.entries(sessionStorage)))).not.toContain(
      ADMIN_KEY,
    );
    await page.reload();
    await page.getByText('weir wants a key').waitFor();
  });

  it('is kept until the tab is closed if that is wanted, and can be forgotten', async () => {
    const page = await openPage(guarded, '/ui/', { statuses: [401] });
    await page.getByLabel('Keep it until this tab is closed').check();
    await enter(page, ADMIN_KEY);
    await page.locator('.verdict').waitFor();
    await page.reload();
    await page.locator('.verdict').waitFor();
    expect(await traces(page)).not.toContain(ADMIN_KEY);
    const other = await openPage(guarded, '/ui/', { beside: page, statuses: [401] });
    await other.getByText('weir wants a key').waitFor();

    await page.getByRole('button', { name: /^Key: / }).click();
    await page.getByRole('button', { name: 'Forget the key' }).click();
    await page.getByText('weir wants a key').waitFor();
    expect(await page.evaluate(() => JSON.stringify(Object.entries(sessionStorage)))).not.toContain(
      ADMIN_KEY,
    );
    const log = JSON.stringify(guarded.lines) + guarded.stderr;
    expect(log).not.toContain(ADMIN_KEY);
  });

  it('is asked for again with the reason when it expires, and what was typed stays', async () => {
    const key = await makeKey('short', ['logs:read', 'export'], new Date(Date.now() + 5000).toISOString());
    const page = await openPage(guarded, '/ui/exports', { key, statuses: [401, 403] });
    const find = page.getByPlaceholder('Name, id or filter');
    await find.fill('what was typed');
    await page.getByText(/the key has expired/).waitFor({ timeout: 25_000 });
    await enter(page, ADMIN_KEY);
    await find.waitFor();
    expect(await find.inputValue()).toBe('what was typed');
  });

  it('with logs:read alone shows the figures, and says which scope a drain needs', async () => {
    const key = await makeKey('mara', ['logs:read']);
    const page = await openPage(guarded, '/ui/', { key, statuses: [403] });
    await page.locator('.rt').waitFor();
    const drain = page.getByRole('button', { name: 'Drain' });
    await drain.hover();
    expect(await drain.getAttribute('title')).toBe('This needs the scope admin. The key mara has logs:read.');
    await drain.click({ force: true });
    expect(await page.getByText('it gets no more').count()).toBe(0);
    // The address of the replica is for operators.
    expect(await page.locator('main').innerHTML()).not.toContain(`http://127.0.0.1:${guarded.port}`);
    await page.goto(`${guarded.admin}/ui/settings/keys`);
    await page.getByText('This needs the scope admin.').waitFor();
    await expectPictures(page, 'key-scope');
  });
});
