import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { causes } from '../../../src/core/errors.ts';
import { Exchanges, type Exchange } from '../../../src/core/exchange/exchange.ts';
import { RequestTotals, OTHER } from '../../../src/telemetry/metrics/request-totals.ts';
import { InFlight } from '../../../src/telemetry/metrics/in-flight.ts';

const durationBounds = [0.1, 1, 10];
const sizeBounds = [10, 1000];
const make = (deployments = 2, maxStatusCodes = 8) =>
  new RequestTotals({ deployments, durationBounds, sizeBounds, maxStatusCodes });

const record = fc.record({
  deployment: fc.nat(1),
  isAsync: fc.boolean(),
  status: fc.constantFrom(0, 7, 16, 200, 404, 499, 599, 1000, 4999),
  seconds: fc.constantFrom(0, 0.05, 0.1, 0.10001, 5, 100),
  bytes: fc.constantFrom(0, 10, 11, 1000, 1001),
});

describe('RequestTotals', () => {
  it('counts the same as a map by deployment, is_async and status', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 60 }), (records) => {
        const totals = make(2, 16);
        for (const { deployment, isAsync, status, seconds, bytes } of records)
          totals.observe({
            deployment,
            isAsync,
            status,
            startMs: 1,
            endMs: 1 + seconds * 1000,
            firstByteMs: 0,
            requestBytes: bytes,
            responseBytes: 0,
          } as Exchange);
        const read = [...totals.read()];
        for (const block of read) {
          const mine = records.filter(
            (r) =>
              r.deployment === block.deployment && r.isAsync === block.isAsync && r.status === block.status,
          );
          expect(block.count).toBe(mine.length);
          const time = block.histogram('endToEnd');
          expect(time.count).toBe(mine.length);
          expect(time.sum).toBeCloseTo(
            mine.reduce((sum, r) => sum + r.seconds, 0),
            6,
          );
          const size = block.histogram('requestSize');
          expect(size.cumulative).toEqual(
            sizeBounds.map((bound) => mine.filter((r) => r.bytes <= bound).length),
          );
          expect(block.histogram('firstByte').count).toBe(0);
        }
        expect(read.reduce((sum, block) => sum + block.count, 0)).toBe(records.length);
      }),
    );
  });

  it('counts statuses beyond the limit as OTHER, in fixed memory', () => {
    const totals = make(1, 8);
    for (let round = 0; round < 2; round++)
      for (let status = 100; status < 1000; status++)
        totals.observe({
          deployment: 0,
          isAsync: false,
          status,
          startMs: 0,
          endMs: 1,
          firstByteMs: 1,
          requestBytes: 0,
          responseBytes: 0,
        } as Exchange);
    const read = [...totals.read()];
    expect(read.map((block) => block.status)).toEqual([100, 101, 102, 103, 104, 105, 106, 107, OTHER]);
    expect(read.at(-1)!.count).toBe(2 * (900 - 8));
  });

  it('counts each status of each deployment with the highest limits', () => {
    const totals = make(64, 900);
    const times = { startMs: 0, endMs: 1, firstByteMs: 1, requestBytes: 0, responseBytes: 0 };
    for (const deployment of [36, 63])
      for (let status = 100; status < 1000; status++)
        for (let n = 0; n < 2; n++)
          totals.observe({ ...times, deployment, isAsync: true, status } as Exchange);
    const read = [...totals.read()];
    expect(read).toHaveLength(2 * 900);
    expect(read.every(({ count }) => count === 2)).toBe(true);
  });
});

describe('InFlight', () => {
  it('is zero when all exchanges have ended, with any cause', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.constantFrom(...causes)), {
          maxLength: 50,
        }),
        (exchanges) => {
          const live = new InFlight(1, make(1), [1]);
          const book = new Exchanges({ trust_inbound: false });
          book.observe(live);
          for (const [isRouted, isAsync, isWebSocket, cause] of exchanges) {
            const exchange = book.open(undefined);
            exchange.isAsync = isAsync;
            if (isRouted) exchange.route(0);
            if (isRouted && isWebSocket) exchange.upgrade();
            expect(exchange.close(cause, 200)).toBe(true);
            expect(exchange.close('internal', 500)).toBe(false);
          }
          expect([live.concurrent[0], live.websockets[0], book.openCount]).toEqual([0, 0, 0]);
          expect(live.ended.reduce((sum, n) => sum + n, 0)).toBe(exchanges.length);
        },
      ),
    );
  });
});
