// Conversion of posted OTLP logs and spans to records: fields, attributes and their names.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  attributesOf,
  recordsOfLogs,
  recordsOfSpans,
  type LogRecord,
} from '../../../../src/telemetry/logs/logs.ts';
import { decode } from '../../../../src/protocol/otlp/codec.ts';
import { logsRequest, tracesRequest } from '../../../../src/protocol/otlp/messages.ts';
import { messages } from '../../../protocol/otlp/arbitrary.ts';

const defaults = { nowNs: 1_700_000_000_000_000_000n, deployment: 'dep1' };
const text = (stringValue: string) => ({ stringValue });
const pairs = (values: Record<string, object>) =>
  Object.entries(values).map(([key, value]) => ({ key, value }));

function line(log: object, resource: Record<string, object> = {}): LogRecord {
  const request = {
    resourceLogs: [{ resource: { attributes: pairs(resource) }, scopeLogs: [{ logRecords: [log] }] }],
  };
  const read = decode('json', logsRequest, Buffer.from(JSON.stringify(request)));
  if ('problem' in read) throw new Error(read.problem);
  return recordsOfLogs(read.message, defaults)[0]!;
}

describe('recordsOfLogs', () => {
  it('fills the fields of a record, and puts the rest into its attributes', () => {
    const record = line(
      {
        timeUnixNano: '1700000001000000002',
        severityNumber: 17,
        body: text('boom'),
        traceId: 'AB'.repeat(16),
        spanId: 'cd'.repeat(8),
        attributes: pairs({
          'x-baseten-request-id': text('r1'),
          replica: text('abc12'),
          environment: text('staging'),
          'exception.stacktrace': text('Traceback …'),
          user: { kvlistValue: { values: pairs({ id: { intValue: '7' } }) } },
        }),
      },
      { 'service.name': text('truss'), environment: text('production') },
    );
    expect({ ...record, attributes: attributesOf(record) }).toEqual({
      seq: 0,
      kind: 'line',
      source: 'api',
      deployment: 'dep1',
      environment: 'staging',
      replica: 'abc12',
      pod: '',
      modelId: '',
      requestId: 'r1',
      timeNs: 1_700_000_001_000_000_002n,
      severity: 17,
      message: 'boom',
      traceId: 'ab'.repeat(16),
      spanId: 'cd'.repeat(8),
      parentSpanId: '',
      status: 0,
      durationNs: 0,
      attributes: {
        exc_info: 'Traceback …',
        user: { id: 7 },
        resource: { 'service.name': 'truss', environment: 'production' },
      },
    });
  });

  it('takes missing fields from the resource', () => {
    const record = line(
      { body: text('x') },
      { environment: text('production'), model_version_id: text('dep9') },
    );
    expect(record).toMatchObject({ environment: 'production', deployment: 'dep9' });
  });

  it.each([
    [{ 'weir.pod': text('p1'), 'k8s.pod.name': text('llama-7f') }, 'p1', ''],
    [{ 'k8s.pod.name': text('llama-7f'), model_id: text('mdl9') }, 'llama-7f', 'mdl9'],
    [{ 'weir.model_id': text('mdl8') }, '', 'mdl8'],
    // A random text, not the name of a pod.
    [{ 'service.instance.id': text('627cc493') }, '', ''],
  ])('takes the pod and the model from the resource %j', (resource, pod, modelId) => {
    const record = line({ body: text('x') }, resource);
    expect(record).toMatchObject({ pod, modelId });
    // The names of weir are not stored twice.
    expect(Object.keys(attributesOf(record)['resource'] ?? {})).toEqual(
      Object.keys(resource).filter((name) => !name.startsWith('weir.')),
    );
  });

  it.each([
    [{ timeUnixNano: '0', observedTimeUnixNano: '5' }, 5n],
    [{}, defaults.nowNs],
    // Beyond the range of the store: the whole transaction would fail.
    [{ timeUnixNano: '18446744073709551615', observedTimeUnixNano: '5' }, 5n],
    [{ timeUnixNano: '9223372036854775808' }, defaults.nowNs],
  ])('takes the next best time without a valid one: %j', (log, timeNs) =>
    expect(line(log).timeNs).toBe(timeNs),
  );

  it.each([
    [{ severityText: 'warning' }, 13],
    [{ severityNumber: 99, severityText: 'ERROR' }, 17],
    [{ severityNumber: 2, severityText: 'whatever' }, 2],
    [{}, 0],
  ])('reads the level of %j', (log, severity) => expect(line(log).severity).toBe(severity));

  it.each([
    [{ body: { kvlistValue: { values: pairs({ a: { doubleValue: 1.5 } }) } } }, '{"a":1.5}'],
    [{ body: { intValue: '9223372036854775807' } }, '"9223372036854775807"'],
    [{ attributes: pairs({ message: text('from the attribute') }) }, 'from the attribute'],
    [{ eventName: 'gen_ai.evaluation.result' }, 'gen_ai.evaluation.result'],
    [{}, ''],
  ])('reads the message of %j', (log, message) => expect(line(log).message).toBe(message));

  it('accepts attributes with any name', () => {
    const attributes = pairs({ resource: text('mine'), __proto__x: text('a') });
    attributes.push({ key: '__proto__', value: text('b') });
    const stored = line({ attributes }, { host: text('h') }).attributes;
    expect(stored).toBe(
      '{"resource":{"host":"h"},"attributes.resource":"mine","__proto__x":"a","__proto__":"b"}',
    );
  });
});

it('converts a span with its duration, parent and all its data', () => {
  const span = {
    traceId: 'ab'.repeat(16),
    spanId: 'cd'.repeat(8),
    parentSpanId: 'ef'.repeat(8),
    name: 'predict',
    kind: 2,
    startTimeUnixNano: '1700000000000000001',
    endTimeUnixNano: '1700000000500000003',
    attributes: pairs({ request_id: text('r1'), 'http.route': text('/predict') }),
    events: [
      { timeUnixNano: '1700000000100000007', name: 'first', attributes: pairs({ n: { intValue: 1 } }) },
    ],
    links: [{ traceId: '12'.repeat(16), spanId: '34'.repeat(8) }],
    status: { code: 2, message: 'oom' },
  };
  const request = {
    resourceSpans: [
      {
        resource: { attributes: pairs({ 'service.name': text('truss') }) },
        scopeSpans: [{ scope: { name: 'tracer', version: '1' }, spans: [span] }],
      },
    ],
  };
  const read = decode('json', tracesRequest, Buffer.from(JSON.stringify(request)));
  if ('problem' in read) throw new Error(read.problem);
  const [record] = recordsOfSpans(read.message, defaults);
  expect({ ...record, attributes: attributesOf(record!) }).toMatchObject({
    kind: 'span',
    message: 'predict',
    requestId: 'r1',
    timeNs: 1_700_000_000_000_000_001n,
    durationNs: 500_000_002,
    traceId: 'ab'.repeat(16),
    spanId: 'cd'.repeat(8),
    parentSpanId: 'ef'.repeat(8),
    attributes: {
      'http.route': '/predict',
      name: 'predict',
      kind: 2,
      status_code: 2,
      status_message: 'oom',
      events: [{ time_ns: '1700000000100000007', name: 'first', attributes: { n: 1 } }],
      links: [{ trace_id: '12'.repeat(16), span_id: '34'.repeat(8) }],
      resource: { 'service.name': 'truss' },
      scope: { name: 'tracer', version: '1' },
    },
  });
});

it('replaces an impossible time by the time of arrival, and keeps it as an attribute', () => {
  const beyond = String(2n ** 64n - 1n);
  const log = line({ timeUnixNano: beyond, body: text('from the future') });
  expect(log.timeNs).toBe(defaults.nowNs);
  expect(attributesOf(log)).toEqual({ time_unix_nano: beyond });
  expect(line({ timeUnixNano: beyond, observedTimeUnixNano: '7', body: text('x') }).timeNs).toBe(7n);
});

it('gives one record for each posted log and span, with valid JSON attributes', () => {
  fc.assert(
    fc.property(messages(logsRequest), messages(tracesRequest), (logs, spans) => {
      const records = [...recordsOfLogs(logs, defaults), ...recordsOfSpans(spans, defaults)];
      const posted =
        logs.resourceLogs.flatMap((r) => r.scopeLogs.flatMap((s) => s.logRecords)).length +
        spans.resourceSpans.flatMap((r) => r.scopeSpans.flatMap((s) => s.spans)).length;
      expect(records).toHaveLength(posted);
      for (const { attributes, durationNs, timeNs } of records) {
        // The store and an exporter can represent begin and end.
        expect(timeNs >= 0n && timeNs < 2n ** 63n).toBe(true);
        expect(timeNs + BigInt(durationNs) < 2n ** 64n).toBe(true);
        if (attributes !== '') JSON.parse(attributes);
        expect(durationNs).toBeGreaterThanOrEqual(0);
      }
    }),
    { numRuns: 60 },
  );
});
