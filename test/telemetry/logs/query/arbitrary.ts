// Random records and queries. They are made from few values, so that many records match.
import fc from 'fast-check';
import type { Compare, QueryNode } from '../../../../src/telemetry/logs/query/query-node.ts';
import type { LogRecord } from '../../../../src/telemetry/logs/log-record.ts';

export const PIECES =
  String.raw`time timeout out of memory Foo foo ß ss ü u İ I ı i 5 50 超 时 超时 한국 が か مـرحبا
  مرحبا 🔥 👍🏽 🇩🇪 ﬁ ไ ท ½ ™ _ - . / " \ * = <`
    .split(/\s+/)
    .concat([
      '\u3099',
      '\u0301',
      '\u0338',
      '\u064e',
      '\u093f',
      '\ud800',
      '\0',
      '\n',
      ' ',
      ' ',
      ' ',
      ' ',
      ' ',
    ]);
export const text = fc.array(fc.constantFrom(...PIECES), { maxLength: 6 }).map((pieces) => pieces.join(''));
const word = fc.constantFrom(...PIECES.slice(0, 29));
const oneOf = (...values: string[]) => fc.constantFrom(...values);

const value = fc.oneof(
  text,
  fc.constantFrom<unknown>(0, 5, 50, 0.5, '5', '50', '5.0', true, false, null, 'foo'),
  fc.array(oneOf('foo', 'Foo', '5')),
);
const attributes = fc
  .record(
    {
      exc_info: text,
      path: text,
      cause: text,
      detail: text,
      status: value,
      user: fc.record({ id: value }),
      'user.id': value,
      x: value,
      input_tokens: fc.constantFrom(5, 50),
    },
    { requiredKeys: [] },
  )
  .map((from) => (Object.keys(from).length === 0 ? '' : JSON.stringify(from)));

export const record: fc.Arbitrary<LogRecord> = fc.record({
  seq: fc.nat(),
  kind: fc.constantFrom('request', 'line', 'span'),
  timeNs: fc.bigInt(0n, 2n ** 60n),
  severity: fc.integer({ min: 0, max: 24 }),
  message: text,
  requestId: oneOf('', 'r1', 'r2', 'R1'),
  traceId: oneOf('', 'ab', 'cd'),
  spanId: oneOf('', 'ef'),
  parentSpanId: oneOf('', 'ef'),
  deployment: oneOf('', 'd1', 'd2'),
  environment: oneOf('', 'production', 'staging'),
  replica: oneOf('', 'abc12', 'xyz99'),
  source: oneOf('weir', 'stdout', 'api'),
  pod: oneOf('', 'p1', 'p2'),
  modelId: oneOf('', 'm1', 'm2'),
  status: fc.constantFrom(0, 200, 404, 500, 503, 599),
  durationNs: fc.constantFrom(0, 1, 150_000_000, 2_000_000_000),
  attributes: fc.oneof(attributes, attributes, oneOf('', 'no JSON', '[1]', '{"exc\\u005finfo":"foo"}')),
});

const compare = fc.constantFrom<Compare>('=', '=', '>', '>=', '<', '<=');
const field = (name: fc.Arbitrary<string>, values: fc.Arbitrary<string | number>, how = compare) =>
  fc.record({ op: fc.constant('field' as const), name, compare: how, value: values });

const leaf: fc.Arbitrary<QueryNode> = fc.oneof(
  fc.constant<QueryNode>({ op: 'all' }),
  fc.record({
    op: fc.constant('words' as const),
    words: fc.array(word, { maxLength: 3 }),
    isPrefix: fc.boolean(),
  }),
  fc.record({ op: fc.constant('substring' as const), text }),
  fc.record({
    op: fc.constant('regex' as const),
    pattern: oneOf('time.*out', '(?i)foo|bar', '^5', 'a/b\\/c', ''),
  }),
  field(fc.constant('severity'), fc.integer({ min: 1, max: 24 })),
  field(fc.constant('status'), fc.constantFrom(200, 404, 500, 503, 599, 600)),
  field(fc.constant('durationNs'), fc.constantFrom(1, 150_000_000, 2_000_000_000)),
  field(fc.constant('kind'), oneOf('request', 'line', 'span'), fc.constant('=')),
  field(fc.constant('message'), text, fc.constant('=')),
  field(
    oneOf('requestId', 'traceId', 'deployment', 'environment', 'replica', 'source', 'pod', 'modelId'),
    oneOf('r1', 'ab', 'd1', 'production', 'abc12', 'weir', 'p1', 'm1', ''),
    fc.constant('='),
  ),
  field(fc.constant('traceId'), oneOf('ab', 'cd'), fc.constant('=')),
  field(
    oneOf('user.id', 'x', '@status', 'input_tokens'),
    fc.oneof(text, fc.constantFrom<number | string>(5, 50, '5')),
  ),
  field(
    oneOf('total_tokens', 'first_token_ms', 'tokens_per_second', 'cost', 'first_byte_ms'),
    fc.constantFrom(0, 0.005, 0.05, 5, 50, 5000, 1e-12, 78_000.4),
  ),
  field(
    oneOf('model', 'key', 'client_subject', 'is_finished', 'is_stream', 'finish_reason', 'response_id'),
    oneOf('m', '超', 'true', 'false', 'ß'),
  ),
  field(
    oneOf('user.id', 'x', 'replica', 'message', 'input_tokens', 'traceId'),
    oneOf('f*', '*o*', 'abc*', '*1', 'a**2', '5*', '404', 'a*'),
    fc.constant('like'),
  ),
  fc.record({
    op: fc.constant('exists' as const),
    name: oneOf(
      'severity',
      'status',
      'durationNs',
      'kind',
      'requestId',
      'traceId',
      'message',
      'user.id',
      '@status',
      'x',
      'input_tokens',
      'first_token_ms',
      'cost',
      'model',
      'key',
      'is_finished',
      'response_id',
    ),
  }),
);

export const node: fc.Arbitrary<QueryNode> = fc.letrec<{ node: QueryNode }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.record({
      op: fc.constantFrom('and' as const, 'or' as const),
      of: fc.array(tie('node'), { maxLength: 3 }),
    }),
    fc.record({ op: fc.constant('not' as const), of: tie('node') }),
  ),
})).node;

/** An empty record with the given fields. */
export const recordOf = (given: Partial<LogRecord> = {}): LogRecord => ({
  seq: 0,
  kind: 'line',
  timeNs: 0n,
  severity: 0,
  message: '',
  requestId: '',
  traceId: '',
  spanId: '',
  parentSpanId: '',
  deployment: '',
  environment: '',
  replica: '',
  source: 'stdout',
  pod: '',
  modelId: '',
  status: 0,
  durationNs: 0,
  attributes: '',
  ...given,
});
