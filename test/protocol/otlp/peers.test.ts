// Checks weir's codec against OpenTelemetry's exporters and message definitions, in both encodings.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { OTLPLogExporter as LogsJson } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as LogsProto } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPTraceExporter as TracesJson } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as TracesProto } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { diag, DiagLogLevel, SpanStatusCode, TraceFlags, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CONTENT_TYPES, decode, encode, encodingOf } from '../../../src/protocol/otlp/codec.ts';
import {
  logsRequest,
  logsResponse,
  tracesRequest,
  tracesResponse,
  type MessageFields,
  type LogsRequest,
  type TracesRequest,
} from '../../../src/protocol/otlp/messages.ts';
import { plainAttributes } from '../../../src/protocol/otlp/any-value.ts';
import { bodyOf } from '../../kit/replica.ts';
import { readLogs, readSpans } from '../../kit/otlp-messages.ts';
import { messages } from './arbitrary.ts';

/** A receiver with weir's codec. Keeps what it decoded and rejects one record. */
let server: Server;
let url = '';
const received: { type: string; bytes: Buffer; read: unknown }[] = [];

beforeAll(async () => {
  server = createServer((req, res) => {
    void (async () => {
      const body = await bodyOf(req);
      const bytes = req.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
      const encoding = encodingOf(req.headers['content-type'])!;
      const isLogs = req.url === '/v1/logs';
      const read = decode(encoding, (isLogs ? logsRequest : tracesRequest) as MessageFields, bytes);
      received.push({ type: req.headers['content-type']!, bytes, read });
      res.setHeader('content-type', CONTENT_TYPES[encoding]);
      const errorMessage = 'one was too old';
      res.end(
        isLogs
          ? encode(encoding, logsResponse, { partialSuccess: { rejectedLogRecords: 1n, errorMessage } })
          : encode(encoding, tracesResponse, { partialSuccess: { rejectedSpans: 1n, errorMessage } }),
      );
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => void received.splice(0));
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const resource = resourceFromAttributes({ 'service.name': 'replica', 'service.instance.id': 'abc12' });
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const context = trace.setSpanContext(ROOT_CONTEXT, {
  traceId: TRACE,
  spanId: SPAN,
  traceFlags: TraceFlags.SAMPLED,
});

/** What OpenTelemetry logs about itself during `work`. */
async function diagnosed(work: () => Promise<void>): Promise<string> {
  const lines: string[] = [];
  const log = (...words: unknown[]) => void lines.push(inspect(words));
  diag.setLogger({ error: log, warn: log, info: log, debug: log, verbose: log }, DiagLogLevel.ALL);
  await work();
  diag.disable();
  return lines.join('\n');
}

describe.each([
  ['protobuf', LogsProto, TracesProto],
  ['json', LogsJson, TracesJson],
] as const)('an OpenTelemetry exporter for %s', (encoding, Logs, Traces) => {
  it('sends logs that weir decodes, and reads the response', async () => {
    const exporter = new Logs({ url: `${url}/v1/logs` });
    const provider = new LoggerProvider({
      resource,
      processors: [new BatchLogRecordProcessor({ exporter })],
    });
    const logged = await diagnosed(async () => {
      provider.getLogger('app', '1.2').emit({
        timestamp: [1_700_000_000, 123_456_789],
        severityNumber: 13,
        severityText: 'WARN',
        body: { text: 'slow', parts: [1, 2.5, true, 'ü'] },
        attributes: { request_id: 'r1', bytes: new Uint8Array([1, 2]), 'list.of': ['a', 'b'], empty: '' },
        context,
      });
      await provider.shutdown();
    });
    expect(logged).toContain('one was too old');
    expect(received.map(({ type }) => type)).toEqual([CONTENT_TYPES[encoding]]);
    const { message } = received[0]!.read as { message: LogsRequest };
    const { resource: its, scopeLogs } = message.resourceLogs[0]!;
    expect(plainAttributes(its.attributes)).toMatchObject({ 'service.name': 'replica' });
    expect(scopeLogs[0]!.scope).toMatchObject({ name: 'app', version: '1.2' });
    expect(scopeLogs[0]!.logRecords).toEqual([
      expect.objectContaining({
        timeUnixNano: 1_700_000_000_123_456_789n,
        severityNumber: 13,
        severityText: 'WARN',
        traceId: TRACE,
        spanId: SPAN,
        flags: 1,
        body: new Map<string, unknown>([
          ['text', 'slow'],
          ['parts', [1n, 2.5, true, 'ü']],
        ]),
        attributes: new Map<string, unknown>([
          ['request_id', 'r1'],
          ['bytes', new Uint8Array([1, 2])],
          ['list.of', ['a', 'b']],
          ['empty', ''],
        ]),
      }),
    ]);
  });

  it('sends spans that weir decodes, and reads the response', async () => {
    const exporter = new Traces({ url: `${url}/v1/traces` });
    const provider = new TracerProvider({ resource, spanProcessors: [new BatchSpanProcessor({ exporter })] });
    const logged = await diagnosed(async () => {
      const span = provider.getTracer('app').startSpan(
        'predict',
        {
          kind: 1,
          startTime: [1_700_000_000, 5],
          attributes: { 'http.request.method': 'POST', tokens: 12, ratio: 0.5 },
          links: [{ context: { traceId: TRACE, spanId: SPAN, traceFlags: 1 }, attributes: { why: 'batch' } }],
        },
        context,
      );
      span.addEvent('first token', { n: 1 }, [1_700_000_001, 7]);
      span.setStatus({ code: SpanStatusCode.ERROR, message: 'out of memory' });
      span.end([1_700_000_002, 9]);
      await provider.shutdown();
    });
    expect(logged).toContain('one was too old');
    const { message } = received[0]!.read as { message: TracesRequest };
    expect(message.resourceSpans[0]!.scopeSpans[0]!.spans).toEqual([
      expect.objectContaining({
        name: 'predict',
        kind: 2,
        traceId: TRACE,
        parentSpanId: SPAN,
        startTimeUnixNano: 1_700_000_000_000_000_005n,
        endTimeUnixNano: 1_700_000_002_000_000_009n,
        attributes: new Map<string, unknown>([
          ['http.request.method', 'POST'],
          ['tokens', 12n],
          ['ratio', 0.5],
        ]),
        events: [
          expect.objectContaining({
            name: 'first token',
            timeUnixNano: 1_700_000_001_000_000_007n,
            attributes: new Map([['n', 1n]]),
          }),
        ],
        links: [expect.objectContaining({ traceId: TRACE, spanId: SPAN })],
        status: { code: 2, message: 'out of memory' },
      }),
    ]);
  });
});

describe('the message definitions of OpenTelemetry', () => {
  it('decode the logs that weir encodes as protobuf', () => {
    fc.assert(
      fc.property(messages(logsRequest), (message) => {
        const theirs = readLogs(encode('protobuf', logsRequest, message));
        const ours = message.resourceLogs.flatMap(({ scopeLogs }) =>
          scopeLogs.flatMap(({ logRecords }) => logRecords),
        );
        const read = (theirs.resourceLogs ?? []).flatMap(({ scopeLogs }) =>
          (scopeLogs ?? []).flatMap(({ logRecords }) => logRecords ?? []),
        );
        expect(
          read.map((log) => [
            log.timeUnixNano ?? '0',
            log.severityNumber ?? 0,
            log.severityText ?? '',
            log.traceId,
            log.spanId,
            (log.attributes ?? []).map(({ key }) => key),
          ]),
        ).toEqual(
          ours.map((log) => [
            String(log.timeUnixNano),
            log.severityNumber,
            log.severityText,
            log.traceId,
            log.spanId,
            [...log.attributes.keys()],
          ]),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('decode the spans that weir encodes as protobuf', () => {
    fc.assert(
      fc.property(messages(tracesRequest), (message) => {
        const theirs = readSpans(encode('protobuf', tracesRequest, message));
        const times = (theirs.resourceSpans ?? []).flatMap(({ scopeSpans }) =>
          (scopeSpans ?? []).flatMap(({ spans }) =>
            (spans ?? []).map((span) => [span.name ?? '', span.endTimeUnixNano ?? '0', span.parentSpanId]),
          ),
        );
        expect(times).toEqual(
          message.resourceSpans.flatMap(({ scopeSpans }) =>
            scopeSpans.flatMap(({ spans }) =>
              spans.map((span) => [span.name, String(span.endTimeUnixNano), span.parentSpanId]),
            ),
          ),
        );
      }),
      { numRuns: 60 },
    );
  });
});
