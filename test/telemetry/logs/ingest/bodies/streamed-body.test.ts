// Streamed responses of language models: assembled without loss, or stored unchanged.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { modelFacts } from '../../../../kit/model-facts.ts';
import { BodyReader } from '../../../../../src/telemetry/logs/ingest/bodies/body-reader.ts';
import { Redactor } from '../../../../../src/telemetry/logs/ingest/redact.ts';

const SSE = 'text/event-stream; charset=utf-8';
const FOLDER = fileURLToPath(new URL('../../../../fixtures/streams/', import.meta.url));

function read(text: string, { type = SSE, isEnded = true, isCut = false, maxBytes = 100_000 } = {}) {
  const reader = new BodyReader(maxBytes, new Redactor({ builtIn: true, custom: [] }));
  const bytes = new Uint8Array(Buffer.from(text));
  const response = { bytes, type, coding: '', isCut };
  const got = reader.read({ request: undefined, response }, isEnded);
  const facts = { ...modelFacts(undefined, { ...response, isCut: isCut || !isEnded }), ...got.facts };
  return {
    facts: JSON.parse(JSON.stringify(facts)) as Record<string, unknown>,
    text: Buffer.from(got.bodies!.response!).toString(),
    isFailedStream: got.isFailedStream,
  };
}
const file = (name: string): string => {
  const text = readFileSync(`${FOLDER}${name}`, 'latin1');
  return text.slice(text.indexOf('\r\n\r\n') + 4);
};
type Json = Record<string, any>; // eslint-disable-line
const parsed = (text: string) => JSON.parse(text) as Json;
const messageOf = (text: string) => (parsed(text)['choices'] as Json[])[0]!['message'] as Json;
const sse = (...events: unknown[]) =>
  events.map((one) => `data: ${typeof one === 'string' ? one : JSON.stringify(one)}\n\n`).join('');
const chunk = (delta: object, more: object = {}) => ({
  id: 'c1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [{ index: 0, delta, finish_reason: null, ...more }],
});
const chat = (...deltas: object[]) =>
  sse(...deltas.map((one) => chunk(one)), chunk({}, { finish_reason: 'stop' }), '[DONE]');
const calls = (...pieces: object[]) => chat(...pieces.map((one) => ({ tool_calls: [one] })));
const piece = (args: unknown, more: object = {}, name?: string) => ({
  function: { ...(name !== undefined && { name }), arguments: args },
  ...more,
});
const namedIn = (text: string) =>
  ((messageOf(text)['tool_calls'] ?? []) as Json[]).map(({ id, function: called }) => [
    id,
    (called as Json)['name'],
    (called as Json)['arguments'],
  ]);

describe('tool calls', () => {
  it.each(['tool_noindex.resp', 'tool_index0_twoids.resp'])('begin with each new id: %s', (name) => {
    const { facts, text } = read(file(name));
    expect(namedIn(text)).toEqual([
      ['t1', 'alpha', '{"a":1}'],
      ['t2', 'beta', '{"b":2}'],
    ]);
    expect(facts).toMatchObject({ is_assembled: true, total_tokens: 9 });
  });

  it('continue with the same id, or without one, with or without an index', () => {
    for (const index of [{}, { index: 0 }]) {
      const { text, facts } = read(
        calls(
          piece('{"a"', { id: 'a', ...index }, 'f'),
          piece(':1', { id: 'a', ...index }),
          piece('}', index),
          piece('{', { id: 'b', ...index }, 'f'),
          piece('}', index),
        ),
      );
      expect(namedIn(text)).toEqual([
        ['a', 'f', '{"a":1}'],
        ['b', 'f', '{}'],
      ]);
      expect(facts['is_assembled']).toBe(true);
    }
  });

  it('are separated by index or id if their pieces alternate', () => {
    const byIndex = calls(
      piece('{"a"', { index: 0, id: 'a' }, 'f'),
      piece('{"b"', { index: 1, id: 'b' }, 'g'),
      piece(':1}', { index: 0 }),
      piece(':2}', { index: 1 }),
    );
    const byId = calls(
      piece('{"a"', { index: 0, id: 'a' }, 'f'),
      piece('{"b"', { index: 0, id: 'b' }, 'g'),
      piece(':1}', { index: 0, id: 'a' }),
      piece(':2}', { id: 'b' }),
    );
    for (const stream of [byIndex, byId]) {
      const { text, facts } = read(stream);
      expect(namedIn(text)).toEqual([
        ['a', 'f', '{"a":1}'],
        ['b', 'g', '{"b":2}'],
      ]);
      expect(facts['is_assembled']).toBe(true);
    }
  });

  it('are separated by index if all have the same id', () => {
    const { text } = read(
      calls(piece('{}', { index: 0, id: 'x' }, 'f'), piece('{}', { index: 1, id: 'x' }, 'g')),
    );
    expect(namedIn(text)).toEqual([
      ['x', 'f', '{}'],
      ['x', 'g', '{}'],
    ]);
  });

  it('are one call for each piece of a delta without index and id', () => {
    const { text, facts } = read(chat({ tool_calls: [piece('{}', {}, 'f'), piece('{"x":1}', {}, 'f')] }));
    expect(namedIn(text)).toEqual([
      ['', 'f', '{}'],
      ['', 'f', '{"x":1}'],
    ]);
    expect(facts['is_assembled']).toBe(true);
  });

  it.each([
    ['another name without an id', calls(piece('{}', {}, 'f'), piece('{}', {}, 'g'))],
    ['another name at the same index', calls(piece('{}', { index: 0 }, 'f'), piece('{}', { index: 0 }, 'g'))],
    [
      'whole arguments twice',
      calls(piece('{"a":1}', { index: 0 }, 'f'), piece('{"a":2}', { index: 0 }, 'f')),
    ],
    ['a text after an object', calls(piece({ a: 1 }, { index: 0, id: 'a' }, 'f'), piece('{}', { index: 0 }))],
    [
      'two pieces that continue',
      chat({ tool_calls: [piece('{', { id: 'a' }, 'f')] }, { tool_calls: [piece('"a"'), piece('}')] }),
    ],
    ['calls that are not a list', chat({ tool_calls: { id: 'a' } })],
  ])('stay unchanged if they cannot be separated: %s', (_what, stream) => {
    const { facts, text } = read(stream);
    expect(text).toBe(stream);
    expect(facts).toMatchObject({ is_stream: true, is_assembled: false, model: 'm', finish_reason: 'stop' });
  });

  it('are one if a piece repeats the name, or has the id later', () => {
    const stream = calls(
      piece('{"a"', { index: 0 }, 'f'),
      piece(':1', { index: 0, id: 'a' }),
      piece('}', { index: 0, type: 'function' }, 'f'),
    );
    expect(namedIn(read(stream).text)).toEqual([['a', 'f', '{"a":1}']]);
  });

  it('keep an object as arguments, and their other fields', () => {
    expect(namedIn(read(file('tool_args_object.resp')).text)).toEqual([['t1', 'alpha', { a: 1 }]]);
    const { text } = read(
      calls({ ...piece('{}', { index: 0, id: 'a' }, 'f'), extra_content: { google: { thought: 'x' } } }),
    );
    expect(messageOf(text)['tool_calls']).toEqual([
      {
        id: 'a',
        type: 'function',
        function: { name: 'f', arguments: '{}' },
        extra_content: { google: { thought: 'x' } },
      },
    ]);
    const custom = read(
      calls(
        { index: 0, id: 'a', type: 'custom', custom: { name: 'sh', input: 'l' } },
        { index: 0, custom: { input: 's' } },
      ),
    );
    expect(messageOf(custom.text)['tool_calls']).toEqual([
      { id: 'a', type: 'custom', custom: { name: 'sh', input: 'ls' } },
    ]);
  });

  it('are joined in their older form (function_call)', () => {
    const { text } = read(
      chat({ function_call: { name: 'f', arguments: '{"a"' } }, { function_call: { arguments: ':1}' } }),
    );
    expect(messageOf(text)['function_call']).toEqual({ name: 'f', arguments: '{"a":1}' });
  });

  it('are never invented, for any order and any split', () => {
    const texts = fc.array(
      fc.string({ unit: fc.constantFrom('a', '1', '{', '"'), minLength: 1, maxLength: 6 }),
      {
        minLength: 1,
        maxLength: 5,
      },
    );
    fc.assert(
      fc.property(
        fc.array(texts, { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        fc.infiniteStream(fc.nat(99)),
        (all, isSameIndex, picks) => {
          const queues = all.map((pieces, i) =>
            pieces.map((args, n) =>
              piece(args, { index: isSameIndex ? 0 : i, id: `t${i}` }, n === 0 ? `f${i}` : undefined),
            ),
          );
          const order: object[] = [];
          while (queues.some((queue) => queue.length > 0)) {
            const left = queues.filter((queue) => queue.length > 0);
            order.push(left[(picks.next().value as number) % left.length]!.shift()!);
          }
          const made = namedIn(read(calls(...order)).text).toSorted((a, b) =>
            String(a[0]).localeCompare(String(b[0])),
          );
          expect(made).toEqual(all.map((pieces, i) => [`t${i}`, `f${i}`, pieces.join('')]));
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('an assembled stream', () => {
  it('joins log probabilities', () => {
    const { text } = read(file('sse_logprobs.resp'));
    const { logprobs } = (parsed(text)['choices'] as Json[])[0]!;
    expect((logprobs as Json)['content']).toEqual(
      ['He', 'llo'].map((token) => ({ token, logprob: -0.1, bytes: null, top_logprobs: [] })),
    );
    const legacy = (text_: string, tokens: string[]) => ({
      object: 'text_completion',
      choices: [{ index: 0, text: text_, logprobs: { tokens, token_logprobs: [-1] }, finish_reason: null }],
    });
    expect(
      (parsed(read(sse(legacy('a', ['a']), legacy('b', ['b']), '[DONE]')).text)['choices'] as Json[])[0],
    ).toEqual({
      index: 0,
      text: 'ab',
      logprobs: { tokens: ['a', 'b'], token_logprobs: [-1, -1] },
      finish_reason: null,
    });
  });

  it('keeps reasoning with its details', () => {
    expect(messageOf(read(file('sse_reasoning.resp')).text)).toEqual({
      role: 'assistant',
      content: 'Hi',
      reasoning: 'think more',
      reasoning_details: [
        { type: 'reasoning.text', text: 'think' },
        { type: 'reasoning.text', text: ' more' },
      ],
    });
    const detail = (text: string) => ({
      reasoning_details: [{ index: 0, type: 'reasoning.text', text, format: 'x' }],
    });
    expect(messageOf(read(chat(detail('a'), detail('b'))).text)['reasoning_details']).toEqual([
      { index: 0, type: 'reasoning.text', text: 'ab', format: 'x' },
    ]);
  });

  it('keeps audio', () => {
    expect(messageOf(read(file('sse_audio.resp')).text)['audio']).toEqual({
      id: 'au1',
      transcript: 'hello',
      data: 'QUJD',
    });
  });

  it('keeps unknown fields of the delta, the choice and the chunk', () => {
    const { text } = read(
      sse(
        {
          ...chunk({ content: 'a', refusal: 'n', images: [1] }, { token_ids: [1], stop_reason: null }),
          provider: 'p',
        },
        {
          ...chunk({ content: 'b', refusal: 'o', images: [2] }, { token_ids: [2], stop_reason: 7 }),
          timings: { ms: 1 },
        },
        '[DONE]',
      ),
    );
    expect(parsed(text)).toMatchObject({
      provider: 'p',
      timings: { ms: 1 },
      choices: [
        { message: { content: 'ab', refusal: 'no', images: [1, 2] }, token_ids: [1, 2], stop_reason: 7 },
      ],
    });
  });

  it('is stored unchanged if its values cannot be merged', () => {
    const stream = chat({ content: 'a' }, { content: [{ type: 'text', text: 'b' }] });
    expect(read(stream)).toMatchObject({ text: stream, facts: { is_assembled: false } });
    const broken = sse(chunk({ content: 'a' }), '{"choices":[{"index":0,', '[DONE]');
    expect(read(broken)).toMatchObject({ text: broken, facts: { is_assembled: false } });
  });

  it('joins several choices, each with its own finish reason', () => {
    const of = (index: number, content: string, finish: string | null = null) => ({
      object: 'chat.completion.chunk',
      choices: [{ index, delta: { content }, finish_reason: finish }],
    });
    const { text, facts } = read(sse(of(1, 'x'), of(0, 'a'), of(1, 'y', 'length'), of(0, 'b', 'stop')));
    expect(
      (parsed(text)['choices'] as Json[]).map((one) => [
        (one['message'] as Json)['content'],
        one['finish_reason'],
      ]),
    ).toEqual([
      ['ab', 'stop'],
      ['xy', 'length'],
    ]);
    expect(facts).toMatchObject({ is_assembled: true, finish_reason: 'stop' });
  });

  it('ignores an empty id and model in the first chunk', () => {
    const { facts, text } = read(file('sse_emptyid_first.resp'));
    expect(facts).toMatchObject({ model: 'm', response_id: 'c1', total_tokens: 9, is_assembled: true });
    expect(parsed(text)).toMatchObject({ id: 'c1', created: 1, model: 'm' });
  });

  it('reads usage from every known field', () => {
    expect(read(file('sse_xgroq.resp')).facts).toMatchObject({
      input_tokens: 7,
      output_tokens: 2,
      total_tokens: 9,
    });
    const usage = { prompt_tokens: 3, completion_tokens: 4 };
    const ofChoice = sse(chunk({ content: 'a' }), chunk({}, { finish_reason: 'stop', usage }));
    const everywhere = sse(
      { ...chunk({ content: 'a' }), usage: { prompt_tokens: 3 } },
      { ...chunk({}), usage },
      { ...chunk({}), usage: {} },
    );
    for (const stream of [ofChoice, everywhere])
      expect(read(stream).facts).toMatchObject({ input_tokens: 3, output_tokens: 4 });
  });

  it.each(['sse_nofinal_nl.resp', 'sse_one_nl.resp'])(
    'includes the last event without a blank line after it: %s',
    (name) => {
      expect(read(file(name)).facts).toMatchObject({ total_tokens: 9, is_assembled: true });
      for (const broken of [{ isEnded: false }, { isCut: true }]) {
        const { facts } = read(file(name), broken);
        expect(facts).not.toHaveProperty('total_tokens');
        expect(facts['is_assembled']).toBe(false);
      }
    },
  );

  it('keeps citations, empty tool input and unknown deltas of Anthropic', () => {
    const start = { type: 'message_start', message: { id: 'm1', type: 'message', model: 'm', content: [] } };
    const block = (index: number, content_block: object) => ({
      type: 'content_block_start',
      index,
      content_block,
    });
    const delta = (index: number, of: object) => ({ type: 'content_block_delta', index, delta: of });
    const stop = { type: 'message_stop' };
    const { text } = read(
      sse(
        start,
        block(0, { type: 'text', text: '' }),
        delta(0, { type: 'text_delta', text: 'a' }),
        delta(0, { type: 'citations_delta', citation: { cited_text: 'c' } }),
        block(1, { type: 'tool_use', id: 't', name: 'f', input: {} }),
        delta(1, { type: 'input_json_delta', partial_json: '' }),
        stop,
      ),
    );
    expect(parsed(text)['content']).toEqual([
      { type: 'text', text: 'a', citations: [{ cited_text: 'c' }] },
      { type: 'tool_use', id: 't', name: 'f', input: {} },
    ]);
    const unknown = sse(start, block(0, { type: 'new' }), delta(0, { type: 'new_delta', bits: 'x' }), stop);
    expect(read(unknown)).toMatchObject({ text: unknown, facts: { is_assembled: false } });
  });

  it('joins JSON lines of Ollama', () => {
    const line = (message: object, more: object = {}) =>
      `${JSON.stringify({ model: 'l', created_at: 't', message: { role: 'assistant', ...message }, done: false, ...more })}\n`;
    const { text, facts } = read(
      line({ content: 'He', thinking: 'h' }) +
        line({ content: 'llo', tool_calls: [{ function: { name: 'f', arguments: { a: 1 } } }] }) +
        line({ content: '' }, { done: true, done_reason: 'stop', prompt_eval_count: 3, eval_count: 4 }),
      { type: 'application/x-ndjson' },
    );
    expect(parsed(text)['message']).toEqual({
      role: 'assistant',
      content: 'Hello',
      thinking: 'h',
      tool_calls: [{ function: { name: 'f', arguments: { a: 1 } } }],
    });
    expect(facts).toEqual({
      model: 'l',
      finish_reason: 'stop',
      input_tokens: 3,
      output_tokens: 4,
      total_tokens: 7,
      is_stream: true,
      is_assembled: true,
    });
  });
});

describe('an error in a stream', () => {
  it('is in the record of the request, and the response is not complete', () => {
    const { facts, text, isFailedStream } = read(file('sse_error_mid.resp'));
    expect(facts).toMatchObject({
      response_error: 'engine died',
      response_error_type: 'internal_error',
      is_assembled: false,
    });
    expect(isFailedStream).toBe(true);
    expect(parsed(text)).toMatchObject({
      error: { message: 'engine died' },
      choices: [{ message: { content: 'par' } }],
    });
  });

  const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
  it.each([
    ['vLLM', data({ object: 'error', message: 'm', type: 'BadRequestError', code: 400 }), 'BadRequestError'],
    ['a code alone', data({ error: { message: 'm', code: 500 } }), '500'],
    ['TGI', data({ error: 'm', error_type: 'overloaded' }), 'overloaded'],
    [
      'Anthropic',
      `event: error\n${data({ type: 'error', error: { type: 'overloaded_error', message: 'm' } })}`,
      'overloaded_error',
    ],
    [
      'OpenAI responses',
      `event: error\n${data({ type: 'error', code: 'server_error', message: 'm' })}`,
      'server_error',
    ],
    [
      'a response that failed',
      data({ type: 'response.failed', response: { error: { code: 'x', message: 'm' } } }),
      'x',
    ],
    ['an event of that type', 'event: error\ndata: m\n\n', undefined],
    ['llama.cpp', `error: {"code":500,"message":"m","type":"server_error"}\n\n`, 'server_error'],
    ['Groq', data({ choices: [], x_groq: { id: 'r', error: 'm' } }), undefined],
    ['OpenRouter', data({ choices: [{ index: 0, delta: {}, error: { code: 502, message: 'm' } }] }), '502'],
  ])('is found in the form of %s', (_who, stream, type) => {
    const { facts, isFailedStream } = read(stream);
    expect([facts['response_error'], facts['response_error_type'], isFailedStream]).toEqual([
      'm',
      type,
      true,
    ]);
  });

  it('stays unchanged in a response that failed', () => {
    const response = { id: 'r', status: 'failed', error: { code: 'x', message: 'm' } };
    expect(parsed(read(data({ type: 'response.failed', response })).text)).toEqual(response);
  });

  it('is found in the form of Ollama', () => {
    const lines = '{"model":"l","response":"a","done":false}\n{"error":"m"}\n';
    const { facts, isFailedStream } = read(lines, { type: 'application/x-ndjson' });
    expect(facts).toMatchObject({ response_error: 'm', is_assembled: false });
    expect(isFailedStream).toBe(true);
  });

  it('is ignored if it is empty', () => {
    for (const error of [null, '', {}, false, 0]) {
      const { facts, isFailedStream } = read(
        sse({ ...chunk({ content: 'a' }, { finish_reason: 'stop' }), error }, '[DONE]'),
      );
      expect(facts).toMatchObject({ is_assembled: true });
      expect(facts).not.toHaveProperty('response_error');
      expect(isFailedStream).toBe(false);
    }
  });

  it('is redacted and limited in length', () => {
    const key = `sk-${'a1B2c3D4'.repeat(6)}`;
    const { facts } = read(sse({ error: { message: `key ${key} is wrong\u001b[31m ${'x'.repeat(5000)}` } }));
    expect(facts['response_error']).toMatch(/^key \[redacted\] is wrong x+$/);
    expect(facts['response_error']).toHaveLength(1024);
  });

  it('is read from a response without streaming if it is certain', () => {
    const type = 'application/json';
    const response = JSON.stringify({ error: { message: 'm', type: 't' } });
    expect(read(response, { type })).toMatchObject({
      facts: { response_error: 'm', response_error_type: 't' },
      isFailedStream: false,
    });
    for (const other of [
      { error: 'm' },
      { error: { message: 'm' }, choices: [] },
      { error: {} },
      { error: null },
    ])
      expect(read(JSON.stringify(other), { type }).facts).not.toHaveProperty('response_error');
  });
});

it('assembles every example stream, or marks it as not assembled', () => {
  for (const name of readdirSync(FOLDER)) {
    const { facts } = read(file(name));
    expect([name, facts['is_assembled']]).toEqual([name, name !== 'sse_error_mid.resp']);
  }
});
