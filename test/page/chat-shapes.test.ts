// Conversations that the page reads from stored bodies.
import { describe, expect, it } from 'vitest';
import {
  conversationOf,
  readBody,
  type ChatMessage,
  type Conversation,
} from '../../page/parts/chat-shapes.ts';
import { API_BODIES } from '../kit/llm-api-bodies.ts';
import { ODD_BODIES } from '../kit/llm-odd-bodies.ts';
import { chunk, events, JSON_TYPE } from '../kit/llm-bodies.ts';

const messagesOf = (request: unknown, response?: unknown): readonly ChatMessage[] =>
  talk(request, response)?.messages ?? [];

const talk = (request: unknown, response?: unknown): Conversation | undefined =>
  conversationOf(readBody(textOf(request)), readBody(textOf(response)));

const textOf = (value: unknown): string | undefined =>
  value === undefined || typeof value === 'string' ? value : JSON.stringify(value);

/** Role and texts of each message, for short expectations. */
const shortly = (messages: readonly ChatMessage[]): string[] =>
  messages.map(
    ({ role, parts }) =>
      `${role}: ${parts.map((part) => ('text' in part ? part.text : part.kind === 'call' ? `${part.name}(${part.input})` : part.kind)).join(' | ')}`,
  );

const CHAT = {
  model: 'llama-3',
  tools: [{ type: 'function', function: { name: 'search_docs', parameters: {} } }],
  messages: [
    { role: 'system', content: 'Answer shortly.' },
    { role: 'user', content: [{ type: 'text', text: 'How much?' }] },
    {
      role: 'assistant',
      content: null,
      tool_calls: [
        { id: 'call_1', type: 'function', function: { name: 'search_docs', arguments: '{"query":"price"}' } },
      ],
    },
    { role: 'tool', tool_call_id: 'call_1', content: '[{"score":0.8}]' },
  ],
};
const CHAT_ANSWER = {
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: '$ 18' }, finish_reason: 'stop' }],
};

describe('conversations', () => {
  it('shows a chat of OpenAI with its tools, in order', () => {
    const conversation = talk(CHAT, CHAT_ANSWER)!;
    expect(conversation.api).toBe('OpenAI chat');
    expect(conversation.tools).toEqual(['search_docs']);
    expect(shortly(conversation.messages)).toEqual([
      'system: Answer shortly.',
      'user: How much?',
      'assistant: search_docs({"query":"price"})',
      'tool: [{"score":0.8}]',
      'assistant: $ 18',
    ]);
    expect(conversation.messages.map(({ isOutput }) => isOutput)).toEqual([false, false, false, false, true]);
    expect(conversation.messages.at(-1)!.finish).toBe('stop');
    expect(conversation.messages[3]!.parts[0]).toMatchObject({ kind: 'result', id: 'call_1' });
  });

  it('shows completions of OpenAI', () => {
    const answer = { object: 'text_completion', choices: [{ text: ' world', finish_reason: 'length' }] };
    const messages = messagesOf({ model: 'm', prompt: 'hello' }, answer);
    expect(shortly(messages)).toEqual(['prompt: hello', 'completion:  world']);
    expect(messages[1]!.finish).toBe('length');
  });

  it('shows responses of OpenAI with reasoning and a function call', () => {
    const request = {
      model: 'm',
      instructions: 'Be brief.',
      input: [
        { role: 'user', content: [{ type: 'input_text', text: 'Weather?' }] },
        { type: 'function_call', call_id: 'c1', name: 'weather', arguments: '{"city":"Bern"}' },
        { type: 'function_call_output', call_id: 'c1', output: '12 degrees' },
      ],
    };
    const answer = {
      object: 'response',
      status: 'completed',
      output: [
        { type: 'reasoning', summary: [{ type: 'summary_text', text: 'The user asks' }] },
        {
          type: 'message',
          role: 'assistant',
          content: [{ type: 'output_text', text: '12 degrees in Bern' }],
        },
      ],
    };
    const conversation = talk(request, answer)!;
    expect(conversation.api).toBe('OpenAI responses');
    expect(shortly(conversation.messages)).toEqual([
      'system: Be brief.',
      'user: Weather?',
      'assistant: weather({"city":"Bern"})',
      'tool: 12 degrees',
      'assistant: The user asks',
      'assistant: 12 degrees in Bern',
    ]);
    expect(conversation.messages.at(-1)!.finish).toBe('completed');
  });

  it('shows messages of Anthropic with a tool and its failed result', () => {
    const request = {
      model: 'claude',
      max_tokens: 100,
      system: [{ type: 'text', text: 'Be brief.' }],
      messages: [
        { role: 'user', content: 'Weather?' },
        {
          role: 'assistant',
          content: [{ type: 'tool_use', id: 't1', name: 'weather', input: { city: 'Bern' } }],
        },
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: 't1',
              is_error: true,
              content: [{ type: 'text', text: 'no' }],
            },
          ],
        },
      ],
    };
    const answer = {
      type: 'message',
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Hm' },
        { type: 'text', text: 'I cannot say.' },
      ],
      stop_reason: 'end_turn',
    };
    const conversation = talk(request, answer)!;
    expect(conversation.api).toBe('Anthropic messages');
    expect(shortly(conversation.messages)).toEqual([
      'system: Be brief.',
      'user: Weather?',
      'assistant: weather({"city":"Bern"})',
      'user: no',
      'assistant: Hm | I cannot say.',
    ]);
    expect(conversation.messages[3]!.parts[0]).toMatchObject({ kind: 'result', id: 't1', isError: true });
  });

  it('shows a chat and a completion of Ollama', () => {
    const chat = {
      model: 'm',
      message: { role: 'assistant', content: 'Hi' },
      done: true,
      done_reason: 'stop',
    };
    expect(shortly(messagesOf({ model: 'm', messages: [{ role: 'user', content: 'hello' }] }, chat))).toEqual(
      ['user: hello', 'assistant: Hi'],
    );
    const generated = { model: 'm', response: 'world', done: true };
    expect(shortly(messagesOf({ model: 'm', prompt: 'hello' }, generated))).toEqual([
      'prompt: hello',
      'completion: world',
    ]);
  });

  it('tells images by type and size, and never has their data', () => {
    const data = Buffer.from('not really an image').toString('base64');
    const request = {
      model: 'm',
      messages: [
        {
          role: 'user',
          content: [{ type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } }],
        },
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] },
      ],
    };
    const messages = messagesOf(request);
    expect(messages[0]!.parts).toEqual([{ kind: 'media', type: 'image/png', bytes: 19, url: '' }]);
    expect(messages[1]!.parts).toEqual([
      { kind: 'media', type: 'image', bytes: undefined, url: 'https://example.com/a.png' },
    ]);
    expect(JSON.stringify(messages)).not.toContain(data);
  });

  it('keeps a part of unknown kind as JSON', () => {
    const part = { type: 'hologram', beams: 3 };
    expect(messagesOf({ model: 'm', messages: [{ role: 'user', content: [part] }] })[0]!.parts).toEqual([
      { kind: 'other', value: part },
    ]);
  });

  it('shows an error in place of an answer', () => {
    const messages = messagesOf(CHAT, { error: { message: 'CUDA out of memory', type: 'server_error' } });
    expect(shortly(messages).at(-1)).toBe('error: CUDA out of memory');
  });

  it('joins a stream that was stored as it came, also one that broke off', () => {
    const stream = events(chunk({ role: 'assistant', content: 'Hel' }), chunk({ content: 'lo' }));
    expect(shortly(messagesOf(CHAT, stream)).at(-1)).toBe('assistant: Hello');
    expect(shortly(messagesOf(CHAT, stream.slice(0, -20))).at(-1)).toBe('assistant: Hel');
  });

  it('reads what a cut request still has', () => {
    const whole = JSON.stringify(CHAT);
    const conversation = talk(whole.slice(0, whole.indexOf('How much?') + 5), undefined)!;
    expect(conversation.request).toBe('cut');
    expect(shortly(conversation.messages)).toEqual(['system: Answer shortly.', 'user: How m']);
  });

  it('has no conversation for other JSON and other text', () => {
    expect(talk('{"inputs": [1, 2]}', '{"output": 3}')).toBeUndefined();
    expect(talk('hello', 'world')).toBeUndefined();
    expect(talk(undefined, '{"done": true}')).toBeUndefined();
    expect(talk(undefined, undefined)).toBeUndefined();
    expect(talk('[1, 2', '{"a"')).toBeUndefined();
  });

  it('keeps a text answer of a chat', () => {
    expect(shortly(messagesOf(CHAT, 'upstream connect error')).at(-1)).toBe(
      'assistant: upstream connect error',
    );
  });

  it.each([...API_BODIES, ...ODD_BODIES])('reads "$name" without an error', ({ body, type, said }) => {
    const text = body.toString();
    const read = readBody(text);
    expect(['none', 'json', 'cut', 'stream', 'text']).toContain(read.form);
    const conversation = talk(CHAT, text);
    // The request alone makes one.
    expect(conversation?.messages.length).toBeGreaterThanOrEqual(4);
    if (type === JSON_TYPE && said !== undefined) expect(read.form).not.toBe('none');
  });
});

describe('cut JSON', () => {
  const whole = JSON.stringify({ a: [1, { b: 'x\\"y\u00e9' }, 'é\n'], c: { d: null, e: 'end' } });

  it('can be read at each place where it was cut, without values that are not in it', () => {
    for (let at = 2; at < whole.length; at++) {
      const { form, value } = readBody(whole.slice(0, at));
      expect(form).toBe('cut');
      expect(isPart(value, JSON.parse(whole))).toBe(true);
    }
  });

  /** True if `part` has only members of `all`, with a last text that may be cut. */
  const isPart = (part: unknown, all: unknown): boolean => {
    if (typeof part === 'string') return typeof all === 'string' && all.startsWith(part);
    if (typeof part !== 'object' || part === null) return part === all;
    return Object.entries(part).every(([name, value]) =>
      isPart(value, (all as Record<string, unknown>)[name]),
    );
  };
});
