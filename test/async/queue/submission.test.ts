import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readSubmission, sourceOf } from '../../../src/async/queue/submission.ts';

const read = (body: string | Buffer) => readSubmission(Buffer.from(body), () => '');

it('returns the exact source text of a member', () => {
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

it('uses the last of two members with one name, as JSON.parse does, and keeps the digits of numbers', () => {
  const text = '{"model_input": {"n": 1}, "model_input": {"n": 12345678901234567890, "e": 1.0e400}}';
  const got = read(text);
  expect(got.ok && got.submission.input).toBe('{"n": 12345678901234567890, "e": 1.0e400}');
  expect(sourceOf('{"a":"\\\\","model_input":"x\\\\\\"y"}', 'model_input')).toBe('"x\\\\\\"y"');
  expect(sourceOf('{"a":1}', 'model_input')).toBe('');
});

it('accepts any body of the contract, and never throws for other bodies', () => {
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
        expect(JSON.parse(got.submission.input)).toEqual(JSON.parse(JSON.stringify(body.model_input)));
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
  expect(!invalid.ok && invalid.problems).toEqual(['the body is not valid UTF-8']);
});

describe('a body without fields of the contract', () => {
  it.each([
    '{"prompt": "Hello"}',
    '{}',
    ' { "prompt" : "Hello",\n"n": 12345678901234567890, "e": 1.0e400 }\n',
    '{"messages": [{"role": "user", "content": "hi"}], "model": "m", "input": 1, "webhook": "x"}',
    '{"inputs": {"model_input": 1, "webhook_endpoint": "x"}}',
    '{"__proto__": {"model_input": 1}, "é": "\\ud83d"}',
  ])('is the input of the model, byte for byte: %j', (body) => {
    const got = read(body);
    expect(got).toMatchObject({
      ok: true,
      submission: {
        webhook: '',
        priority: 0,
        maxQueueMs: 600_000,
        retry: { max_attempts: 3, initial_delay_ms: 1000, max_delay_ms: 5000 },
      },
    });
    expect(got.ok && got.submission.input).toBe(body);
  });

  it('is the input of the model for any other names', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-f]{0,5}$/), fc.jsonValue()), (input) => {
        const body = JSON.stringify(input);
        const got = read(body);
        expect(got.ok && got.submission.input).toBe(body);
      }),
    );
  });

  it.each([
    ['{"modle_input": {"prompt": "Hello"}}', 'modle_input', 'model_input'],
    ['{"modelInput": {"prompt": "Hello"}}', 'modelInput', 'model_input'],
    ['{"prompt": "Hello", "webhok_endpoint": "https://example.com"}', 'webhok_endpoint', 'webhook_endpoint'],
    ['{"prompt": "Hello", "priorty": 1}', 'priorty', 'priority'],
  ])('is rejected if a name is close to a field: %s', (body, name, near) => {
    const got = read(body);
    expect(!got.ok && got.problems).toEqual([
      expect.stringContaining(`unknown field "${name}"; did you mean "${near}"?`),
    ]);
  });

  it.each(['null', '[]', '"x"', '1', 'true'])('is rejected if it is not an object: %s', (body) => {
    const got = read(body);
    expect(!got.ok && got.problems).toEqual([expect.stringMatching(/^the body must be a JSON object, not /)]);
  });
});

describe('a body with fields of the contract', () => {
  it.each([
    ['{"webhook_endpoint": "https://example.com", "prompt": "x"}', 'model_input is missing'],
    ['{"priority": 1}', 'model_input is missing'],
    ['{"model_input": "text"}', 'model_input must be an object, not a string'],
    ['{"model_input": null}', 'model_input must be an object, not null'],
    [
      '{"model_input": {}, "webhok_endpoint": "x"}',
      'unknown field "webhok_endpoint"; did you mean "webhook_endpoint"?',
    ],
    ['{"model_imput": {}, "priority": 1}', 'unknown field "model_imput"; did you mean "model_input"?'],
    ['{"model_input": {}, "prompt": "x"}', 'unknown field "prompt"; known fields: model_input, '],
    [
      '{"model_input": {}, "inference_retry_config": {"max_attemps": 1}}',
      'unknown field "inference_retry_config.max_attemps"; did you mean "max_attempts"?',
    ],
  ])('is rejected for a mistake: %s', (body, problem) => {
    const got = read(body);
    expect(!got.ok && got.problems).toContainEqual(expect.stringContaining(problem));
  });

  it('lists at most ten unknown fields in its error', () => {
    const body = {
      model_input: {},
      ...Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`x${i}`, i])),
    };
    const got = read(JSON.stringify(body));
    expect(!got.ok && got.problems.length).toBe(11);
    expect(!got.ok && got.problems.at(-1)).toBe('and 4990 more unknown fields');
  });
});
