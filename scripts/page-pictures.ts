// npm run page:pictures: takes the pictures of the web page that the README and its guide show, docs/page/*.png.
// They tell one incident: a replica is killed, another one runs out of GPU memory, and the rest is full.
// Invariant: all pictures are of the real page over a real weir; nothing is drawn. Takes about eight minutes.
// Usage: node scripts/page-pictures.ts [NAME …]: only these pictures. Environment: CHROMIUM, PICTURE_MINUTES
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { stringify } from 'yaml';
import { FakeNvidiaSmi } from '../test/kit/fake-nvidia-smi.ts';
import { startWeir, stopAll } from '../test/kit/weir.ts';
import { fill, REPLICAS } from '../test/page/kit/fill.ts';
import { callAdmin, sendTraced, startTraffic, type Servers } from './pictures/picture-incident.ts';
import { smallPng } from './pictures/small-png.ts';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const OUT = path('../docs/page');
/** How much faster time passes before the incident, and how many minutes pass so. */
const SPEED = 10;
const MINUTES = Number(process.env['PICTURE_MINUTES'] ?? 62);
/** The incident begins this long before the shown time is the real time; the pictures are taken so long after that. */
const INCIDENT_MS = 150_000;
const AFTER_MS = 70_000;

/** Key of the replicas, and of all that is set up here. */
const ADMIN_KEY = 'key-of-the-pictures';
const realEndMs = Date.now() + 25_000 + (MINUTES * 60_000) / SPEED;
const clock = { PICTURE_CLOCK: `${realEndMs},${SPEED}`, PICTURE_KEY: ADMIN_KEY };
const shownMs = (): number => {
  const nowMs = Date.now();
  return nowMs >= realEndMs ? nowMs : realEndMs - (realEndMs - nowMs) * SPEED;
};
const children: ChildProcess[] = [];

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** A receiver of OTLP, which accepts one key. */
async function startReceiver(): Promise<string> {
  const server = createServer((req, res) => {
    const isAccepted = req.headers['x-token'] === 'valid';
    req
      .resume()
      .on('end', () =>
        res.writeHead(isAccepted ? 200 : 401).end(isAccepted ? '{}' : '{"message":"the token is revoked"}'),
      );
  });
  server.listen(0, '127.0.0.1').unref();
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function startReplicas(adminPort: number): Promise<Map<string, { port: number; child: ChildProcess }>> {
  const found = new Map<string, { port: number; child: ChildProcess }>();
  for (const id of [...REPLICAS, 'st1']) {
    const port = await freePort();
    const child = spawn(
      process.execPath,
      [path('pictures/picture-replica.ts'), String(port), id, String(adminPort)],
      { env: { ...process.env, ...clock }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    children.push(child);
    await once(child.stdout, 'data');
    found.set(id, { port, child });
  }
  return found;
}

const configOf = (replicas: ReadonlyMap<string, { port: number }>): string => {
  const replica = (id: string, gpu?: number) => ({
    id,
    url: `http://127.0.0.1:${replicas.get(id)!.port}`,
    ...(gpu === undefined ? {} : { gpus: [gpu] }),
  });
  return stringify({
    model: { id: 'mdl1', name: 'llama-3' },
    trace: { enabled: true },
    scale: { max_replica: 6 },
    llm: {
      currency: 'USD',
      prices: [
        { model: 'llama-3-70b', input: 0.59, cached: 0.3, output: 0.79 },
        { model: 'llama-3-8b', input: 0.05, output: 0.08 },
      ],
    },
    admin: { key: ADMIN_KEY },
    deployments: [
      {
        id: 'dep1',
        environment: 'production',
        rollout_phase: 'stable',
        concurrency_target: 6,
        readiness_path: '/health',
        predict_path: '/v1/chat/completions',
        replicas: REPLICAS.map((id, i) => replica(id, i % 2)),
      },
      { id: 'dep2', environment: 'staging', concurrency_target: 6, replicas: [replica('st1')] },
    ],
  });
};

const addresses = ({ url, admin }: { readonly url: string; readonly admin: string }) => ({ url, admin });

/** Makes a connection to a receiver, and returns its id. */
const connect = async (
  servers: Servers,
  name: string,
  endpoint_url: string,
  header_value: string,
): Promise<string> =>
  (
    await callAdmin<{ id: string }>(servers, 'POST', '/v1/otel/connections', {
      name,
      endpoint_url,
      header_name: 'x-token',
      header_value,
      signal: endpoint_url.endsWith('traces') ? 'traces' : 'logs',
    })
  ).id;

/** What operators have set up, beside the configuration. Returns the id of an export. */
async function setUp(servers: Servers, project: string): Promise<string> {
  for (const [name, description, color] of [
    ['golden', 'Good answer, for the test set', '#229b72'],
    ['wrong', 'The answer is not true', '#e1725d'],
    ['refund', 'Is about money that goes back', '#7278e7'],
  ])
    await callAdmin(servers, 'POST', '/v1/project_tag', { project_id: project, name, description, color });
  const day = new Date(shownMs() - 86_400_000).toISOString();
  const jobs = [
    { filters: { created_at: { gte: day }, status_code: '5xx' }, description: 'Errors of the last day' },
    {
      filters: { created_at: { gte: day }, ai_model: 'llama-3-70b' },
      description: 'Review of llama-3-70b',
      format: 'csv',
    },
    {
      filters: { created_at: { gte: day } },
      description: 'Invoice of November',
      requested_data: ['id', 'created_at', 'ai_model', 'total_tokens', 'cost'],
    },
  ];
  let last = '';
  for (const [i, job] of jobs.entries()) {
    const { id } = await callAdmin<{ id: string }>(servers, 'POST', '/v1/logs/exports', job);
    if (i > 0) await callAdmin(servers, 'POST', `/v1/logs/exports/${id}/start`);
    last = id;
  }
  return last;
}

/** Opens an address in a theme, waits until it is at rest, and writes its picture. */
async function take(
  browser: Browser,
  { admin, key }: Servers,
  name: string,
  address: string,
  prepare: (page: Page) => Promise<unknown>,
): Promise<void> {
  for (const scheme of ['light', 'dark'] as const) {
    const context = await browser.newContext({
      viewport: { width: 1440, height: 900 },
      colorScheme: scheme,
      locale: 'en-GB',
      timezoneId: 'UTC',
      reducedMotion: 'reduce',
    });
    context.setDefaultTimeout(20_000);
    await context.addInitScript((entered) => sessionStorage.setItem('weir key', entered), key);
    const page = await context.newPage();
    page.on('pageerror', (error) => console.error(`${name}: ${error.stack ?? error.message}`));
    await page.goto(admin + address);
    await page.locator('main > :not(.loading)').first().waitFor();
    await prepare(page);
    // Live panels hold their connection open, so the page has no moment without one.
    await page.waitForTimeout(2500);
    const small = smallPng(await page.screenshot());
    writeFileSync(join(OUT, `${name}-${scheme}.png`), small);
    console.log(`${name}-${scheme}.png ${Math.round(small.length / 1000)} kB`);
    await context.close();
  }
}

async function main(wanted: readonly string[]): Promise<void> {
  spawnSync(process.execPath, [path('build-page.ts'), '--if-old'], { stdio: 'inherit' });
  mkdirSync(OUT, { recursive: true });
  const data = mkdtempSync(join(tmpdir(), 'weir-pictures-'));
  process.on('exit', () => rmSync(data, { recursive: true, force: true }));
  fill(data, Math.floor(shownMs()));
  const adminPort = await freePort();
  const replicas = await startReplicas(adminPort);
  const config = join(data, 'weir.yaml');
  writeFileSync(config, configOf(replicas));
  const weir = await startWeir(
    [`--config=${config}`, `--data-dir=${data}`, `--admin=127.0.0.1:${adminPort}`, '--logs-capture=full'],
    {
      env: {
        ...clock,
        ...new FakeNvidiaSmi('h100x2').env,
        NODE_OPTIONS: `--import=${new URL('pictures/fast-clock.ts', import.meta.url).href}`,
      },
    },
  );
  const { key } = await callAdmin<{ key: string }>(
    { ...addresses(weir), key: ADMIN_KEY },
    'POST',
    '/v1/keys',
    {
      name: 'mara',
      scopes: ['admin'],
    },
  );
  const servers: Servers = { ...addresses(weir), key };
  const receiver = await startReceiver();
  await connect(servers, 'honeycomb', `${receiver}/v1/traces`, 'valid');
  await connect(servers, 'grafana-logs', `${receiver}/v1/logs`, 'valid');
  const paused = await connect(servers, 'splunk-eu', `${receiver}/v1/logs`, 't-4711');
  const { id: project } = await callAdmin<{ id: string }>(servers, 'POST', '/v1/project', {
    name: 'support',
  });
  const stopTraffic = startTraffic(servers, () => (Date.now() < realEndMs ? SPEED : 1));
  await wait(realEndMs - INCIDENT_MS / SPEED - Date.now());
  replicas.get('def34')!.child.kill('SIGKILL');
  await fetch(`http://127.0.0.1:${replicas.get('jm2q4')!.port}/break?failing=0.2&slowness=1.5`, {
    method: 'POST',
  });
  await wait(realEndMs + 5000 - Date.now());
  const job = await setUp(servers, project);
  const requestId = await sendTraced(servers);
  await wait(realEndMs + AFTER_MS - Date.now());

  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    // Chromium has no sandbox for root.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  const since = encodeURIComponent('replica:jm2q4 level>=error');
  const pictures: readonly (readonly [
    name: string,
    address: string,
    prepare: (page: Page) => Promise<unknown>,
  ])[] = [
    ['overview', '/ui/', (page) => page.getByText('Degraded since').waitFor()],
    ['logs', `/ui/logs?q=${since}&since=30m`, openSecond],
    ['request', `/ui/r/${requestId}`, (page) => page.getByText('Polite').waitFor()],
    ['monitor', '/ui/monitor?since=6h&by=model', (page) => page.getByText(/\d charts in/).waitFor()],
    ['exports', `/ui/exports/${job}`, (page) => page.getByText('SHA-256').waitFor()],
    ['settings', `/ui/settings/connections/${paused}`, (page) => page.getByText('records wait').waitFor()],
    ['go-to', '/ui/', (page) => openGoTo(page, requestId)],
  ];
  const failed: unknown[] = [];
  for (const [name, address, prepare] of pictures)
    if (wanted.length === 0 || wanted.includes(name))
      await take(browser, servers, name, address, prepare).catch((error: unknown) =>
        failed.push(name, error),
      );
  await browser.close();
  await stopTraffic();
  if (failed.length > 0) throw new AggregateError(failed, 'pictures failed');
}

/** Opens the details of the second record. */
async function openSecond(page: Page): Promise<void> {
  await page.getByRole('grid').getByRole('row').nth(3).waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.locator('.det').waitFor();
}

/** Opens "Go to" with the end of an id. */
async function openGoTo(page: Page, requestId: string): Promise<void> {
  await page.keyboard.press('Control+k');
  await page.getByRole('dialog').getByRole('combobox').fill(requestId.slice(-8));
  await page.getByRole('option').first().waitFor();
}

try {
  await main(process.argv.slice(2));
} finally {
  await stopAll();
  for (const child of children) child.kill();
}
process.exit(0);
