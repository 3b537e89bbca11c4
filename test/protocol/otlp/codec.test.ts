// Encodes and decodes OTLP messages in both encodings, and decodes malformed input.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_DEPTH, MAX_PARTS } from '../../../src/protocol/otlp/limits.ts';
import { decode, encode, encodingOf, encodings } from '../../../src/protocol/otlp/codec.ts';
import {
  emptyLog,
  emptyMessage,
  logsRequest,
  logsResponse,
  rpcStatus,
  tracesRequest,
  tracesResponse,
  type MessageFields,
  type LogsRequest,
} from '../../../src/protocol/otlp/messages.ts';
import { attributesFrom, plainAttributes, type AnyValue } from '../../../src/protocol/otlp/any-value.ts';
import { messages } from './arbitrary.ts';

const tables: readonly (readonly [string, MessageFields])[] = [
  ['logs', logsRequest],
  ['spans', tracesRequest],
  ['the response to logs', logsResponse],
  ['the response to spans', tracesResponse],
  ['errors', rpcStatus],
];

const withBody = (body: AnyValue): LogsRequest => ({
  resourceLogs: [
    {
      ...emptyMessage(logsRequest.resourceLogs[1].fields),
      scopeLogs: [
        {
          ...emptyMessage(logsRequest.resourceLogs[1].fields.scopeLogs[1].fields),
          logRecords: [{ ...emptyLog(), body }],
        },
      ],
    },
  ],
});
const json = (text: string, fields: MessageFields = logsRequest) => decode('json', fields, Buffer.from(text));
const oneLog = (log: string) => json(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[${log}]}]}]}`);
const logOf = (log: string) => {
  const read = oneLog(log);
  if ('problem' in read) throw new Error(read.problem);
  return (read.message as LogsRequest).resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!;
};
const problemOf = (log: string) => {
  const read = oneLog(log);
  return 'problem' in read ? read.problem : 'no problem';
};

describe.each(encodings)('the %s codec', (encoding) => {
  it.each(tables)('decodes what it encoded: %s', (_, fields) => {
    fc.assert(
      fc.property(messages(fields), (message) => {
        expect(decode(encoding, fields, encode(encoding, fields, message))).toEqual({ message });
      }),
      { numRuns: 60 },
    );
  });

  it('returns a message or a problem for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const [, fields] of tables) decode(encoding, fields, bytes);
      }),
      { numRuns: 500 },
    );
  });

  it('returns a message or a problem for a message with changed or missing bytes', () => {
    fc.assert(
      fc.property(
        messages(tracesRequest),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }),
        fc.nat(),
        (message, changes, cut) => {
          const bytes = encode(encoding, tracesRequest, message);
          for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
          decode(encoding, tracesRequest, bytes);
          decode(encoding, tracesRequest, bytes.subarray(0, cut % (bytes.length + 1)));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('returns a problem for a truncated message', () => {
    const bytes = encode(encoding, logsRequest, withBody('a line that is long enough'));
    const read = decode(encoding, logsRequest, bytes.subarray(0, -4));
    expect(read).toEqual({
      problem: expect.stringMatching(/truncated|not valid JSON|not a valid protobuf/) as string,
    });
  });

  it('accepts values nested up to the limit and rejects deeper ones', () => {
    let body: AnyValue = 'deep';
    for (let i = 0; i < MAX_DEPTH; i++) body = i % 2 === 0 ? [body] : new Map([['in', body]]);
    const message = withBody(body);
    expect(decode(encoding, logsRequest, encode(encoding, logsRequest, message))).toEqual({ message });
    const deeper = encode(encoding, logsRequest, withBody([body]));
    expect(decode(encoding, logsRequest, deeper)).toEqual({
      problem: `has a value nested deeper than ${MAX_DEPTH} levels`,
    });
  });

  it('rejects a request with too many parts', () => {
    const bytes = encode(encoding, logsRequest, withBody(Array<AnyValue>(MAX_PARTS).fill(false)));
    expect(decode(encoding, logsRequest, bytes)).toEqual({
      problem: `has more than ${MAX_PARTS} records, attributes and values`,
    });
  });
});

describe('the JSON decoder', () => {
  it('reads 64-bit integers exactly, from strings and from numbers', () => {
    const exact = 1_700_000_000_123_456_789n;
    expect(logOf('{"timeUnixNano":"1700000000123456789"}').timeUnixNano).toBe(exact);
    expect(logOf('{"timeUnixNano":1700000000123456789}').timeUnixNano).toBe(exact);
    expect(logOf('{"body":{"intValue":-9223372036854775808}}').body).toBe(-(2n ** 63n));
  });

  it('reads ids in any case and treats an id of zeros as absent', () => {
    const log = logOf(`{"traceId":"${'AB'.repeat(16)}","spanId":"0000000000000000"}`);
    expect(log).toMatchObject({ traceId: 'ab'.repeat(16), spanId: '' });
  });

  it('returns a short problem for a large invalid value', () => {
    const deep = `{"resourceLogs":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect(decode('json', logsRequest, Buffer.from(deep))).toEqual({
      problem: 'has an invalid resourceLogs: is an array, must be an object',
    });
  });

  it('ignores unknown fields and null', () => {
    expect(logOf('{"future":{"a":[1]},"body":null,"severityNumber":9,"log_records":1}')).toEqual({
      ...emptyLog(),
      severityNumber: 9,
    });
  });

  it.each([
    [
      '{"severityNumber":"SEVERITY_NUMBER_INFO"}',
      'has an invalid severityNumber: is "SEVERITY_NUMBER_INFO", must be an integer',
    ],
    ['{"traceId":"abc"}', 'has an invalid traceId: is "abc", must be 32 hex characters'],
    [
      '{"traceId":"q6urq6urq6urq6urq6urqw=="}',
      'has an invalid traceId: is "q6urq6urq6urq6urq6urqw==", must be 32 hex characters',
    ],
    ['{"timeUnixNano":-1}', 'has an invalid timeUnixNano: is -1, must be from 0 to 18446744073709551615'],
    ['{"timeUnixNano":"1e9"}', 'has an invalid timeUnixNano: is "1e9", must be an integer'],
    ['{"attributes":{"a":1}}', 'has an invalid attributes: is an object, must be an array'],
    [
      '{"attributes":[{"key":"a","value":"b"}]}',
      'has an invalid value of "a": is "b", must be an object such as {"stringValue":"…"}',
    ],
    ['7', 'has an invalid logRecords: is 7, must be an object'],
  ])('explains what is wrong with %s', (log, problem) => expect(problemOf(log)).toBe(problem));

  it('does not pollute prototypes', () => {
    const log = logOf(
      '{"__proto__":{"polluted":1},"attributes":[{"key":"__proto__","value":{"kvlistValue":{"values":[{"key":"polluted","value":{"stringValue":"x"}}]}}}]}',
    );
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    const plain = plainAttributes(log.attributes);
    expect(JSON.stringify(plain)).toBe('{"__proto__":{"polluted":"x"}}');
    expect(attributesFrom(plain)).toEqual(log.attributes);
  });

  it('rejects JSON that is nested too deeply for the parser', () => {
    const read = json(`{"resourceLogs":${'['.repeat(200_000)}`);
    expect(read).toHaveProperty('problem');
    expect(json(`{"a":1234567890123456789,"b":${'['.repeat(200_000)}${']'.repeat(200_000)}}`)).toBeDefined();
  });
});

it('finds the encoding by the media type', () => {
  expect(encodingOf('application/json; charset=utf-8')).toBe('json');
  expect(encodingOf('Application/X-Protobuf')).toBe('protobuf');
  expect(encodingOf('text/plain')).toBeUndefined();
  expect(encodingOf(undefined)).toBeUndefined();
});
