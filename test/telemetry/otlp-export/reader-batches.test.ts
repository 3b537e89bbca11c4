// Export from a log store with its threads and real files, so that batches are encoded in the reader thread.
import { afterEach, expect, it } from 'vitest';
import { fileSink, Logger } from '../../../src/core/logger.ts';
import { Logs, RecorderClient } from '../../../src/telemetry/logs/logs.ts';
import {
  READER_OPERATIONS,
  readerBatches,
  storedCounter,
} from '../../../src/telemetry/otlp-export/otlp-export.ts';
import { operations } from '../../../src/telemetry/otlp-export/reader-operations.ts';
import { connect, startConnections, stopConnections } from '../../kit/connections.ts';
import { folder, removeFolders } from '../../kit/folder.ts';
import { SENDER } from '../../kit/local-batches.ts';
import { answering, linesOf, Receiver, spansIn } from '../../kit/otlp-receiver.ts';
import { BLANK } from '../../kit/records.ts';
import { until } from '../../kit/until.ts';

const log = new Logger({ ...fileSink(2), write: () => undefined }, { level: 'error', isText: false });
const TRACE = { modelId: 'mdl1', scheme: 'http', genAi: 'common' } as const;
const open = new Set<Logs>();

function start(): Logs {
  const logs = new Logs(
    {
      folder: folder(),
      maxBytes: 2 ** 30,
      own: SENDER.own,
      readerModule: READER_OPERATIONS,
      retentionMs: 86_400_000,
      maxLineBytes: 4096,
      redactsCommonSecrets: true,
      maxBodyBytes: 262_144,
      redactPatterns: [],
      files: [],
      fileOrigin: { deployment: 'dep1', environment: 'production', replica: 'abc12' },
    },
    new RecorderClient({ fd: -1, isText: false }),
    log,
  );
  open.add(logs);
  return logs;
}

afterEach(async () => {
  await stopConnections();
  for (const logs of open) await logs.stop(performance.now() + 5000);
  open.clear();
  removeFolders();
});

it('sends the lines of a store in order, also in halves after 413', async () => {
  const receiver = await new Receiver().start();
  const logs = start();
  const texts = Array.from({ length: 700 }, (_, i) => `line ${i}`);
  const timeNs = BigInt(Date.now()) * 1_000_000n;
  receiver.script.push(answering(413), answering(413));
  await logs.post(texts.map((message) => ({ ...BLANK, message, timeNs })));
  const { connections } = await startConnections({ openBatches: readerBatches(logs, SENDER, TRACE) });
  const { id } = await connect(connections, { endpoint_url: receiver.url, start_from: 'earliest' });
  await until('all lines are sent', () => connections.status(id)!.sent === 700);
  expect(linesOf(receiver.logs)).toEqual(texts);
  expect(connections.status(id)).toMatchObject({ rejected: 0, cursor: 700 });
  await receiver.stop();
});

it('sends the spans of sampled requests, with the model of this weir', async () => {
  const receiver = await new Receiver().start();
  const logs = start();
  const request = { kind: 'request', traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8) } as const;
  const attributes = (isSampled: boolean): string =>
    JSON.stringify({
      method: 'POST',
      path: '/predict',
      protocol: 'http',
      cause: 'ok',
      is_sampled: isSampled,
    });
  const timeNs = BigInt(Date.now()) * 1_000_000n;
  const { connections } = await startConnections({ openBatches: readerBatches(logs, SENDER, TRACE) });
  const { id } = await connect(connections, { endpoint_url: receiver.url, signal: 'traces' });
  await logs.post(
    [true, false].map((isSampled) => ({ ...BLANK, ...request, timeNs, attributes: attributes(isSampled) })),
  );
  await until('both are read', () => connections.status(id)!.cursor === 2);
  const spans = receiver.taken.flatMap((one) =>
    spansIn(one).resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans: all }) => all)),
  );
  expect(spans).toHaveLength(1);
  expect(spans[0]!.attributes).toContainEqual({ key: 'model_id', value: { stringValue: 'mdl1' } });
  await receiver.stop();
});

it('does not encode a batch that a reader thread before has read', () => {
  const page = { records: [], lastSeq: 0, headSeq: 0, oldestSeq: 1 };
  expect(() => operations(() => page).encode('key', 0, 1)).toThrow(
    'the reader thread of the log store was restarted',
  );
});

it('counts the stored records that a connection would send, and those that wait while it is paused', async () => {
  const receiver = await new Receiver().start();
  const logs = start();
  const timeNs = BigInt(Date.now()) * 1_000_000n;
  const line = (severity: number) => ({ ...BLANK, message: `line ${severity}`, severity, timeNs });
  await logs.post([line(9), line(17), line(17)]);
  const { connections } = await startConnections({
    openBatches: readerBatches(logs, SENDER, TRACE),
    countStored: storedCounter(logs),
  });
  expect(await connections.count({})).toEqual({ count: 3, isExact: true });
  expect(await connections.count({ min_level: 'error' })).toEqual({ count: 2, isExact: true });
  expect(await connections.count({ query: 'message:"line 9"' })).toEqual({ count: 1, isExact: true });
  expect(await connections.count({ signal: 'traces' })).toEqual({ count: 0, isExact: true });
  expect(await connections.count({ query: '(' })).toHaveProperty('problems');
  expect(await connections.count([])).toHaveProperty('problems');

  receiver.otherwise = answering(401);
  const { id } = await connect(connections, { endpoint_url: receiver.url, min_level: 'error' });
  expect(await connections.waiting(id)).toEqual({ count: 0, isExact: true });
  await logs.post([line(9), { ...line(17), timeNs: timeNs + 10n ** 9n }]);
  await until('it is paused', () => connections.status(id)!.state === 'paused');
  expect(await connections.waiting(id)).toEqual({ count: 1, isExact: true });
  expect(await connections.waiting('otel_0')).toBeUndefined();
  await receiver.stop();
});
