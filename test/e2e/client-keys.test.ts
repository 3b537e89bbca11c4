// Keys of clients at the data server: every entrance without a key, with a wrong one, and with one of every scope.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status as grpcStatus } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_SCOPES, CLIENT_SCOPES, SCOPES, type KeyScope } from '../../src/core/keys/scopes.ts';
import { routes } from '../../src/data-plane/routing/route.ts';
import { begin, call, RawClient, type ClientResponse } from '../kit/client.ts';
import { closeReplicas, headerValues, mirror, startReplica, type SeenRequest } from '../kit/replica.ts';
import { ModelReplica } from '../kit/model-replica.ts';
import { closeGrpc, startGrpcReplica, TestClient, type GrpcReplica } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const keyOf = (name: string): string => `a-key-for-tests-${name}`;
const entry = (name: string, scopes: readonly KeyScope[], more: object = {}) => ({
  name,
  sha256: createHash('sha256').update(keyOf(name)).digest('hex'),
  scopes,
  ...more,
});
const clientScopes = Object.keys(CLIENT_SCOPES) as KeyScope[];
const as = (name: string, scheme = 'Bearer') => ({ authorization: `${scheme} ${keyOf(name)}` });

const fileOfKeys = (...keys: object[]): string => {
  const file = join(mkdtempSync(join(tmpdir(), 'weir-')), 'keys.json');
  writeFileSync(file, JSON.stringify({ keys }));
  return file;
};

/** A request to a route of the data server. `isUpgrade`: to become a WebSocket. */
interface Entrance {
  readonly method: string;
  readonly path: string;
  readonly scope: KeyScope | 'any';
  readonly isUpgrade: boolean;
}

/** All routes that the documentation shows, below every kind of target. */
const entrances: Entrance[] = routes.flatMap(({ method: methods, path, scope }) =>
  (methods === 'any' ? ['GET', 'POST'] : [methods]).flatMap((method) =>
    (path.startsWith('{t}') || path.includes('below a target')
      ? ['', '/production', '/environments/production', '/deployment/a']
      : ['']
    ).flatMap((target) =>
      path.split(', ').flatMap((one) => {
        const named = one
          .replace('anything else below a target', '{t}/nothing')
          .replace('anything else', '/v1/models')
          .replace('{t}', target)
          .replace('{path}', 'v1/models')
          .replace('{id}', '0'.repeat(37));
        if (named === '/nothing') return [];
        return [{ method, path: named, scope, isUpgrade: named.endsWith('/websocket') }];
      }),
    ),
  ),
);

const upgradeHeaders = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
};

const enter = (weir: Weir, { method, path, isUpgrade }: Entrance, headers: object): Promise<ClientResponse> =>
  call(weir.url, path, {
    method,
    headers: { ...(isUpgrade ? upgradeHeaders : {}), ...headers } as Record<string, string>,
    ...(method === 'POST' && { body: '{}' }),
  });

for (const [lane, args] of [
  ['the fast lane', []],
  ['the full lane', ['--proxy-fast-lane=false']],
] as const)
  describe(`with ${lane}, keys of clients`, () => {
    let weir: Weir;
    let file = '';

    beforeAll(async () => {
      const replica = await startReplica((req, res) => {
        if (req.url === '/slow') setTimeout(() => res.end('slow'), 400);
        else mirror(req, res);
      });
      const expired = { expires_at: '2020-01-01T00:00:00Z' };
      file = fileOfKeys(
        ...clientScopes.map((scope) => entry(scope, [scope])),
        entry('all', clientScopes),
        entry('expired', clientScopes, expired),
        entry('in-b', clientScopes, { deployments: ['b'] }),
        entry('in-staging', clientScopes, { environments: ['staging'] }),
        entry('models', clientScopes, { routes: ['/v1/models', '/async_request/*'] }),
        entry('one-a-second', ['predict'], { limits: { requests_per_second: 1 } }),
        entry('one-at-a-time', ['predict'], { limits: { concurrency: 1 } }),
      );
      const config = join(mkdtempSync(join(tmpdir(), 'weir-')), 'weir.yaml');
      writeFileSync(
        config,
        `deployments:
  - { id: a, environment: production, replicas: [{ url: "${replica.url}" }] }
  - { id: b, environment: staging, replicas: [{ url: "${replica.url}" }] }
client_keys: { required: true, file: "${file}" }
proxy: { remove_headers: [cookie, X-Internal-User] }
async: { keep_results: true }
`,
      );
      weir = await startWeir(['--config', config, ...args]);
    });
    afterAll(async () => {
      await stopAll();
      await closeReplicas();
    });

    const get = (path: string, headers: Record<string, string> = {}) => call(weir.url, path, { headers });

    it('are needed at every entrance, and wrong ones are refused alike', async () => {
      for (const entrance of entrances)
        for (const headers of [
          {},
          { authorization: 'Bearer wrong' },
          { authorization: keyOf('all') },
          { authorization: `Basic ${keyOf('all')}` },
          { authorization: `Bearer ${'x'.repeat(5000)}` },
          as('expired'),
        ]) {
          const what = `${entrance.method} ${entrance.path} ${JSON.stringify(headers).slice(0, 60)}`;
          const response = await enter(weir, entrance, headers);
          expect(response.status, what).toBe(401);
          expect(response.headers['www-authenticate'], what).toBe('Bearer');
          expect(response.headers['x-weir-cause'], what).toBe('unauthorized');
          expect(response.text, what).not.toContain('a-key-for-tests');
          expect(response.text, what).not.toContain('wrong');
        }
    });

    it.each(clientScopes)('with scope %s open the entrances of that scope only', async (scope) => {
      for (const entrance of entrances) {
        const { status, text } = await enter(weir, entrance, as(scope));
        const isAllowed = entrance.scope === 'any' || entrance.scope === scope;
        const what = `${entrance.method} ${entrance.path}: ${status} ${text}`;
        expect(status === 403, what).toBe(!isAllowed);
        expect(status, what).not.toBe(401);
      }
    });

    it('open everything with all scopes, with either scheme in any case', async () => {
      for (const scheme of ['Bearer', 'bearer', 'Api-Key', 'API-KEY'])
        expect((await get('/v1/models', as('all', scheme))).status).toBe(200);
    });

    it('are refused if a request has two of them', async () => {
      const headers = ['Authorization', `Bearer ${keyOf('all')}`, 'Authorization', 'Bearer other'];
      expect((await call(weir.url, '/v1/models', { headers: ['Host', 'x', ...headers] })).status).toBe(401);
    });

    it('are not needed for a health probe', async () => {
      expect((await get('/health')).status).toBe(200);
      expect((await call(weir.url, '/health', { method: 'POST' })).status).toBe(401);
      expect((await get('/health?x')).status).toBe(401);
    });

    it('are needed for a WebSocket at the path of a health probe', async () => {
      expect((await get('/health', upgradeHeaders)).status).toBe(401);
    });

    it('are looked up anew for each request of a connection', async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const statuses: number[] = [];
      for (const headers of [
        as('all'),
        {},
        as('all'),
        { authorization: 'Bearer no' },
        as('async'),
        as('all'),
      ])
        statuses.push(
          (await call(weir.url, '/v1/models', { headers: headers as Record<string, string>, agent })).status,
        );
      agent.destroy();
      expect(statuses).toEqual([200, 401, 200, 401, 403, 200]);
    });

    it('answer a request that is refused before its body is read', async () => {
      const client = new RawClient(weir.port);
      client.send('POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{');
      const text = await client.expectClosed();
      expect(text).toMatch(/^HTTP\/1.1 401 Unauthorized\r\n/);
      expect(text).toContain('Connection: close');
    });

    it('serve the next request of a connection after one that is refused', async () => {
      const client = new RawClient(weir.port);
      const post = (key: string) =>
        `POST /v1/models HTTP/1.1\r\nHost: x\r\n${key}Content-Length: 2\r\n\r\n{}`;
      client.send(post('') + post(`Authorization: Bearer ${keyOf('all')}\r\n`));
      const text = await client.expectReceived('"method":"POST"');
      expect(text).toMatch(/^HTTP\/1.1 401 /);
      client.socket.destroy();
    });

    it('restricted to a deployment or an environment open that one, and do not tell which others exist', async () => {
      for (const name of ['in-b', 'in-staging']) {
        expect((await get('/deployment/b/sync/x', as(name))).status).toBe(200);
        expect((await get('/environments/staging/sync/x', as(name))).status).toBe(200);
        const other = await get('/deployment/a/sync/x', as(name));
        const none = await get('/deployment/none/sync/x', as(name));
        expect([other.status, none.status]).toEqual([403, 403]);
        expect((JSON.parse(none.text) as { error: string }).error).toBe(
          (JSON.parse(other.text) as { error: string }).error,
        );
        expect((await get('/x', as(name))).status).toBe(403);
        expect((await get('/deployment/a/nothing', as(name))).status).toBe(403);
      }
    });

    it('restricted to a deployment see its asynchronous requests only', async () => {
      const submit = async (deployment: string): Promise<string> => {
        const { text, status } = await call(weir.url, `/deployment/${deployment}/async_predict`, {
          method: 'POST',
          headers: as('all'),
          body: '{"model_input":{}}',
        });
        expect(status).toBe(201);
        return (JSON.parse(text) as { request_id: string }).request_id;
      };
      const [inA, inB] = [await submit('a'), await submit('b')];
      await until('the task is done', async () =>
        (await get(`/async_request/${inA}`, as('all'))).text.includes('SUCCEEDED'),
      );
      for (const suffix of ['', '/result']) {
        expect((await get(`/async_request/${inA}${suffix}`, as('in-b'))).status).toBe(404);
        expect((await get(`/async_request/${inA}${suffix}`, as('all'))).status).toBe(200);
      }
      expect((await get(`/async_request/${inB}`, as('in-b'))).status).toBe(200);
      const cancel = await call(weir.url, `/async_request/${inA}`, { method: 'DELETE', headers: as('in-b') });
      expect(cancel.status).toBe(404);
    });

    it('restricted to routes open these in their plain spelling only', async () => {
      for (const path of ['/v1/models', '/sync/v1/models', '/deployment/a/sync/v1/models?x=/v1/other'])
        expect((await get(path, as('models'))).status, path).toBe(200);
      for (const path of [
        '/v1/completions',
        '/v1/models/../completions',
        '/v1/model%73',
        '//v1/models',
        '/v1/models/',
        '/predict',
        '/v1/completions?/v1/models',
        '/async_request/../v1/completions',
        '/async_request/..%2f..%2fx',
      ])
        expect((await get(path, as('models'))).status, path).toBe(403);
    });

    it('limit requests a second, and say when to try again', async () => {
      expect((await get('/x', as('one-a-second'))).status).toBe(200);
      const refused = await get('/x', as('one-a-second'));
      expect(refused.status).toBe(429);
      expect(refused.headers['retry-after']).toBe('1');
      expect(refused.headers['x-weir-cause']).toBe('key_limited');
      expect(refused.text).toContain('1 requests a second');
      await until('a second is over', async () => (await get('/x', as('one-a-second'))).status === 200);
    });

    it('limit requests that run at the same time', async () => {
      const first = get('/slow', as('one-at-a-time'));
      await until(
        'the other one is refused',
        async () => (await get('/x', as('one-at-a-time'))).status === 429,
      );
      expect((await first).status).toBe(200);
      expect((await get('/x', as('one-at-a-time'))).status).toBe(200);
    });

    it('and the headers of the settings do not reach the replica', async () => {
      const headers = {
        ...as('all'),
        Cookie: 'a=1',
        'x-internal-user': 'me',
        X_Internal_User: 'me',
        'X-Internal-Users': 'kept',
      };
      const seen = JSON.parse((await get('/x', headers)).text) as SeenRequest;
      for (const name of ['authorization', 'cookie', 'x-internal-user', 'x_internal_user'])
        expect(headerValues(seen.headers, name), name).toEqual([]);
      expect(headerValues(seen.headers, 'x-internal-users')).toEqual(['kept']);
    });

    it('and the headers of the settings do not reach the replica as trailers', async () => {
      const req = begin(weir.url, '/x', {
        method: 'POST',
        headers: { ...as('all'), 'transfer-encoding': 'chunked', trailer: 'x-internal-user, x-sum' },
      });
      const answer = new Promise<string>((resolve) =>
        req.on('response', (res) => {
          let text = '';
          res.on('data', (chunk: Buffer) => (text += chunk.toString()));
          res.on('end', () => resolve(text));
        }),
      );
      req.write('{}');
      req.addTrailers({ 'x-internal-user': 'me', 'x-sum': '1' });
      req.end();
      expect((JSON.parse(await answer) as SeenRequest).trailers).toEqual(['x-sum', '1']);
    });

    it('are read again when their file changes, and a broken file changes nothing', async () => {
      expect((await get('/x', as('new'))).status).toBe(401);
      const { keys } = JSON.parse(readFileSync(file, 'utf8')) as { keys: object[] };
      writeFileSync(file, '{');
      await weir.expectLine('a refusal', (line) => line.event === 'client keys refused');
      expect((await get('/x', as('all'))).status).toBe(200);
      writeFileSync(file, JSON.stringify({ keys: [...keys.slice(0, 3), entry('new', ['predict'])] }));
      await until('the new key opens', async () => (await get('/x', as('new'))).status === 200);
      expect((await get('/x', as('all'))).status).toBe(401);
      writeFileSync(file, JSON.stringify({ keys: [...keys, entry('new', ['predict'])] }));
      await until('the old key opens again', async () => (await get('/x', as('all'))).status === 200);
    });
  });

describe('a key of a client that the admin API made', () => {
  it('works at once, and not any more after it was removed, on an open connection too', async () => {
    const replica = await startReplica(mirror);
    const weir = await startWeir(['--replica', replica.url, '--client-keys-required']);
    const make = async (name: string, scopes: readonly string[]) => {
      const { text, status } = await call(weir.admin, '/v1/keys', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name, scopes }),
      });
      expect(status).toBe(201);
      return JSON.parse(text) as { key: string; id: string };
    };
    // Two keys of one name: the new one is made before the old one is removed.
    const [old, next] = [await make('app', ['predict']), await make('app', ['predict'])];
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const status = async (key: string) =>
      (await call(weir.url, '/x', { headers: { authorization: `Bearer ${key}` }, agent })).status;
    expect(await status(old.key)).toBe(200);
    expect(await status(next.key)).toBe(200);
    expect(await status(old.key)).toBe(200);
    expect((await call(weir.admin, `/v1/keys/${old.id}`, { method: 'DELETE' })).status).toBe(204);
    expect(await status(old.key)).toBe(401);
    expect(await status(next.key)).toBe(200);
    agent.destroy();
    await stopAll();
    await closeReplicas();
  });

  it('of the admin API opens no entrance of the data server, whatever its scope is', async () => {
    const replica = await startReplica(mirror);
    const main = 'the-key-of-the-settings';
    const weir = await startWeir(['--replica', replica.url, '--client-keys-required', `--admin-key=${main}`]);
    const keys = [main];
    for (const scope of ADMIN_SCOPES) {
      const { text } = await call(weir.admin, '/v1/keys', {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${main}` },
        body: JSON.stringify({ name: scope, scopes: [scope] }),
      });
      keys.push((JSON.parse(text) as { key: string }).key);
    }
    expect(keys).toHaveLength(SCOPES.length - clientScopes.length + 1);
    for (const key of keys) {
      const { status } = await call(weir.url, '/x', { headers: { authorization: `Bearer ${key}` } });
      expect(status).toBe(401);
    }
    await stopAll();
    await closeReplicas();
  });
});

describe('a gRPC call', () => {
  let replica: GrpcReplica;
  let weir: Weir;
  let client: TestClient;

  beforeAll(async () => {
    replica = await startGrpcReplica();
    const file = fileOfKeys(
      ...clientScopes.map((scope) => entry(scope, [scope])),
      entry('empty-only', ['predict'], { routes: ['/example.TestService/EmptyCall'] }),
      entry('limited', ['predict'], { limits: { requests_per_second: 0.01 } }),
    );
    weir = await startWeir([
      '--replica',
      replica.url,
      '--client-keys-required',
      `--client-keys-file=${file}`,
    ]);
    client = new TestClient(weir.port);
  });
  afterAll(async () => {
    await stopAll();
    await closeGrpc();
  });

  const empty = async (values: Record<string, string>): Promise<number> =>
    (await client.unary('emptyCall', {}, { metadata: Object.entries(values) }).outcome).code;

  it('needs a key with the scope predict, in either name of its metadata', async () => {
    expect(await empty({})).toBe(grpcStatus.UNAUTHENTICATED);
    expect(await empty({ authorization: 'Bearer wrong' })).toBe(grpcStatus.UNAUTHENTICATED);
    for (const scope of clientScopes)
      for (const name of ['authorization', 'baseten-authorization'])
        expect(await empty({ [name]: `Api-Key ${keyOf(scope)}` }), scope).toBe(
          scope === 'predict' ? grpcStatus.OK : grpcStatus.PERMISSION_DENIED,
        );
    const seen = replica.seen.at(-1)!;
    expect(seen.get('authorization')).toEqual([]);
    expect(seen.get('baseten-authorization')).toEqual([]);
  });

  it('needs a key that allows its method', async () => {
    expect(await empty(as('empty-only'))).toBe(grpcStatus.OK);
    const other = client.unary(
      'unaryCall',
      { responseSize: 1 },
      {
        metadata: Object.entries(as('empty-only')),
      },
    );
    expect((await other.outcome).code).toBe(grpcStatus.PERMISSION_DENIED);
  });

  it('is refused beyond a limit', async () => {
    expect(await empty(as('limited'))).toBe(grpcStatus.OK);
    expect(await empty(as('limited'))).toBe(grpcStatus.RESOURCE_EXHAUSTED);
  });
});

describe('a client that has used its tokens or its budget', () => {
  let model: ModelReplica;
  let config = '';
  let data = '';

  beforeAll(async () => {
    model = await new ModelReplica().start();
    const folder = mkdtempSync(join(tmpdir(), 'weir-'));
    config = join(folder, 'weir.yaml');
    data = join(folder, 'data');
    const file = fileOfKeys(
      entry('tokens', ['predict', 'async'], { limits: { tokens_per_minute: 15 } }),
      entry('cost', ['predict', 'async'], { limits: { cost_per_day: 1.5 } }),
      entry('async-cost', ['predict', 'async'], { limits: { cost_per_day: 1.5 } }),
    );
    // A response has ten tokens, and so costs 1.
    writeFileSync(
      config,
      `deployments: [{ id: a, predict_path: /v1/chat/completions, replicas: [{ url: "${model.replica.url}" }] }]
client_keys: { required: true, file: "${file}" }
llm: { prices: [{ model: '*', input: 100000, output: 100000 }] }
`,
    );
  });
  afterAll(async () => {
    await stopAll();
    await closeReplicas();
  });

  const start = () => startWeir(['--config', config, `--data-dir=${data}`]);
  const ask = (weir: Weir, name: string, path = '/v1/chat/completions', body: object = { model: 'vLLM' }) =>
    call(weir.url, path, {
      method: 'POST',
      headers: { ...as(name), 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  it('is refused with the time until the limit allows it again, and its metrics say so', async () => {
    const weir = await start();
    expect((await ask(weir, 'tokens')).status).toBe(200);
    expect((await ask(weir, 'tokens')).status).toBe(200);
    const refused = await ask(weir, 'tokens');
    expect(refused.status).toBe(429);
    expect(refused.text).toContain('15 tokens a minute');
    // Five tokens too many, at one in four seconds; nearly one has come back.
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(10);
    await weir.expectMetric('weir_client_tokens_total{key="tokens"}', 20);
    await weir.expectMetric('weir_client_requests_total{key="tokens"}', 3);
    await weir.expectMetric('weir_client_refusals_total{key="tokens",reason="tokens"}', 1);
    await weir.expectMetric('weir_client_running{key="tokens"}', 0);
    await call(weir.url, '/x');
    await weir.expectMetric('weir_client_refusals_total{key="",reason="missing"}', 1);
    await weir.stop();
  });

  it('is named in the access log and in the record, and its key is in neither', async () => {
    const weir = await start();
    const { headers } = await ask(weir, 'tokens');
    const line = await weir.expectExchange(headers['x-baseten-request-id'] as string);
    expect(line['key']).toBe('tokens');
    const found = async (query: string): Promise<string> =>
      (await call(weir.admin, `/v1/logs?q=${encodeURIComponent(query)}`)).text;
    await until('the record is found', async () => (await found('key:tokens')).includes('"key":"tokens"'));
    expect(await found('key:none')).not.toContain('"key"');
    expect(await found('kind:request')).not.toContain(keyOf(''));
    expect(JSON.stringify(weir.lines)).not.toContain(keyOf(''));
    await weir.stop();
  });

  it('stays refused after a restart until the day is over', async () => {
    const weir = await start();
    expect((await ask(weir, 'cost')).status).toBe(200);
    expect((await ask(weir, 'cost')).status).toBe(200);
    expect((await ask(weir, 'cost')).status).toBe(429);
    await weir.expectMetric('weir_client_cost_total{key="cost"}', 2);
    await weir.stop();
    const again = await start();
    const refused = await ask(again, 'cost');
    expect(refused.status).toBe(429);
    expect(refused.text).toContain('cost of 1.5 a day');
    await again.stop();
  });

  it('is charged for its asynchronous requests too', async () => {
    const weir = await start();
    for (let i = 0; i < 2; i++) {
      const input = { model_input: { model: 'vLLM' } };
      expect((await ask(weir, 'async-cost', '/async_predict', input)).status).toBe(201);
    }
    await weir.expectMetric('weir_client_cost_total{key="async-cost"}', 2);
    expect((await ask(weir, 'async-cost')).status).toBe(429);
    await weir.stop();
  });
});
