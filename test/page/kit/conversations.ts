// Requests with bodies in the shapes of the usual APIs of models, and bodies that are broken, large, cut or not kept.
// Invariant: each conversation has a name, by which tests find its request.
import type { Bodies } from '../../../src/telemetry/logs/store/bodies.ts';
import type { RequestFacts } from './filled-records.ts';

export type ConversationName =
  'chat' | 'responses' | 'anthropic' | 'tools' | 'broken' | 'large' | 'cut' | 'notKept' | 'hostile';

export interface Conversation {
  readonly facts: Partial<RequestFacts>;
  /** Further attributes of the record. */
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly bodies: Bodies | undefined;
}

const bytes = (value: unknown): Buffer =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

const stored = (
  path: string,
  request: unknown,
  response: unknown,
  attributes: Readonly<Record<string, unknown>> = {},
): Conversation => ({
  facts: { path, inputTokens: 84, outputTokens: 61 },
  attributes: { has_bodies: true, ...attributes },
  bodies: { request: bytes(request), response: bytes(response) },
});

const usage = { prompt_tokens: 84, completion_tokens: 61, total_tokens: 145 };
const chatAnswer = (message: object, finish_reason = 'stop'): object => ({
  id: 'chatcmpl-7Q',
  object: 'chat.completion',
  created: 1_795_742_735,
  model: 'llama-3-70b',
  choices: [{ index: 0, message, finish_reason }],
  usage,
});

const chat = (): Conversation =>
  stored(
    '/v1/chat/completions',
    {
      model: 'llama-3-70b',
      temperature: 0.2,
      messages: [
        { role: 'system', content: 'You answer questions about invoices in two sentences.' },
        { role: 'user', content: 'Why was invoice 2041 charged twice?' },
      ],
    },
    chatAnswer({
      role: 'assistant',
      content:
        'Invoice 2041 was charged once on 3 Nov; the second line is the refund of 12 Oct. Both carry the same number.',
    }),
  );

const responses = (): Conversation =>
  stored(
    '/v1/responses',
    { model: 'llama-3-70b', instructions: 'Be brief.', input: 'Name three rivers of Europe.' },
    {
      id: 'resp_9',
      object: 'response',
      model: 'llama-3-70b',
      status: 'completed',
      output: [
        {
          type: 'reasoning',
          id: 'rs_1',
          summary: [{ type: 'summary_text', text: 'Three well-known ones.' }],
        },
        {
          type: 'message',
          id: 'msg_1',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'Danube, Rhine and Loire.', annotations: [] }],
        },
      ],
      usage: { input_tokens: 84, output_tokens: 61, total_tokens: 145 },
    },
  );

const anthropic = (): Conversation =>
  stored(
    '/v1/messages',
    {
      model: 'llama-3-70b',
      max_tokens: 512,
      system: 'You are a support agent.',
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'My parcel is late.' }] },
        { role: 'assistant', content: 'What is its number?' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'It is on this picture.' },
            {
              type: 'image',
              source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo='.repeat(40) },
            },
          ],
        },
      ],
    },
    {
      id: 'msg_5',
      type: 'message',
      role: 'assistant',
      model: 'llama-3-70b',
      content: [{ type: 'text', text: 'Parcel 77-1 left Hamburg this morning and arrives tomorrow.' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 84, output_tokens: 61 },
    },
  );

const tools = (): Conversation =>
  stored(
    '/v1/chat/completions',
    {
      model: 'llama-3-70b',
      tools: [{ type: 'function', function: { name: 'lookup_order', parameters: { type: 'object' } } }],
      messages: [
        { role: 'user', content: 'Where is order 5512?' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            {
              id: 'call_1',
              type: 'function',
              function: { name: 'lookup_order', arguments: '{"order":"5512"}' },
            },
          ],
        },
        {
          role: 'tool',
          tool_call_id: 'call_1',
          content: '{"state":"shipped","carrier":"DHL","eta":"2026-11-29"}',
        },
      ],
    },
    chatAnswer(
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          {
            id: 'call_2',
            type: 'function',
            function: { name: 'track_parcel', arguments: '{"carrier":"DHL"}' },
          },
        ],
      },
      'tool_calls',
    ),
  );

const broken = (): Conversation =>
  stored(
    '/v1/chat/completions',
    '{"model": "llama-3-70b", "messages": [{"role": "user", "content',
    '{"choices": [',
  );

/** About 1 MB of text in one message. */
const large = (): Conversation =>
  stored(
    '/v1/chat/completions',
    {
      model: 'llama-3-70b',
      messages: [{ role: 'user', content: 'All work is recorded, line by line. '.repeat(29_000) }],
    },
    chatAnswer({ role: 'assistant', content: 'That is a long text.' }),
  );

const cut = (): Conversation =>
  stored(
    '/v1/chat/completions',
    `{"model":"llama-3-70b","messages":[{"role":"user","content":"${'The beginning of a long text. '.repeat(2000)}`,
    chatAnswer({ role: 'assistant', content: 'Only the beginning of the request is kept.' }),
    { request_body: 'cut' },
  );

const notKept = (): Conversation => ({
  facts: { path: '/v1/chat/completions' },
  attributes: {},
  bodies: undefined,
});

const hostile = (): Conversation =>
  stored(
    '/v1/chat/completions',
    {
      model: 'llama-3-70b',
      messages: [
        { role: 'user', content: '<img src=x onerror="window.pwned=1"> [click](javascript:window.pwned=2)' },
      ],
    },
    chatAnswer({
      role: 'assistant',
      content:
        '</script><script>window.pwned=3</script> ![x](https://attacker.example/p.png) \u202Eevil\u202C \u0000',
    }),
  );

/** All conversations by their names. */
export const conversations = (): readonly (readonly [ConversationName, Conversation])[] => [
  ['chat', chat()],
  ['responses', responses()],
  ['anthropic', anthropic()],
  ['tools', tools()],
  ['broken', broken()],
  ['large', large()],
  ['cut', cut()],
  ['notKept', notKept()],
  ['hostile', hostile()],
];
