// The web page of the admin server: its document, its files and their headers.
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, expect, it } from 'vitest';
import { WebPage } from '../../../src/control/page/web-page.ts';
import { folder, removeFolders } from '../../kit/folder.ts';
import { startWeir, stopAll } from '../../kit/weir.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
  await stopAll();
  removeFolders();
});

const DOCUMENT = '<!doctype html><title>the page</title>';
const SCRIPT = 'console.log("a script of the page");'.repeat(20);

/** A folder as the build makes it, with a secret beside it. */
function built(): string {
  const path = folder({
    'page/index.html': DOCUMENT,
    'page/LICENSES.txt': 'MIT',
    'page/manifest.json': '{}',
    'page/a/main-AbC.js': SCRIPT,
    'page/a/icon-1.svg': '<svg/>',
    'secret.txt': 'secret',
  });
  writeFileSync(join(path, 'page/a/main-AbC.js.br'), brotliCompressSync(SCRIPT));
  writeFileSync(join(path, 'page/a/main-AbC.js.gz'), gzipSync(SCRIPT));
  return `${join(path, 'page')}/`;
}

interface Got {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: Buffer;
}

/** A request whose path is sent as it is. */
async function send(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Got> {
  const req = httpRequest({ host: '127.0.0.1', port, path, method, headers }).end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk as Buffer);
  return { status: res.statusCode!, headers: res.headers, bytes: Buffer.concat(chunks) };
}

/** A server of the page alone. What is not of the page gets 418. */
async function serve(path: string, failures: unknown[] = []): Promise<number> {
  const page = new WebPage((error) => failures.push(error), path);
  const server = createServer((req, res) => {
    if (!page.handle(req, res)) res.writeHead(418).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
}

const HTML = { accept: 'text/html' };

it('serves one document for every address of the page', async () => {
  const port = await serve(built());
  for (const path of ['/ui/', '/ui/logs?q=a', '/ui/r/0123', '/ui/id/v1.2', '/ui/settings/keys/key_1']) {
    const { status, headers, bytes } = await send(port, path);
    expect([status, String(bytes)]).toEqual([200, DOCUMENT]);
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(headers['cache-control']).toBe('no-cache');
  }
});

it('forbids the document all that it does not need', async () => {
  const port = await serve(built());
  for (const path of ['/ui/', '/ui/a/main-AbC.js', '/ui/a/missing.js']) {
    const { headers } = await send(port, path);
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'permissions-policy': 'clipboard-write=(self)',
    });
    const policy = String(headers['content-security-policy']).split('; ');
    expect(policy).toEqual(
      expect.arrayContaining([
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
      ]),
    );
    expect(policy.join()).not.toMatch(/unsafe|\*|https?:/);
  }
});

it.each([
  ['br, gzip', 'br'],
  ['gzip', 'gzip'],
  ['br;q=0, gzip;q=0.5', 'gzip'],
  ['identity', undefined],
  ['', undefined],
])('answers Accept-Encoding %j with the smallest copy that it allows', async (accepted, coding) => {
  const port = await serve(built());
  const { headers, bytes } = await send(port, '/ui/a/main-AbC.js', { 'accept-encoding': accepted });
  expect(headers['content-encoding']).toBe(coding);
  expect(headers.vary).toBe('Accept-Encoding');
  const plain = coding === 'br' ? brotliDecompressSync(bytes) : coding === 'gzip' ? gunzipSync(bytes) : bytes;
  expect(String(plain)).toBe(SCRIPT);
});

it('lets browsers keep files for a year, and never the document', async () => {
  const port = await serve(built());
  expect((await send(port, '/ui/a/main-AbC.js')).headers).toMatchObject({
    'cache-control': 'public, max-age=31536000, immutable',
    'content-type': 'text/javascript; charset=utf-8',
  });
  expect((await send(port, '/ui/a/icon-1.svg')).headers['content-type']).toBe('image/svg+xml');
  expect((await send(port, '/ui/LICENSES.txt')).headers['cache-control']).toBe('no-cache');
});

it('answers HEAD with the headers of GET', async () => {
  const port = await serve(built());
  const got = await send(port, '/ui/a/main-AbC.js', { 'accept-encoding': 'br' });
  const head = await send(port, '/ui/a/main-AbC.js', { 'accept-encoding': 'br' }, 'HEAD');
  expect(head.bytes.length).toBe(0);
  expect(head.headers['content-length']).toBe(String(got.bytes.length));
  expect(head.headers['content-encoding']).toBe('br');
});

it('says that a file of another build is gone', async () => {
  const port = await serve(built());
  const { status, headers, bytes } = await send(port, '/ui/a/main-Old.js');
  expect([status, headers['cache-control']]).toEqual([404, 'no-store']);
  expect(String(bytes)).toMatch(/reload the page/);
});

it.each([
  '/ui/a/../../secret.txt',
  '/ui/a/..%2f..%2fsecret.txt',
  '/ui/a/%2e%2e/%2e%2e/secret.txt',
  '/ui/../secret.txt',
  '/ui/a//etc/passwd',
  '/ui/a/..\\..\\secret.txt',
  '/ui/a/main-AbC.js%00.svg',
])('serves no file outside of the build for %s', async (path) => {
  const port = await serve(built());
  const { status, bytes } = await send(port, path);
  expect(String(bytes)).not.toMatch(/secret|root:/);
  // Without a file's name it is an address of the page.
  expect([200, 404]).toContain(status);
});

it('sends browsers from / to the page, and leaves / to other clients', async () => {
  const port = await serve(built());
  const { status, headers } = await send(port, '/', HTML);
  expect([status, headers.location]).toEqual([302, '/ui/']);
  expect((await send(port, '/ui?q=a')).headers.location).toBe('/ui/?q=a');
  expect((await send(port, '/', { accept: 'application/json' })).status).toBe(418);
  expect((await send(port, '/', HTML, 'POST')).status).toBe(418);
  expect((await send(port, '/uix', HTML)).status).toBe(418);
});

it.each([
  ['/app/org/p/project/logs?r=R1&s=S1', '/ui/trace/R1?span=S1'],
  ['/app/org/p/project/logs?r=R%2F1', '/ui/trace/R%2F1'],
  ['/app/org/p/project/logs', '/ui/logs'],
  ['/app/org/object?object_type=project_logs&id=a%2Fb', '/ui/id/a%2Fb'],
])('opens the link %s of the SDK', async (path, location) => {
  const port = await serve(built());
  expect((await send(port, path, HTML)).headers.location).toBe(location);
  expect((await send(port, path, { accept: '*/*' })).status).toBe(418);
});

it('leaves other addresses below /app to the API', async () => {
  const port = await serve(built());
  for (const path of ['/app/org/settings', '/app/org/object', '/app/a/p/b/c/logs'])
    expect((await send(port, path, HTML)).status).toBe(418);
});

it('says how to build the page if it is not built', async () => {
  const path = `${folder()}/nothing/`;
  const port = await serve(path);
  const { status, bytes } = await send(port, '/ui/');
  expect(status).toBe(503);
  expect(String(bytes)).toMatch(/npm run build:page/);
});

it('finds the files again after they were built anew', async () => {
  const path = built();
  const failures: unknown[] = [];
  const port = await serve(path, failures);
  expect((await send(port, '/ui/')).status).toBe(200);
  rmSync(path, { recursive: true });
  expect((await send(port, '/ui/a/icon-1.svg')).status).toBe(503);
  expect(failures).toHaveLength(1);
  mkdirSync(join(path, 'a'), { recursive: true });
  writeFileSync(join(path, 'a/icon-2.svg'), '<svg></svg>');
  expect((await send(port, '/ui/a/icon-2.svg')).status).toBe(200);
});

it('is served by weir without a key, and by its setting not at all', async () => {
  const key = 'k'.repeat(20);
  const [shown, hidden] = await Promise.all([
    startWeir(['--replica=http://127.0.0.1:9'], { env: { WEIR_ADMIN_KEY: key } }),
    startWeir(['--replica=http://127.0.0.1:9', '--admin-page=false']),
  ]);
  expect((await fetch(`${shown.admin}/ui/logs`)).status).toBe(200);
  expect((await fetch(`${shown.admin}/v1/settings`)).status).toBe(401);
  expect((await fetch(`${hidden.admin}/ui/logs`)).status).toBe(404);
  expect((await fetch(`${hidden.admin}/`, { headers: HTML, redirect: 'manual' })).status).toBe(404);
});
