// Records as OTLP log records (docs/contracts/serving.md 8.3, docs/contracts/logs.md 4), and responses of receivers.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  parseDestination,
  type DestinationSettings,
} from '../../../src/telemetry/otlp-export/destination.ts';
import { logsOf } from '../../../src/telemetry/otlp-export/otlp-logs.ts';
import { retryAfterMs } from '../../../src/core/retry-after.ts';
import { exportResult } from '../../../src/telemetry/otlp-export/delivery-result.ts';
import type { LogRecord } from '../../../src/telemetry/logs/logs.ts';
import { recordsOfLogs } from '../../../src/telemetry/logs/logs.ts';
import { encode } from '../../../src/protocol/otlp/codec.ts';
import { logsRequest, logsResponse } from '../../../src/protocol/otlp/messages.ts';
import { readLogs } from '../../kit/otlp-messages.ts';
import { BLANK } from '../../kit/records.ts';

const sender = { version: '1.2.3', own: () => ({ pod: 'pod1-0a1b2c3d', modelId: 'mdl1' }) };
function destination(more: object = {}): DestinationSettings {
  const parsed = parseDestination({ endpoint_url: 'http://receiver/v1/logs', ...more });
  if ('problems' in parsed) throw new Error(parsed.problems.join());
  return parsed.settings;
}
const records: LogRecord[] = [
  {
    ...BLANK,
    seq: 1,
    timeNs: 1_700_000_000_123_456_789n,
    severity: 17,
    message: 'CUDA out of memory',
    requestId: '018bcfe5687b0123456789abcdef012345678',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    attributes: JSON.stringify({
      exc_info: 'Traceback (most recent call last): …',
      training_job_id: 'job1',
      secret_of_the_app: 'is not named and is not sent',
      '': 0,
    }),
  },
  {
    ...BLANK,
    seq: 2,
    kind: 'request',
    timeNs: 1_700_000_000_200_000_000n,
    message: 'POST /v1/models/model:predict 200',
    replica: '',
    environment: '',
    status: 200,
    durationNs: 1_500_000,
    requestId: '018bcfe5687b0123456789abcdef012345679',
  },
];

it('encodes a line and a request as JSON like the fixture', () => {
  const json = encode('json', logsRequest, logsOf(records, destination(), sender)).toString();
  const golden = readFileSync(new URL('../../fixtures/otlp/logs.json', import.meta.url), 'utf8');
  expect(`${JSON.stringify(JSON.parse(json), null, 2)}\n`).toBe(golden);
});

it('encodes a line as protobuf', () => {
  const request = readLogs(encode('protobuf', logsRequest, logsOf(records, destination(), sender)));
  const [line] = request.resourceLogs[0]!.scopeLogs[0]!.logRecords;
  expect(line).toMatchObject({
    timeUnixNano: '1700000000123456789',
    severityNumber: 17,
    severityText: 'ERROR',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
  });
});

it.each([
  [0, 0, ''],
  [1, 5, 'DEBUG'],
  [5, 5, 'DEBUG'],
  [9, 9, 'INFO'],
  [10, 10, 'INFO'],
  [13, 13, 'WARN'],
  [17, 17, 'ERROR'],
  [21, 21, 'FATAL'],
  [24, 24, 'FATAL'],
])('sends severity %i as %i %s', (severity, number, text) => {
  const request = logsOf([{ ...BLANK, severity }], destination(), sender);
  const [log] = request.resourceLogs[0]!.scopeLogs[0]!.logRecords;
  expect([log!.severityNumber, log!.severityText]).toEqual([number, text]);
});

it('sends the attributes that the destination names, from fields and from attributes of the record', () => {
  const names = ['status', 'duration_ms', 'secret_of_the_app', 'toString', 'none'];
  const request = logsOf(records, destination({ attributes: names }), sender);
  const [line, exchange] = request.resourceLogs[0]!.scopeLogs[0]!.logRecords;
  expect(line!.attributes).toEqual(new Map([['secret_of_the_app', 'is not named and is not sent']]));
  expect(exchange!.attributes).toEqual(
    new Map<string, unknown>([
      ['status', 200n],
      ['duration_ms', 1.5],
    ]),
  );
});

it('is ingested by another weir unchanged', () => {
  const [line] = recordsOfLogs(logsOf(records, destination(), sender), { nowNs: 1n, deployment: 'other' });
  const { attributes, ...rest } = line!;
  expect(rest).toEqual({ ...records[0], seq: 0, source: 'api', attributes: undefined });
  expect(JSON.parse(attributes)).toMatchObject({
    exc_info: 'Traceback (most recent call last): …',
    resource: { 'service.name': 'baseten' },
  });
});

it('keeps the pods and models of records of several weirs, whatever attributes the destination names', () => {
  const of = (message: string, pod: string, modelId: string): LogRecord => ({
    ...BLANK,
    message,
    pod,
    modelId,
  });
  const given = [of('a', 'pod2', 'mdl2'), of('b', 'pod3', 'mdl2'), of('c', 'pod2', 'mdl2'), of('d', '', '')];
  const message = logsOf(given, destination({ attributes: ['message'] }), sender);
  const read = recordsOfLogs(message, { nowNs: 1n, deployment: '' });
  expect(read.map((record) => [record.message, record.pod, record.modelId])).toEqual([
    ['a', 'pod2', 'mdl2'],
    ['c', 'pod2', 'mdl2'],
    ['b', 'pod3', 'mdl2'],
    // Stored before weir kept these fields, so by the weir that exports it.
    ['d', 'pod1-0a1b2c3d', 'mdl1'],
  ]);
});

describe('retryAfterMs', () => {
  const now = Date.UTC(2026, 0, 1);
  it.each([
    ['2', 2000],
    ['0', 0],
    ['999999', 600_000],
    ['Thu, 01 Jan 2026 00:00:05 GMT', 5000],
    ['Thu, 01 Jan 2015 00:00:05 GMT', 0],
    ['Thu, 01 Jan 2037 00:00:05 GMT', 600_000],
    ['soon', undefined],
    ['-1', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('reads %s', (value, ms) => expect(retryAfterMs(value, now)).toBe(ms));
});

describe('a 200 response', () => {
  const resultOf = (body: Buffer, type?: string) =>
    exportResult({ status: 200, headers: { 'content-type': type }, body }, 'logs', 'protobuf', 10, 0);
  const response = (rejectedLogRecords: bigint, errorMessage: string) => ({
    partialSuccess: { rejectedLogRecords, errorMessage },
  });

  it('is decoded by its content type, else by the encoding of the request', () => {
    const partial = response(3n, 'old');
    const result = { kind: 'accepted', rejected: 3, note: 'old' };
    expect(resultOf(encode('protobuf', logsResponse, partial))).toEqual(result);
    expect(resultOf(encode('json', logsResponse, partial), 'application/json')).toEqual(result);
  });

  it('counts as full success if it cannot be decoded', () => {
    const success = { kind: 'accepted', rejected: 0, note: '' };
    for (const body of ['', 'OK', '{', '\0\0'])
      expect([body, resultOf(Buffer.from(body), 'text/plain')]).toEqual([body, success]);
  });

  it('rejects at least 0 and at most the records that were sent', () => {
    expect(resultOf(encode('protobuf', logsResponse, response(1n << 62n, '')))).toMatchObject({
      rejected: 10,
    });
    expect(resultOf(encode('protobuf', logsResponse, response(-5n, 'hm')))).toMatchObject({
      rejected: 0,
      note: 'hm',
    });
  });
});
