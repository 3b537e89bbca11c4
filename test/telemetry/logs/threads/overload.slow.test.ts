// Recording while the writer is behind: bodies are dropped first, then requests, and both are counted.
import { afterEach, expect, it } from 'vitest';
import { Logger } from '../../../../src/core/logger.ts';
import { Exchanges } from '../../../../src/core/exchange/exchange.ts';
import { CapturePolicy, Logs, RecorderClient } from '../../../../src/telemetry/logs/logs.ts';
import { folder, removeFolders } from '../../../kit/folder.ts';
import { recordsIn } from '../../../kit/stored-records.ts';

afterEach(removeFolders);

const BODY = Buffer.alloc(60_000, 'x');

it('drops bodies before requests while the writer is behind, and releases the memory of dropped bodies', async () => {
  const data = folder();
  const quiet = { write: () => undefined, flush: () => undefined, dropped: () => 0 };
  const logs = new Logs(
    {
      folder: `${data}/logs`,
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
    new RecorderClient({ fd: -1, isText: false }),
    new Logger(quiet, { level: 'error', isText: false }),
  );
  const capture = new CapturePolicy({ capture: 'full', routes: [], max_body: 65_536 });
  const exchanges = new Exchanges({ trust_inbound: false });
  exchanges.captureWith(capture);
  exchanges.observe({ closed: (exchange) => logs.requestEnded(exchange, undefined) });
  const request = (body: Buffer | undefined) => {
    const exchange = exchanges.open(undefined);
    exchange.target = '/x';
    exchange.captureBodies();
    // Undefined if the bodies of earlier requests still counted against the limit.
    expect(exchange.bodyCapture).toBeDefined();
    if (body) exchange.bodyCapture!.response.push(body);
    exchange.close('ok', 200);
  };
  // Runs without a turn of the event loop, so the writer's acknowledgements are not received.
  const count = 3000;
  for (let i = 0; i < count; i++) request(BODY);
  const { bodiesDropped } = logs.figures;
  expect(bodiesDropped).toBeGreaterThan(1000);
  expect(bodiesDropped).toBeLessThan(count);
  expect(logs.figures.dropped.get('queue_full') ?? 0).toBe(0);
  expect(logs.figures.queuedBytes).toBeLessThanOrEqual(64 * 1024 ** 2);
  const isDropped = () => (logs.figures.dropped.get('queue_full') ?? 0) > 0;
  for (let i = 0; i < 2000 && !isDropped(); i++) for (let j = 0; j < 1000; j++) request(undefined);
  expect(isDropped()).toBe(true);
  await logs.stop(performance.now() + 20_000);
  const records = recordsIn(data);
  const withBodies = records.filter(({ response }) => response?.length === BODY.length).length;
  expect(withBodies).toBe(count - bodiesDropped);
});
