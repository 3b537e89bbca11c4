// A real browser for tests of the page: one Chromium for each test file, a context of its own for each page.
// Invariant: a test fails at its end if its page reported an error, broke its content policy, asked another origin or
// moved what was shown, unless the test has said that it expects it.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';
import { ROOT } from '../../kit/weir.ts';
import { isMissing } from '../../kit/program.ts';

/** Debian's packages. The shell has no windows of its own, so that a page takes a fifth of the CPU time. */
const PROGRAMS = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'] as const;
const CHROMIUM = process.env['CHROMIUM'] ?? PROGRAMS.find((path) => existsSync(path)) ?? PROGRAMS[0];
/** Pictures of pages, and traces of tests that failed. Not in git. */
const ARTEFACTS = join(ROOT, 'artefacts/page');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** True if tests with a browser must be skipped. In CI they fail instead. */
export const browserIsMissing = isMissing(CHROMIUM);

export interface OpenOptions {
  /** Default light. */
  readonly scheme?: 'light' | 'dark';
  /** CSS pixels; default 1440 × 900. */
  readonly width?: number;
  readonly height?: number;
  /** Key of the admin API, as if it was entered and kept for the tab. */
  readonly key?: string;
  /** HTTP statuses from 400 on that the test expects. */
  readonly statuses?: readonly number[];
  /** True: weir goes away during the test. */
  readonly mayDisconnect?: boolean;
  /** IANA name of the browser's zone; default UTC. */
  readonly timezone?: string;
  readonly hasReducedMotion?: boolean;
  readonly hasForcedColors?: boolean;
  /** Another page of the same context: it shares the storage, as a second tab does. */
  readonly beside?: Page;
}

interface Opened {
  readonly problems: string[];
  readonly options: OpenOptions;
}

let browser: Promise<Browser> | undefined;
const opened = new Map<Page, Opened>();

/** The browser; it is started first if it does not run. */
export const launched = (): Promise<Browser> =>
  (browser ??= chromium.launch({
    executablePath: CHROMIUM,
    // Chromium has no sandbox for root.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  }));

/** Ends the browser. To be called after the last test of a file. */
export async function closeBrowser(): Promise<void> {
  const running = await browser;
  browser = undefined;
  await running?.close();
}

/** Opens an address of the page, and waits until its content is shown. To be called in a test. */
export async function openPage(
  weir: { readonly admin: string },
  path: string,
  options: OpenOptions = {},
): Promise<Page> {
  const context = options.beside?.context() ?? (await newContext(options));
  const page = await context.newPage();
  const one: Opened = { problems: [], options };
  opened.set(page, one);
  watch(page, one, weir.admin);
  if (options.beside === undefined) onTestFinished(({ task }) => finish(page, task));
  await page.goto(weir.admin + path);
  await page.waitForFunction(() => document.querySelector('main > :not(.loading)') !== null);
  return page;
}

async function newContext(options: OpenOptions): Promise<BrowserContext> {
  const { scheme = 'light', width = 1440, height = 900, key = '', timezone = 'UTC' } = options;
  const context = await (
    await launched()
  ).newContext({
    viewport: { width, height },
    colorScheme: scheme,
    timezoneId: timezone,
    locale: 'en-GB',
    reducedMotion: options.hasReducedMotion === true ? 'reduce' : 'no-preference',
    forcedColors: options.hasForcedColors === true ? 'active' : 'none',
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  context.setDefaultTimeout(30_000);
  await context.addInitScript(prepare, key);
  await context.tracing.start({ screenshots: false, snapshots: true });
  return context;
}

/** What `prepare` collects in the page. */
interface Seen {
  /** What has moved without an input since the last call. */
  readonly takeShifts: () => string[];
}
declare global {
  interface Window {
    readonly seenByTest: Seen;
  }
}

/** Runs in the page before its scripts: enters the key, and collects what moves without an input of the user. */
function prepare(key: string): void {
  const shifts: { readonly atMs: number; readonly text: string }[] = [];
  /** Times in which content may move: after an input, and after what was asked in such a time is answered. */
  const times: { readonly fromMs: number; readonly toMs: number }[] = [];
  const mayMove = (atMs: number): boolean => times.some(({ fromMs, toMs }) => atMs >= fromMs && atMs < toMs);
  const seen: Seen = {
    takeShifts: () => shifts.splice(0).flatMap(({ atMs, text }) => (mayMove(atMs) ? [] : [text])),
  };
  Object.defineProperty(window, 'seenByTest', { value: seen });
  try {
    if (key !== '' && sessionStorage.getItem('key of test') === null) {
      sessionStorage.setItem('key of test', 'entered');
      sessionStorage.setItem('weir key', key);
    }
  } catch (error) {
    // A document without an origin, before the first address is opened, has no storage.
    if (!(error instanceof DOMException)) throw error;
  }
  /** Content of the answer to an input may move what is below it. In milliseconds. */
  const ownMs = 3000;
  const onInput = (): void => {
    const now = performance.now();
    times.push({ fromMs: now, toMs: now + ownMs });
  };
  for (const type of ['pointerdown', 'keydown', 'wheel', 'input'] as const)
    addEventListener(type, onInput, { capture: true, passive: true });
  // On a busy machine an answer may take longer than that.
  new PerformanceObserver((list) => {
    for (const { startTime, responseEnd } of list.getEntries() as PerformanceResourceTiming[])
      if (mayMove(startTime)) times.push({ fromMs: startTime, toMs: responseEnd + ownMs });
  }).observe({ type: 'resource', buffered: true });
  /** Share of the window that moved, times the distance: 40 px of a panel of 100 px are 0.005. */
  const leastShift = 0.002;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const {
        value,
        sources = [],
        startTime,
      } = entry as PerformanceEntry & {
        readonly value: number;
        readonly sources?: readonly { readonly node?: Node | null }[];
      };
      // Words of another length within a cell or a bar are below this.
      if (value < leastShift) continue;
      // A number at the right edge of its column begins elsewhere when it has another length.
      if (sources.every(({ node }) => node?.nodeName === '#text')) continue;
      const moved = sources.map(({ node }) =>
        node instanceof Element
          ? `<${node.tagName.toLowerCase()} class="${node.className}">`
          : String(node?.nodeName),
      );
      const text = `layout shift of ${value.toFixed(4)} at ${Math.round(startTime)} ms: ${moved.join(', ')}`;
      shifts.push({ atMs: startTime, text });
    }
  }).observe({ type: 'layout-shift', buffered: true });
}

/** Notes what must not happen. */
function watch(page: Page, { problems, options }: Opened, origin: string): void {
  const { statuses = [], mayDisconnect = false } = options;
  page.on('pageerror', (error) => problems.push(`error in the page: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    // Answers with an error are noted with their address below.
    if (text.startsWith('Failed to load resource: the server responded with a status')) return;
    // A connection that breaks has many names, by where it breaks. What a policy refuses is none of them.
    if (mayDisconnect && /net::ERR_(?!BLOCKED)/.test(text)) return;
    if (message.type() === 'error' || message.type() === 'warning')
      problems.push(`${message.type()} on the console: ${text} (${message.location().url})`);
  });
  page.on('response', (response) => {
    const status = response.status();
    if (status >= 400 && !statuses.includes(status))
      problems.push(`status ${status} of ${response.request().method()} ${response.url()}`);
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && !['data:', 'blob:'].includes(url.protocol))
      problems.push(`request to another origin: ${request.url()}`);
  });
}

/** What the page has done so far that it must not; and forgets it. */
export async function takeProblems(page: Page): Promise<string[]> {
  const one = opened.get(page)!;
  if (!page.isClosed()) one.problems.push(...(await page.evaluate(() => window.seenByTest.takeShifts())));
  return one.problems.splice(0);
}

interface Task {
  readonly name: string;
  readonly result?: { readonly state: string } | undefined;
}

/** Closes the context of a page, keeps the trace of a test that failed, and fails the test for the page's problems. */
async function finish(first: Page, task: Task): Promise<void> {
  const context = first.context();
  const problems: string[] = [];
  for (const [page] of opened)
    if (page.context() === context) {
      problems.push(...(await takeProblems(page)));
      opened.delete(page);
    }
  const hasFailed = task.result?.state === 'fail' || problems.length > 0;
  const name = task.name.replace(/[^A-Za-z0-9]+/g, '-').slice(0, 80);
  await context.tracing.stop(hasFailed ? { path: join(ARTEFACTS, `${name}.zip`) } : {});
  await context.close();
  expect(problems.join('\n')).toBe('');
}

/** Nothing of a secret is in the page, its fields, its address or its storage. */
export async function expectNowhere(page: Page, secret: string): Promise<void> {
  const seen = await page.evaluate(() => [
    document.documentElement.outerHTML,
    ...[...document.querySelectorAll('input')].map(({ value }) => value),
    location.href,
    JSON.stringify(Object.entries(localStorage)),
    JSON.stringify(Object.entries(sessionStorage)),
    JSON.stringify(history.state),
  ]);
  expect(seen.filter((text) => text.includes(secret))).toEqual([]);
}

/** Checks the page with axe-core against WCAG 2.2 A and AA. */
export async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as { readonly axe: typeof import('axe-core') };
    const { violations } = await axe.run(document, {
      // Styles are read from the document, not asked for again.
      preload: false,
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
    });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, any, all, none }) => {
        const [first] = [...any, ...all, ...none];
        return `${id} at ${target.join(' ')}: ${first?.message ?? ''}`;
      }),
    );
  });
  expect(found.join('\n')).toBe('');
}

/**
 * Takes a picture of the page in both colour schemes, `artefacts/page/{journey}-{light,dark}.png`, and checks in both that
 * it is accessible and does not scroll sideways.
 */
export async function expectPictures(page: Page, journey: string): Promise<void> {
  mkdirSync(ARTEFACTS, { recursive: true });
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
  const { scheme = 'light' } = opened.get(page)!.options;
  for (const colorScheme of [scheme === 'light' ? 'dark' : 'light', scheme] as const) {
    await page.emulateMedia({ colorScheme });
    await expectAccessible(page);
    await page.screenshot({ path: join(ARTEFACTS, `${journey}-${colorScheme}.png`) });
  }
  const widths = await page.evaluate(() => ({
    inner: innerWidth,
    content: document.documentElement.scrollWidth,
  }));
  expect(widths.content, 'width of the content').toBeLessThanOrEqual(widths.inner);
}
