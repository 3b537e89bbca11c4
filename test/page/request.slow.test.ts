// The page of a request in a real browser: its list, its waterfall, its bodies, and what is said of it.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FlatTraceJson } from '../../src/control/admin/records/trace-json.ts';
import type { RequestJson } from '../../src/control/admin/records/request-json.ts';
import { removeFolders } from '../kit/folder.ts';
import { closeReplicas, startReplica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll } from '../kit/weir.ts';
import {
  browserIsMissing,
  closeBrowser,
  expectAccessible,
  expectPictures,
  openPage,
  type OpenOptions,
} from './kit/browser.ts';
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

/** Opens a request, and waits for its content. */
async function openRequest(id: string, search = '', options: OpenOptions = {}): Promise<Page> {
  const page = await openPage(filled.weir, `/ui/r/${id}${search}`, options);
  await page.locator('.lcol').waitFor();
  return page;
}

const shownId = (page: Page): Promise<string> => page.locator('h1.id').innerText();
const rowAt = (page: Page, at: number): ReturnType<Page['locator']> =>
  page.locator(`.wrows [data-at="${at}"]`);
const detailsOf = (id: string): Promise<RequestJson> =>
  filled.get<RequestJson>(`/v1/logs/${id}?with=details`);

describe.skipIf(browserIsMissing)('the page of a request', () => {
  it('goes through a filtered list in its order, over the border of its pages, and back to it', async () => {
    const { endMs } = filled.facts;
    const list = {
      q: 'kind:request status:200',
      start: new Date(endMs - 12 * 3_600_000).toISOString(),
      end: new Date(endMs).toISOString(),
    };
    const query = new URLSearchParams({ ...list, direction: 'asc', limit: '1000', fields: 'seq,request_id' });
    const { logs } = await filled.get<{ logs: { request_id: string }[] }>(`/v1/logs?${query.toString()}`);
    const ids = logs.map(({ request_id: id }) => id);
    expect(ids.length).toBe(1000);
    // The page reads 500 rows at a time.
    const from = `/ui/logs?${new URLSearchParams({ ...list, dir: 'asc' }).toString()}`;
    const page = await openRequest(ids[497]!, `?from=${encodeURIComponent(from)}`);
    await page.getByText('498 of at least 500 in').waitFor();
    for (const at of [498, 499, 500, 501]) {
      await page.keyboard.press('j');
      await until(`request ${at} is shown`, async () => (await shownId(page)) === ids[at]);
      await page.getByText(`${at + 1} of at least`).waitFor();
    }
    await page.keyboard.press('k');
    await until('the one before is shown', async () => (await shownId(page)) === ids[500]);
    await page.goBack();
    await until('Back shows the one after', async () => (await shownId(page)) === ids[501]);
    const back = await page.locator('a.back').getAttribute('href');
    expect(new URL(back!, filled.weir.admin).searchParams.get('q')).toBe(list.q);
  });

  it('shows a trace of 5,000 spans, of which only those in sight are drawn, to its end', async () => {
    const { requestId } = filled.facts.longTrace;
    const page = await openRequest(requestId);
    await page.getByRole('treegrid').waitFor();
    await until('all pages are read', async () =>
      page
        .getByRole('treegrid')
        .getAttribute('aria-rowcount')
        .then((n) => Number(n) > 5000),
    );
    expect(await page.locator('.wrows [role=row]').count()).toBeLessThan(200);
    await rowAt(page, 0).focus();
    await page.keyboard.press('End');
    const last = Number(await page.getByRole('treegrid').getAttribute('aria-rowcount')) - 2;
    await until('the last row has the focus', () =>
      page.evaluate((at) => (document.activeElement as HTMLElement).dataset['at'] === String(at), last),
    );
    await expectPictures(page, 'request-long-trace');
  });

  it('is a tree for the keyboard: down, up, fold, unfold, choose', async () => {
    const page = await openRequest(filled.facts.asyncRequest);
    const trace = await filled.get<FlatTraceJson>(`/v1/traces/${filled.facts.asyncRequest}?shape=flat`);
    const all = trace.spans.length + trace.lines.length;
    await expectRows(page, all);
    await rowAt(page, 0).focus();
    await page.keyboard.press('ArrowLeft');
    await expectRows(page, 1);
    expect(await rowAt(page, 0).getAttribute('aria-expanded')).toBe('false');
    await page.keyboard.press('ArrowRight');
    await expectRows(page, all);
    await page.keyboard.press('ArrowRight');
    await until('the first child has the focus', () =>
      page.evaluate(() => (document.activeElement as HTMLElement).dataset['at'] === '1'),
    );
    const delivery = trace.spans.findIndex(({ type }) => type === 'delivery');
    const row = page.locator('.wrows [role=row]', { hasText: 'delivery 1' });
    await row.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Back to this request' }).waitFor();
    expect(new URL(page.url()).searchParams.get('span')).toBe(trace.spans[delivery]!.span_id);
    expect(await row.getAttribute('aria-selected')).toBe('true');
    await expectPictures(page, 'request-async');
  });

  it('shows lines among the spans, those from WARN on, or none', async () => {
    const page = await openRequest(filled.facts.failedRequest);
    const line = page.locator('.wl');
    await line.first().waitFor();
    await page.getByRole('button', { name: 'No lines' }).click();
    await until('no line is shown', async () => (await line.count()) === 0);
    expect(new URL(page.url()).searchParams.get('lines')).toBe('none');
    await page.getByRole('button', { name: 'warn +' }).click();
    await line.first().click();
    await page.getByText('line of', { exact: false }).first().waitFor();
    expect(await page.locator('.other pre').innerText()).toContain('Traceback (most recent call last):\n');
  });

  it.each([
    ['chat', 'Why was invoice 2041 charged twice?', 'Both carry the same number.'],
    ['responses', 'Name three rivers of Europe.', 'Danube, Rhine and Loire.'],
    ['anthropic', 'image/png', 'Parcel 77-1 left Hamburg'],
    ['tools', 'lookup_order', 'track_parcel'],
    ['large', 'All work is recorded, line by line.', 'That is a long text.'],
    ['cut', 'The beginning of a long text.', 'Only the beginning of the request is kept.'],
    ['hostile', '<img src=x onerror="window.pwned=1">', '</script><script>window.pwned=3</script>'],
  ] as const)('shows the conversation "%s", and its JSON', async (name, input, output) => {
    const page = await openRequest(filled.facts.conversations[name]);
    const chat = page.locator('.msgs');
    expect(await chat.innerText()).toContain(input);
    expect(await chat.innerText()).toContain(output);
    // A text of any length is drawn in pieces.
    expect((await page.locator('main').innerText()).length).toBeLessThan(200_000);
    await page.keyboard.press('2');
    await page.locator('.json').first().waitFor();
    expect(await page.locator('.json').count()).toBe(2);
    await expectAccessible(page);
    await page.keyboard.press('3');
    await page.locator('.both pre').first().waitFor();
    expect((await page.locator('.both pre').nth(1).innerText()).length).toBeGreaterThan(20);
    await expectAccessible(page);
    expect(await page.evaluate(() => 'pwned' in window)).toBe(false);
    await page.keyboard.press('1');
    await chat.waitFor();
    if (name === 'tools') await expectPictures(page, 'request-conversation');
  });

  it('shows bodies that are broken JSON as far as they can be read', async () => {
    const page = await openRequest(filled.facts.conversations.broken);
    await page.locator('.msgs').waitFor();
    await page.keyboard.press('2');
    await page.getByText('The end is missing: Unterminated string', { exact: false }).waitFor();
    await page.keyboard.press('3');
    expect(await page.locator('.both pre').nth(1).innerText()).toBe('{"choices": [');
  });

  it('says why bodies are not there', async () => {
    const page = await openRequest(filled.facts.conversations.notKept);
    await page.getByText('The bodies of this request were not kept', { exact: false }).waitFor();
    await expectPictures(page, 'request-not-kept');
  });

  it('adds a score, a tag, a comment and feedback, and takes one back', async () => {
    const id = filled.facts.conversations.chat;
    const page = await openRequest(id);
    await page.keyboard.press('s');
    await expectFocus(page, 'Name of the score');
    await page.keyboard.type('Grounded');
    await page.keyboard.press('Tab');
    await page.keyboard.type('0.25');
    await page.keyboard.press('Enter');
    await page.locator('.scr', { hasText: 'Grounded' }).waitFor();
    await page.locator('h1.id').click();
    await page.keyboard.press('t');
    await expectFocus(page, 'Tag');
    await page.keyboard.type('triage');
    await page.keyboard.press('Enter');
    await page.locator('.tag', { hasText: 'triage' }).waitFor();
    await page.locator('h1.id').click();
    await page.keyboard.press('m');
    await expectFocus(page, 'Comment');
    await page.keyboard.type('Took the older document.');
    await page.keyboard.press('Control+Enter');
    await page.locator('.cm', { hasText: 'Took the older document.' }).waitFor();
    await page.locator('h1.id').click();
    await page.keyboard.press('-');
    await page.locator('.cm', { hasText: 'of −10 to 10' }).waitFor();
    await until('weir has all of them', async () => {
      const { scores, tags, comments, feedback } = await detailsOf(id);
      return (
        scores.some(({ name, value }) => name === 'Grounded' && value === 0.25) &&
        tags.some(({ tag }) => tag === 'triage') &&
        comments.some(({ text }) => text === 'Took the older document.') &&
        feedback.some(({ value }) => value === -10)
      );
    });
    for (const key of ['s', 't']) {
      await page.locator('h1.id').click();
      await page.keyboard.press(key);
    }
    await page.getByRole('combobox', { name: 'Tag' }).waitFor();
    await expectAccessible(page);
    await page.keyboard.press('Escape');
    await until('nothing is on its way', async () => (await page.getByText('saving…').count()) === 0);
    await expectPictures(page, 'request-annotated');
    await page.getByRole('button', { name: 'Remove the comment' }).click();
    await until('the comment is gone from weir', async () => (await detailsOf(id)).comments.length === 0);
    await until(
      'it is gone from the page',
      async () => (await page.locator('.cm', { hasText: 'Took' }).count()) === 0,
    );
  });

  it('takes a refused comment back, says why, and keeps its text', async () => {
    const page = await openRequest(filled.facts.conversations.responses, '', { statuses: [507] });
    await page.route('**/annotations', (route) =>
      route.fulfill({
        status: 507,
        contentType: 'application/json',
        body: JSON.stringify({ error: 'The disk is full', error_code: 'server_error' }),
      }),
    );
    await page.keyboard.press('m');
    await expectFocus(page, 'Comment');
    await page.keyboard.type('Keep this text');
    await page.keyboard.press('Control+Enter');
    await page.getByText('The comment was not saved: The disk is full').first().waitFor();
    expect(await page.getByRole('textbox', { name: 'Comment' }).inputValue()).toBe('Keep this text');
    expect(await page.locator('.cm').count()).toBe(0);
  });

  it('shows a trace by its id, with its first request', async () => {
    const { traceId } = filled.facts.longTrace;
    const page = await openPage(filled.weir, `/ui/trace/${traceId}`);
    await page.locator('.wr.own').waitFor();
    expect(await shownId(page)).toBe(traceId);
    expect(await page.locator('.fact', { hasText: 'Status' }).innerText()).toContain('200');
    await page.locator('.wrows [role=row]', { hasText: 'tool.lookup 0' }).click();
    await page.getByRole('group', { name: 'Attributes' }).waitFor();
    await expectPictures(page, 'request-trace');
  });

  it('shows the thread of a trace: its messages and tool calls, without spans', async () => {
    const page = await openRequest(filled.facts.conversations.tools);
    await page.getByRole('button', { name: 'Thread' }).click();
    const thread = page.getByRole('region', { name: 'Thread', exact: true });
    await thread.getByText('track_parcel').waitFor();
    expect(await thread.innerText()).toContain('Where is order 5512?');
    expect(await page.getByRole('treegrid').count()).toBe(0);
    await expectPictures(page, 'request-thread');
    await thread.getByRole('button', { name: 'POST /v1/chat/completions' }).click();
    await page.getByRole('treegrid').waitFor();
  });

  it('says what a key cannot do, and lets it do nothing', async () => {
    const weir = await startFilled({ args: ['--admin-key=whole-key-of-the-operator'] });
    const made = await fetch(`${weir.weir.admin}/v1/keys`, {
      method: 'POST',
      headers: {
        Authorization: 'Bearer whole-key-of-the-operator',
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({ name: 'reader', scopes: ['logs:read'] }),
    });
    const { key } = (await made.json()) as { readonly key: string };
    const page = await openPage(weir.weir, `/ui/r/${weir.facts.conversations.chat}`, { key });
    await page.locator('.msgs').waitFor();
    const score = page.getByRole('button', { name: 'Score' });
    expect(await score.getAttribute('aria-disabled')).toBe('true');
    expect(await score.getAttribute('title')).toContain('This needs the scope logs:write');
    await page.keyboard.press('s');
    expect(await page.getByRole('combobox').count()).toBe(0);
    expect(await page.getByRole('textbox', { name: 'Comment' }).isDisabled()).toBe(true);
    await expectAccessible(page);
  });

  it('asks again for a request that has not ended yet', async () => {
    const id = `${Date.now().toString(16).padStart(12, '0')}${'7'.repeat(25)}`;
    const page = await openPage(filled.weir, `/ui/r/${id}`, { statuses: [404] });
    await page.getByText('Not recorded yet; a request is recorded when it ends.', { exact: false }).waitFor();
    const again = page.getByText('Asked again each second');
    await again.waitFor();
    await until('it was asked twice', async () => /, 8 more times/.test(await again.innerText()));
    expect(await page.locator('.wf').count()).toBe(0);
  });

  it('shows a request by itself as soon as it has ended', async () => {
    let end = (): void => undefined;
    const replica = await startReplica((_, res) => {
      res.writeHead(200, { 'Content-Type': 'application/json' }).flushHeaders();
      end = () => void res.end('{"done": true}');
    });
    const weir = await startWeir([`--replica=http://127.0.0.1:${replica.port}`, '--logs-capture=full']);
    const answer = await fetch(`http://127.0.0.1:${weir.port}/slow`);
    const id = answer.headers.get('x-baseten-request-id')!;
    const page = await openPage(weir, `/ui/r/${id}`, { statuses: [404] });
    await page.getByText('Not recorded yet', { exact: false }).waitFor();
    end();
    await page.locator('.fact', { hasText: 'Status' }).waitFor();
    expect(await page.locator('.msgs, .json').first().innerText()).toContain('done');
  });

  it('says that a request was deleted by retention', async () => {
    const id = `${Date.UTC(2025, 0, 1).toString(16).padStart(12, '0')}${'7'.repeat(25)}`;
    const page = await openPage(filled.weir, `/ui/r/${id}`, { statuses: [404] });
    await page.getByText('Deleted by retention: the request is of', { exact: false }).waitFor();
    await expectPictures(page, 'request-deleted');
  });

  it('can be used at 320 px', async () => {
    const page = await openRequest(filled.facts.conversations.tools, '', { width: 320, height: 640 });
    await expectPictures(page, 'request-phone');
  });
});

async function expectRows(page: Page, n: number): Promise<void> {
  await until(`${n} rows are shown`, async () => (await page.locator('.wrows [role=row]').count()) === n);
}

async function expectFocus(page: Page, label: string): Promise<void> {
  await until(`the field ${label} has the focus`, () =>
    page.evaluate((name) => document.activeElement?.getAttribute('aria-label') === name, label),
  );
}
