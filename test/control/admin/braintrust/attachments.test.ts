// Attachments over HTTP: signed URLs for upload and download.
import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { closeAdmins, startAdmin, type OpenAdmin } from '../../../kit/admin.ts';
import { expectRefused, sent } from '../../../kit/braintrust-api.ts';
import { call, type CallOptions } from '../../../kit/client.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { until } from '../../../kit/until.ts';

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const KEY = '0123456789abcdef';
const WITH_KEY: CallOptions = { headers: { authorization: `Bearer ${KEY}` } };
const start = (...args: string[]) => startAdmin({ args: [`--admin-key=${KEY}`, ...args] });
const pathOf = (url: unknown): string => {
  const { pathname, search } = new URL(url as string);
  return pathname + search;
};

async function uploadPath(admin: OpenAdmin, key: string): Promise<string> {
  const body = { key, filename: 'a.png', content_type: 'image/png', org_id: 'x' };
  const { signedUrl, headers } = await sent(admin, 'POST', '/attachment', body, WITH_KEY);
  expect(headers).toEqual({});
  expect(signedUrl).toMatch(new RegExp(`^${admin.url}/attachment/content/`));
  return pathOf(signedUrl);
}
const put = (admin: OpenAdmin, path: string, body: string) => call(admin.url, path, { method: 'PUT', body });

async function download(admin: OpenAdmin, query: Record<string, string>) {
  const path = `/attachment?${new URLSearchParams(query).toString()}`;
  const { downloadUrl, status } = await sent(admin, 'GET', path, undefined, WITH_KEY);
  return { path: pathOf(downloadUrl), status };
}

describe('an attachment', () => {
  it('is uploaded and downloaded without a key', async () => {
    const admin = await start();
    const path = await uploadPath(admin, 'k1');
    expect((await download(admin, { key: 'k1' })).status).toEqual({ upload_status: 'uploading' });
    expect((await put(admin, path, 'PNGDATA')).status).toBe(200);
    const done = { key: 'k1', org_id: 'x', status: { upload_status: 'done' } };
    expect(await sent(admin, 'POST', '/attachment/status', done, WITH_KEY)).toEqual({});
    const url = await download(admin, { key: 'k1', filename: 'ä"b.png', content_type: 'image/png' });
    expect(url.status).toEqual({ upload_status: 'done' });
    const { status, text, headers } = await call(admin.url, url.path);
    expect([status, text]).toEqual([200, 'PNGDATA']);
    expect(headers).toMatchObject({
      'content-type': 'image/png',
      'content-length': '7',
      'content-disposition': `attachment; filename="__b.png"; filename*=UTF-8''%C3%A4%22b.png`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
    });
    const head = await call(admin.url, url.path, { method: 'HEAD' });
    expect([head.status, head.text, head.headers['content-length']]).toEqual([200, '', '7']);
  });

  it.each(['text/html', 'image/svg+xml', 'application/javascript', 'TEXT/HTML', 'text/plain\r\nx: y', ''])(
    'is never sent as %j',
    async (type) => {
      const admin = await start();
      await put(admin, await uploadPath(admin, 'k'), '<script>alert(1)</script>');
      const { path } = await download(admin, { key: 'k', content_type: type, filename: 'a\r\nx: y' });
      const { headers } = await call(admin.url, path);
      expect(headers['content-type']).toBe('application/octet-stream');
      expect(headers['content-disposition']).toContain('attachment; filename="a__x_ y"');
    },
  );

  it('has the problem that its client reported, until it is uploaded', async () => {
    const admin = await start();
    const path = await uploadPath(admin, 'k');
    const status = { upload_status: 'error', error_message: 'no route' };
    await sent(admin, 'POST', '/attachment/status', { key: 'k', status }, WITH_KEY);
    expect((await download(admin, { key: 'k' })).status).toEqual(status);
    await put(admin, path, 'x');
    expect((await download(admin, { key: 'k' })).status).toEqual({ upload_status: 'done' });
  });

  it('is refused if it is larger than allowed', async () => {
    const admin = await start('--projects-max-attachment=1KiB');
    const path = await uploadPath(admin, 'k');
    expect(await expectRefused(admin, 413, 'PUT', path, 'x'.repeat(1025))).toBe(
      'The file is larger than allowed',
    );
    expect((await put(admin, path, 'x'.repeat(1024))).status).toBe(200);
  });

  it('is not stored if the client disconnects in its midst', async () => {
    const data = folder();
    const admin = await startAdmin({ path: data, args: [`--admin-key=${KEY}`] });
    const files = () => readdirSync(join(data, 'attachments')).length;
    const path = await uploadPath(admin, 'k');
    const req = request(admin.url + path, { method: 'PUT', headers: { 'content-length': '1000' } });
    req.on('error', () => undefined);
    req.write('x'.repeat(500));
    await until('the upload has begun', () => files() === 1);
    req.destroy();
    await until('the upload has ended', () => files() === 0);
    expect((await call(admin.url, (await download(admin, { key: 'k' })).path)).status).toBe(404);
    expect(admin.logLines.filter((line) => line.includes('admin route failed'))).toEqual([]);
  });

  it('cannot be used by a URL that was forged, widened, or signed for something else', async () => {
    const admin = await start();
    const path = await uploadPath(admin, 'k');
    await put(admin, path, 'content');
    const { path: get } = await download(admin, { key: 'k', content_type: 'image/png' });
    const other = await uploadPath(admin, 'other');
    const swapped = get.split('?', 1)[0] + other.slice(other.indexOf('?'));
    const refused = [
      ['GET', path],
      ['PUT', get],
      ['GET', get.split('?', 1)[0]!],
      ['GET', get.replace('image%2Fpng', 'text%2Fplain')],
      ['GET', get.replace(/expires=\d+/, 'expires=9999999999')],
      ['GET', swapped],
      ['PUT', path.replace(/max_bytes=\d+/, 'max_bytes=999999999999')],
      ['PUT', `${path}&max_bytes=1`],
    ] as const;
    for (const [method, url] of refused)
      expect(await expectRefused(admin, 403, method, url)).toMatch(
        /^This URL cannot be used: its signature is/,
      );
    expect((await call(admin.url, get)).text).toBe('content');
  });

  it('needs a key to get its URLs', async () => {
    const admin = await start();
    await expectRefused(admin, 401, 'POST', '/attachment', { key: 'k' });
    await expectRefused(admin, 401, 'GET', '/attachment?key=k');
    await expectRefused(admin, 401, 'POST', '/attachment/status', { key: 'k' });
  });

  it.each([
    ['POST', '/attachment', {}],
    ['POST', '/attachment', { key: 'x'.repeat(1025) }],
    ['POST', '/attachment/status', { key: 7 }],
    ['GET', '/attachment', undefined],
  ])('needs a key of its own: %s %s', async (method, path, body) => {
    const admin = await start();
    expect(await expectRefused(admin, 400, method, path, body, WITH_KEY)).toContain('key: must be a text');
  });

  it('is refused where attachments are off', async () => {
    const admin = await start('--projects-max-attachments=0');
    expect(await expectRefused(admin, 404, 'POST', '/attachment', { key: 'k' }, WITH_KEY)).toContain(
      'Attachments are not stored',
    );
  });
});
