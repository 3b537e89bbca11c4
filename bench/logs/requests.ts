// Requests: how many are stored per second and in how many bytes, and queries among many of them.
// Invariant: requests go through the ring and the recorder thread. Their times are 1 ms apart, so that 10 million fill 2.8
// hours, and each is different in id, duration and size.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Exchange } from '../../src/core/exchange/exchange.ts';
import { derivedTraceId } from '../../src/core/exchange/identity.ts';
import { requestId } from '../../src/core/request-id.ts';
import type { GroupQuery } from '../../src/telemetry/logs/logs.ts';
import { median } from '../stats.ts';
import { random } from '../texts.ts';
import { BenchStore } from './bench-store.ts';
import { atMost, type LogReport } from './log-report.ts';
import { SHARED } from '../unobserved.ts';

/** Requests between two checks for room. */
const TURN = 500;
/** Requests whose ids and paths the queries look for. */
const MARKED = 42;
const SETTLE_MS = 1500;
const MINUTE_MS = 60_000;
const STEP_MS = 1;
/** Group queries of one kind, unless they take longer than `REPEAT_MS` together. */
const GROUPS = 5;
const REPEAT_MS = 3000;
/** Time after which a group is reported with the requests that it has read. */
const GROUP_TIMEOUT_MS = 20_000;

const DEPLOYMENTS = ['dep1', 'dep2', 'dep3', 'dep4'].map((id) => ({ id, environment: 'production' }));
const PATHS = ['/v1/chat/completions', '/v1/chat/completions', '/v1/embeddings', '/v1/models'];

/** A request that ended, as the fast lane leaves it. `path`: instead of a usual one. */
function ended(epochMs: number, path: string | undefined): Exchange {
  const startMs = 1_000_000 + random();
  const exchange = new Exchange(SHARED, requestId(epochMs), true, startMs, epochMs);
  const durationMs = 5 * Math.exp(3 * random());
  exchange.method = 'POST';
  exchange.target = path ?? PATHS[Math.floor(random() * PATHS.length)]!;
  exchange.remoteAddress = `10.0.0.${Math.floor(random() * 2)}`;
  exchange.replica = `r${Math.floor(random() * 2)}`;
  exchange.attempts = 1;
  exchange.requestBytes = Math.floor(random() * 2000);
  exchange.responseBytes = Math.floor(random() * 20_000);
  exchange.trace(undefined);
  exchange.leasedMs = startMs + 0.05;
  exchange.headMs = startMs + durationMs / 3;
  exchange.firstByteMs = exchange.headMs + 0.02;
  exchange.endMs = startMs + durationMs;
  const chance = random();
  exchange.status = chance < 0.98 ? 200 : chance < 0.99 ? 429 : 500;
  exchange.cause = 'ok';
  return exchange;
}

/** Counts and measures the newest `count` requests by minute and status, several times if that is fast. */
async function groups(
  store: BenchStore,
  endMs: number,
  count: number,
): Promise<{ cpuMs: number; matched: number }> {
  const query: GroupQuery = {
    node: { op: 'all' },
    fromNs: BigInt(endMs - count * STEP_MS) * 1_000_000n,
    toNs: BigInt(endMs) * 1_000_000n - 1n,
    by: [{ stepMs: MINUTE_MS }, { field: 'status' }],
    measures: [
      { op: 'count' },
      { op: 'percentile', p: 0.5, field: 'durationNs' },
      { op: 'percentile', p: 0.99, field: 'durationNs' },
    ],
  };
  const spent: number[] = [];
  for (const startMs = performance.now(); ;) {
    const before = store.readerMicros;
    const { matched, isPartial } = await store.logs.group(query, { timeoutMs: GROUP_TIMEOUT_MS });
    spent.push((store.readerMicros - before) / 1000);
    if (matched !== count && !isPartial) throw new Error(`${matched} of ${count} requests were grouped`);
    if (spent.length === GROUPS || performance.now() - startMs > REPEAT_MS)
      return { cpuMs: median(spent)!, matched };
  }
}

/** `many`: number of requests; `some`: a part of them, for groups. */
export async function measureRequests(
  report: LogReport,
  root: string,
  { many, some }: { many: number; some: number },
): Promise<void> {
  // Before the store is opened, whose first line must not be in the groups.
  const endMs = Date.now();
  const store = await BenchStore.open(join(root, 'requests'));
  const beganMs = endMs - many * STEP_MS;
  const ids: string[] = [];
  const [startMs, startMicros] = [performance.now(), store.recorderMicros];
  for (let n = 0; n < many; n++) {
    const isMarked = n === Math.floor((many * (ids.length + 0.5)) / MARKED);
    const exchange = ended(beganMs + n * STEP_MS, isMarked ? `/v1/rare${ids.length}` : undefined);
    if (isMarked) ids.push(exchange.id);
    store.logs.requestEnded(exchange, DEPLOYMENTS[n % DEPLOYMENTS.length]);
    if (n % TURN === 0) await store.roomForRequests(n);
  }
  await store.settled('request', many);
  const seconds = (performance.now() - startMs) / 1000;
  const recorderMicros = (store.recorderMicros - startMicros) / many;
  await sleep(SETTLE_MS);
  report.add(
    'requests_per_second',
    'requests stored per second, made by the same process',
    many / seconds,
    '',
  );
  report.add('request_recorder_us', 'CPU per request of the recorder thread', recorderMicros, ' µs');
  report.add(
    'bytes_per_stored_request',
    'bytes on disk per request, through the store alone',
    store.bytes / many,
    '',
  );

  const among = `in ${many.toLocaleString('en')} requests`;
  const ask = async (
    name: string,
    title: string,
    goalMs: number,
    ...query: Parameters<BenchStore['times']>
  ): Promise<void> =>
    report.addQueries(name, `${title} ${among}`, await store.times(...query), atMost(goalMs));
  const idAt = (part: number) => ids[Math.floor(part * MARKED)]!;
  await ask('by_id', 'search by request id', 0.3, (part) => `requestId:${idAt(part)}`, 100, 'some');
  await ask(
    'by_trace',
    'search by trace id',
    0.3,
    (part) => `trace:${derivedTraceId(idAt(part))}`,
    100,
    'some',
  );
  await ask(
    'by_rare_word',
    'search for a rare word',
    1,
    (part) => `rare${Math.floor(part * MARKED)}`,
    100,
    'some',
  );
  await ask('by_common_word', 'newest 500 with a common word', 5, () => 'completions', 500, 'some');
  await ask(
    'by_absent_status',
    'search for a status that no request has',
    20,
    () => 'status:418',
    100,
    'none',
  );

  for (const [name, count, goalMs] of [
    ['group_some_ms', some, 100],
    ['group_many_ms', many, 1000],
  ] as const) {
    const { cpuMs, matched } = await groups(store, endMs, count);
    const part = matched < count ? `, only ${matched.toLocaleString('en')} of them before the timeout` : '';
    const title = `count, p50 and p99 by minute and status of ${count.toLocaleString('en')} requests${part}`;
    report.add(name, `${title}: CPU of the reader thread`, cpuMs, ' ms', atMost(goalMs));
  }
  await store.close();
}
