// Export of posted spans and lines: they leave as they arrived, and do not loop between two weirs.
import { describe, expect, it } from 'vitest';
import {
  parseDestination,
  type DestinationSettings,
} from '../../../src/telemetry/otlp-export/destination.ts';
import { spanProjection } from '../../../src/telemetry/otlp-export/otlp-spans.ts';
import { logsOf } from '../../../src/telemetry/otlp-export/otlp-logs.ts';
import { recordsOfLogs, recordsOfSpans, type LogRecord } from '../../../src/telemetry/logs/logs.ts';
import { decode, encode } from '../../../src/protocol/otlp/codec.ts';
import { tracesRequest, type TracesRequest } from '../../../src/protocol/otlp/messages.ts';
import { BLANK } from '../../kit/records.ts';

const intake = { nowNs: 1n, deployment: '' };
const sender = { version: '1.2.3', own: () => ({ pod: 'pod1-0a1b2c3d', modelId: 'mdl1' }) };
const project = spanProjection(() => [], sender);
const sent = (records: readonly LogRecord[]): TracesRequest => ({ resourceSpans: project(records, 'weir') });

function posted(request: object): LogRecord[] {
  const read = decode('json', tracesRequest, Buffer.from(JSON.stringify(request)));
  if ('problem' in read) throw new Error(read.problem);
  return recordsOfSpans(read.message, intake);
}
const text = (stringValue: string) => ({ stringValue });
const request = (more: object = {}) => ({
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: text('truss-server') }] },
      scopeSpans: [
        {
          scope: { name: 'truss_server', version: '9', attributes: [{ key: 'lib', value: text('x') }] },
          spans: [
            {
              traceId: 'ab'.repeat(16),
              spanId: 'cd'.repeat(8),
              parentSpanId: 'ef'.repeat(8),
              name: 'predict-endpoint',
              kind: 2,
              startTimeUnixNano: '1700000000000000001',
              endTimeUnixNano: '1700000000000000009',
              attributes: [
                { key: 'name', value: text('an attribute of that name') },
                { key: 'attributes.of', value: text('its own dot') },
                { key: 'time_unix_nano', value: text('hers') },
              ],
              events: [{ timeUnixNano: '1700000000000000005', name: 'start: predict' }],
              status: { code: 2, message: 'oom' },
              ...more,
            },
          ],
        },
      ],
    },
  ],
});

describe('a posted span', () => {
  it('is exported with its resource, its scope and all attributes under their names', () => {
    const [read] = posted(request()).map((record) => ({ ...record, pod: 'pod9', modelId: 'mdl9' }));
    const [group] = sent([read!]).resourceSpans;
    const [again] = recordsOfSpans({ resourceSpans: [group!] }, intake);
    const attributesIn = ({ attributes }: LogRecord) =>
      JSON.parse(attributes) as { scope: { attributes: object } };
    expect({ ...again, attributes: '' }).toEqual({ ...read, attributes: '' });
    const { scope, ...rest } = attributesIn(again!);
    expect(scope).toEqual({ name: 'truss_server', version: '9', attributes: { lib: 'x', 'weir.hops': 1 } });
    expect(rest).toEqual({ ...attributesIn(read!), scope: undefined });
    expect([...group!.scopeSpans[0]!.spans[0]!.attributes]).toEqual([
      ['name', 'an attribute of that name'],
      ['attributes.of', 'its own dot'],
      ['time_unix_nano', 'hers'],
    ]);
  });

  it('is exported with the pod and the model of the weir that stored it', () => {
    const older = posted(request())[0]!;
    const groups = sent([{ ...older, pod: 'pod9', modelId: 'mdl9' }, older]).resourceSpans;
    expect(groups.map(({ resource }) => Object.fromEntries(resource.attributes))).toEqual([
      { 'service.name': 'truss-server', 'weir.pod': 'pod9', 'weir.model_id': 'mdl9' },
      // Stored before weir kept these fields, so by this weir.
      { 'service.name': 'truss-server', 'weir.pod': 'pod1-0a1b2c3d', 'weir.model_id': 'mdl1' },
    ]);
  });

  it('is exported after redaction and size limits removed parts of it', () => {
    const attributes = JSON.stringify({
      name: 'cut',
      attributes_dropped: 3,
      events: [{}, { time_ns: '[redacted]', name: 'e' }],
      links: [{ trace_id: '[redacted]' }],
    });
    const record: LogRecord = { ...BLANK, kind: 'span', source: 'api', timeNs: 5n, attributes };
    const message = sent([record]);
    const { events, droppedAttributesCount } = message.resourceSpans[0]!.scopeSpans[0]!.spans[0]!;
    expect(events.map(({ timeUnixNano, name }) => [timeUnixNano, name])).toEqual([
      [5n, ''],
      [5n, 'e'],
    ]);
    expect(droppedAttributesCount).toBe(3);
    for (const encoding of ['json', 'protobuf'] as const) encode(encoding, tracesRequest, message);
  });

  it('is exported with an end time at the limit of 64 bits', () => {
    const end = String(2n ** 64n - 1n);
    for (const startTimeUnixNano of ['1', '1700000000000000001', end]) {
      const message = sent(posted(request({ startTimeUnixNano, endTimeUnixNano: end })));
      expect(decode('protobuf', tracesRequest, encode('protobuf', tracesRequest, message))).toEqual({
        message,
      });
    }
  });
});

describe('two weirs that export to each other', () => {
  const rounds = (records: readonly LogRecord[], pass: (records: readonly LogRecord[]) => LogRecord[]) => {
    let count = 0;
    for (let there = pass(records); there.length > 0 && count < 20; there = pass(there)) count++;
    return count;
  };

  it('pass a line on three times', () => {
    const parsed = parseDestination({ endpoint_url: 'http://other/v1/logs' });
    const { settings } = parsed as { settings: DestinationSettings };
    const own: LogRecord = { ...BLANK, message: 'hello', source: 'stdout' };
    const other: LogRecord = { ...own, source: 'api' };
    expect(rounds([own, other], (all) => recordsOfLogs(logsOf(all, settings, sender), intake))).toBe(3);
  });

  it('pass a span on three times, their own or a posted one', () => {
    const pass = (all: readonly LogRecord[]) => recordsOfSpans(sent(all), intake);
    expect(rounds(posted(request()), pass)).toBe(3);
    expect(rounds([{ ...BLANK, kind: 'span', source: 'weir', message: 'webhook ok' }], pass)).toBe(3);
  });

  it('ignore a posted hop count that is not a number', () => {
    const attributes = JSON.stringify({ scope: { name: 'app', attributes: { 'weir.hops': 'many' } } });
    const parsed = parseDestination({ endpoint_url: 'http://other/v1/logs' });
    const { settings } = parsed as { settings: DestinationSettings };
    const record: LogRecord = { ...BLANK, source: 'api', attributes };
    expect(logsOf([record], settings, sender).resourceLogs).toHaveLength(1);
  });
});
