// Failed requests by cause and replica, times to the first token, changes of the scale, and since when a state holds.
import { describe, expect, it } from 'vitest';
import { BAR_MS, failedRequest, FailureTable } from '../../../../src/control/admin/overview/failure-table.ts';
import { FirstTokenTimes } from '../../../../src/control/admin/overview/first-token-times.ts';
import { classOf, failureOfRequest } from '../../../../src/control/admin/overview/request-outcome.ts';
import { ScaleHistory } from '../../../../src/control/admin/overview/scale-history.ts';
import { StateTimes } from '../../../../src/control/admin/overview/state-times.ts';
import type { Exchange } from '../../../../src/core/exchange/exchange.ts';
import { contractQuery } from '../../../../src/telemetry/logs/logs.ts';

const NOW = Math.ceil(Date.UTC(2026, 10, 28) / BAR_MS) * BAR_MS;

const ended = (facts: Partial<Exchange>): Exchange =>
  ({
    id: '01a',
    protocol: 'http',
    cause: 'ok',
    status: 200,
    detail: '',
    replica: 'r0',
    recordedAs: 0,
    llm: undefined,
    ...facts,
  }) as Exchange;

const stream = {
  isStream: true,
  error: { message: 'CUDA out of memory', type: 'server_error' },
} as Exchange['llm'];

describe('a request', () => {
  it.each<[string, Partial<Exchange>, string, string]>([
    ['with 200', {}, '2xx', ''],
    ['with 302', { status: 302 }, '2xx', ''],
    ['with 404 of the replica', { status: 404 }, '4xx', 'answer_4xx client'],
    ['with 500 of the replica', { status: 500 }, '5xx', 'answer_5xx replica'],
    ['whose client disconnected', { cause: 'client_gone', status: 499 }, '499', 'client_gone client'],
    ['that reached no replica', { cause: 'connect_failed', status: 502 }, '5xx', 'connect_failed replica'],
    ['that was refused', { cause: 'queue_full', status: 429 }, '4xx', 'queue_full weir'],
    ['refused at capacity', { cause: 'at_capacity', status: 529 }, '5xx', 'at_capacity weir'],
    ['whose stream has an error', { llm: stream }, '5xx', 'stream_error replica'],
    ['of gRPC with OK', { protocol: 'grpc', status: 0 }, '2xx', ''],
    ['of gRPC with an error of the replica', { protocol: 'grpc', status: 13 }, '4xx', 'answer_grpc replica'],
    [
      'of gRPC without a replica',
      { protocol: 'grpc', status: 14, cause: 'no_replica' },
      '5xx',
      'no_replica weir',
    ],
    [
      'of gRPC without a key',
      { protocol: 'grpc', status: 16, cause: 'unauthorized' },
      '4xx',
      'unauthorized client',
    ],
    ['of a WebSocket that ended', { protocol: 'websocket', status: 1000 }, '2xx', ''],
    ['of a WebSocket that failed', { protocol: 'websocket', status: 1011 }, '5xx', 'answer_1011 replica'],
  ])('%s has its class and its cause', (_, facts, outcome, cause) => {
    const exchange = ended(facts);
    expect(classOf(exchange)).toBe(outcome);
    if (cause === '') return;
    const kind = failureOfRequest(exchange);
    expect(`${kind.cause} ${kind.origin}`).toBe(cause);
    expect(contractQuery({ q: kind.q })).toHaveProperty('node');
  });
});

describe('failed requests', () => {
  const count = (table: FailureTable, facts: Partial<Exchange>, nowMs: number): void => {
    const exchange = ended(facts);
    table.add(failedRequest(exchange, classOf(exchange), nowMs));
  };

  it('are counted by cause in 12 bars, with the last one as the example', () => {
    const table = new FailureTable();
    count(table, { status: 500, id: 'first' }, NOW - 6 * BAR_MS);
    count(table, { status: 500, id: 'last', detail: 'it broke' }, NOW);
    const [{ row, points, count: total }] = table.rows(NOW) as [ReturnType<FailureTable['rows']>[number]];
    expect(total).toBe(2);
    expect(points).toEqual([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    expect(row).toMatchObject({ requestId: 'last', detail: 'it broke', lastMs: NOW, replica: 'r0' });
  });

  it('are forgotten after an hour', () => {
    const table = new FailureTable();
    count(table, { status: 500 }, NOW);
    expect(table.rows(NOW + 11 * BAR_MS)).toHaveLength(1);
    expect(table.rows(NOW + 12 * BAR_MS)).toEqual([]);
    expect(table.ofReplica(0, 'r0', NOW + 12 * BAR_MS)).toBe(0);
  });

  it('are those of a replica only if the replica failed them', () => {
    const table = new FailureTable();
    count(table, { status: 502, cause: 'reset_midway' }, NOW);
    count(table, { status: 499, cause: 'client_gone' }, NOW);
    count(table, { status: 502, cause: 'reset_midway', recordedAs: 1 }, NOW);
    expect(table.ofReplica(0, 'r0', NOW)).toBe(1);
    expect(table.ofReplica(1, 'r0', NOW)).toBe(1);
    table.prune(NOW);
    expect(table.ofReplica(0, 'r0', NOW)).toBe(1);
  });

  it('come with those of most requests first', () => {
    const table = new FailureTable();
    count(table, { status: 400 }, NOW);
    count(table, { status: 500 }, NOW);
    count(table, { status: 500 }, NOW);
    expect(table.rows(NOW).map(({ row }) => row.kind.cause)).toEqual(['answer_5xx', 'answer_4xx']);
  });
});

describe('times to the first token', () => {
  it('are kept for one to two minutes for each replica of each deployment', () => {
    const times = new FirstTokenTimes();
    times.add(0, 'r0', 300);
    times.add(1, 'r0', 3000);
    expect(times.p95(0, 'r0')).toBeCloseTo(300, -2);
    expect(times.p95(1, 'r0')).toBeGreaterThan(2500);
    expect(times.p95(0, 'r1')).toBeNull();
    times.rotate();
    expect(times.p95(0, 'r0')).not.toBeNull();
    times.rotate();
    expect(times.p95(0, 'r0')).toBeNull();
  });
});

describe('changes of the scale', () => {
  const M = 60_000;

  it('are kept for 90 minutes, with the numbers from before', () => {
    const history = new ScaleHistory();
    history.see('dep1', 3, 3, NOW);
    history.see('dep1', 3, 3, NOW + M);
    history.see('dep1', 4, 3, NOW + 2 * M);
    history.see('dep1', 4, 4, NOW + 3 * M);
    expect(history.of('dep1').map(({ desired, active }) => [desired, active])).toEqual([
      [3, 3],
      [4, 3],
      [4, 4],
    ]);
    history.see('dep1', 4, 4, NOW + 200 * M);
    expect(history.of('dep1')).toEqual([{ atMs: NOW + 3 * M, desired: 4, active: 4 }]);
  });

  it('say since when the numbers differ', () => {
    const history = new ScaleHistory();
    expect(history.unmetSince('dep1')).toBeUndefined();
    history.see('dep1', null, 0, NOW);
    expect(history.unmetSince('dep1')).toBeUndefined();
    history.see('dep1', 2, 1, NOW + M);
    history.see('dep1', 3, 1, NOW + 2 * M);
    expect(history.unmetSince('dep1')).toBe(NOW + M);
    history.see('dep1', 3, 3, NOW + 3 * M);
    expect(history.unmetSince('dep1')).toBeUndefined();
    history.see('dep1', 3, null, NOW + 4 * M);
    expect(history.unmetSince('dep1')).toBeUndefined();
  });

  it('of a replica that comes and goes use bounded memory', () => {
    const history = new ScaleHistory();
    for (let i = 0; i < 1000; i++) history.see('dep1', 2, i % 2, NOW + i * 1000);
    expect(history.of('dep1').length).toBeLessThanOrEqual(120);
    history.keep(new Set(['dep2']));
    expect(history.of('dep1')).toEqual([]);
  });
});

describe('the time since which something is in its state', () => {
  it('begins with the change', () => {
    const times = new StateTimes();
    expect(times.see('splunk', 'running', NOW)).toBe(NOW);
    expect(times.see('splunk', 'running', NOW + 5)).toBe(NOW);
    expect(times.see('splunk', 'paused', NOW + 9)).toBe(NOW + 9);
    times.keep(new Set());
    expect(times.see('splunk', 'paused', NOW + 20)).toBe(NOW + 20);
  });
});
