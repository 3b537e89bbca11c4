// What a tab asks that is not seen: nothing, on any page. What is seen is asked at its intervals.
import type { Page, Request } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders } from '../kit/folder.ts';
import { closeReplicas } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll } from '../kit/weir.ts';
import { browserIsMissing, closeBrowser, openPage, takeProblems } from './kit/browser.ts';
import { startFilled, type FilledWeir } from './kit/filled-weir.ts';

afterAll(async () => {
  await closeBrowser();
  await stopAll();
  await closeReplicas();
  removeFolders();
});

/** Tells the page that it is hidden or seen, as the browser does when the tab changes. */
const show = (page: Page, visibility: 'hidden' | 'visible'): Promise<void> =>
  page.evaluate((state) => {
    Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
    Object.defineProperty(document, 'hidden', { value: state === 'hidden', configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, visibility);

/** What a page has asked of the API so far, and the questions that have no answer yet. Live tails never end. */
function watchQuestions(page: Page): { readonly asked: string[]; readonly open: Set<Request> } {
  const asked: string[] = [];
  const open = new Set<Request>();
  page.on('request', (request) => {
    const { pathname, search } = new URL(request.url());
    if (!/^\/(?:v1\/|livez)/.test(pathname)) return;
    asked.push(pathname);
    if (!search.includes('follow=1')) open.add(request);
  });
  page.on('requestfinished', (request) => open.delete(request));
  page.on('requestfailed', (request) => open.delete(request));
  return { asked, open };
}

const ANSWERED_MS = 30_000;

/** Opens a page whose clock the test moves, and waits until it is shown and has asked for what it shows. */
async function openWithClock(weir: { readonly admin: string }, path: string) {
  const page = await openPage(weir, '/ui/settings', { mayDisconnect: true });
  await page.clock.install();
  const seen = watchQuestions(page);
  await page.goto(weir.admin + path);
  // Each page is a script of its own, which asks when it has been loaded.
  await page.locator('main > :not(.loading)').first().waitFor();
  // What follows from answers is asked, too.
  for (let round = 0; round < 3; round++) {
    await page.clock.runFor(1000);
    await until('everything is answered', () => seen.open.size === 0, ANSWERED_MS);
  }
  return { page, seen };
}

/** Waits until three seconds in a row of the page's clock have led to no question. */
async function untilQuiet({ page, seen }: Awaited<ReturnType<typeof openWithClock>>): Promise<void> {
  let quiet = 0;
  await until(
    'the page asks nothing more',
    async () => {
      const before = seen.asked.length;
      await page.clock.runFor(1000);
      // A busy browser may hold answers back: what came before this file has reached the page when the file has.
      await page.evaluate(() => fetch('/ui').then((res) => res.text()));
      quiet = seen.asked.length === before && seen.open.size === 0 ? quiet + 1 : 0;
      return quiet === 3;
    },
    ANSWERED_MS,
  );
}

/** Two minutes in which the tab is hidden, and then twenty seconds in which it is seen. */
async function expectNothingWhileHidden(opened: Awaited<ReturnType<typeof openWithClock>>) {
  const { page, seen } = opened;
  await show(page, 'hidden');
  // What was asked before may still be answered, and lead to more questions.
  await untilQuiet(opened);
  seen.asked.length = 0;
  await page.clock.runFor(120_000);
  expect(seen.asked).toEqual([]);

  await show(page, 'visible');
  await page.clock.runFor(20_000);
  await until('the page asks again', () => seen.asked.length > 0);
  // Content may move when the clock leaps.
  const problems = await takeProblems(page);
  expect(problems.filter((one) => !one.startsWith('layout shift'))).toEqual([]);
  await page.close();
}

describe.skipIf(browserIsMissing)('a tab', () => {
  let filled: FilledWeir;
  beforeAll(async () => {
    filled = await startFilled();
  });

  it.each([
    ['Overview', '/ui'],
    ['Logs', '/ui/logs'],
    ['live records', '/ui/logs?live=1'],
    ['Monitor, live', '/ui/monitor?live=1&since=15m'],
    ['Exports', '/ui/exports'],
  ])(
    'that shows %s asks nothing while it is hidden, and asks again when it is seen',
    { timeout: 90_000 },
    async (_, path) => {
      await expectNothingWhileHidden(await openWithClock(filled.weir, path));
    },
  );

  it('that waits for the first record asks nothing while it is hidden', async () => {
    const weir = await startWeir(['--replica=http://127.0.0.1:9', '--logs-capture=metadata']);
    await expectNothingWhileHidden(await openWithClock(weir, '/ui/logs?kind=line'));
  });

  it('does not ask a weir that does not answer while it is hidden', async () => {
    const opened = await openWithClock(filled.weir, '/ui');
    await opened.page.route(/\/(?:v1\/|livez)/, (route) => route.abort('connectionrefused'));
    await opened.page.clock.runFor(10_000);
    await until('the page asks whether weir is back', () => opened.seen.asked.includes('/livez'));
    await expectNothingWhileHidden(opened);
  });
});
