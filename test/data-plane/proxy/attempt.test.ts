// The attempts of a request without any bytes: the listener records what a forwarder would do.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Exchanges, type Exchange } from '../../../src/core/exchange/exchange.ts';
import { Attempt, type AttemptContext, type AttemptListener } from '../../../src/data-plane/proxy/attempt.ts';
import { RetryBudget } from '../../../src/data-plane/proxy/retry.ts';
import { Pool, type Lease } from '../../../src/data-plane/replicas/pool.ts';
import { configOf, replicaOptions } from '../../kit/deployment.ts';
import { closeReplicas, mirror, startReplica } from '../../kit/replica.ts';

let pool: Pool;
let exchanges: Exchanges;
let context: AttemptContext;
let attempt: Attempt;
let events: string[];
let canResend: boolean;

const REFUSED = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
const RESET = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
const PROGRESS = { isUploaded: true, waitsForReplica: false, waitsForClient: false };

const listener: AttemptListener = {
  get canResend() {
    return canResend;
  },
  send: ({ replica }: Lease, isFresh: boolean) =>
    events.push(`send ${replica.id}${isFresh ? ' on a new connection' : ''}`),
  queued: () => events.push('queued'),
  retrying: () => events.push('retrying'),
  fail: (failure, detail) => attempt.fail(failure, detail),
  closed: ({ cause, status }) => events.push(`closed ${cause} ${status}`),
};

function start(by = attempt): Exchange {
  const exchange = exchanges.open(undefined);
  exchange.method = 'POST';
  exchange.target = '/predict';
  exchange.route(0);
  by.start(exchange, '/predict');
  return exchange;
}

const outstanding = () => pool.deployments[0]!.replicas.map((replica) => replica.outstanding);
const other = (sent: string) => (sent.includes('r0') ? 'send r1' : 'send r0');

beforeEach(async () => {
  const replicas = await Promise.all([startReplica(mirror), startReplica(mirror)]);
  const config = configOf(['--pool-probe-interval=1d']);
  const deployment = {
    ...config.deployments[0]!,
    concurrency_target: 1,
    replicas: replicas.map(({ url }, i) => replicaOptions(`r${i}`, url)),
  };
  pool = new Pool([deployment], config.pool, { changed: () => undefined, dead: () => undefined });
  await pool.start();
  exchanges = new Exchanges({ trust_inbound: false });
  const retries = new RetryBudget(config.proxy, pool.retryLoads);
  exchanges.observe(retries);
  events = [];
  canResend = true;
  context = { pool, retries, options: config.proxy };
  attempt = new Attempt(context, listener);
});
afterEach(async () => {
  pool.stop();
  await closeReplicas();
});

it('closes the exchange once, and releases the replica afterwards', () => {
  const exchange = start();
  expect(outstanding()).toEqual(expect.arrayContaining([0, 1]));
  attempt.finish(200);
  attempt.fail('client_gone');
  expect(events.slice(1)).toEqual(['closed ok 200']);
  expect(outstanding()).toEqual([0, 0]);
  expect([exchange.cause, exchange.attempts, attempt.lease]).toEqual(['ok', 1, undefined]);
});

it('tries the other replica at once when no connection can be made', () => {
  const exchange = start();
  attempt.unreachable('refused', REFUSED);
  expect(events.slice(1)).toEqual(['retrying', other(events[0]!)]);
  expect([exchange.attempts, exchange.retries]).toEqual([2, 0]);
});

it('fails when no connection can be made and the request is not kept', () => {
  canResend = false;
  start();
  attempt.unreachable('refused', REFUSED);
  expect(events.slice(1)).toEqual(['closed connect_failed 502']);
});

it('sends a request again once, on a new connection, when a kept connection is lost', () => {
  start();
  attempt.connectionFailed(RESET, true);
  expect(events[1]).toBe(`${events[0]} on a new connection`);
  attempt.connectionFailed(RESET, true);
  expect(events.slice(2)).toEqual(['closed reset_midway 502']);
});

it('sends no other replica a request that was sent again and then cannot connect', () => {
  start();
  attempt.connectionFailed(RESET, true);
  attempt.connectionFailed(REFUSED, false);
  expect(events.slice(2)).toEqual(['closed connect_failed 502']);
});

it('sends no request again after bytes of a response', () => {
  start();
  attempt.hasResponseBytes = true;
  attempt.connectionFailed(RESET, true);
  expect(events.slice(1)).toEqual(['closed reset_midway 502']);
});

it('waits before the next attempt after a response with 503, and releases the replica meanwhile', () => {
  const exchange = start();
  expect(attempt.retriesResponse(200)).toBe(false);
  expect(attempt.retriesResponse(503)).toBe(true);
  attempt.retry();
  expect([attempt.isWaiting, attempt.isQueued, outstanding()]).toEqual([true, false, [0, 0]]);
  attempt.expire(performance.now(), PROGRESS);
  expect(events.slice(1)).toEqual(['retrying']);
  attempt.expire(performance.now() + 60_000, PROGRESS);
  expect(events.slice(2)).toEqual([other(events[0]!)]);
  expect([exchange.attempts, exchange.retries]).toEqual([2, 1]);
});

it('passes on a 503 after an interim response', () => {
  start();
  attempt.hasInterim = true;
  expect(attempt.retriesResponse(503)).toBe(false);
});

it('leaves the wait queue when the request fails', () => {
  for (let i = 0; i < 2; i++) start(new Attempt(context, listener));
  events = [];
  start();
  expect([events, attempt.isQueued]).toEqual([['queued'], true]);
  attempt.fail('client_gone');
  expect([events[1], attempt.isQueued]).toEqual(['closed client_gone 499', false]);
});

it('fails a request at its total timeout', () => {
  const exchange = start();
  attempt.expire(exchange.startMs + 24 * 60 * 60_000, PROGRESS);
  expect(events.slice(1)).toEqual(['closed total_timeout 504']);
  expect(exchange.detail).toContain('proxy.total_timeout');
});
