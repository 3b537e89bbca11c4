// What web pages of other origins get from the admin server, while no key is set and with one.
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { startWeir, stopAll, type Weir } from '../../kit/weir.ts';

afterEach(stopAll);

/** A request with headers that fetch() does not let a program set. */
async function get(weir: Weir, path: string, headers: Record<string, string> = {}) {
  const { hostname, port } = new URL(weir.admin);
  const req = request({ host: hostname, port, path, headers }).end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  res.resume();
  return { status: res.statusCode, headers: res.headers };
}

const embedded = (site: string) => ({
  'sec-fetch-site': site,
  'sec-fetch-mode': 'no-cors',
  'sec-fetch-dest': 'script',
});

it('refuses a page of another origin that embeds an answer, as long as there is no key', async () => {
  const weir = await startWeir(['--replica=http://127.0.0.1:1']);
  const path = '/v1/logs/facets?q=secret';
  expect((await get(weir, path, embedded('cross-site'))).status).toBe(403);
  expect((await get(weir, path, embedded('same-site'))).status).toBe(403);
  const frame = { ...embedded('cross-site'), 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' };
  expect((await get(weir, path, frame)).status).toBe(403);
});

it('answers its own page, a link from another page, and programs', async () => {
  const weir = await startWeir(['--replica=http://127.0.0.1:1']);
  const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
  const own = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' };
  const typed = { ...link, 'sec-fetch-site': 'none' };
  for (const headers of [link, own, typed, {}])
    expect((await get(weir, '/v1/overview', headers)).status).toBe(200);
});

it('lets no other origin embed an answer or read it as a script', async () => {
  const weir = await startWeir(['--replica=http://127.0.0.1:1']);
  for (const path of ['/v1/logs', '/v1/logs?format=csv', '/v1/overview', '/metrics', '/nothing']) {
    const { headers } = await get(weir, path);
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
    });
  }
});
