// JSON responses of weir's own servers.
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { sendJson } from '../../../src/protocol/http/json-response.ts';

it.each([
  ['GET', '{"text":"é"}'],
  ['HEAD', ''],
])('sends %s the length in bytes and the further headers', async (method, body) => {
  let bytes = 0;
  const server = createServer((_, res) => {
    bytes = sendJson(res, 202, '{"text":"é"}', ['Cache-Control', 'no-store']);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/`, { method });
    expect(response.status).toBe(202);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/json',
      'content-length': '13',
      'cache-control': 'no-store',
    });
    expect(bytes).toBe(13);
    expect(await response.text()).toBe(body);
  } finally {
    server.close();
  }
});
