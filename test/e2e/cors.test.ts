// Requests of web pages (CORS), in both lanes.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, RawClient } from '../kit/client.ts';
import { closeReplicas, headerValues, startReplica, type Replica } from '../kit/replica.ts';
import { runWeir, startWeir, stopAll, type Weir } from '../kit/weir.ts';

const PAGE = 'https://app.example.com';
const ask = { origin: PAGE, 'access-control-request-method': 'POST' };

for (const [lane, args] of [
  ['the fast lane', []],
  ['the full lane', ['--proxy-fast-lane=false']],
] as const)
  describe(`with ${lane}, a web page`, () => {
    let replica: Replica;
    let weir: Weir;
    let seen = 0;

    beforeAll(async () => {
      replica = await startReplica((_, res) => {
        seen++;
        res.setHeader('Access-Control-Allow-Origin', '*');
        res.setHeader('Access-Control-Allow-Credentials', 'true');
        res.setHeader('Vary', 'Accept');
        res.end('ok');
      });
      const file = join(mkdtempSync(join(tmpdir(), 'weir-')), 'weir.yaml');
      writeFileSync(
        file,
        `deployments:
  - { id: a, replicas: [{ url: "${replica.url}" }] }
client_keys: { required: true, open_paths: [/open] }
ingress:
  cors:
    origins: [${PAGE}, "https://*.example.org", "http://localhost:3000"]
    credentials: true
    max_age: 1h
pool: { probe_interval: 1d }
`,
      );
      weir = await startWeir(['--config', file, ...args]);
    });
    afterAll(async () => {
      await stopAll();
      await closeReplicas();
    });

    const from = (origin: string, path = '/open') => call(weir.url, path, { headers: { origin } });

    it('is told what it may do by weir, without a key and without the replica', async () => {
      const before = seen;
      for (const path of [
        '/v1/chat/completions',
        '/predict',
        '/async_predict',
        '/wake',
        '/deployment/none/x',
      ]) {
        const { status, headers } = await call(weir.url, path, { method: 'OPTIONS', headers: ask });
        expect(status, path).toBe(204);
        expect(headers).toMatchObject({
          'access-control-allow-origin': PAGE,
          'access-control-allow-credentials': 'true',
          'access-control-allow-methods': 'GET, HEAD, POST',
          'access-control-allow-headers':
            'authorization, content-type, x-grpc-web, x-user-agent, grpc-timeout',
          'access-control-max-age': '3600',
        });
        expect(headers.vary).toContain('Origin');
      }
      expect(seen).toBe(before);
    });

    it('of another origin is refused, and its origin is in no header', async () => {
      for (const origin of [
        'https://evil.example',
        'http://app.example.com',
        'https://app.example.com.evil.example',
        'https://example.org',
        'https://evil.example/.example.org',
        'https://a.example.org:444',
        'https://.example.org',
        'null',
        `https://${'a'.repeat(5000)}.example.org`,
      ]) {
        const { status, rawHeaders, text } = await call(weir.url, '/predict', {
          method: 'OPTIONS',
          headers: { ...ask, origin },
        });
        expect(status, origin).toBe(403);
        expect(rawHeaders.join('\n').toLowerCase()).not.toContain('access-control-allow');
        expect(rawHeaders.join('\n') + text).not.toContain(origin);
        const answer = await from(origin);
        expect(answer.status).toBe(200);
        expect(answer.rawHeaders.join('\n').toLowerCase()).not.toContain('access-control');
      }
    });

    it('gets the headers of weir in place of those of the replica', async () => {
      for (const origin of [
        PAGE,
        'https://a.example.org',
        'https://a.b.example.org',
        'http://localhost:3000',
      ]) {
        const { rawHeaders } = await from(origin);
        expect(headerValues(rawHeaders, 'access-control-allow-origin')).toEqual([origin]);
        expect(headerValues(rawHeaders, 'access-control-allow-credentials')).toEqual(['true']);
        expect(headerValues(rawHeaders, 'access-control-expose-headers')[0]).toContain(
          'x-baseten-request-id',
        );
        expect(headerValues(rawHeaders, 'vary')).toEqual(['Accept', 'Origin']);
      }
    });

    it('can read errors too', async () => {
      for (const path of ['/v1/models', '/async_request/x', '/deployment/none/predict']) {
        const { status, headers } = await from(PAGE, path);
        expect(status).toBe(401);
        expect(headers['access-control-allow-origin']).toBe(PAGE);
      }
    });

    it('makes caches tell origins apart, also by a response to a request without one', async () => {
      const { rawHeaders } = await call(weir.url, '/open');
      expect(headerValues(rawHeaders, 'vary')).toEqual(['Accept', 'Origin']);
    });

    it('that sends two origins gets no headers', async () => {
      const client = new RawClient(weir.port);
      client.send(`GET /open HTTP/1.1\r\nHost: x\r\nOrigin: ${PAGE}\r\nOrigin: https://evil.example\r\n\r\n`);
      const text = await client.expectReceived('\r\n\r\n');
      expect(text.toLowerCase()).not.toContain('access-control-allow-origin: https://evil');
      client.socket.destroy();
    });
  });

it('any origin is allowed by *, without credentials', async () => {
  const replica = await startReplica((_, res) => void res.end('ok'));
  const weir = await startWeir(['--replica', replica.url, '--ingress-cors-origins=*']);
  const { headers } = await call(weir.url, '/x', { headers: { origin: 'https://any.example' } });
  expect(headers['access-control-allow-origin']).toBe('*');
  expect(headers.vary).toBeUndefined();
  await stopAll();
  await closeReplicas();
});

it('may send any header with *', async () => {
  const replica = await startReplica((_, res) => void res.end('ok'));
  const weir = await startWeir([
    '--replica',
    replica.url,
    `--ingress-cors-origins=${PAGE}`,
    '--ingress-cors-headers=*',
  ]);
  const preflight = async (asked: string) => {
    const headers = { ...ask, 'access-control-request-headers': asked };
    return (await call(weir.url, '/x', { method: 'OPTIONS', headers })).headers[
      'access-control-allow-headers'
    ];
  };
  expect(await preflight('authorization,x-stainless-os')).toBe('authorization,x-stainless-os');
  expect(await preflight('a b')).toBeUndefined();
  await stopAll();
  await closeReplicas();
});

it('without the setting, the replica answers web pages itself', async () => {
  const replica = await startReplica((req, res) => {
    res.setHeader('Access-Control-Allow-Origin', 'https://own.example');
    res.end(req.method);
  });
  const weir = await startWeir(['--replica', replica.url]);
  const { headers, text } = await call(weir.url, '/predict', { method: 'OPTIONS', headers: ask });
  expect(text).toBe('OPTIONS');
  expect(headers['access-control-allow-origin']).toBe('https://own.example');
  expect(headers.vary).toBeUndefined();
  await stopAll();
  await closeReplicas();
});

it.each([
  ['--ingress-cors-origins=https://a.example/path', 'without a path'],
  ['--ingress-cors-origins=*.example.com', 'https://*.example.com or *'],
  ['--ingress-cors-origins=https://a.*.com', 'https://*.example.com or *'],
  ['--proxy-remove-headers=host', 'not those that frame or route a request'],
  ['--proxy-remove-headers=X_Baseten_Request_Id', 'nor those that weir sets'],
])('rejects the setting %s', async (flag, why) => {
  const { code, err } = await runWeir(['check', '--replica', 'http://127.0.0.1:1', flag]);
  expect(code).not.toBe(0);
  expect(err).toContain(why);
});

it('rejects credentials for any origin', async () => {
  const args = ['--ingress-cors-origins=*', '--ingress-cors-credentials'];
  const { code, err } = await runWeir(['check', '--replica', 'http://127.0.0.1:1', ...args]);
  expect(code).not.toBe(0);
  expect(err).toContain('browsers refuse both together');
});
