// The kit itself: what a page does wrong fails its test, and the filled folder holds what it says.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders } from '../../kit/folder.ts';
import { closeReplicas, startReplica } from '../../kit/replica.ts';
import { until } from '../../kit/until.ts';
import { stopAll } from '../../kit/weir.ts';
import {
  browserIsMissing,
  closeBrowser,
  expectAccessible,
  expectPictures,
  openPage,
  takeProblems,
  type OpenOptions,
} from './browser.ts';
import { startFilled, type FilledWeir } from './filled-weir.ts';

afterAll(async () => {
  await closeBrowser();
  await stopAll();
  await closeReplicas();
  removeFolders();
});

/** Opens a document with this body. */
async function open(
  body: string,
  { policy = '', ...options }: OpenOptions & { readonly policy?: string } = {},
): Promise<Awaited<ReturnType<typeof openPage>>> {
  const { port } = await startReplica((req, res) => {
    if (req.url === '/favicon.ico') return void res.writeHead(204).end();
    if (req.url === '/late') return void setTimeout(() => res.end('late'), 3500);
    if (req.url === '/silent') return void res.destroy();
    if (req.url === '/short') {
      res.writeHead(200, { 'Content-Length': '9' }).write('1234');
      return void setImmediate(() => res.destroy());
    }
    res.writeHead(req.url === '/missing' ? 404 : 200, {
      'Content-Type': 'text/html',
      ...(policy === '' ? {} : { 'Content-Security-Policy': policy }),
    });
    return void res.end(
      `<!doctype html><html lang="en"><title>t</title><main><p>text</p>${body}</main></html>`,
    );
  });
  return openPage({ admin: `http://127.0.0.1:${port}` }, '/', options);
}

describe.skipIf(browserIsMissing)('the browser of the tests', () => {
  it.each([
    ['an error of a script', '<script>throw new Error("broken")</script>', /broken/],
    ['an error on the console', '<script>console.error("bad")</script>', /error on the console: bad/],
    ['an answer with an error', '<script>fetch("/missing")</script>', /status 404 of GET/],
    [
      'a request to another origin',
      '<script>fetch("http://127.0.0.1:9/").catch(()=>{})</script>',
      /another origin/,
    ],
  ])('reports %s', async (_, body, problem) => {
    const page = await open(body);
    await page.waitForLoadState('networkidle');
    expect((await takeProblems(page)).join('\n')).toMatch(problem);
  });

  it.each(['/silent', '/short'])('allows a weir that goes away to break a connection (%s)', async (path) => {
    const body = `<script>fetch("${path}").then((res) => res.text()).catch(() => (document.title = "cut"))</script>`;
    const page = await open(body);
    await page.waitForFunction(() => document.title === 'cut');
    await until('the broken connection is reported', async () =>
      (await takeProblems(page)).some((one) => one.includes('net::ERR_')),
    );

    const expected = await open(body, { mayDisconnect: true });
    await expected.waitForFunction(() => document.title === 'cut');
    expect(await takeProblems(expected)).toEqual([]);
  });

  it('reports what the content policy refuses', async () => {
    const page = await open('<script>window.ran = 1</script>', { policy: "script-src 'none'" });
    expect((await takeProblems(page)).join('\n')).toMatch(/Content Security Policy/);
  });

  it('reports content that moves without an input', async () => {
    const page = await open('<p style="margin-top: 20px">below</p>');
    await page.evaluate(() => (document.querySelector('p')!.style.height = '200px'));
    await until('the shift is reported', async () =>
      (await takeProblems(page)).some((one) => /^layout shift of 0\.\d+/.test(one)),
    );
  });

  it('allows content to move with the answer to an input, however late it comes', async () => {
    const page = await open('<button>Ask</button><p></p><p>below</p>');
    await page.evaluate(() => {
      document.querySelector('button')!.onclick = async () => {
        document.querySelectorAll('p')[1]!.style.height = await (
          await fetch('/late')
        )
          .text()
          .then(() => '200px');
        document.title = 'answered';
      };
    });
    await page.getByRole('button').click();
    await page.waitForFunction(() => document.title === 'answered');
    await page.screenshot();
    expect(await takeProblems(page)).toEqual([]);
  });

  it('reports what is not accessible', async () => {
    const page = await open('<img src="data:,">');
    await expect(expectAccessible(page)).rejects.toThrow(/image-alt/);
    await takeProblems(page);
  });
});

describe.skipIf(browserIsMissing)('a filled weir', () => {
  let filled: FilledWeir;
  beforeAll(async () => {
    filled = await startFilled();
  });

  it('shows its page in both colour schemes without a fault', async () => {
    const { weir, facts, get } = filled;
    expect(facts.records).toBeGreaterThan(99_000);
    for (const id of [...Object.values(facts.conversations), facts.asyncRequest, facts.failedRequest])
      expect(await get(`/v1/logs/${id}`)).toMatchObject({});
    const page = await openPage(weir, '/ui/logs');
    await expectPictures(page, 'kit');
  });
});
