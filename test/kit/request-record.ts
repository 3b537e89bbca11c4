// A request's record as weir stores it, for tests of routes.
import { expect } from 'vitest';
import type { LogRecord } from '../../src/telemetry/logs/logs.ts';
import type { OpenAdmin } from './admin.ts';
import { call } from './client.ts';

/** A moment some minutes ago, in nanoseconds. */
export const START_NS = BigInt(Date.now() - 600_000) * 1_000_000n;
export const afterStart = (ms: number): bigint => START_NS + BigInt(Math.round(ms * 1e6));
/** A request id of weir with the time START_NS. */
export const REQUEST_ID = `${(START_NS / 1_000_000n).toString(16).padStart(12, '0')}c83c4d0c7492a5006591e1f50`;

export const requestRecord = (attributes: object = {}, more: Partial<LogRecord> = {}): LogRecord => ({
  seq: 0,
  kind: 'request',
  timeNs: START_NS,
  severity: 9,
  message: 'POST /v1/chat/completions 200',
  requestId: REQUEST_ID,
  traceId: '',
  spanId: '',
  parentSpanId: '',
  deployment: 'dep1',
  environment: 'production',
  replica: 'abc12',
  source: 'weir',
  pod: '',
  modelId: '',
  status: 200,
  durationNs: 50_000_000,
  ...more,
  attributes: JSON.stringify({
    method: 'POST',
    path: '/v1/chat/completions',
    protocol: 'http',
    cause: 'ok',
    attempts: 1,
    ...attributes,
  }),
});

/** The JSON of a response, which must have this status. */
export async function expectJson<T>(server: OpenAdmin, path: string, status = 200): Promise<T> {
  const response = await call(server.url, path);
  expect(response.status, response.text).toBe(status);
  return JSON.parse(response.text) as T;
}
