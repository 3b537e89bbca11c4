// Faults of the recorder thread: it ends with an error, or the ring overflows. Forwarding never waits for it, and what
// is lost is counted.
import { openSync, closeSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { Exchanges, type Exchange } from '../../../../src/core/exchange/exchange.ts';
import { Logger } from '../../../../src/core/logger.ts';
import { attributesOf } from '../../../../src/telemetry/logs/log-record.ts';
import { Logs, RecorderClient, type StoreFigures } from '../../../../src/telemetry/logs/logs.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { line, OwnStore } from '../../../kit/own-store.ts';
import { until } from '../../../kit/until.ts';

const DEPLOYMENT = { id: 'dep1', environment: 'production' };

/** A log store with its threads, whose access log is a file. */
class OwnLogs {
  readonly data = folder();
  readonly #fd = openSync(join(this.data, 'access.log'), 'w');
  readonly recorder = new RecorderClient({ fd: this.#fd, isText: false });
  readonly log = new Logger(this.recorder.sink, { level: 'info', isText: false });
  readonly logs = new Logs(
    {
      folder: join(this.data, 'logs'),
      maxBytes: 2 ** 30,
      own: () => ({ pod: 'pod1-0a1b2c3d', modelId: 'mdl1' }),
      retentionMs: 86_400_000,
      maxLineBytes: 65_536,
      maxBodyBytes: 65_536,
      redactsCommonSecrets: true,
      files: [],
      fileOrigin: { deployment: '', environment: '', replica: '' },
      redactPatterns: [],
    },
    this.recorder,
    this.log,
  );
  readonly #exchanges = new Exchanges({ trust_inbound: false });

  constructor() {
    this.#exchanges.observe({ closed: (exchange) => this.logs.requestEnded(exchange, DEPLOYMENT) });
    this.recorder.open();
  }

  request(target: string): Exchange {
    const exchange = this.#exchanges.open(undefined);
    Object.assign(exchange, { method: 'GET', target });
    exchange.close('ok', 200);
    return exchange;
  }

  /** Stops everything. Returns the lines of the access log, which has weir's own log too. */
  async stop(): Promise<Record<string, unknown>[]> {
    await this.logs.stop(performance.now() + 20_000);
    this.recorder.flush();
    closeSync(this.#fd);
    return readFileSync(join(this.data, 'access.log'), 'utf8')
      .split('\n')
      .filter((text) => text !== '')
      .map((text) => JSON.parse(text) as Record<string, unknown>);
  }
}

afterEach(removeFolders);

/** Resident memory of this process, in bytes. */
const residentBytes = (): number => process.memoryUsage.rss();

const sumOf = (counts: ReadonlyMap<string, number>): number =>
  Array.from(counts.values()).reduce((sum, count) => sum + count, 0);

const lostOf = ({ dropped }: StoreFigures): number => sumOf(dropped);

it('goes on after an error: only requests of that moment are lost and counted, and no texts are mixed', async () => {
  const own = new OwnLogs();
  const targets = new Map<string, string>();
  /** Requests that end while the thread does: it may have read the ring for the last time. */
  const atTheError = new Set<string>();
  const request = (): string => {
    const { id, target } = own.request(`/item/${targets.size % 700}`);
    targets.set(id, target);
    return id;
  };
  let posted = 0;
  const rounds = 3;
  for (let round = 0; round < rounds; round++) {
    await until('the store is open', async () => 'stored' in (await own.logs.post([line(`round ${round}`)])));
    for (let i = 0; i < 500; i++) request();
    own.log.info('before the error', { round });
    // No JSON, which ends the thread.
    const bad = own.logs.post([line('bad', { attributes: '{' })]);
    for (let i = 0; i < 500; i++) atTheError.add(request());
    own.log.info('behind the error', { round });
    expect(await bad).toEqual({ problem: 'store_unusable' });
    posted++;
    for (let i = 0; i < 500; i++) request();
    own.log.info('after the end', { round });
  }
  await until('the store is open', async () => 'stored' in (await own.logs.post([line('last')])));
  for (let i = 0; i < 500; i++) request();
  const lines = await own.stop();
  const { figures } = own.logs;
  const refused = figures.dropped.get('store_unusable')! - posted;
  expect(refused).toBeGreaterThan(0);

  const exchanges = lines.filter(({ event }) => event === 'exchange');
  for (const { request_id: id, path } of exchanges) expect(path).toBe(targets.get(id as string));
  const logged = new Set(exchanges.map(({ request_id: id }) => id as string));
  const lost = Array.from(targets.keys()).filter((id) => !logged.has(id));
  expect(lost.filter((id) => !atTheError.has(id))).toEqual([]);
  expect(lost).toHaveLength(own.recorder.sink.dropped());
  for (const event of ['before the error', 'behind the error', 'after the end'])
    expect(lines.filter((one) => one['event'] === event)).toHaveLength(rounds);
  expect(lines.filter(({ event }) => event === 'log store is not being written')).toHaveLength(rounds);

  const store = new OwnStore(join(own.data, 'logs'));
  const records = store.inOrder();
  store.close();
  expect(records.map(({ seq }) => seq)).toEqual(records.map((_, i) => i + 1));
  const requests = records.filter(({ kind }) => kind === 'request');
  for (const record of requests) expect(attributesOf(record)['path']).toBe(targets.get(record.requestId));
  expect(requests).toHaveLength(figures.stored.get('request')!);
  // Posts that were refused until the store was open again are counted too.
  expect(requests.length + lostOf(figures)).toBeGreaterThanOrEqual(targets.size + posted);
}, 60_000);

it('drops what a burst has too much and counts it, in bounded memory, without waiting', async () => {
  const own = new OwnLogs();
  await own.logs.post([line('first')]);
  const before = residentBytes();
  const count = 1_000_000;
  const startMs = performance.now();
  // Runs without a turn of the event loop.
  for (let i = 0; i < count; i++) own.request('/predict');
  const elapsedMs = performance.now() - startMs;
  const peak = residentBytes();
  expect(own.logs.figures.dropped.get('queue_full')).toBeGreaterThan(0);
  // A thread that waited for the disk would need minutes.
  expect(elapsedMs).toBeLessThan(20_000);
  expect(peak - before).toBeLessThan(512 * 1024 ** 2);
  const lines = await own.stop();
  const { stored, dropped } = own.logs.figures;
  expect(Array.from(dropped.keys())).toEqual(['queue_full']);
  expect(stored.get('request')! + dropped.get('queue_full')!).toBe(count);
  const exchanges = lines.filter(({ event }) => event === 'exchange').length;
  expect(exchanges + own.recorder.sink.dropped()).toBe(count);
  const store = new OwnStore(join(own.data, 'logs'));
  expect(store.inOrder('kind:request')).toHaveLength(stored.get('request')!);
  store.close();
}, 60_000);

it('stores requests that all have different paths in bounded memory, and finds them by path', async () => {
  const own = new OwnLogs();
  await own.logs.post([line('first')]);
  const before = residentBytes();
  const count = 200_000;
  const batch = 2000;
  for (let from = 0; from < count; from += batch) {
    for (let i = from; i < from + batch; i++)
      own.request(`/item-${i}/of/a/rather/long/path/that/is/different`);
    const stored = () => own.logs.figures.stored.get('request') ?? 0;
    await until('the batch is stored', () => stored() === from + batch, 20_000);
  }
  expect(residentBytes() - before).toBeLessThan(400 * 1024 ** 2);
  await own.stop();
  expect(Array.from(own.logs.figures.dropped)).toEqual([]);
  const store = new OwnStore(join(own.data, 'logs'));
  for (let i = 0; i < count; i += 19_999)
    expect(store.all(`"/item-${i}/of"`).map((record) => attributesOf(record)['path'])).toEqual([
      `/item-${i}/of/a/rather/long/path/that/is/different`,
    ]);
  store.close();
}, 90_000);
