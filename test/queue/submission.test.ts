import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readSubmission, sourceOf } from '../../src/queue/submission.ts';

const read = (body: string | Buffer) => readSubmission(Buffer.from(body), () => '');

it('gives the source of a member exactly, whatever stands around and inside it', () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.jsonValue(),
      fc.jsonValue(),
      fc.constantFrom('', ' ', '\n\t'),
      (before, value, after, space) => {
        const source = JSON.stringify(value);
        const parts = [
          `"a"${space}:${JSON.stringify({ model_input: before })}`,
          `"model_input":${space}${source}${space}`,
          `"z\\"}":[${JSON.stringify(after)},"model_input"]`,
        ];
        const text = `{${space}${parts.join(`${space},${space}`)}${space}}`;
        expect(JSON.parse(text).model_input).toEqual(JSON.parse(source));
        expect(sourceOf(text, 'model_input')).toBe(source);
      },
    ),
  );
});

it('takes the last of two members of one name, as JSON.parse does, and keeps numbers as they are written', () => {
  const text = '{"model_input": {"n": 1}, "model_input": {"n": 12345678901234567890, "e": 1.0e400}}';
  const got = read(text);
  expect(got.ok && Buffer.from(got.submission.input).toString()).toBe(
    '{"n": 12345678901234567890, "e": 1.0e400}',
  );
  expect(sourceOf('{"a":"\\\\","model_input":"x\\\\\\"y"}', 'model_input')).toBe('"x\\\\\\"y"');
  expect(sourceOf('{"a":1}', 'model_input')).toBe('');
});

it('is right with any body of the contract, and never throws at any other', () => {
  fc.assert(
    fc.property(
      fc.record(
        {
          model_input: fc.dictionary(fc.string(), fc.jsonValue()),
          priority: fc.integer({ min: 0, max: 2 }),
          max_time_in_queue_seconds: fc.integer({ min: 10, max: 259_200 }),
          webhook_endpoint: fc.constant('https://example.com/'),
        },
        { requiredKeys: ['model_input'] },
      ),
      (body) => {
        const got = read(JSON.stringify(body));
        expect(got.ok).toBe(true);
        if (!got.ok) return;
        expect(JSON.parse(Buffer.from(got.submission.input).toString())).toEqual(
          JSON.parse(JSON.stringify(body.model_input)),
        );
        expect(got.submission.priority).toBe(body.priority ?? 0);
        expect(got.submission.maxQueueMs).toBe((body.max_time_in_queue_seconds ?? 600) * 1000);
      },
    ),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      ),
      (body) => {
        const got = read(body);
        expect(got.ok || got.problems.length > 0).toBe(true);
      },
    ),
  );
  const invalid = read(Buffer.from([0x7b, 0xff, 0x7d]));
  expect(!invalid.ok && invalid.problems).toEqual(['the body is no UTF-8']);
});
