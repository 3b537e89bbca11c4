// What the page costs the browser, in Chromium: first paint, time to rows, frames, delay of inputs, and memory.
// Invariant: times are the browser's own. Each measurement has a page of its own; the browser draws in software.
import type { Browser, Page } from 'playwright-core';
import { median, percentile } from '../stats.ts';
import type { LogReport } from '../logs/log-report.ts';
import { atMost } from '../logs/log-report.ts';
import type { FilledFolder, FilledWeir } from './filled-folder.ts';

const TIMEOUT_MS = 120_000;
const ROWS = '.list [role="row"][aria-rowindex], .list [data-row], .list .row';
const FRAMES = 200;
const SCROLLED_PX = 1200;
const POST_MS = 100;

export interface BrowserSizes {
  readonly opens: number;
  readonly tailSeconds: number;
}

async function newPage(browser: Browser): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  return page;
}

/** First paint in milliseconds after the navigation began, with an empty cache. */
async function firstPaint(browser: Browser, url: string): Promise<number> {
  const page = await newPage(browser);
  await page.goto(url);
  const ms = await page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        new PerformanceObserver((list) => {
          const paint = list.getEntriesByName('first-contentful-paint')[0];
          if (paint !== undefined) resolve(paint.startTime);
        }).observe({ type: 'paint', buffered: true });
      }),
  );
  await page.context().close();
  return ms;
}

/** Times between frames in milliseconds while the list scrolls down. Returns also the most row elements. */
const scrolled = (page: Page): Promise<{ frames: number[]; rows: number }> =>
  page.evaluate(
    async ([frames, px]) => {
      const list = [...document.querySelectorAll<HTMLElement>('.list *')].find(
        (one) =>
          one.scrollHeight > one.clientHeight * 2 && /auto|scroll/.test(getComputedStyle(one).overflowY),
      )!;
      const next = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve));
      const times: number[] = [];
      let rows = 0;
      let last = await next();
      for (let i = 0; i < frames!; i++) {
        list.scrollTop += px!;
        const now = await next();
        times.push(now - last);
        last = now;
        rows = Math.max(rows, list.querySelectorAll('[role="row"]').length);
      }
      return { frames: times, rows };
    },
    [FRAMES, SCROLLED_PX],
  );

/** Delays of typed characters in milliseconds, from the event to the frame after its handlers. */
async function typed(page: Page, text: string): Promise<number[]> {
  await page.evaluate(() => {
    const delays: number[] = [];
    Object.assign(window, { delaysOfBench: delays });
    addEventListener(
      'keydown',
      (event) => requestAnimationFrame(() => delays.push(performance.now() - event.timeStamp)),
      true,
    );
  });
  const bar = page.locator('.tool [role="combobox"], .tool input, .tool textarea').first();
  await bar.click();
  await page.keyboard.type(text, { delay: 60 });
  return page.evaluate(() => (window as unknown as { delaysOfBench: number[] }).delaysOfBench);
}

/**
 * CPU time in milliseconds of the tasks of the page's main thread while `act` runs, the longest first. It does not count
 * other load of the machine.
 */
async function tasksOf(browser: Browser, page: Page, act: () => Promise<unknown>): Promise<number[]> {
  await browser.startTracing(page, { categories: ['toplevel', '__metadata'] });
  await act();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString('utf8')) as {
    readonly traceEvents: readonly TraceEvent[];
  };
  const threads = new Set(
    traceEvents
      .filter(({ name, args }) => name === 'thread_name' && args?.['name'] === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid} ${tid}`),
  );
  return traceEvents
    .filter(({ name, pid, tid }) => name.endsWith('RunTask') && threads.has(`${pid} ${tid}`))
    .map(({ tdur = 0 }) => tdur / 1000)
    .sort((one, other) => other - one);
}

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** CPU time in microseconds. */
  readonly tdur?: number;
  readonly args?: Readonly<Record<string, unknown>>;
}

/** Memory of the page's JavaScript in MB, after collecting garbage. */
async function heapMb(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = (await session.send('Runtime.getHeapUsage')) as { usedSize: number };
  await session.detach();
  return usedSize / 1e6;
}

/** Posts 1,000 lines a second. Resolves when `seconds` are over. */
async function postLines({ admin }: FilledWeir, seconds: number): Promise<number> {
  const endMs = performance.now() + seconds * 1000;
  const beganMs = performance.now();
  let sent = 0;
  while (performance.now() < endMs) {
    const due = Math.floor(performance.now() - beganMs) - sent;
    const lines = Array.from(
      { length: due },
      (_, i) => `INFO step ${sent + i} of the engine took ${i % 90} ms`,
    );
    sent += due;
    if (due > 0) {
      const res = await fetch(
        `${admin}/v1/logs?source=bench&replica=abc12&deployment=dep1&environment=production`,
        {
          method: 'POST',
          body: lines.join('\n'),
          headers: { 'content-type': 'text/plain' },
        },
      );
      if (!res.ok) throw new Error(`POST /v1/logs: ${res.status} ${await res.text()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POST_MS));
  }
  return sent;
}

export async function measureBrowser(
  browser: Browser,
  weir: FilledWeir,
  { facts }: FilledFolder,
  report: LogReport,
  { opens, tailSeconds }: BrowserSizes,
): Promise<void> {
  const add = (name: string, title: string, value: number | undefined, goal?: number, unit = ' ms'): void => {
    process.stderr.write(`${title}: ${value?.toFixed(1)}${unit}\n`);
    report.add(name, title, value, unit, goal === undefined ? undefined : atMost(goal));
  };
  const address = (path: string): string => weir.admin + path;

  const paints: number[] = [];
  for (let i = 0; i < opens; i++) paints.push(await firstPaint(browser, address('/ui/logs?since=24h')));
  report.rounds['first_paint_ms'] = paints;
  add('first_paint_ms', 'first paint, with an empty cache', median(paints), 500);

  const list = await newPage(browser);
  await list.goto(address('/ui/logs?since=24h'));
  await list.waitForFunction((rows) => document.querySelectorAll(rows).length > 5, ROWS);
  const asks: number[] = [];
  for (const query of ['level:error', 'status:200', 'kind:line', 'replica:abc12', 'duration>2s'].slice(
    0,
    opens,
  )) {
    asks.push(
      await list.evaluate(
        async ([q, rows]) => {
          const beganMs = performance.now();
          history.pushState(null, '', `/ui/logs?since=24h&q=${encodeURIComponent(q!)}`);
          const answered = new Promise<void>((resolve) => {
            new PerformanceObserver((seen, observer) => {
              if (
                !seen.getEntries().some(({ name }) => /\/v1\/logs\?/.test(name) && name.includes('preview='))
              )
                return;
              observer.disconnect();
              requestAnimationFrame(() => requestAnimationFrame(() => resolve()));
            }).observe({ type: 'resource' });
          });
          dispatchEvent(new PopStateEvent('popstate'));
          await answered;
          if (document.querySelectorAll(rows!).length === 0) throw new Error('no rows');
          return performance.now() - beganMs;
        },
        [query, ROWS],
      ),
    );
  }
  report.rounds['rows_ms'] = asks;
  add('rows_ms', 'a new question until its rows are drawn, 100,000 records in scope', median(asks), 300);
  await list.context().close();

  const scroll = await newPage(browser);
  await scroll.goto(address('/ui/logs?since=24h'));
  await scroll.waitForFunction((rows) => document.querySelectorAll(rows).length > 5, ROWS);
  await scrolled(scroll);
  let frames: number[] = [];
  let rows = 0;
  const scrollTasks = await tasksOf(browser, scroll, async () => {
    ({ frames, rows } = await scrolled(scroll));
  });
  report.rounds['frames_ms'] = frames;
  add('frame_p95_ms', `frame while scrolling ${SCROLLED_PX} px a frame, p95`, percentile(frames, 0.95), 34);
  add('frame_p50_ms', 'the same, median', median(frames));
  add('row_elements', 'row elements', rows, 200, '');
  const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);
  add('frame_cpu_ms', 'CPU time of the main thread for such a frame, mean', sum(scrollTasks) / frames.length);
  add('frame_task_ms', 'longest task while scrolling, CPU time', scrollTasks[0]);
  const delays = await typed(scroll, 'replica:abc12 level>=warn ');
  report.rounds['input_ms'] = delays;
  add('input_p95_ms', 'a key in the query bar until its frame, p95', percentile(delays, 0.95), 50);
  await scroll.context().close();

  for (const [name, title, path, ready] of [
    ['trace', 'trace of 5,000 spans', `/ui/r/${facts.longTrace.requestId}`, 'step'],
    ['body', 'body of 1 MB', `/ui/r/${facts.conversations.large}`, 'All work is recorded'],
  ] as const) {
    const page = await newPage(browser);
    await page.goto(address('/ui'));
    await page.waitForSelector('main > :not(.loading)');
    let shownMs = 0;
    const tasks = await tasksOf(browser, page, async () => {
      await page.goto(address(path));
      const beganMs = await page.evaluate(() => performance.timeOrigin);
      await page.waitForFunction((text) => document.querySelector('main')?.textContent.includes(text), ready);
      shownMs = Date.now() - beganMs;
      await page.waitForLoadState('networkidle');
    });
    add(`${name}_ms`, `${title}, from its address until it is shown`, shownMs, 1000);
    add(`${name}_task_ms`, `${title}: longest task, CPU time`, tasks[0], 100);
    add(`${name}_cpu_ms`, `${title}: all tasks, CPU time`, sum(tasks));
    await page.context().close();
  }

  const live = await newPage(browser);
  await live.goto(address('/ui/logs?live=1&q=source%3Abench'));
  await live.waitForSelector('main > :not(.loading)');
  const heaps: number[] = [];
  let posted = 0;
  for (let i = 0; i < 6; i++) {
    posted += await postLines(weir, tailSeconds / 6);
    heaps.push(await heapMb(live));
  }
  report.rounds['tail_heap_mb'] = heaps;
  add(
    'tail_heap_mb',
    `memory of JavaScript after ${tailSeconds} s of ${Math.round(posted / tailSeconds)} lines/s`,
    heaps.at(-1),
    200,
    ' MB',
  );
  // Of the second half, when the list is full.
  add('tail_growth_mb', 'its growth in the second half', heaps.at(-1)! - heaps[2]!, undefined, ' MB');
  await live.context().close();
}
