// Downloads as jobs over HTTP, with a real log store.
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type {
  DownloadMade,
  DownloadProgress,
} from '../../../../src/control/admin/answers/download-answers.ts';
import { DownloadJob } from '../../../../src/control/admin/downloads/download-job.ts';
import { sendJobFile } from '../../../../src/control/admin/downloads/send-job-file.ts';
import { Downloads } from '../../../../src/control/admin/downloads/downloads.ts';
import { waitAtMost } from '../../../../src/core/wait.ts';
import { UrlSigner } from '../../../../src/core/url-signer.ts';
import type { GroupQuery, SearchQuery } from '../../../../src/telemetry/logs/logs.ts';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { call } from '../../../kit/client.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { HOUR_AGO, ns, post } from '../../../kit/log-api.ts';
import { bodyOf } from '../../../kit/replica.ts';
import { quietLog } from '../../../kit/quiet-log.ts';
import { until } from '../../../kit/until.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const PATH = '/v1/logs/downloads';

const lines = (count: number, text = 'line') =>
  Array.from({ length: count }, (_, i) => ({
    timestamp_ns: ns(HOUR_AGO + i),
    level: i % 2 === 0 ? 'info' : 'error',
    message: `${text} ${i}`,
    user: { id: `u${i}` },
  }));

const begin = (server: OpenAdmin, body: object, headers = {}) =>
  call(server.url, PATH, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

async function made(server: OpenAdmin, body: object, headers = {}): Promise<DownloadMade> {
  const { status, text } = await begin(server, body, headers);
  expect(status, text).toBe(201);
  return JSON.parse(text) as DownloadMade;
}

const fileOf = (server: OpenAdmin, { url }: DownloadMade, headers = {}) =>
  call(server.url, url.slice(server.url.length), { headers });

const progress = async (server: OpenAdmin, { id }: DownloadMade, headers = {}): Promise<DownloadProgress> =>
  JSON.parse((await call(server.url, `${PATH}/${id}`, { headers })).text) as DownloadProgress;

const ended = (server: OpenAdmin, download: DownloadMade): Promise<DownloadProgress> =>
  until('the download ends', async () => {
    const now = await progress(server, download);
    return now.state === 'running' ? undefined : now;
  });

describe('a download', () => {
  it.each(['csv', 'ndjson', 'json'] as const)('has the bytes of GET /v1/logs as %s', async (format) => {
    const server = await startAdmin();
    await post(server, lines(1200));
    const download = await made(server, { format, min_level: 'error', direction: 'asc' });
    expect(download.total).toEqual({ count: 600, is_exact: true });
    const { status, body, headers } = await fileOf(server, download);
    expect(status).toBe(200);
    const whole = await call(server.url, `/v1/logs?format=${format}&min_level=error&direction=asc`);
    expect(body.equals(whole.body)).toBe(true);
    expect(headers['content-type']).toBe(whole.headers['content-type']);
    expect(headers['content-disposition']).toMatch(/^attachment; filename="weir-logs-\w{8}\.\w+"$/);
    expect(await ended(server, download)).toMatchObject({
      state: 'finished',
      rows: 600,
      bytes: body.length,
      sent_bytes: body.length,
      is_truncated: false,
      error: null,
    });
  });

  it('has the asked columns, also attributes by their path', async () => {
    const server = await startAdmin();
    await post(server, lines(2));
    const columns = ['message', 'attributes.user.id', 'status'];
    const csv = await fileOf(server, await made(server, { format: 'csv', columns, direction: 'asc' }));
    expect(csv.text).toBe('message,attributes.user.id,status\r\nline 0,u0,\r\nline 1,u1,\r\n');
    const json = await fileOf(server, await made(server, { format: 'json', columns, direction: 'asc' }));
    expect(JSON.parse(json.text)).toEqual([
      { message: 'line 0', 'attributes.user.id': 'u0' },
      { message: 'line 1', 'attributes.user.id': 'u1' },
    ]);
  });

  it('has no record that was stored after it was asked for', async () => {
    const server = await startAdmin();
    await post(server, lines(5));
    const download = await made(server, { format: 'ndjson' });
    await post(server, lines(5, 'later'));
    const { text } = await fileOf(server, download);
    expect(text.trim().split('\n')).toHaveLength(5);
    expect(text).not.toContain('later');
  });

  it('goes on with the same bytes after a break, also when its URL has expired', async () => {
    const urls = new UrlSigner();
    const server = await startAdmin({ deps: { urls } });
    await post(server, lines(500));
    const download = await made(server, { format: 'csv' });
    const path = `${PATH}/${download.id}/file`;
    const expired = `${path}?${urls.sign({ method: 'GET', path }, Date.now() - 5000)}`;
    const range = { range: 'bytes=1000-' };
    const early = await call(server.url, expired, { headers: range });
    expect(early.status).toBe(403);
    expect(early.text).toContain('has expired');

    const whole = await fileOf(server, download);
    const rest = await call(server.url, expired, {
      headers: { ...range, 'if-range': String(whole.headers.etag) },
    });
    expect(rest.status).toBe(206);
    expect(rest.headers['content-range']).toBe(`bytes 1000-${whole.body.length - 1}/${whole.body.length}`);
    expect(rest.body.equals(whole.body.subarray(1000))).toBe(true);
    expect((await call(server.url, expired)).status).toBe(403);
    const behind = await call(server.url, expired, { headers: { range: 'bytes=99999999-' } });
    expect(behind.status).toBe(416);
  });

  it('needs a signature of its URL and no key', async () => {
    const key = 'the-key-of-the-settings';
    const server = await startAdmin({ args: [`--admin-key=${key}`] });
    const headers = { authorization: `Bearer ${key}` };
    const download = await made(server, { format: 'csv' }, headers);
    expect((await call(server.url, `${PATH}/${download.id}/file`, { headers })).status).toBe(403);
    expect((await fileOf(server, { ...download, url: `${download.url}x` })).status).toBe(403);
    expect((await fileOf(server, download)).status).toBe(200);
    expect((await call(server.url, `${PATH}/${download.id}`)).status).toBe(401);
  });

  it('is seen by the key that began it and by admins', async () => {
    const main = 'the-key-of-the-settings';
    const server = await startAdmin({ args: [`--admin-key=${main}`] });
    const as = (key: string) => ({ authorization: `Bearer ${key}` });
    const newKey = async (name: string): Promise<Record<string, string>> => {
      const { text } = await call(server.url, '/v1/keys', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...as(main) },
        body: JSON.stringify({ name, scopes: ['logs:read'] }),
      });
      return as((JSON.parse(text) as { key: string }).key);
    };
    const [one, other] = [await newKey('one'), await newKey('other')];
    const { id } = await made(server, { format: 'csv' }, one);
    const status = async (headers: object, method = 'GET') =>
      (await call(server.url, `${PATH}/${id}`, { method, headers: { ...headers } })).status;
    expect(await status(one)).toBe(200);
    expect(await status(as(main))).toBe(200);
    expect(await status(other)).toBe(404);
    expect(await status(other, 'DELETE')).toBe(404);
    expect(await status(one, 'DELETE')).toBe(204);
  });

  it('is cut off for its reader when it is stopped, and its file is deleted', async () => {
    const path = folder();
    const server = await startAdmin({ path });
    await post(server, lines(8000, 'x'.repeat(2000)));
    const download = await made(server, { format: 'ndjson' });
    const req = request(download.url, { agent: false });
    req.end();
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    res.pause();
    const failed = once(res, 'error');
    expect((await call(server.url, `${PATH}/${download.id}`, { method: 'DELETE' })).status).toBe(204);
    res.resume();
    const [error] = (await failed) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
    expect((await progress(server, download)).state).toBe('stopped');
    const again = await fileOf(server, download);
    expect(again.status).toBe(404);
    expect(again.text).toContain('The download was stopped');
    await until('the file is deleted', () =>
      readdirSync(`${path}/downloads`).length === 0 ? true : undefined,
    );
  });

  it('is not read any more by a client that leaves while a part of the file is read', async () => {
    const path = `${folder({ data: 'x'.repeat(300_000) })}/data`;
    const job = new (class extends DownloadJob {
      res: ServerResponse | undefined;
      /** The client leaves between the look at the job and the write of its bytes. */
      override get bytes(): number {
        if (this.res?.headersSent === true) this.res.destroy();
        return super.bytes;
      }
    })({
      id: 'd',
      owner: '',
      path,
      format: 'csv',
      mediaType: 'text/csv',
      total: { count: 1, is_exact: true },
    });
    job.advanced({ rows: 1, bytes: 300_000, isDone: true, isTruncated: false });
    const sent = Promise.withResolvers<boolean>();
    const server = createServer((req, res) => {
      job.res = res;
      sendJobFile(job, req, res).then(sent.resolve, sent.reject);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const req = request({ port: (server.address() as AddressInfo).port, agent: false });
    req.on('error', () => req.destroy());
    req.on('response', (res) => res.on('error', () => res.destroy()));
    req.end();
    expect(await waitAtMost(5000, sent.promise)).toBe(true);
    server.close();
  });

  it('answers before its file is begun, and goes on once it is', async () => {
    const gate = Promise.withResolvers<void>();
    const path = folder();
    const source = await startAdmin();
    await post(source, lines(3));
    const slow = {
      head: () => source.logs.head(),
      group: (query: GroupQuery) => source.logs.group(query),
      openReader(module: string, name: string) {
        const reader = source.logs.openReader(module, name);
        return {
          async run(operation: string, ...args: readonly unknown[]) {
            await gate.promise;
            return reader.run(operation, ...args);
          },
          close: () => reader.close(),
        };
      },
    };
    const downloads = new Downloads(slow, `${path}/downloads`, 1e9, quietLog());
    const server = await startAdmin({ deps: { downloads } });
    const { url } = await made(server, { format: 'ndjson' });
    const req = request(url, { agent: false });
    req.end();
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    expect(res.statusCode).toBe(200);
    gate.resolve();
    const body = await bodyOf(res);
    expect(body.toString().trim().split('\n')).toHaveLength(3);
    await downloads.stop();
  });

  it('has no more rows than its limit, and says that there are more', async () => {
    const server = await startAdmin();
    await post(server, lines(20));
    const download = await made(server, { format: 'ndjson', limit: 7 });
    expect(download.total).toEqual({ count: 7, is_exact: true });
    expect((await fileOf(server, download)).text.trim().split('\n')).toHaveLength(7);
    expect(await ended(server, download)).toMatchObject({ rows: 7, is_truncated: true });
    const all = await made(server, { format: 'ndjson', limit: 20 });
    expect(await ended(server, all)).toMatchObject({ rows: 20, is_truncated: false });
  });

  it('has the limits of other downloads', async () => {
    const server = await startAdmin();
    const refused = await begin(server, { format: 'csv', since: '8d' });
    expect(refused.status).toBe(400);
    expect(refused.text).toContain('a download covers at most 7 days');
    expect((await begin(server, { format: 'csv', limit: 100_001 })).status).toBe(400);
  });

  it('says all that is wrong with a request', async () => {
    const server = await startAdmin();
    const { status, text } = await begin(server, { format: 'xml', columns: ['mesage'], min_levl: 'x' });
    expect(status).toBe(400);
    expect(text).toContain('format: must be one of ndjson, csv, json');
    expect(text).toContain('did you mean \\"message\\"?');
    expect(text).toContain('did you mean \\"min_level\\"?');
  });
});

describe('the downloads', () => {
  const query: SearchQuery = {
    node: { op: 'all' },
    fromNs: 0n,
    toNs: 10n ** 18n,
    direction: 'down',
    after: undefined,
    limit: 10,
  };
  const asked = { owner: '', format: 'csv', columns: undefined, query } as const;

  it('are at most eight at a time', async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const logs = {
      head: async () => ({ place: '0', behind: 0 }),
      group: async () => ({ matched: 0, isPartial: false, rows: [] }),
      openReader: () => ({ run: () => promise, close: async () => undefined }),
    };
    const downloads = new Downloads(logs as never, `${folder()}/downloads`, 1e9, quietLog());
    for (let i = 0; i < 8; i++) expect(await downloads.create(asked)).toBeDefined();
    expect(await downloads.create(asked)).toBeUndefined();
    resolve({ rows: 0, bytes: 0, isDone: true, isTruncated: false });
    await until('one has ended', async () => downloads.create(asked));
    await downloads.stop();
  });

  it('fail if their files are too large together', async () => {
    const server = await startAdmin();
    await post(server, lines(100));
    const downloads = new Downloads(server.logs, `${folder()}/downloads`, 1024, quietLog());
    const job = (await downloads.create({
      ...asked,
      query: { ...query, toNs: 4n * 10n ** 18n, limit: 100 },
    }))!;
    await until('it fails', () => (job.state === 'failed' ? true : undefined));
    expect(job.progress.error).toContain('larger than 1KiB (export_jobs.max_bytes)');
    await until('its file is deleted', () => (existsSync(job.facts.path) ? undefined : true));
    await downloads.stop();
  });

  it('of an earlier process are deleted at the start', async () => {
    const path = folder();
    mkdirSync(`${path}/downloads`);
    writeFileSync(`${path}/downloads/old.data`, 'x');
    await startAdmin({ path });
    expect(existsSync(`${path}/downloads/old.data`)).toBe(false);
  });
});
