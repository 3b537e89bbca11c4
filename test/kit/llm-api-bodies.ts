// Responses of the usual APIs of language models in the shapes that their servers send, and what they say.
import {
  chunk,
  counts,
  events,
  LINES_TYPE,
  lines,
  llmBody,
  named,
  plain,
  said,
  SSE_TYPE,
  usageChunk,
  type LlmBody,
  type SaidFacts,
} from './llm-bodies.ts';

const detailed = {
  prompt_tokens: 120,
  completion_tokens: 80,
  total_tokens: 200,
  prompt_tokens_details: { cached_tokens: 64, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 48, audio_tokens: 0, accepted_prediction_tokens: 0 },
};
const saidDetailed = { input: 120, output: 80, total: 200, cached: 64, reasoning: 48 };

const OPENAI: readonly LlmBody[] = [
  plain(
    'OpenAI chat',
    {
      id: 'chatcmpl-B9M',
      object: 'chat.completion',
      created: 1_741_569_952,
      model: 'gpt-4.1-2025-04-14',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hi, "usage":{ is text', refusal: null, annotations: [] },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: detailed,
      service_tier: 'default',
    },
    { model: 'gpt-4.1-2025-04-14', id: 'chatcmpl-B9M', finish: 'stop', ...saidDetailed },
  ),
  llmBody(
    'OpenAI chat stream',
    SSE_TYPE,
    events(
      chunk({ role: 'assistant', content: '', refusal: null }, null, { usage: null }),
      chunk({ content: 'Hel' }, null, { usage: null }),
      chunk({ content: 'lo' }, null, { usage: null }),
      chunk({}, 'stop', { usage: null }),
      { ...usageChunk, usage: detailed },
      '[DONE]',
    ),
    said({ ...saidDetailed, events: 2, isFinished: true }),
  ),
  llmBody(
    'OpenAI chat stream without usage',
    SSE_TYPE,
    events(chunk({ role: 'assistant', content: '' }), chunk({ content: 'a' }), chunk({}, 'length'), '[DONE]'),
    { model: 'm', id: 'c1', finish: 'length', events: 1, isFinished: true },
  ),
  plain(
    'OpenAI completions',
    {
      id: 'cmpl-1',
      object: 'text_completion',
      model: 'gpt-3.5-turbo-instruct',
      choices: [{ text: 'a', index: 0, logprobs: null, finish_reason: 'length' }],
      usage: counts,
    },
    said({ model: 'gpt-3.5-turbo-instruct', id: 'cmpl-1', finish: 'length' }),
  ),
  llmBody(
    'OpenAI completions stream',
    SSE_TYPE,
    events(
      {
        id: 'c1',
        object: 'text_completion',
        model: 'm',
        choices: [{ text: 'a', index: 0, finish_reason: null }],
      },
      {
        id: 'c1',
        object: 'text_completion',
        model: 'm',
        choices: [{ text: '', index: 0, finish_reason: 'stop' }],
      },
      { id: 'c1', object: 'text_completion', model: 'm', choices: [], usage: counts },
      '[DONE]',
    ),
    said({ events: 1, isFinished: true }),
  ),
  plain(
    'OpenAI embeddings',
    {
      object: 'list',
      data: [{ object: 'embedding', embedding: [0.0023, -0.009, 1e-5], index: 0 }],
      model: 'text-embedding-3-small',
      usage: { prompt_tokens: 8, total_tokens: 8 },
    },
    { model: 'text-embedding-3-small', input: 8, total: 8 },
  ),
];

const response = (status: string, more: object = {}): object => ({
  id: 'resp_1',
  object: 'response',
  created_at: 1_741_476_777,
  status,
  error: null,
  incomplete_details: null,
  model: 'gpt-4o-2024-08-06',
  output: [],
  usage: null,
  ...more,
});
const responseUsage = {
  input_tokens: 328,
  input_tokens_details: { cached_tokens: 28 },
  output_tokens: 52,
  output_tokens_details: { reasoning_tokens: 10 },
  total_tokens: 380,
};
const saidResponse: SaidFacts = {
  model: 'gpt-4o-2024-08-06',
  id: 'resp_1',
  finish: 'completed',
  input: 328,
  output: 52,
  total: 380,
  cached: 28,
  reasoning: 10,
};
const part = { output_index: 0, item_id: 'msg_1', content_index: 0 };

const RESPONSES: readonly LlmBody[] = [
  plain('OpenAI response', response('completed', { usage: responseUsage }), saidResponse),
  llmBody(
    'OpenAI response stream',
    SSE_TYPE,
    named(
      { type: 'response.created', response: response('in_progress') },
      { type: 'response.in_progress', response: response('in_progress') },
      { type: 'response.output_item.added', item: { id: 'msg_1', type: 'message', content: [] } },
      { type: 'response.reasoning_summary_text.delta', ...part, delta: 'Hm' },
      { type: 'response.output_text.delta', ...part, delta: 'Hi' },
      { type: 'response.output_text.delta', ...part, delta: '' },
      { type: 'response.output_text.done', ...part, text: 'Hi' },
      { type: 'response.completed', response: response('completed', { usage: responseUsage }) },
    ),
    { ...saidResponse, events: 2, isFinished: true },
  ),
  llmBody(
    'OpenAI response stream with a function call',
    SSE_TYPE,
    named(
      { type: 'response.created', response: response('in_progress') },
      { type: 'response.output_item.added', item: { type: 'function_call', name: 'f', arguments: '' } },
      { type: 'response.function_call_arguments.delta', ...part, delta: '{"usage":{"input_tokens":1}}' },
      { type: 'response.incomplete', response: response('incomplete', { usage: responseUsage }) },
    ),
    { ...saidResponse, finish: 'incomplete', events: 2, isFinished: true },
  ),
  llmBody(
    'OpenAI response stream that fails',
    SSE_TYPE,
    named(
      { type: 'response.created', response: response('in_progress') },
      {
        type: 'response.failed',
        response: response('failed', { error: { code: 'server_error', message: 'down' } }),
      },
    ),
    {
      model: 'gpt-4o-2024-08-06',
      id: 'resp_1',
      finish: 'failed',
      error: { message: 'down', type: 'server_error' },
    },
  ),
];

const cacheCounts = { cache_creation_input_tokens: 100, cache_read_input_tokens: 2000 };
const message = (more: object = {}): object => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-20250514',
  content: [],
  stop_reason: null,
  stop_sequence: null,
  usage: { input_tokens: 21, ...cacheCounts, output_tokens: 1, service_tier: 'standard' },
  ...more,
});
const saidMessage: SaidFacts = {
  model: 'claude-sonnet-4-20250514',
  id: 'msg_1',
  finish: 'end_turn',
  input: 2121,
  output: 30,
  total: 2151,
  cached: 2000,
};
const start = (index: number, content_block: object): Record<string, unknown> => ({
  type: 'content_block_start',
  index,
  content_block,
});
const delta = (index: number, one: object): Record<string, unknown> => ({
  type: 'content_block_delta',
  index,
  delta: one,
});
const stop = (index: number): Record<string, unknown> => ({ type: 'content_block_stop', index });

const ANTHROPIC: readonly LlmBody[] = [
  plain(
    'Anthropic message',
    message({
      content: [{ type: 'text', text: 'Hi' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 21, ...cacheCounts, output_tokens: 30 },
    }),
    saidMessage,
  ),
  llmBody(
    'Anthropic stream with thinking',
    SSE_TYPE,
    named(
      { type: 'message_start', message: message() },
      start(0, { type: 'thinking', thinking: '', signature: '' }),
      { type: 'ping' },
      delta(0, { type: 'thinking_delta', thinking: 'Hm' }),
      delta(0, { type: 'signature_delta', signature: 'EqQBCgIYAhIM' }),
      stop(0),
      start(1, { type: 'text', text: '' }),
      delta(1, { type: 'text_delta', text: 'H' }),
      delta(1, { type: 'text_delta', text: 'i' }),
      stop(1),
      {
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { output_tokens: 30 },
      },
      { type: 'message_stop' },
    ),
    { ...saidMessage, events: 3, isFinished: true },
  ),
  llmBody(
    'Anthropic stream with a tool',
    SSE_TYPE,
    named(
      { type: 'message_start', message: message() },
      start(0, { type: 'tool_use', id: 'toolu_1', name: 'get', input: {} }),
      delta(0, { type: 'input_json_delta', partial_json: '' }),
      delta(0, { type: 'input_json_delta', partial_json: '{"usage":{"input_tokens":9}}' }),
      stop(0),
      {
        type: 'message_delta',
        delta: { stop_reason: 'tool_use' },
        usage: { input_tokens: 21, ...cacheCounts, output_tokens: 30 },
      },
      { type: 'message_stop' },
    ),
    { ...saidMessage, finish: 'tool_use', events: 2, isFinished: true },
  ),
  llmBody(
    'Anthropic stream with an error',
    SSE_TYPE,
    named(
      { type: 'message_start', message: message() },
      { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
    ),
    {
      model: 'claude-sonnet-4-20250514',
      id: 'msg_1',
      input: 2121,
      cached: 2000,
      error: { message: 'Overloaded', type: 'overloaded_error' },
    },
  ),
];

const ENGINES: readonly LlmBody[] = [
  llmBody(
    'vLLM stream with usage in every chunk',
    SSE_TYPE,
    events(
      chunk({ role: 'assistant', content: '' }, null, {
        usage: { prompt_tokens: 7, total_tokens: 7, completion_tokens: 0 },
      }),
      chunk({ content: 'a' }, null, { usage: { prompt_tokens: 7, total_tokens: 8, completion_tokens: 1 } }),
      chunk({ content: 'b' }, 'stop', { usage: { prompt_tokens: 7, total_tokens: 9, completion_tokens: 2 } }),
      { ...usageChunk, usage: { prompt_tokens: 7, total_tokens: 9, completion_tokens: 2 } },
      '[DONE]',
    ),
    said({ events: 2, isFinished: true }),
  ),
  llmBody(
    'vLLM stream with reasoning',
    SSE_TYPE,
    events(
      chunk({ role: 'assistant', content: '' }),
      chunk({ reasoning_content: 'Hm' }),
      chunk({ reasoning: ' hm' }),
      chunk({ content: 'a', reasoning_content: null }),
      chunk({ content: '' }, 'stop', { stop_reason: null }),
      { ...usageChunk, usage: { ...counts, prompt_tokens_details: null } },
      '[DONE]',
    ),
    said({ events: 3, isFinished: true }),
  ),
  plain(
    'vLLM embeddings',
    {
      id: 'embd-1',
      object: 'list',
      model: 'e5',
      data: [{ index: 0, object: 'embedding', embedding: 'vLLM//8=' }],
      usage: { prompt_tokens: 8, total_tokens: 8, completion_tokens: 0, prompt_tokens_details: null },
    },
    { model: 'e5', id: 'embd-1', input: 8, output: 0, total: 8 },
  ),
  llmBody(
    'vLLM stream with an error',
    SSE_TYPE,
    events(
      chunk({ content: 'a' }),
      { error: { message: 'EngineCore died', type: 'InternalServerError', param: null, code: 500 } },
      '[DONE]',
    ),
    {
      model: 'm',
      id: 'c1',
      events: 1,
      error: { message: 'EngineCore died', type: 'InternalServerError' },
    },
  ),
  llmBody(
    'older vLLM stream with an error',
    SSE_TYPE,
    events(chunk({ content: 'a' }), {
      object: 'error',
      message: 'too long',
      type: 'BadRequestError',
      code: 400,
    }),
    { model: 'm', id: 'c1', events: 1, error: { message: 'too long', type: 'BadRequestError' } },
  ),
  llmBody(
    'SGLang chat stream',
    SSE_TYPE,
    events(
      chunk({ role: 'assistant', content: '', reasoning_content: null, tool_calls: null }, null, {
        usage: null,
      }),
      chunk({ role: null, content: 'a', reasoning_content: null, tool_calls: null }),
      chunk({ role: null, content: null }, 'stop', { matched_stop: 128_009 }),
      { ...usageChunk, usage: { ...counts, reasoning_tokens: 0, prompt_tokens_details: null } },
      '[DONE]',
    ),
    said({ events: 1, isFinished: true }),
  ),
  plain(
    'SGLang generate',
    {
      text: ' Paris',
      output_ids: [12, 366],
      meta_info: {
        id: 'c1',
        finish_reason: { type: 'length', length: 2 },
        prompt_tokens: 7,
        weight_version: 'default',
        completion_tokens: 2,
        cached_tokens: 1,
        e2e_latency: 0.21,
      },
    },
    { id: 'c1', finish: 'length', input: 7, output: 2, total: 9, cached: 1 },
    { isUnassembled: true },
  ),
  llmBody(
    'SGLang generate stream',
    SSE_TYPE,
    events(
      {
        text: ' P',
        meta_info: {
          id: 'c1',
          finish_reason: null,
          prompt_tokens: 7,
          completion_tokens: 1,
          cached_tokens: 1,
        },
      },
      {
        text: ' Paris',
        meta_info: {
          id: 'c1',
          finish_reason: { type: 'stop', matched: 2 },
          prompt_tokens: 7,
          completion_tokens: 2,
          cached_tokens: 1,
        },
      },
      '[DONE]',
    ),
    { id: 'c1', finish: 'stop', input: 7, output: 2, total: 9, cached: 1, events: 2, isFinished: true },
    { isUnassembled: true },
  ),
  plain(
    'TGI generate',
    {
      generated_text: 'a b',
      details: {
        finish_reason: 'eos_token',
        generated_tokens: 2,
        seed: null,
        prefill: [],
        tokens: [{ id: 1, text: 'a' }],
      },
    },
    { finish: 'eos_token', output: 2 },
    { isUnassembled: true },
  ),
  llmBody(
    'TGI generate stream',
    SSE_TYPE,
    events(
      {
        index: 1,
        token: { id: 1, text: 'a', logprob: -0.5, special: false },
        generated_text: null,
        details: null,
      },
      {
        index: 2,
        token: { id: 2, text: ' b', logprob: -0.5, special: false },
        generated_text: 'a b',
        details: { finish_reason: 'length', generated_tokens: 2, seed: null, input_length: 7 },
      },
    ),
    { finish: 'length', input: 7, output: 2, total: 9, events: 2, isFinished: true },
    { isUnassembled: true },
  ),
  llmBody(
    'TGI generate stream that ends with an empty text',
    SSE_TYPE,
    events({
      index: 1,
      token: { id: 2, text: '</s>', logprob: 0, special: true },
      generated_text: '',
      details: { finish_reason: 'eos_token', generated_tokens: 1, seed: null, input_length: 7 },
    }),
    { finish: 'eos_token', input: 7, output: 1, total: 8, events: 1, isFinished: true },
    { isUnassembled: true },
  ),
  llmBody(
    'TGI generate stream with an error',
    SSE_TYPE,
    events({ error: 'Request failed during generation: out of memory', error_type: 'generation' }),
    { error: { message: 'Request failed during generation: out of memory', type: 'generation' } },
    { isUnassembled: true },
  ),
  llmBody(
    'TGI chat stream',
    SSE_TYPE,
    events(
      chunk({ role: 'assistant', content: 'a' }, null, { system_fingerprint: '3.0', usage: null }),
      chunk({ role: 'assistant', content: '' }, 'stop', { usage: null }),
      usageChunk,
      '[DONE]',
    ),
    said({ events: 1, isFinished: true }),
  ),
  llmBody(
    'llama.cpp chat stream',
    SSE_TYPE,
    events(
      chunk({ role: 'assistant', content: null }),
      chunk({ content: 'a' }),
      chunk({}, 'stop'),
      { ...usageChunk, timings: { prompt_n: 7, predicted_n: 2, predicted_per_second: 61.5 } },
      '[DONE]',
    ),
    said({ events: 1, isFinished: true }),
  ),
  llmBody(
    'llama.cpp stream with an error in its own field',
    SSE_TYPE,
    `${events(chunk({ content: 'a' }))}error: {"code":500,"message":"full","type":"server_error"}\n\n`,
    { model: 'm', id: 'c1', events: 1, error: { message: 'full', type: 'server_error' } },
  ),
];

const ollama = { model: 'llama3.2', created_at: '2026-01-01T00:00:00Z' };
const ollamaEnd = {
  done: true,
  done_reason: 'stop',
  total_duration: 5,
  prompt_eval_count: 7,
  eval_count: 2,
  eval_duration: 9,
};
const saidOllama: SaidFacts = { model: 'llama3.2', finish: 'stop', input: 7, output: 2, total: 9 };

const OLLAMA: readonly LlmBody[] = [
  plain('Ollama chat', { ...ollama, message: { role: 'assistant', content: 'a' }, ...ollamaEnd }, saidOllama),
  plain('Ollama generate', { ...ollama, response: 'a', ...ollamaEnd, context: [1, 2] }, saidOllama),
  llmBody(
    'Ollama chat stream',
    LINES_TYPE,
    lines(
      { ...ollama, message: { role: 'assistant', content: '', thinking: 'Hm' }, done: false },
      { ...ollama, message: { role: 'assistant', content: 'a' }, done: false },
      {
        ...ollama,
        message: { role: 'assistant', content: '', tool_calls: [{ function: { name: 'f' } }] },
        done: false,
      },
      { ...ollama, message: { role: 'assistant', content: '' }, ...ollamaEnd },
    ),
    { ...saidOllama, events: 3, isFinished: true },
  ),
  llmBody(
    'Ollama generate stream',
    LINES_TYPE,
    lines(
      { ...ollama, response: '', thinking: 'Hm', done: false },
      { ...ollama, response: 'a', done: false },
      { ...ollama, response: '', ...ollamaEnd, context: [1, 2, 3] },
    ),
    { ...saidOllama, events: 2, isFinished: true },
  ),
  llmBody(
    'Ollama stream with an error',
    LINES_TYPE,
    lines(
      { ...ollama, response: 'a', done: false },
      { error: 'an error was encountered while running the model' },
    ),
    {
      model: 'llama3.2',
      events: 1,
      error: { message: 'an error was encountered while running the model', type: '' },
    },
  ),
];

const GATEWAYS: readonly LlmBody[] = [
  llmBody(
    'Groq stream',
    SSE_TYPE,
    events(
      chunk({ role: 'assistant', content: '' }, null, { x_groq: { id: 'req_1' } }),
      chunk({ content: 'a' }),
      chunk({}, 'stop', { x_groq: { id: 'req_1', usage: { queue_time: 0.1, ...counts, total_time: 0.2 } } }),
      '[DONE]',
    ),
    said({ events: 1, isFinished: true }),
  ),
  llmBody(
    'Groq stream with an error',
    SSE_TYPE,
    events(chunk({ content: 'a' }), chunk({}, null, { x_groq: { id: 'req_1', error: 'over capacity' } })),
    { model: 'm', id: 'c1', events: 1, error: { message: 'over capacity', type: '' } },
  ),
  plain(
    'LiteLLM before Anthropic',
    {
      id: 'c1',
      object: 'chat.completion',
      model: 'm',
      choices: [
        { finish_reason: 'stop', index: 0, message: { content: 'a', role: 'assistant', tool_calls: null } },
      ],
      usage: {
        completion_tokens: 30,
        prompt_tokens: 2121,
        total_tokens: 2151,
        completion_tokens_details: null,
        prompt_tokens_details: { audio_tokens: null, cached_tokens: 2000 },
        ...cacheCounts,
      },
    },
    said({ input: 2121, output: 30, total: 2151, cached: 2000 }),
  ),
  llmBody(
    'LiteLLM stream with an error',
    SSE_TYPE,
    events(chunk({ content: 'a' }), {
      error: { message: 'litellm.APIError', type: 'None', param: 'None', code: '500' },
    }),
    { model: 'm', id: 'c1', events: 1, error: { message: 'litellm.APIError', type: 'None' } },
  ),
  llmBody(
    'OpenRouter stream with an error in a choice',
    SSE_TYPE,
    `: OPENROUTER PROCESSING\n\n${events({
      ...chunk({}),
      choices: [
        { index: 0, delta: { content: '' }, finish_reason: 'error', error: { code: 502, message: 'bad' } },
      ],
    })}`,
    { model: 'm', id: 'c1', finish: 'error', error: { message: 'bad', type: '502' } },
  ),
  llmBody(
    'Mistral stream',
    SSE_TYPE,
    events(
      chunk({ role: 'assistant', content: '' }),
      chunk({ content: 'a' }),
      chunk({ content: '' }, 'stop', { usage: { ...counts, num_cached_tokens: 0 } }),
      '[DONE]',
    ),
    said({ events: 1, isFinished: true }),
  ),
  llmBody(
    'Moonshot stream with usage in the choice',
    SSE_TYPE,
    events(
      chunk({ content: 'a' }),
      { ...chunk({}), choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage: counts }] },
      '[DONE]',
    ),
    said({ events: 1, isFinished: true }),
  ),
];

export const API_BODIES: readonly LlmBody[] = [
  ...OPENAI,
  ...RESPONSES,
  ...ANTHROPIC,
  ...ENGINES,
  ...OLLAMA,
  ...GATEWAYS,
];
