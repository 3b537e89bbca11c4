// Tests of the body of a webhook.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { webhookPayload, timestamp, type WebhookOutcome } from '../../../src/async/webhook/payload.ts';

const outcome: WebhookOutcome = {
  requestId: 'r1',
  modelId: 'mdl1',
  deploymentId: 'dep1',
  timeMs: Date.UTC(2024, 3, 30, 1, 1, 8, 883) + 0.423_5,
  response: Buffer.from('{"output": 42}'),
  contentType: 'application/json',
  errors: [],
};

const textOf = (change: Partial<WebhookOutcome>) => webhookPayload({ ...outcome, ...change }).toString();
const dataOf = (response: string | Buffer, contentType: string): unknown =>
  (JSON.parse(textOf({ response: Buffer.from(response as string), contentType })) as { data: unknown }).data;

it('writes a success as the contract says', () => {
  expect(textOf({})).toBe(
    '{"request_id":"r1","model_id":"mdl1","deployment_id":"dep1","type":"async_request_completed",' +
      '"time":"2024-04-30T01:01:08.883423Z","data":{"output": 42},"errors":[]}',
  );
});

it('writes an error with data null and the same type', () => {
  const errors = [{ code: 'MODEL_PREDICT_ERROR', message: 'said "no"\n' }];
  expect(JSON.parse(textOf({ response: undefined, errors }))).toMatchObject({
    type: 'async_request_completed',
    data: null,
    errors,
  });
});

it.each([
  [0, '1970-01-01T00:00:00.000000Z'],
  [1.001_5, '1970-01-01T00:00:00.001001Z'],
  [999.999_9, '1970-01-01T00:00:00.999999Z'],
])('writes %s ms with six digits after the point', (timeMs, text) => expect(timestamp(timeMs)).toBe(text));

describe('data', () => {
  it('keeps numbers that a JSON parser would round, and duplicate keys', () => {
    const response = '{"id": 12345678901234567890, "x": 1.10, "x": 1e400}';
    expect(textOf({ response: Buffer.from(response) })).toContain(`"data":${response},`);
  });

  it.each([
    ['invalid JSON with a JSON type', '{"a":', 'application/json', '{"a":'],
    ['lines of JSON', '{"a":1}\n{"a":2}\n', 'application/x-ndjson', '{"a":1}\n{"a":2}\n'],
    ['events', 'data: {}\n\n', 'text/event-stream', 'data: {}\n\n'],
    ['an object of unknown type', ' {"a":1}\n', '', { a: 1 }],
    ['an array in plain text', '[1]', 'text/plain', [1]],
    ['a number with a JSON type', '42', 'Application/JSON; charset=utf-8', 42],
    ['a string with a JSON type', '"hi"', 'application/vnd.acme+json', 'hi'],
    ['a number in plain text', '42', 'text/plain', '42'],
    ['an empty body', '', 'application/json', ''],
    ['JSON after a byte order mark', '\uFEFF{"a":1}', 'application/json', { a: 1 }],
    ['bytes that are not UTF-8', Buffer.from([0x61, 0xff]), 'application/octet-stream', 'a\uFFFD'],
    [
      'JSON with bytes that are not UTF-8',
      Buffer.from('{"a":"\xff"}', 'latin1'),
      'application/json',
      { a: '\uFFFD' },
    ],
    ['an attempt to close the object early', '{}},"errors":[{}', 'application/json', '{}},"errors":[{}'],
  ])('contains the value for %s', (_what, response, contentType, data) =>
    expect(dataOf(response, contentType)).toEqual(data),
  );

  it('contains any JSON as the same value', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(dataOf(json, 'application/json')).toEqual(JSON.parse(json));
      }),
    );
  });

  it('is valid JSON for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom('', 'application/json', 'text/plain'), (bytes, type) => {
        const data = dataOf(Buffer.from(bytes), type);
        if (typeof data === 'string' && type === 'text/plain')
          expect(data).toBe(Buffer.from(bytes).toString('utf8'));
      }),
    );
  });

  it('contains any text unchanged', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(dataOf(`x${text}`, 'text/plain')).toBe(`x${text}`);
      }),
    );
  });
});
