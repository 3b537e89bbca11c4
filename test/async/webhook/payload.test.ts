// What a webhook says, and that the model's answer arrives in it as it was.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { webhookPayload, timestamp, type WebhookOutcome } from '../../../src/async/webhook/payload.ts';

const outcome: WebhookOutcome = {
  requestId: 'r1',
  modelId: 'mdl1',
  deploymentId: 'dep1',
  timeMs: Date.UTC(2024, 3, 30, 1, 1, 8, 883) + 0.423_5,
  answer: Buffer.from('{"output": 42}'),
  contentType: 'application/json',
  errors: [],
};

const textOf = (change: Partial<WebhookOutcome>) => webhookPayload({ ...outcome, ...change }).toString();
const dataOf = (answer: string | Buffer, contentType: string): unknown =>
  (JSON.parse(textOf({ answer: Buffer.from(answer as string), contentType })) as { data: unknown }).data;

it('an outcome is told in the words of the contract', () => {
  expect(textOf({})).toBe(
    '{"request_id":"r1","model_id":"mdl1","deployment_id":"dep1","type":"async_request_completed",' +
      '"time":"2024-04-30T01:01:08.883423Z","data":{"output": 42},"errors":[]}',
  );
});

it('an error is told with no data, and of the same type', () => {
  const errors = [{ code: 'MODEL_PREDICT_ERROR', message: 'said "no"\n' }];
  expect(JSON.parse(textOf({ answer: undefined, errors }))).toMatchObject({
    type: 'async_request_completed',
    data: null,
    errors,
  });
});

it.each([
  [0, '1970-01-01T00:00:00.000000Z'],
  [1.001_5, '1970-01-01T00:00:00.001001Z'],
  [999.999_9, '1970-01-01T00:00:00.999999Z'],
])('%s ms have six digits behind the point', (timeMs, text) => expect(timestamp(timeMs)).toBe(text));

describe('the answer of the model', () => {
  it('keeps numbers that a JSON parser would round, and keys that are there twice', () => {
    const answer = '{"id": 12345678901234567890, "x": 1.10, "x": 1e400}';
    expect(textOf({ answer: Buffer.from(answer) })).toContain(`"data":${answer},`);
  });

  it.each([
    ['a text that says it is JSON and is not', '{"a":', 'application/json', '{"a":'],
    ['lines of JSON', '{"a":1}\n{"a":2}\n', 'application/x-ndjson', '{"a":1}\n{"a":2}\n'],
    ['events', 'data: {}\n\n', 'text/event-stream', 'data: {}\n\n'],
    ['an object of unknown type', ' {"a":1}\n', '', { a: 1 }],
    ['an object in plain text', '[1]', 'text/plain', [1]],
    ['a number that says it is JSON', '42', 'Application/JSON; charset=utf-8', 42],
    ['a text that says it is JSON', '"hi"', 'application/vnd.acme+json', 'hi'],
    ['a number in plain text', '42', 'text/plain', '42'],
    ['nothing at all', '', 'application/json', ''],
    ['JSON behind a byte order mark', '\uFEFF{"a":1}', 'application/json', { a: 1 }],
    ['bytes that are no UTF-8', Buffer.from([0x61, 0xff]), 'application/octet-stream', 'a\uFFFD'],
    [
      'JSON with bytes that are no UTF-8',
      Buffer.from('{"a":"\xff"}', 'latin1'),
      'application/json',
      { a: '\uFFFD' },
    ],
    ['an attempt to close the object early', '{}},"errors":[{}', 'application/json', '{}},"errors":[{}'],
  ])('%s', (_what, answer, contentType, data) => expect(dataOf(answer, contentType)).toEqual(data));

  it('any JSON arrives as the same value', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(dataOf(json, 'application/json')).toEqual(JSON.parse(json));
      }),
    );
  });

  it('any bytes at all leave a body that can be read', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom('', 'application/json', 'text/plain'), (bytes, type) => {
        const data = dataOf(Buffer.from(bytes), type);
        if (typeof data === 'string' && type === 'text/plain')
          expect(data).toBe(Buffer.from(bytes).toString('utf8'));
      }),
    );
  });

  it('any text arrives as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(dataOf(`x${text}`, 'text/plain')).toBe(`x${text}`);
      }),
    );
  });
});
