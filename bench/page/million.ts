// Every page of the web page over a large store, in Chromium: how long until all that it asked is answered.
// Invariant: a page is ready when nothing that it asked is open, and no part of it says that it is busy.
import type { Browser, Page } from 'playwright-core';
import type { LogReport } from '../logs/log-report.ts';
import { atMost } from '../logs/log-report.ts';
import type { FilledFolder, FilledWeir } from './filled-folder.ts';

/** Goal for each page, in milliseconds. */
const GOAL_MS = 5000;
const TIMEOUT_MS = 60_000;
/** No request may be open for this long. */
const IDLE_MS = 1000;

interface Visit {
  readonly name: string;
  readonly title: string;
  readonly path: string;
}

const visits = ({ facts }: FilledFolder): readonly Visit[] => [
  { name: 'overview', title: 'Overview', path: '/ui' },
  { name: 'logs', title: 'Logs, one hour', path: '/ui/logs' },
  { name: 'logs_day', title: 'Logs, a day', path: '/ui/logs?since=24h' },
  { name: 'logs_errors', title: 'Logs, errors of a day', path: '/ui/logs?since=24h&q=level%3Aerror' },
  { name: 'logs_text', title: 'Logs, a word of a day', path: '/ui/logs?since=24h&q=preempted' },
  {
    name: 'logs_none',
    title: 'Logs, a text that no record has',
    path: '/ui/logs?since=24h&q=%22no%20such%20text%22',
  },
  {
    name: 'logs_slow',
    title: 'Logs, an expression and a duration',
    path: '/ui/logs?since=24h&q=%2Fcompl.*5%5Cd%5Cd%2F%20duration%3E2s',
  },
  { name: 'request', title: 'Request', path: `/ui/r/${facts.conversations.chat}` },
  {
    name: 'request_trace',
    title: 'Request with 5,000 spans',
    path: `/ui/r/${facts.longTrace.requestId}`,
  },
  { name: 'monitor', title: 'Monitor, a day', path: '/ui/monitor?since=24h' },
  { name: 'exports', title: 'Exports', path: '/ui/exports' },
  { name: 'settings', title: 'Settings', path: '/ui/settings' },
  { name: 'find', title: 'an id by its end', path: `/ui/id/${facts.failedRequest.slice(-8)}` },
];

/** Open requests of a page, and when the last one ended. */
function watched(page: Page) {
  const state = { open: 0, asked: 0, endedMs: performance.now(), slowest: { ms: 0, url: '' } };
  const begun = new Map<object, number>();
  page.on('request', (request) => {
    begun.set(request, performance.now());
    state.open++;
    if (request.url().includes('/v1/')) state.asked++;
  });
  const ended = (request: object & { url(): string }): void => {
    state.open--;
    state.endedMs = performance.now();
    const ms = state.endedMs - begun.get(request)!;
    if (ms > state.slowest.ms) state.slowest = { ms, url: request.url() };
  };
  page.on('requestfinished', ended);
  page.on('requestfailed', ended);
  return state;
}

export async function measureMillion(
  browser: Browser,
  weir: FilledWeir,
  folder: FilledFolder,
  report: LogReport,
): Promise<void> {
  for (const { name, title, path } of visits(folder)) {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    page.setDefaultTimeout(TIMEOUT_MS);
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    const state = watched(page);
    const beganMs = performance.now();
    await page.goto(weir.admin + path);
    await page.waitForSelector('main > :not(.loading)');
    const shownMs = performance.now() - beganMs;
    if (await page.getByText('There is no page at').isVisible()) throw new Error(`${path}: there is no page`);
    while (state.open > 0 || performance.now() - state.endedMs < IDLE_MS) {
      if (performance.now() - beganMs > TIMEOUT_MS) throw new Error(`${path}: not ready after 60 s`);
      await page.waitForTimeout(50);
    }
    const readyMs = Math.max(shownMs, state.endedMs - beganMs);
    const busy = await page.locator('main [aria-busy="true"], main .loading').count();
    process.stderr.write(
      `${name}: shown ${shownMs.toFixed(0)} ms, ready ${readyMs.toFixed(0)} ms, ${state.asked} questions, slowest ${state.slowest.ms.toFixed(0)} ms ${state.slowest.url.replace(weir.admin, '').slice(0, 70)}${busy > 0 ? `, ${busy} parts busy` : ''} ${errors.join(' ')}\n`,
    );
    report.add(`million_${name}_shown_ms`, `${title}: first content`, shownMs, ' ms');
    report.add(`million_${name}_ms`, `${title}: all answers`, readyMs, ' ms', atMost(GOAL_MS));
    if (process.env['BENCH_PICTURES'] !== undefined)
      await page.screenshot({ path: `${process.env['BENCH_PICTURES']}/${name}.png` });
    await page.close();
  }
}
