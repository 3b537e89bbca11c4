// Random rows for the log store, each with the record that it must be read back as.
import fc from 'fast-check';
import { derivedSpanId, derivedTraceId } from '../../../../src/core/exchange/identity.ts';
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';
import { columnsOf, OWN_ID_BYTES, type BlockRows } from '../../../../src/telemetry/logs/store/block-rows.ts';
import { LLM_NUMBERS, llmValue, storedNumber } from '../../../../src/telemetry/logs/store/llm-numbers.ts';
import { HAS, ShapeTable, type NativeFacts, type Shape } from '../../../../src/telemetry/logs/store/shape.ts';
import { record as anyRecord, text } from '../query/arbitrary.ts';

/** Adds itself to a block. `expected`: the record, without its sequence number. */
export interface Row {
  readonly expected: LogRecord;
  addTo(rows: BlockRows): void;
}

/** `from`: milliseconds since the epoch. Close times, so that rows of different pages and blocks overlap. */
export const BASE_MS = Date.parse('2026-11-20T12:00:00Z');
const timeMs = fc
  .oneof(fc.nat(60), fc.nat(60), fc.nat(60_000), fc.constantFrom(-3_600_000, 86_400_000))
  .map((ms) => BASE_MS + ms);

const table = new ShapeTable();

/** A row for a record that is not native. Broken halves of pairs are read back as U+FFFD. */
export function lineRow(record: LogRecord): Row {
  const shape = table.of(record, columnsOf(record));
  return {
    expected: {
      ...record,
      message: record.message.toWellFormed(),
      attributes: record.attributes.toWellFormed(),
    },
    addTo: (rows) => rows.add(record, shape),
  };
}

const lines: fc.Arbitrary<Row> = fc
  .record({ record: anyRecord, ms: timeMs, ns: fc.constantFrom(0, 0, 1, 500, 999_999) })
  .map(({ record, ms, ns }) => lineRow({ ...record, timeNs: BigInt(ms) * 1_000_000n + BigInt(ns) }));

/** Numbers of a native record, in microseconds or bytes. `undefined`: did not happen. */
interface NativeNumbers {
  readonly leased: number | undefined;
  readonly connected: number | undefined;
  readonly head: number | undefined;
  readonly firstByte: number | undefined;
  readonly waited: number;
  readonly queued: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

export interface NativeRow {
  readonly ms: number;
  readonly durationNs: number;
  readonly facts: NativeFacts;
  readonly origin: Pick<
    LogRecord,
    'deployment' | 'environment' | 'replica' | 'source' | 'pod' | 'modelId' | 'severity' | 'status'
  >;
  readonly numbers: NativeNumbers;
  /** 25 hex digits of an own id, or an id of the client. */
  readonly id: { readonly own: string } | { readonly foreign: string };
  /** `undefined`: follows from the request id. */
  readonly traceId: string | undefined;
  readonly spanId: string | undefined;
  readonly parentSpanId: string;
  readonly hasBodies: boolean;
  /** `undefined`: it is not a request to a language model. Numbers by index in LLM_NUMBERS, as in columns. */
  readonly llm?: { readonly numbers: readonly number[]; readonly responseId: string } | undefined;
  /** Further attributes. */
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** The same object for equal shapes, as the recorder has it. */
const shapes = new Map<string, Shape>();

export const ownId = (ms: number, digits: string): string => ms.toString(16).padStart(12, '0') + digits;

export function nativeRow(of: NativeRow): Row {
  const { ms, durationNs, facts, origin, numbers, id, traceId, spanId, parentSpanId, llm } = of;
  // Only an older version stored numbers of a model as attributes.
  const { input_tokens: _old, ...others } = of.attributes;
  const attributes = llm ? others : of.attributes;
  const further = Object.keys(attributes).length === 0 ? '' : JSON.stringify(attributes);
  const has =
    HAS.native |
    ('own' in id ? HAS.ownId : HAS.requestId) |
    (traceId === undefined ? HAS.ownTrace : traceId === '' ? 0 : HAS.trace) |
    (spanId === undefined ? HAS.ownSpan : spanId === '' ? 0 : HAS.span) |
    (parentSpanId === '' ? 0 : HAS.parent) |
    (further === '' ? 0 : HAS.attributes) |
    (of.hasBodies ? HAS.bodies : 0) |
    (llm ? HAS.llm : 0);
  const given: Shape = { ...origin, kind: 'request', has, native: facts };
  const key = JSON.stringify(given);
  const shape = shapes.get(key) ?? given;
  shapes.set(key, shape);
  const requestId = 'own' in id ? ownId(ms, id.own) : id.foreign;
  return {
    expected: {
      ...origin,
      seq: 0,
      kind: 'request',
      timeNs: BigInt(ms) * 1_000_000n,
      message: messageOf(facts, origin.status),
      requestId,
      traceId: traceId ?? derivedTraceId(requestId) ?? '',
      spanId: spanId ?? derivedSpanId(requestId) ?? '',
      parentSpanId,
      durationNs,
      attributes: JSON.stringify({ ...nativeAttributesOf(of), ...attributes }),
    },
    addTo: (rows) => {
      const row = rows.begin(shape);
      rows.timeMs[row] = ms;
      rows.durationNs[row] = durationNs;
      for (const name of ['leased', 'connected', 'head', 'firstByte'] as const)
        rows[name][row] = (numbers[name] ?? -1) + 1;
      for (const name of ['waited', 'queued', 'requestBytes', 'responseBytes'] as const)
        rows[name][row] = numbers[name];
      if ('own' in id) {
        rows.ownId.set(Buffer.from(id.own.slice(0, 24), 'hex'), row * OWN_ID_BYTES);
        rows.ownIdDigit[row] = parseInt(id.own[24]!, 16);
      } else rows.requestIds[row] = requestId;
      rows.traces[row] = traceId ?? '';
      rows.spans[row] = spanId ?? '';
      rows.parents[row] = parentSpanId;
      rows.attributes[row] = further;
      if (llm) rows.setLlm(row, llm.numbers, llm.responseId);
      rows.end(further.length + (llm?.responseId.length ?? 0));
    },
  };
}

function messageOf(
  { method, path, cause, detail, streamError, isFailedStream }: NativeFacts,
  status: number,
): string {
  const parts = [`${method} ${path} ${status}`];
  if (cause !== 'ok') parts.push(` ${cause}`);
  if (detail !== '') parts.push(`: ${detail}`);
  if (isFailedStream) parts.push(streamError === '' ? ' stream error:' : ` stream error: ${streamError}`);
  return parts.join('');
}

/** In the order in which log-record.ts lists them. */
function nativeAttributesOf({ facts, numbers, hasBodies, llm }: NativeRow): Record<string, unknown> {
  const given = (name: string, value: unknown, isGiven: boolean) => (isGiven ? { [name]: value } : {});
  const elapsed = (name: string, value: number | undefined) =>
    given(name, (value ?? 0) / 1000, value !== undefined);
  return {
    method: facts.method,
    path: facts.path,
    protocol: facts.protocol,
    cause: facts.cause,
    ...given('detail', facts.detail, facts.detail !== ''),
    ...given('remote', facts.remote, facts.remote !== ''),
    queue_ms: numbers.waited / 1000,
    ...given('async_wait_ms', numbers.queued / 1000, numbers.queued !== 0),
    ...elapsed('leased_ms', numbers.leased),
    ...elapsed('connected_ms', numbers.connected),
    ...elapsed('head_ms', numbers.head),
    ...elapsed('first_byte_ms', numbers.firstByte),
    request_bytes: numbers.requestBytes,
    response_bytes: numbers.responseBytes,
    attempts: facts.attempts,
    ...given('retries', facts.retries, facts.retries !== 0),
    ...given('async', true, facts.isAsync),
    ...given('is_sampled', true, facts.isSampled),
    ...given('has_bodies', true, hasBodies),
    ...(JSON.parse(`{${facts.shared}}`) as Record<string, unknown>),
    ...Object.fromEntries(
      LLM_NUMBERS.flatMap(({ name, scale }, i) => {
        const stored = llm?.numbers[i] ?? 0;
        const value = llmValue(stored, scale);
        return value === undefined ? [] : [[name, value]];
      }),
    ),
    ...given('response_id', llm?.responseId, (llm?.responseId ?? '') !== ''),
  };
}

const FACTS: NativeFacts = {
  method: 'POST',
  path: '/',
  protocol: 'http',
  cause: 'ok',
  detail: '',
  remote: '',
  attempts: 1,
  retries: 0,
  isAsync: false,
  isSampled: false,
  streamError: '',
  isFailedStream: false,
  shared: '',
};
const NO_NUMBERS: NativeNumbers = {
  leased: undefined,
  connected: undefined,
  head: undefined,
  firstByte: undefined,
  waited: 0,
  queued: 0,
  requestBytes: 0,
  responseBytes: 0,
};

/** The row of a request to a language model at BASE_MS. `values`: attributes by their names in LLM_NUMBERS. */
export const modelRow = (model: string, values: Readonly<Record<string, number>>): Row =>
  nativeRow({
    ms: BASE_MS,
    durationNs: 1,
    facts: { ...FACTS, shared: `"model":${JSON.stringify(model)}` },
    origin: {
      severity: 9,
      status: 200,
      deployment: 'd1',
      environment: '',
      replica: '',
      source: 'weir',
      pod: '',
      modelId: '',
    },
    numbers: NO_NUMBERS,
    id: { own: '0'.repeat(25) },
    traceId: undefined,
    spanId: undefined,
    parentSpanId: '',
    hasBodies: false,
    llm: {
      numbers: LLM_NUMBERS.map(({ name, scale }) => storedNumber(values[name] ?? NaN, scale)),
      responseId: '',
    },
    attributes: {},
  });

const oneOf = <T>(...values: T[]) => fc.constantFrom(...values);
const microseconds = fc.oneof(fc.constant(undefined), fc.nat(100), fc.nat(10_000_000));
const hex = (digits: number) =>
  fc
    .array(fc.nat(15), { minLength: digits, maxLength: digits })
    .map((all) => all.map((digit) => digit.toString(16)).join(''));

export const natives: fc.Arbitrary<Row> = fc
  .record<NativeRow>({
    ms: timeMs,
    durationNs: oneOf(0, 1, 150_000_000, 2_000_000_000),
    facts: fc.record<NativeFacts>({
      method: oneOf('GET', 'POST'),
      path: oneOf('/predict', '/timeout/foo', '/超时'),
      protocol: oneOf('HTTP/1.1', 'gRPC'),
      cause: oneOf('ok', 'ok', 'timeout', 'foo'),
      detail: oneOf('', '', 'out of memory', 'ß'),
      remote: oneOf('', '10.0.0.1'),
      attempts: oneOf(0, 1, 5),
      retries: oneOf(0, 5),
      isAsync: fc.boolean(),
      isSampled: fc.boolean(),
      streamError: oneOf('', 'time out'),
      isFailedStream: fc.boolean(),
      shared: oneOf(
        '',
        '"key":"m"',
        '"key":"app","client_subject":"m","model":"m"',
        '"model":"m","finish_reason":"ß","currency":"USD","price_input":5',
        '"model":"超","is_stream":true,"is_finished":false',
      ),
    }),
    origin: fc.record({
      severity: oneOf(0, 9, 17),
      status: oneOf(200, 404, 500, 503),
      deployment: oneOf('', 'd1', 'd2'),
      environment: oneOf('', 'production'),
      replica: oneOf('', 'abc12'),
      source: fc.constant('weir'),
      pod: oneOf('', 'p1'),
      modelId: oneOf('', 'm1'),
    }),
    numbers: fc.record<NativeNumbers>({
      leased: microseconds,
      connected: microseconds,
      head: microseconds,
      firstByte: microseconds,
      waited: fc.nat(5000),
      queued: oneOf(0, 0, 1, 1_000_000),
      requestBytes: oneOf(0, 5, 2 ** 40),
      responseBytes: fc.nat(),
    }),
    id: fc.oneof(
      hex(25).map((own) => ({ own })),
      fc.constant({ own: '0'.repeat(25) }),
      oneOf('r1', 'R1', '019ab0c1d2e3'.padEnd(37, '7')).map((foreign) => ({ foreign })),
    ),
    traceId: fc.oneof(oneOf<string | undefined>(undefined, undefined, '', 'ab'), hex(32)),
    spanId: oneOf(undefined, undefined, '', 'ef'),
    parentSpanId: oneOf('', 'ef'),
    hasBodies: fc.boolean(),
    llm: fc.oneof(
      fc.constant(undefined),
      fc.record({
        numbers: fc.array(oneOf(0, 1, 6, 51, 5_000_001, 2 ** 52 + 780_000_001), {
          minLength: LLM_NUMBERS.length,
          maxLength: LLM_NUMBERS.length,
        }),
        responseId: oneOf('', 'chatcmpl-1', 'ß'),
      }),
    ),
    attributes: fc.oneof(
      fc.constant({}),
      fc.record({ input_tokens: oneOf(5, 50), x: text, exc_info: text }, { requiredKeys: [] }),
    ),
  })
  .map(nativeRow);

export const anyRow: fc.Arbitrary<Row> = fc.oneof(lines, natives);
