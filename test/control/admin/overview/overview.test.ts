// GET /v1/overview and GET /v1/me of an admin server in this process.
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { Overview } from '../../../../src/control/admin/overview/overview.ts';
import type { MeJson } from '../../../../src/control/admin/overview/me-json.ts';
import type { OverviewJson } from '../../../../src/control/admin/overview/overview-json.ts';
import type { OverviewSources } from '../../../../src/control/admin/overview/overview-sources.ts';
import { OverviewTally } from '../../../../src/control/admin/overview/overview-tally.ts';
import type { NextToExpire } from '../../../../src/async/queue/queue.ts';
import type { Cause } from '../../../../src/core/errors.ts';
import { Exchanges, type Exchange } from '../../../../src/core/exchange/exchange.ts';
import { LlmFacts } from '../../../../src/core/exchange/llm-facts.ts';
import { Pool } from '../../../../src/data-plane/replicas/pool.ts';
import { closeAdmins, startAdmin } from '../../../kit/admin.ts';
import { configOf, deploymentOptions } from '../../../kit/deployment.ts';
import { removeFolders } from '../../../kit/folder.ts';

const KEY = 'a-long-enough-admin-key';
const NOW = Date.UTC(2026, 10, 28, 3, 14, 22);

afterEach(async () => {
  await closeAdmins();
  removeFolders();
});

const poolOf = (...ids: string[]): Pool =>
  new Pool(
    ids.map((id) => deploymentOptions(['r0', 'r1'], { id, environment: id === 'dep1' ? 'production' : '' })),
    configOf().pool,
    { changed: () => undefined, dead: () => undefined },
  );

/** Sources of a weir that has just started, and how often the scale was read. */
function sourcesOf(pool: Pool): OverviewSources & { reads: number } {
  const sources = {
    reads: 0,
    version: '0.1.0',
    pool,
    scale: () => {
      sources.reads++;
      return [];
    },
    activeOf: () => 0,
    scaleWindowMs: 60_000,
    isFollowed: () => false,
    collectors: { gpus: () => [], containers: () => [], stats: () => [] },
    restartsOf: () => undefined,
    asyncDepth: () => ({ queued: 0, inProgress: 0 }),
    nextToExpire: (): Promise<NextToExpire | undefined> => Promise.resolve(undefined),
    failedTasks: () => 0,
    webhooks: () => new Map<string, number>(),
    exporters: () => [],
    store: () => undefined,
    currency: () => 'USD',
    isDraining: () => false,
  };
  return sources;
}

async function adminWith(overview: Overview, pool: Pool, args: string[] = []) {
  const { url } = await startAdmin({ args, deps: { overview, pool } });
  const get = (path: string, headers: Record<string, string> = {}) => fetch(`${url}${path}`, { headers });
  return {
    get,
    json: async <T>(path: string, headers = {}) => (await (await get(path, headers)).json()) as T,
  };
}

describe('GET /v1/overview', () => {
  it('is computed once a second for all viewers', async () => {
    const pool = poolOf('dep1');
    const sources = sourcesOf(pool);
    let nowMs = NOW;
    const { get } = await adminWith(new Overview(sources, () => nowMs), pool);
    const [first, second] = await Promise.all([get('/v1/overview'), get('/v1/overview')]);
    const readsOfOne = sources.reads;
    expect(first.headers.get('etag')).toBe(second.headers.get('etag'));
    nowMs += 999;
    await get('/v1/overview');
    expect(sources.reads).toBe(readsOfOne);
    nowMs += 1;
    expect((await get('/v1/overview')).headers.get('etag')).not.toBe(first.headers.get('etag'));
    expect(sources.reads).toBe(2 * readsOfOne);
  });

  it('is 304 without a body for a viewer that has the snapshot of this second', async () => {
    const pool = poolOf('dep1');
    const { get } = await adminWith(new Overview(sourcesOf(pool), () => NOW), pool);
    const etag = (await get('/v1/overview')).headers.get('etag')!;
    const again = await get('/v1/overview', { 'if-none-match': `"other", W/${etag}` });
    expect(again.status).toBe(304);
    expect(await again.text()).toBe('');
    expect((await get('/v1/overview', { 'if-none-match': '"other"' })).status).toBe(200);
  });

  it('is packed for clients that accept gzip, and plain for others', async () => {
    const pool = poolOf('dep1');
    const { get } = await adminWith(new Overview(sourcesOf(pool), () => NOW), pool);
    const packed = await get('/v1/overview', { 'accept-encoding': 'gzip' });
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    const plain = await get('/v1/overview', { 'accept-encoding': 'identity' });
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(await packed.json()).toEqual(await plain.json());
  });

  it('shows addresses of replicas only to keys with the scope admin', async () => {
    const pool = poolOf('dep1');
    const { get, json } = await adminWith(new Overview(sourcesOf(pool)), pool, [`--admin-key=${KEY}`]);
    const admin = { authorization: `Bearer ${KEY}` };
    const made = await fetch(`${(await get('/livez')).url.replace('/livez', '')}/v1/keys`, {
      method: 'POST',
      headers: { ...admin, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'reader', scopes: ['logs:read'] }),
    });
    const { key } = (await made.json()) as { key: string };
    const reader = { authorization: `Bearer ${key}` };
    const full = await json<OverviewJson>('/v1/overview', admin);
    expect(full.replicas.map(({ url }) => url)).toEqual(['http://127.0.0.1:1', 'http://127.0.0.1:2']);
    const short = await json<OverviewJson>('/v1/overview', reader);
    expect(short.replicas.map(({ id }) => id)).toEqual(['r0', 'r1']);
    expect(JSON.stringify(short)).not.toContain('127.0.0.1');
    const listed = await get('/v1/replicas', reader);
    expect(listed.status).toBe(200);
    expect(await listed.text()).not.toContain('127.0.0.1');
    expect(await (await get('/v1/replicas', admin)).text()).toContain('http://127.0.0.1:1');
    expect((await get('/v1/overview')).status).toBe(401);
  });

  it('has no figure for what is not known', async () => {
    const pool = poolOf('dep1');
    const { json } = await adminWith(new Overview(sourcesOf(pool), () => NOW), pool);
    const { figures, traffic, async: queue, store, replicas } = await json<OverviewJson>('/v1/overview');
    expect(figures.errors).toMatchObject({ now: null, before: null, failed: 0, requests: 0 });
    expect(figures.latency).toMatchObject({ p50: null, p95: null, p99: null, before: null });
    expect(figures.tokens.now).toBeNull();
    expect(figures.cost_per_hour).toEqual({ now: null, currency: 'USD' });
    expect(figures.requests.points).toHaveLength(240);
    expect(figures.requests.points.every((point) => point === null)).toBe(true);
    expect(traffic.classes['2xx']).toHaveLength(60);
    expect(queue).toMatchObject({ oldest_ms: null, webhooks_ok: null, queued: 0 });
    expect(store).toBeNull();
    expect(replicas[0]).toMatchObject({
      cpu: null,
      memory_bytes: null,
      restarts: null,
      probe: null,
      ttft_p95_ms: null,
    });
  });

  it('says how long the task that expires first has waited, and does not wait for a queue that hangs', async () => {
    const pool = poolOf('dep1');
    const sources = { ...sourcesOf(pool), asyncDepth: () => ({ queued: 1, inProgress: 0 }) };
    const asyncOf = async (nextToExpire: OverviewSources['nextToExpire']) => {
      const { json } = await adminWith(new Overview({ ...sources, nextToExpire }, () => NOW), pool);
      return (await json<OverviewJson>('/v1/overview')).async;
    };
    const next = { createdMs: NOW - 400_000, expiresMs: NOW + 200_000 };
    expect(await asyncOf(() => Promise.resolve(next))).toMatchObject({
      oldest_ms: 400_000,
      expires_first_ms: 200_000,
    });
    expect(await asyncOf(() => new Promise(() => undefined))).toMatchObject({ oldest_ms: null });
    expect(await asyncOf(() => Promise.reject(new Error('no Redis')))).toMatchObject({ oldest_ms: null });
  });

  it('counts the requests of the last minute against the hour before', async () => {
    const pool = poolOf('dep1');
    let nowMs = Math.ceil(NOW / 60_000) * 60_000;
    const overview = new Overview(sourcesOf(pool), () => nowMs);
    const exchanges = new Exchanges({ trust_inbound: false });
    exchanges.observe(overview);
    const request = (status: number): void => {
      const exchange = exchanges.open(undefined);
      exchange.route(0);
      exchange.close('ok', status);
    };
    const { json } = await adminWith(overview, pool);
    for (let i = 0; i < 150; i++) request(200);
    nowMs += 15_000;
    await json('/v1/overview');
    nowMs += 75_000;
    await json('/v1/overview');
    for (let i = 0; i < 45; i++) request(200);
    for (let i = 0; i < 5; i++) request(500);
    nowMs += 10_000;
    const { figures, verdict, causes } = await json<OverviewJson>('/v1/overview');
    // 150 requests in two slots; weir did not run in those that the clock jumped over.
    expect(figures.requests).toMatchObject({ count: 50, now: 5, before: 5 });
    expect(figures.errors).toMatchObject({ failed: 5, requests: 50, now: 0.1, before: 0 });
    expect(verdict.parts.find(({ rule }) => rule === 'errors')).toMatchObject({
      count: 5,
      cause: 'answer_5xx',
    });
    expect(causes).toMatchObject([{ cause: 'answer_5xx', count: 5, origin: 'replica', status: 500 }]);
  });
});

describe('requests of other threads', () => {
  const request = fc.record({
    thread: fc.nat(2),
    status: fc.constantFrom(200, 200, 404, 429, 500, 502),
    cause: fc.constantFrom<Cause>('ok', 'queue_full', 'reset_midway', 'client_gone'),
    replica: fc.constantFrom('', 'r0', 'r1'),
    ms: fc.constantFrom(0, 3, 50, 2000),
    stream: fc.boolean(),
    passedMs: fc.constantFrom(0, 40, 7000),
  });

  it('are in the overview as those of the main thread', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 60 }), async (requests) => {
        let nowMs = NOW;
        const pool = poolOf('dep1');
        const [one, all] = [0, 1].map(() => new Overview(sourcesOf(pool), () => nowMs)) as [
          Overview,
          Overview,
        ];
        const tallies = [1, 2].map(() => new OverviewTally(() => nowMs));
        const report = (): void => {
          for (const tally of tallies) {
            const counted = tally.take();
            if (counted !== undefined) all.report(structuredClone(counted));
          }
        };
        for (const { thread, status, cause, replica, ms, stream, passedMs } of requests) {
          if (nowMs + passedMs > nowMs) report();
          nowMs += passedMs;
          const llm = stream
            ? Object.assign(new LlmFacts(), {
                isStream: true,
                firstTokenMs: 1000 + ms,
                inputTokens: 5,
                outputTokens: 7,
                cost: 0.5,
              })
            : undefined;
          const times = { startMs: 1000, endMs: 1000 + ms, protocol: 'http' };
          const facts = {
            id: `id-${nowMs}`,
            detail: 'why',
            deployment: 0,
            recordedAs: 0,
            status,
            cause,
            replica,
            llm,
          };
          const exchange = { ...times, ...facts } as Exchange;
          one.closed(exchange);
          (thread === 0 ? all : tallies[thread - 1]!).closed(exchange);
        }
        report();
        nowMs += 2000;
        const [expected, found] = await Promise.all([one.encoded(true), all.encoded(true)]);
        const sorted = (body: string) => {
          const { causes, ...others } = JSON.parse(body) as OverviewJson;
          const named = causes.map(
            ({ example_request_id: _id, replica: _replica, status: _status, ...facts }) => facts,
          );
          return { ...others, causes: named.sort((a, b) => (a.cause < b.cause ? -1 : 1)) };
        };
        expect(sorted(found.body)).toEqual(sorted(expected.body));
      }),
      { numRuns: 60 },
    );
  });
});

describe('GET /v1/me', () => {
  it('says that no key is needed as long as there is none', async () => {
    const pool = poolOf('dep1', 'dep2');
    const { json } = await adminWith(new Overview(sourcesOf(pool)), pool);
    const me = await json<MeJson>('/v1/me');
    expect(me.key).toEqual({
      id: null,
      name: null,
      scopes: ['admin'],
      expires_at: null,
      is_without_key: true,
    });
    expect(me.deployments).toEqual([
      {
        id: 'dep1',
        environment: 'production',
        phase: 'stable',
        traffic_weight: 100,
        replicas: 2,
        ready_replicas: 0,
      },
      { id: 'dep2', environment: '', phase: '', traffic_weight: 100, replicas: 2, ready_replicas: 0 },
    ]);
    expect(me.environments).toEqual(['production']);
    expect(me.limits).toEqual({ download_rows: 100_000, download_days: 7, tails: 100 });
    expect(Math.abs(Number(me.weir.time_ns) / 1e6 - Date.now())).toBeLessThan(5000);
  });

  it('says which key it is, to keys of any scope', async () => {
    const pool = poolOf('dep1');
    const { get, json } = await adminWith(new Overview(sourcesOf(pool)), pool, [`--admin-key=${KEY}`]);
    const base = (await get('/livez')).url.replace('/livez', '');
    const expires_at = new Date(Date.now() + 60_000).toISOString();
    const made = await fetch(`${base}/v1/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'scraper', scopes: ['metrics'], expires_at }),
    });
    const { key, id } = (await made.json()) as { key: string; id: string };
    expect((await json<MeJson>('/v1/me', { authorization: `Bearer ${key}` })).key).toEqual({
      id,
      name: 'scraper',
      scopes: ['metrics'],
      expires_at,
      is_without_key: false,
    });
    expect((await json<MeJson>('/v1/me', { authorization: `Bearer ${KEY}` })).key).toMatchObject({
      id: 'admin.key',
      scopes: ['admin'],
    });
    expect((await get('/v1/me')).status).toBe(401);
  });
});
