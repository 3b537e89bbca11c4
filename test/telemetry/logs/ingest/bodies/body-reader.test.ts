// Preparation of captured bodies: decompressed, assembled, redacted, limited in size, and the facts in them.
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RawBody } from '../../../../../src/core/exchange/body-capture.ts';
import { modelFacts } from '../../../../kit/model-facts.ts';
import { BodyReader } from '../../../../../src/telemetry/logs/ingest/bodies/body-reader.ts';
import { Redactor } from '../../../../../src/telemetry/logs/ingest/redact.ts';

const reader = (maxBytes = 10_000) => new BodyReader(maxBytes, new Redactor({ builtIn: true, custom: [] }));
const body = (content: string | Uint8Array, more: Partial<RawBody> = {}): RawBody => ({
  bytes: new Uint8Array(typeof content === 'string' ? Buffer.from(content) : content),
  type: 'application/json',
  coding: '',
  isCut: false,
  ...more,
});
const read = (response: RawBody, request?: RawBody, maxBytes?: number) => {
  const { facts, bodies } = reader(maxBytes).read({ request, response });
  const text = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString();
  // As in the store, without undefined values.
  const known = JSON.parse(JSON.stringify({ ...modelFacts(request, response), ...facts })) as Record<
    string,
    unknown
  >;
  return { facts: known, request: text(bodies?.request), response: text(bodies?.response) };
};
const stream = (...events: (object | string)[]) =>
  body(events.map((one) => `data: ${typeof one === 'string' ? one : JSON.stringify(one)}\n\n`).join(''), {
    type: 'text/event-stream',
  });
const parsed = (text: string | undefined) => JSON.parse(text!) as Record<string, unknown>;

describe('the token counts and the model of a response', () => {
  it('are read from a chat completion', () => {
    const chat = {
      id: 'c1',
      model: 'llama-3-8b',
      choices: [{ finish_reason: 'stop', message: { role: 'assistant', content: 'x' } }],
      usage: {
        prompt_tokens: 10,
        completion_tokens: 5,
        total_tokens: 15,
        prompt_tokens_details: { cached_tokens: 4 },
        completion_tokens_details: { reasoning_tokens: 2 },
      },
    };
    const { facts } = read(body(JSON.stringify(chat)), body('{"model":"llama-3"}'));
    expect(facts).toEqual({
      model: 'llama-3',
      response_model: 'llama-3-8b',
      response_id: 'c1',
      finish_reason: 'stop',
      input_tokens: 10,
      output_tokens: 5,
      total_tokens: 15,
      cached_tokens: 4,
      reasoning_tokens: 2,
    });
  });

  it('are read from a response of the responses API, and from a message', () => {
    const response = {
      object: 'response',
      model: 'm',
      status: 'completed',
      usage: {
        input_tokens: 7,
        output_tokens: 3,
        total_tokens: 10,
        input_tokens_details: { cached_tokens: 1 },
        output_tokens_details: { reasoning_tokens: 2 },
      },
    };
    expect(read(body(JSON.stringify(response))).facts).toMatchObject({
      model: 'm',
      finish_reason: 'completed',
      input_tokens: 7,
      output_tokens: 3,
      total_tokens: 10,
      cached_tokens: 1,
      reasoning_tokens: 2,
    });
    const message = {
      type: 'message',
      model: 'm',
      stop_reason: 'end_turn',
      usage: {
        input_tokens: 7,
        output_tokens: 3,
        cache_read_input_tokens: 100,
        cache_creation_input_tokens: 10,
      },
    };
    // Input includes tokens read from and written to the cache.
    expect(read(body(JSON.stringify(message))).facts).toMatchObject({
      input_tokens: 117,
      output_tokens: 3,
      total_tokens: 120,
      cached_tokens: 100,
      finish_reason: 'end_turn',
    });
  });

  it('have no total if only one of the two counts is known', () => {
    expect(read(body('{"usage":{"prompt_tokens":3}}')).facts).toEqual({ input_tokens: 3 });
  });

  it('are not read from a response that is cut, invalid JSON, or has invalid values', () => {
    const whole = '{"model":"m","usage":{"prompt_tokens":1,"completion_tokens":1}}';
    expect(read(body(whole, { isCut: true })).facts).toEqual({ response_body: 'cut' });
    expect(read(body(whole.slice(0, -1))).facts).toEqual({});
    for (const usage of [
      '1',
      '[]',
      'null',
      '{"prompt_tokens":-1,"completion_tokens":1.5,"total_tokens":"3"}',
    ])
      expect(read(body(`{"usage":${usage}}`)).facts).toEqual({});
    expect(
      read(body(`{"model":${JSON.stringify('m'.repeat(1000))},"usage":{"prompt_tokens":1}}`)).facts['model'],
    ).toHaveLength(256);
  });
});

describe('a streamed response', () => {
  const chunk = (delta: object, more: object = {}) => ({
    id: 'c1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta, finish_reason: null, ...more }],
  });

  it('becomes the response without streaming, with its usage, from chunks', () => {
    const { facts, response } = read(
      stream(
        chunk({ role: 'assistant', content: '' }),
        chunk({ content: 'Hel' }),
        chunk({ content: 'lo', reasoning_content: 'hm' }),
        chunk({ content: null }, { finish_reason: 'stop' }),
        {
          id: 'c1',
          object: 'chat.completion.chunk',
          choices: [],
          usage: { prompt_tokens: 3, completion_tokens: 2 },
        },
        '[DONE]',
      ),
    );
    expect(parsed(response)).toEqual({
      id: 'c1',
      created: 1,
      model: 'm',
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hello', reasoning_content: 'hm' },
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 3, completion_tokens: 2 },
    });
    expect(facts).toEqual({
      model: 'm',
      response_id: 'c1',
      finish_reason: 'stop',
      input_tokens: 3,
      output_tokens: 2,
      total_tokens: 5,
      is_stream: true,
      is_assembled: true,
    });
  });

  it('has the tool calls in order, with complete arguments', () => {
    const call = (index: number, more: object) => chunk({ tool_calls: [{ index, ...more }] });
    const { response } = read(
      stream(
        call(1, { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } }),
        call(0, { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x"' } }),
        call(0, { function: { arguments: ':1}' } }),
        chunk({}, { finish_reason: 'tool_calls' }),
      ),
    );
    expect(parsed(response)['choices']).toEqual([
      {
        index: 0,
        message: {
          role: 'assistant',
          content: null,
          tool_calls: [
            { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
            { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } },
          ],
        },
        finish_reason: 'tool_calls',
      },
    ]);
  });

  it('is assembled by choice for text completions', () => {
    const piece = (index: number, text: string, finish: string | null = null) => ({
      object: 'text_completion',
      model: 'm',
      choices: [{ index, text, finish_reason: finish }],
    });
    const { response, facts } = read(
      stream(piece(1, 'x'), piece(0, 'a'), piece(1, 'y', 'stop'), piece(0, 'b', 'length')),
    );
    expect(parsed(response)['choices']).toEqual([
      { index: 0, text: 'ab', finish_reason: 'length' },
      { index: 1, text: 'xy', finish_reason: 'stop' },
    ]);
    expect(facts['is_assembled']).toBe(true);
  });

  it('becomes the response in the last event of the responses API, or the text so far', () => {
    const created = { type: 'response.created', response: { object: 'response', id: 'r1', model: 'm' } };
    const delta = (text: string) => ({ type: 'response.output_text.delta', delta: text });
    const output = [{ type: 'message', content: [{ type: 'output_text', text: 'Hello' }] }];
    const completed = {
      type: 'response.completed',
      response: {
        object: 'response',
        id: 'r1',
        status: 'completed',
        output,
        usage: { input_tokens: 1, output_tokens: 2 },
      },
    };
    const whole = read(stream(created, delta('Hel'), delta('lo'), completed));
    expect(parsed(whole.response)).toEqual(completed.response);
    expect(whole.facts).toMatchObject({ input_tokens: 1, output_tokens: 2, is_assembled: true });
    const broken = read(stream(created, delta('Hel')));
    expect(parsed(broken.response)).toMatchObject({ id: 'r1', output_text: 'Hel' });
    expect(broken.facts).toMatchObject({ is_assembled: false, model: 'm' });
  });

  it('becomes a message of Anthropic, with tools and thinking', () => {
    const at = (index: number, delta: object) => ({ type: 'content_block_delta', index, delta });
    const { response, facts } = read(
      stream(
        {
          type: 'message_start',
          message: {
            id: 'm1',
            type: 'message',
            role: 'assistant',
            model: 'm',
            content: [],
            usage: { input_tokens: 9, output_tokens: 1 },
          },
        },
        { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
        { type: 'ping' },
        at(0, { type: 'text_delta', text: 'Hel' }),
        at(0, { type: 'text_delta', text: 'lo' }),
        {
          type: 'content_block_start',
          index: 1,
          content_block: { type: 'tool_use', id: 't', name: 'f', input: {} },
        },
        at(1, { type: 'input_json_delta', partial_json: '{"x"' }),
        at(1, { type: 'input_json_delta', partial_json: ':1}' }),
        { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 8 } },
        { type: 'message_stop' },
      ),
    );
    expect(parsed(response)).toEqual({
      id: 'm1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [
        { type: 'text', text: 'Hello' },
        { type: 'tool_use', id: 't', name: 'f', input: { x: 1 } },
      ],
      usage: { input_tokens: 9, output_tokens: 8 },
      stop_reason: 'tool_use',
    });
    expect(facts).toMatchObject({ input_tokens: 9, output_tokens: 8, total_tokens: 17, is_assembled: true });
  });

  it('stays unchanged if its kind is unknown', () => {
    const raw = 'event: tick\ndata: {"n":1}\n\ndata: plain\n\n';
    const { response, facts } = read(body(raw, { type: 'text/event-stream' }));
    expect(response).toBe(raw);
    expect(facts).toEqual({ is_stream: true });
  });

  it('is marked if it is incomplete, and keeps an error in it', () => {
    const { response, facts } = read(
      stream(chunk({ content: 'a' }), { error: { message: 'out of memory', code: 500 } }),
    );
    expect(parsed(response)).toMatchObject({ error: { message: 'out of memory' } });
    expect(facts['is_assembled']).toBe(false);
    const cut = read({ ...stream(chunk({ content: 'a' }), '[DONE]', chunk({ content: 'b' })), isCut: true });
    expect(cut.facts).toMatchObject({ is_assembled: false, response_body: 'cut' });
  });

  it('cannot create choices at impossible indexes', () => {
    const events = [1e9, -1, 1.5, 127, 128, '0', null].map((index) => ({
      object: 'chat.completion.chunk',
      choices: [
        { index, delta: { ['__proto__']: 'x', [`f${String(index)}`]: 'y', tool_calls: [{ index: 1e9 }] } },
      ],
    }));
    const choices = parsed(read(stream(...events)).response)['choices'] as { index: number }[];
    expect(choices.every(({ index }) => index >= 0 && index < 128)).toBe(true);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});

describe('a compressed response', () => {
  const text = '{"model":"m","usage":{"prompt_tokens":1,"completion_tokens":2}}';
  const codings = {
    gzip: gzipSync(text),
    'x-gzip': gzipSync(text),
    deflate: deflateSync(text),
    br: brotliCompressSync(text),
    zstd: zstdCompressSync(text),
    identity: Buffer.from(text),
    'gzip, br': brotliCompressSync(gzipSync(text)),
  };
  for (const [coding, bytes] of Object.entries(codings))
    it(`is decompressed: ${coding}`, () => {
      const { facts, response } = read(body(bytes, { coding }));
      expect(response).toBe(text);
      expect(facts).toMatchObject({ model: 'm', total_tokens: 3 });
    });

  it('is decompressed without a zlib header', () => {
    expect(read(body(deflateRawSync(text), { coding: 'deflate' })).response).toBe(text);
  });

  it('gives the data that it contains if it is truncated', () => {
    const long = JSON.stringify({ model: 'm', text: Array.from({ length: 2000 }, (_, i) => i).join(' ') });
    const packed = gzipSync(long);
    const { response } = read(body(packed.subarray(0, packed.length / 2), { coding: 'gzip', isCut: true }));
    expect(response!.length).toBeGreaterThan(100);
    expect(long.startsWith(response!)).toBe(true);
  });

  it('is not stored, with the reason, if it is damaged, of unknown coding, or too large', () => {
    const bomb = (pack: (bytes: Buffer) => Buffer) => pack(Buffer.alloc(50 * 1024 ** 2));
    for (const [coding, bytes, problem] of [
      ['gzip', Buffer.from('no gzip'), 'damaged compressed data'],
      ['compress', Buffer.from(text), 'unknown content coding'],
      ['constructor', Buffer.from(text), 'unknown content coding'],
      ['gzip, gzip, gzip', Buffer.from(text), 'more than 2 content codings'],
      ['gzip', bomb(gzipSync), 'too large after decompression'],
      ['br', bomb(brotliCompressSync), 'too large after decompression'],
      ['zstd', bomb(zstdCompressSync), 'too large after decompression'],
    ] as const) {
      const got = read(body(bytes, { coding }));
      expect(got).toEqual({ facts: { response_body: problem }, request: undefined, response: undefined });
    }
  });
});

describe('a stored body', () => {
  it('has no secrets', () => {
    const key = `sk-${'a1B2c3D4'.repeat(6)}`;
    const { request, response } = read(
      body(JSON.stringify({ text: `use ${key}` })),
      body(JSON.stringify({ api_key: 'hunter2', messages: [{ content: key }] })),
    );
    expect(request).not.toContain('hunter2');
    for (const text of [request, response]) expect(text).not.toContain(key);
    const chunks = [key.slice(0, 10), key.slice(10)].map((content) => ({
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta: { content } }],
    }));
    // The pieces are not secrets, but the assembled text is one.
    expect(read(stream(...chunks)).response).not.toContain(key);
  });

  it('is cut to the maximum size at the end of a character, and is marked', () => {
    const { facts, request, response } = read(body(`"${'é'.repeat(1000)}"`), body('x'.repeat(50)), 100);
    expect(Buffer.byteLength(response!)).toBeLessThanOrEqual(100);
    expect(response).toMatch(/^"é+$/);
    expect(facts).toEqual({ response_body: 'cut' });
    expect(request).toBe('x'.repeat(50));
    // Cut during capture, within a character.
    const bytes = Buffer.from('aé').subarray(0, 2);
    expect(read(body(bytes, { isCut: true, type: 'application/octet-stream' })).response).toBe('a');
  });

  it('is not binary data', () => {
    const png = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0xff, 0xfe]);
    expect(read(body(png, { type: 'image/png' }))).toMatchObject({
      facts: { response_body: 'binary' },
      response: undefined,
    });
    // With a text type, invalid UTF-8 is decoded anyway.
    expect(read(body(png, { type: 'application/json' })).response).toContain('PNG');
  });

  it('may be deeply nested', () => {
    const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`;
    const event = `{"type":"response.completed","response":{"object":"response","x":${'{"x":'.repeat(4000)}1${'}'.repeat(4000)}}}`;
    expect(
      read(body(`{"model":"m","x":${deep},"usage":{"prompt_tokens":1}}`), undefined, 100_000).facts,
    ).toMatchObject({ model: 'm' });
    expect(read(stream(event), undefined, 100_000).response).toBeDefined();
  });

  it('never causes an exception', () => {
    const piece = fc.oneof(
      fc.json(),
      fc.constantFrom(
        'data: ',
        '\n\n',
        '\r',
        '[DONE]',
        '{"choices":[{"delta":',
        '{"type":"message_start"}',
        '{"type":"response.x"}',
        '{"object":"chat.completion.chunk","choices":[null,{"index":0,"delta":{"tool_calls":[null]}}]}',
        '}]}',
        '{"type":"content_block_delta","index":0,"delta":{"type":"constructor"}}',
      ),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
        fc.uint8Array({ maxLength: 100 }),
        fc.constantFrom('', 'gzip', 'br', 'deflate', 'zstd'),
        fc.constantFrom('text/event-stream', 'application/json', 'text/plain', 'x'),
        fc.boolean(),
        (text, noise, coding, type, isCut) => {
          for (const content of [Buffer.from(text), Buffer.concat([Buffer.from(text), noise])])
            for (const packed of [content, gzipSync(content)])
              read(body(packed, { coding, type, isCut }), body(content, { type }), 200);
        },
      ),
      { numRuns: 300 },
    );
  });
});
