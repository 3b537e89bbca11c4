// Several data threads record into one recorder: real threads, each with a ring of its own.
import { closeSync, openSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, expect, it } from 'vitest';
import { Logger } from '../../../../src/core/logger.ts';
import { attributesOf } from '../../../../src/telemetry/logs/log-record.ts';
import { Logs, RecorderClient } from '../../../../src/telemetry/logs/logs.ts';
import type { RecorderConnection } from '../../../../src/telemetry/logs/recorder/recorder-client.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { line, OwnStore } from '../../../kit/own-store.ts';
import { recordsIn } from '../../../kit/stored-records.ts';
import { until } from '../../../kit/until.ts';

afterEach(removeFolders);

const THREADS = 3;
/** So many that the bodies of two threads, 10 MB each, fit into the limit of what is not stored. */
const COUNT = 300;

/** A log store with data threads that record into it. */
class ThreadedLogs {
  readonly data = folder();
  readonly #fd = openSync(join(this.data, 'access.log'), 'w');
  readonly recorder = new RecorderClient({ fd: this.#fd, isText: false, hasBodies: true, threads: THREADS });
  readonly log = new Logger(this.recorder.sink, { level: 'info', isText: false });
  readonly logs = new Logs(
    {
      folder: join(this.data, 'logs'),
      maxBytes: 2 ** 30,
      own: () => ({ pod: 'pod1-0a1b2c3d', modelId: 'mdl1' }),
      retentionMs: 86_400_000,
      maxLineBytes: 65_536,
      maxBodyBytes: 200_000,
      redactsCommonSecrets: true,
      files: [],
      fileOrigin: { deployment: '', environment: '', replica: '' },
      redactPatterns: [],
    },
    this.recorder,
    this.log,
  );
  readonly #workers = new Map<number, Worker>();

  async open(): Promise<void> {
    await this.logs.post([line('first')]);
  }

  start(input: number, name: string): void {
    const { port, ...connection } = this.recorder.connect(input, (again: RecorderConnection) =>
      this.#workers.get(input)?.postMessage(again, [again.port]),
    );
    const worker = new Worker(new URL('../../../kit/record-from-thread.ts', import.meta.url), {
      workerData: { ...connection, port, name },
      transferList: [port],
    });
    this.#workers.set(input, worker);
  }

  /** Has a thread record so many requests. Resolves to the number of all its requests. */
  async record(input: number, count: number): Promise<number> {
    const worker = this.#workers.get(input)!;
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage({ count });
    const [n] = (await once(worker, 'message')) as [number];
    return n;
  }

  /** The access log so far. */
  written(): string {
    return readFileSync(join(this.data, 'access.log'), 'utf8');
  }

  async end(input: number): Promise<void> {
    await this.#workers.get(input)!.terminate();
    this.#workers.delete(input);
    this.recorder.disconnect(input);
  }

  /** Stops everything. Returns the lines of the access log. */
  async stop(): Promise<Record<string, unknown>[]> {
    for (const input of this.#workers.keys()) await this.end(input);
    await this.logs.stop(performance.now() + 20_000);
    this.recorder.flush();
    closeSync(this.#fd);
    return this.written()
      .split('\n')
      .filter((text) => text !== '')
      .map((text) => JSON.parse(text) as Record<string, unknown>);
  }
}

/** Paths that a thread has recorded, in their order. */
const pathsOf = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `/${name}/${i}`);

it('records every request of every thread once, in its order, with its own bodies and texts', async () => {
  const own = new ThreadedLogs();
  await own.open();
  const inputs = [1, 2];
  for (const input of inputs) own.start(input, `t${input}`);
  const counts = await Promise.all(inputs.map((input) => own.record(input, COUNT)));
  expect(counts).toEqual([COUNT, COUNT]);
  const lines = await own.stop();
  const records = recordsIn(own.data);
  expect(records.map(({ seq }) => seq)).toEqual(records.map((_, i) => i + 1));
  for (const name of ['t1', 't2']) {
    const requests = records.filter(({ fields }) => String(fields['path']).startsWith(`/${name}/`));
    expect(requests.map(({ fields }) => fields['path'])).toEqual(pathsOf(name, COUNT));
    requests.forEach(({ request, replica }, i) => {
      expect(request?.trim().replace(/x+$/, '').trim()).toBe(i % 3 === 0 ? undefined : `${name} ${i}`);
      expect(replica).toBe(`r-${name}-${i % 3}`);
    });
    const logged = lines.filter(({ path }) => String(path).startsWith(`/${name}/`));
    expect(logged.map(({ path }) => path)).toEqual(pathsOf(name, COUNT));
  }
  expect(own.logs.figures).toMatchObject({ dropped: new Map(), queuedBytes: 0, ringBytes: 0 });
});

it('writes the line of a request soon, although the main thread records nothing', async () => {
  const own = new ThreadedLogs();
  await own.open();
  own.start(1, 'alone');
  await own.record(1, 1);
  await until('the line is written', () => own.written().includes('"/alone/0"'));
  await own.stop();
});

it('records what a thread wrote before it was killed, and goes on with a new one in its place', async () => {
  const own = new ThreadedLogs();
  await own.open();
  own.start(1, 'first');
  own.start(2, 'other');
  await own.record(1, 100);
  await own.end(1);
  own.start(1, 'second');
  await Promise.all([own.record(1, 100), own.record(2, 100)]);
  await own.stop();
  const paths = recordsIn(own.data).map(({ fields }) => fields['path']);
  for (const name of ['first', 'other', 'second'])
    expect(paths.filter((path) => String(path).startsWith(`/${name}/`))).toEqual(pathsOf(name, 100));
});

it('counts what threads had recorded when the recorder thread ended, and records on with a new one', async () => {
  const own = new ThreadedLogs();
  await own.open();
  const inputs = [1, 2];
  for (const input of inputs) own.start(input, `t${input}`);
  await Promise.all(inputs.map((input) => own.record(input, 300)));
  // No JSON, which ends the thread.
  const bad = own.logs.post([line('bad', { attributes: '{' })]);
  await Promise.all(inputs.map((input) => own.record(input, 300)));
  expect(await bad).toEqual({ problem: 'store_unusable' });
  let refused = 1;
  await until('the store is open', async () => {
    const isStored = 'stored' in (await own.logs.post([line('last')]));
    if (!isStored) refused++;
    return isStored;
  });
  await Promise.all(inputs.map((input) => own.record(input, 300)));
  const lines = await own.stop();
  const { figures } = own.logs;
  const store = new OwnStore(join(own.data, 'logs'));
  const requests = store.inOrder('kind:request');
  store.close();
  expect(requests).toHaveLength(figures.stored.get('request')!);
  expect(requests.length + figures.dropped.get('store_unusable')! - refused).toBe(1800);
  const logged = lines.filter(({ event }) => event === 'exchange');
  expect(logged.length + own.recorder.sink.dropped()).toBe(1800);
  const last = requests
    .map((record) => attributesOf(record)['path'])
    .filter((path) => /\/[678]\d\d$/.test(String(path)));
  expect(last).toHaveLength(600);
}, 30_000);

it('records what a thread does that begins while there is no recorder thread', async () => {
  const own = new ThreadedLogs();
  await own.open();
  own.start(2, 'other');
  await own.record(2, 30);
  // No JSON, which ends the thread.
  expect(await own.logs.post([line('bad', { attributes: '{' })])).toEqual({ problem: 'store_unusable' });
  own.start(1, 'late');
  await own.record(1, 30);
  let refused = 1;
  await until('the store is open', async () => {
    const isStored = 'stored' in (await own.logs.post([line('last')]));
    if (!isStored) refused++;
    return isStored;
  });
  await Promise.all([1, 2].map((input) => own.record(input, 30)));
  await own.stop();
  const { figures } = own.logs;
  const requests = recordsIn(own.data, 'kind:request');
  const late = requests
    .map(({ fields }) => String(fields['path']))
    .filter((path) => path.startsWith('/late/'));
  expect(late.slice(-30)).toEqual(pathsOf('late', 60).slice(-30));
  expect(requests.length + figures.dropped.get('store_unusable')! - refused).toBe(120);
}, 30_000);
