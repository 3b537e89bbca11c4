// What the overview costs the forwarding thread: for each request, for each slot of 15 s, and for each snapshot.
// Invariant: the hour before is full, 32 replicas are configured, and 4 % of the requests fail.
import { gzipSync } from 'node:zlib';
import { OverviewMeter } from '../src/control/admin/overview/overview-meter.ts';
import { overviewOf } from '../src/control/admin/overview/overview-snapshot.ts';
import type { OverviewSources } from '../src/control/admin/overview/overview-sources.ts';
import { STEP_MS } from '../src/control/admin/overview/figure-slots.ts';
import { Exchanges, type Exchange } from '../src/core/exchange/exchange.ts';
import { LlmFacts } from '../src/core/exchange/llm-facts.ts';
import { Pool } from '../src/data-plane/replicas/pool.ts';
import { configOf, deploymentOptions } from '../test/kit/deployment.ts';

const REPLICAS = Array.from({ length: 32 }, (_, i) => `r${i}`);
const STATUSES = [500, 404, 502, 429];
const SLOTS = 260;
const ROUNDS = 200;

const pool = new Pool(
  [deploymentOptions(REPLICAS, { id: 'dep1', environment: 'production', concurrency_target: 8 })],
  configOf().pool,
  { changed: () => undefined, dead: () => undefined },
);
let nowMs = Math.ceil(Date.now() / 60_000) * 60_000;
const sources: OverviewSources = {
  version: '0.1.0',
  pool,
  scale: () => [],
  activeOf: () => 32,
  scaleWindowMs: 60_000,
  isFollowed: () => false,
  collectors: {
    gpus: () =>
      REPLICAS.map((replica, i) => ({
        deployment: 0,
        replica,
        gpu: String(i),
        memoryUsedMiB: 70_000 + i,
        memoryTotalMiB: 81_920,
        utilizationPercent: 90,
      })),
    containers: () => [],
    stats: () => [],
  },
  restartsOf: () => 0,
  asyncDepth: () => ({ queued: 0, inProgress: 0 }),
  nextToExpire: () => Promise.resolve(undefined),
  failedTasks: () => 0,
  webhooks: () => new Map(),
  exporters: () => [],
  store: () => ({ lost: 0, lagSeconds: 0, bytes: 5e9, maxBytes: 6e9 }),
  currency: () => 'USD',
  isDraining: () => false,
};

const exchanges = new Exchanges({ trust_inbound: false });
function request(i: number, hasModel: boolean): Exchange {
  const exchange = exchanges.open(undefined);
  exchange.deployment = 0;
  exchange.replica = REPLICAS[i % REPLICAS.length]!;
  exchange.endMs = exchange.startMs + 100 + ((i * 7919) % 5000);
  exchange.status = hasModel && i % 25 === 0 ? STATUSES[(i / 25) % STATUSES.length]! : 200;
  exchange.cause = 'ok';
  if (!hasModel) return exchange;
  const llm = new LlmFacts();
  llm.isStream = true;
  llm.firstTokenMs = exchange.startMs + 50 + ((i * 104_729) % 900);
  llm.inputTokens = 500;
  llm.outputTokens = 200 + (i % 77);
  llm.cost = 0.001;
  exchange.llm = llm;
  return exchange;
}

/** Times of a function in milliseconds, sorted. */
function timesOf(act: () => void): number[] {
  const times: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const beganMs = performance.now();
    act();
    times.push(performance.now() - beganMs);
  }
  return times.sort((a, b) => a - b);
}

const meter = new OverviewMeter(sources, () => nowMs);
const streams = Array.from({ length: 400 }, (_, i) => request(i, true));
const plain = Array.from({ length: 400 }, (_, i) => request(i, false));
for (let slot = 0; slot < SLOTS; slot++) {
  for (const one of streams) meter.closed(one);
  nowMs += STEP_MS;
  meter.measure();
}
const perRequest = (all: readonly Exchange[]): string => {
  const [median] = timesOf(() => {
    for (let n = 0; n < 50; n++) for (const one of all) meter.closed(one);
  }).slice(ROUNDS / 2);
  return `${((median! * 1e6) / (50 * all.length)).toFixed(0)} ns`;
};
const inMs = (times: readonly number[]): string =>
  `${times[ROUNDS / 2]!.toFixed(2)} ms, p95 ${times[Math.floor(ROUNDS * 0.95)]!.toFixed(2)} ms`;

let body = '';
const snapshots = timesOf(() => {
  nowMs += 1000;
  meter.measure();
  body = JSON.stringify(overviewOf(sources, meter, undefined, nowMs));
});
const slots = timesOf(() => {
  nowMs += STEP_MS;
  meter.measure();
});
console.table({
  'a request': perRequest(plain),
  'a stream of a model': perRequest(streams),
  'a slot of 15 s': inMs(slots),
  'a snapshot with its JSON': inMs(snapshots),
  'bytes of an answer': body.length,
  'bytes, compressed': gzipSync(body).length,
});
