// The overview in a real browser: a replica that dies, one that is drained, the first request, a weir that goes away.
import type { Page } from 'playwright-core';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import type { OverviewJson } from '../../src/control/admin/overview/overview-json.ts';
import { call } from '../kit/client.ts';
import { folder, removeFolders } from '../kit/folder.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';
import { browserIsMissing, closeBrowser, expectPictures, openPage } from './kit/browser.ts';
import { INCIDENT } from './fixtures/overview.ts';

afterAll(closeBrowser);

/** Ends all servers after the test and its page. */
const endAfterTest = (): void =>
  onTestFinished(async () => {
    await stopAll();
    await closeReplicas();
    removeFolders();
  });

const post = (weir: Weir, path = '/predict') => call(weir.url, path, { method: 'POST', body: '{}' });

/** Starts weir before two replicas, `dying` keeps requests open until it is closed. */
async function startTwo() {
  endAfterTest();
  const dying = await startReplica((req, res) => void (req.method === 'POST' || res.end('ok')));
  const living = await startReplica((_, res) => void res.end('{}'));
  const weir = await startWeir([
    `--data-dir=${folder()}`,
    `--replica=${dying.url}`,
    `--replica=${living.url}`,
    '--deployment-concurrency-target=4',
  ]);
  await weir.expectMetric('weir_replica_ready{deployment_id="local",replica="r0"}', 1);
  await weir.expectMetric('weir_replica_ready{deployment_id="local",replica="r1"}', 1);
  return { dying, living, weir };
}

/** Starts weir before a replica that answers, and sends some requests. */
async function startServed(): Promise<Weir> {
  endAfterTest();
  const replica = await startReplica((req, res) => {
    if (req.url === '/missing') res.statusCode = 404;
    res.end('{}');
  });
  const weir = await startWeir([`--data-dir=${folder()}`, `--replica=${replica.url}`]);
  for (const path of ['/predict', '/predict', '/missing']) await post(weir, path);
  return weir;
}

const rowOf = (page: Page, replica: string) => page.locator('.rt tbody tr').filter({ hasText: replica });

describe.skipIf(browserIsMissing)('the overview', () => {
  it('names a replica that dies, says why, and opens the requests that failed with it', async () => {
    const { dying, weir } = await startTwo();
    const page = await openPage(weir, '/ui/');
    await page.locator('.verdict').getByText('All is well').waitFor();

    const running = Array.from({ length: 4 }, () => post(weir));
    await until('the dying replica has requests', () => dying.open > 0);
    await dying.close();
    await Promise.all(running);

    const verdict = page.locator('.verdict');
    await verdict.getByText(/^Degraded since \d\d:\d\d:\d\d/).waitFor();
    expect(await verdict.innerText()).toContain('Replica r0 is down: connection refused');
    expect(await rowOf(page, 'r0').innerText()).toMatch(/down[^]*connection refused/);
    // The worst one is the first.
    expect(await page.locator('.rt tbody tr').first().innerText()).toContain('r0');
    await expectPictures(page, 'overview');

    // Further requests may have reached the replica before it was closed.
    const failed = verdict.getByRole('link', { name: /^[1-4] requests?/ });
    const cut = Number.parseInt(await failed.innerText(), 10);
    await failed.click();
    const rows = page.locator('.rows .l:not([hidden])');
    await until('the failed requests are shown', async () => {
      const texts = await rows.allTextContents();
      return texts.length === cut && texts.every((text) => text.includes('502'));
    });
    expect(page.url()).toContain('replica:r0');
  });

  it('opens all failed requests, also those that the replica answered', async () => {
    endAfterTest();
    const replica = await startReplica((req, res) => {
      res.statusCode = req.url === '/missing' ? 404 : req.url === '/broken' ? 500 : 200;
      res.end('{}');
    });
    const weir = await startWeir([`--data-dir=${folder()}`, `--replica=${replica.url}`]);
    for (const path of ['/predict', '/broken', '/missing', '/broken']) await post(weir, path);
    const page = await openPage(weir, '/ui/');
    await page.getByRole('link', { name: 'all in Logs' }).click();
    const rows = page.locator('.rows .l:not([hidden])');
    await until('the failed requests are shown', async () => {
      const texts = await rows.allTextContents();
      return texts.length === 3 && texts.every((text) => /\b(?:404|500)/.test(text));
    });
  });

  it('drains a replica after a second click, and takes it back', async () => {
    const { dying, weir } = await startTwo();
    const page = await openPage(weir, '/ui/');
    const running = Array.from({ length: 2 }, () => post(weir));
    await until('a request runs', () => dying.open > 0);

    const row = rowOf(page, 'r0');
    await row.getByText('1 of 4').waitFor();
    await row.getByRole('button', { name: 'Drain' }).click();
    await row.getByText('1 request runs on it; it gets no more.').waitFor();
    await page.keyboard.press('Escape');
    await row.getByText('1 request runs on it').waitFor({ state: 'detached' });

    await row.getByRole('button', { name: 'Drain' }).click();
    await expectPictures(page, 'overview-drain');
    await row.getByRole('button', { name: 'Drain' }).click();
    await row.getByText('draining').waitFor();
    const toast = page.locator('.toast');
    expect(await toast.innerText()).toContain('r0 is drained; 1 request still runs on it.');
    await toast.getByRole('button', { name: 'Undo' }).click();
    await row.getByText('ready').waitFor();
    await dying.close();
    await Promise.all(running);
  });

  it('shows how to send the first request, and the figures after it', async () => {
    const { living, weir } = await startTwo();
    expect(living.open).toBe(0);
    const page = await openPage(weir, '/ui/');
    const first = page.locator('.first');
    await first.getByText('Waiting for the first request').waitFor();
    const commands = await first.locator('pre').allInnerTexts();
    expect(commands).toHaveLength(2);
    expect(commands[0]).toContain(`curl -i http://127.0.0.1:`);
    await expectPictures(page, 'overview-first-run');
  });

  it('says that weir is away, and goes on by itself when it is back', async () => {
    endAfterTest();
    const replica = await startReplica((_, res) => void res.end('{}'));
    const data = folder();
    const start = (admin: string) =>
      startWeir([`--data-dir=${data}`, `--replica=${replica.url}`, `--admin=${admin}`]);
    const weir = await start('127.0.0.1:0');
    await weir.expectMetric('weir_replica_ready{deployment_id="local",replica="r0"}', 1);
    const page = await openPage(weir, '/ui/', { mayDisconnect: true });
    await page.locator('.verdict').getByText('All is well').waitFor();
    const { adminPort } = weir;
    await weir.stop('SIGKILL');

    await page.getByRole('alert').getByText('weir has not answered since').waitFor();
    // What was shown stays, and says its age.
    await page
      .locator('.stale')
      .getByText(/these are \d+/)
      .waitFor();
    expect(await page.locator('.verdict').innerText()).toContain('All is well');
    await expectPictures(page, 'overview-away');

    await start(`127.0.0.1:${adminPort}`);
    await page.getByRole('alert').waitFor({ state: 'detached' });
    await page.locator('.stale').waitFor({ state: 'detached' });
    await page.locator('.foot').getByText('connected').waitFor();
  });
});

describe.skipIf(browserIsMissing)('the overview for all eyes', () => {
  it.each([
    ['on a phone', 'overview-phone', { width: 390, height: 844 }],
    ['320 px wide', 'overview-320', { width: 320, height: 640 }],
    // 1440 × 900 at 200 %.
    ['at 200 %', 'overview-200', { width: 720, height: 450 }],
    ['with forced colours', 'overview-forced', { hasForcedColors: true }],
    ['with reduced motion', 'overview-still', { hasReducedMotion: true }],
  ] as const)('fits %s', async (_, journey, options) => {
    const weir = await startServed();
    const page = await openPage(weir, '/ui/', options);
    await page.locator('.kpi').first().waitFor();
    await expectPictures(page, journey);
  });

  it('shows times in UTC or in the zone of the browser, and says which', async () => {
    const weir = await startServed();
    const page = await openPage(weir, '/ui/', { timezone: 'Asia/Kolkata' });
    await page.locator('.kpi').first().waitFor();
    await page.getByRole('button', { name: 'Table' }).click();
    const minute = page.locator('.traffic tbody td').first();
    const utc = await minute.innerText();
    await page.keyboard.press('u');
    await page.getByRole('button', { name: /^local/ }).waitFor();
    const minutes = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
    const ahead = (minutes(await minute.innerText()) - minutes(utc) + 1440) % 1440;
    expect([330, 331]).toContain(ahead);
    await page.reload();
    await page.getByRole('button', { name: /^local/ }).waitFor();
  });

  it('counts on by the clock in the night in which it is put back', async () => {
    const weir = await startServed();
    const page = await openPage(weir, '/ui/exports', { timezone: 'Europe/Berlin' });
    // 02:30 CET; the hour before 02:00 CET is called 02:00 to 03:00, too.
    const end_ns = String(BigInt(Date.UTC(2026, 9, 25, 1, 30)) * 1_000_000n);
    const overview: OverviewJson = {
      ...INCIDENT,
      at_ns: end_ns,
      figures: { ...INCIDENT.figures, end_ns },
      traffic: { ...INCIDENT.traffic, end_ns },
    };
    await page.route('**/v1/overview', (route) => route.fulfill({ json: overview }));
    await page.getByRole('link', { name: 'Overview', exact: true }).click();
    await page.locator('.kpi').first().waitFor();
    await page.keyboard.press('u');
    await page.getByRole('button', { name: 'Table' }).click();
    const times = await page.locator('.traffic tbody tr td:first-child').allInnerTexts();
    expect(times).toHaveLength(60);
    expect([times[0], times[29], times[30], times[59]]).toEqual(['02:29', '02:00', '02:59', '02:30']);
    await expectPictures(page, 'overview-clock-put-back');
  });
});
