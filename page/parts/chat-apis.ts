// The APIs of language models whose conversations can be read: which one a body is of, and its messages.
// Invariant: each function takes any object; what it does not know becomes an `other` part.
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../../src/protocol/llm/json-values.ts';
import { bytesOf, partsOf, partsOfContent } from './chat-parts.ts';
import type { ChatMessage, ChatPart } from './chat-shapes.ts';

export interface ChatApi {
  readonly name: string;
  readonly input: (request: JsonObject | undefined) => ChatMessage[];
  readonly output: (response: JsonObject) => ChatMessage[];
  readonly tools: (request: JsonObject | undefined) => string[];
}

const message = (
  role: string,
  parts: readonly ChatPart[],
  more: Partial<Pick<ChatMessage, 'name' | 'isOutput' | 'finish'>> = {},
): ChatMessage => ({ role, name: '', parts, isOutput: false, finish: '', ...more });

const text = (value: string): ChatPart[] => (value === '' ? [] : [{ kind: 'text', text: value }]);
const other = (value: unknown): ChatPart => ({ kind: 'other', value });

/** Names of tools: OpenAI's `function`, Anthropic's and OpenAI's later form, and tools of servers, by their type. */
const toolNames = (request: JsonObject | undefined): string[] =>
  [...listAt(request, 'tools'), ...listAt(request, 'functions')]
    .filter(isObject)
    .map((tool) => textAt(objectAt(tool, 'function'), 'name') || textAt(tool, 'name') || textAt(tool, 'type'))
    .filter((name) => name !== '');

/** One entry of `messages`, of OpenAI, Anthropic and Ollama. */
function chatMessage(entry: unknown, more: Partial<ChatMessage> = {}): ChatMessage {
  if (!isObject(entry)) return message('unknown', [other(entry)], more);
  const role = textAt(entry, 'role') || 'unknown';
  const name = textAt(entry, 'name');
  const id = textAt(entry, 'tool_call_id');
  const said = partsOfContent(entry['content']);
  const parts =
    role === 'tool' || role === 'function'
      ? [
          { kind: 'result', id: id || name, text: plainText(said), isError: false } as const,
          ...said.filter(isRich),
        ]
      : [...reasoningOf(entry), ...said, ...callsOf(entry), ...restOf(entry)];
  return message(role, parts, { name, ...more });
}

const isRich = ({ kind }: ChatPart): boolean => kind === 'media' || kind === 'other';

/** The texts of parts, one below the other. */
const plainText = (parts: readonly ChatPart[]): string =>
  parts.flatMap((part) => ('text' in part ? [part.text] : [])).join('\n');

const reasoningOf = (entry: JsonObject): ChatPart[] => {
  const thought =
    textAt(entry, 'reasoning_content') || textAt(entry, 'reasoning') || textAt(entry, 'thinking');
  return thought === '' ? [] : [{ kind: 'reasoning', text: thought }];
};

/** OpenAI's `tool_calls` and its older `function_call`. */
function callsOf(entry: JsonObject): ChatPart[] {
  const old = objectAt(entry, 'function_call');
  return [
    ...listAt(entry, 'tool_calls').map((call): ChatPart => {
      const called = isObject(call) ? (objectAt(call, 'function') ?? objectAt(call, 'custom')) : undefined;
      if (!isObject(call) || called === undefined) return other(call);
      const input = called['arguments'] ?? called['input'];
      return { kind: 'call', id: textAt(call, 'id'), name: textAt(called, 'name'), input: asText(input) };
    }),
    ...(old === undefined
      ? []
      : [{ kind: 'call', id: '', name: textAt(old, 'name'), input: asText(old['arguments']) } as const]),
  ];
}

const asText = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);

/** Refusals, sound and images beside the content. */
const restOf = (entry: JsonObject): ChatPart[] => [
  ...text(textAt(entry, 'refusal')),
  ...(objectAt(entry, 'audio') === undefined ? [] : partsOf({ ...objectAt(entry, 'audio'), type: 'audio' })),
  ...listAt(entry, 'images').map((image): ChatPart =>
    typeof image === 'string'
      ? { kind: 'media', type: 'image', bytes: bytesOf(image), url: '' }
      : other(image),
  ),
];

const messages = (request: JsonObject | undefined): ChatMessage[] =>
  listAt(request, 'messages').map((one) => chatMessage(one));

/** Choices of a response; several have their number as name. */
const choices = (response: JsonObject, read: (choice: JsonObject) => ChatMessage): ChatMessage[] => {
  const all = listAt(response, 'choices').filter(isObject);
  return all.map((choice, i) => {
    const one = read(choice);
    return {
      ...one,
      name: all.length > 1 ? `choice ${i + 1} of ${all.length}` : one.name,
      isOutput: true,
      finish: textAt(choice, 'finish_reason'),
    };
  });
};

const OPENAI_CHAT: ChatApi = {
  name: 'OpenAI chat',
  input: messages,
  output: (response) => choices(response, (choice) => chatMessage(choice['message'] ?? choice['delta'])),
  tools: toolNames,
};

const prompts = (value: unknown): string[] =>
  typeof value === 'string'
    ? [value]
    : Array.isArray(value)
      ? value.every((one) => typeof one === 'string')
        ? value
        : [JSON.stringify(value)]
      : [];

const OPENAI_COMPLETIONS: ChatApi = {
  name: 'OpenAI completions',
  input: (request) => prompts(request?.['prompt']).map((one) => message('prompt', text(one))),
  output: (response) => choices(response, (choice) => message('completion', text(textAt(choice, 'text')))),
  tools: () => [],
};

/** An entry of `input` or `output` of OpenAI's responses. */
function responseItem(item: unknown, isOutput: boolean): ChatMessage {
  if (!isObject(item)) return message(isOutput ? 'assistant' : 'user', [other(item)], { isOutput });
  const type = textAt(item, 'type');
  const role = textAt(item, 'role');
  if (type === 'message' || (type === '' && role !== '')) return chatMessage(item, { isOutput });
  const parts = partsOf(item);
  return message(type.endsWith('_output') ? 'tool' : 'assistant', parts, { isOutput });
}

const OPENAI_RESPONSES: ChatApi = {
  name: 'OpenAI responses',
  input: (request) => {
    const asked = request?.['input'];
    return [
      ...systemOf(request?.['instructions']),
      ...(typeof asked === 'string'
        ? [message('user', text(asked))]
        : listAt(request, 'input').map((item) => responseItem(item, false))),
    ];
  },
  output: (response) => {
    const all = listAt(response, 'output').map((item) => responseItem(item, true));
    const status = textAt(response, 'status');
    const why = textAt(objectAt(response, 'incomplete_details'), 'reason');
    return all.map((one, i) => (i === all.length - 1 ? { ...one, finish: why || status } : one));
  },
  tools: toolNames,
};

const systemOf = (value: unknown): ChatMessage[] => {
  const parts = partsOfContent(value);
  return parts.length === 0 ? [] : [message('system', parts)];
};

const ANTHROPIC: ChatApi = {
  name: 'Anthropic messages',
  input: (request) => [...systemOf(request?.['system']), ...messages(request)],
  output: (response) => [
    message(textAt(response, 'role') || 'assistant', partsOfContent(response['content']), {
      isOutput: true,
      finish: textAt(response, 'stop_reason'),
    }),
  ],
  tools: toolNames,
};

const OLLAMA: ChatApi = {
  name: 'Ollama',
  input: (request) => [
    ...systemOf(request?.['system']),
    ...(typeof request?.['prompt'] === 'string'
      ? [message('prompt', text(request['prompt']))]
      : messages(request)),
  ],
  output: (response) => {
    const finish = textAt(response, 'done_reason');
    const more = { isOutput: true, finish };
    return isObject(response['message'])
      ? [chatMessage(response['message'], more)]
      : [message('completion', [...reasoningOf(response), ...text(textAt(response, 'response'))], more)];
  },
  tools: toolNames,
};

/** The API whose response an object is; `undefined`: of none of these. */
export function apiOfResponse(response: JsonObject): ChatApi | undefined {
  const { type, content, output, choices: all, done } = response;
  if (type === 'message' && Array.isArray(content)) return ANTHROPIC;
  if (Array.isArray(output) && (response['object'] === 'response' || output.some(isItem)))
    return OPENAI_RESPONSES;
  if (Array.isArray(all) && all.some(isObject))
    return all.some(
      (choice) => isObject(choice) && (isObject(choice['message']) || isObject(choice['delta'])),
    )
      ? OPENAI_CHAT
      : OPENAI_COMPLETIONS;
  const isOllama =
    typeof done === 'boolean' && (isObject(response['message']) || typeof response['response'] === 'string');
  return isOllama ? OLLAMA : undefined;
}

const isItem = (item: unknown): boolean => isObject(item) && typeof item['type'] === 'string';

/** The API whose request an object seems to be; `undefined`: of none of these. */
export function apiOfRequest(request: JsonObject): ChatApi | undefined {
  const { messages: all, input, prompt } = request;
  if (Array.isArray(all) && all.some(isObject))
    return request['system'] !== undefined ||
      typeof request['max_tokens_to_sample'] === 'number' ||
      all.some(hasBlocks)
      ? ANTHROPIC
      : OPENAI_CHAT;
  if (request['model'] === undefined) return undefined;
  if (
    Array.isArray(input)
      ? input.some(isObject)
      : typeof input === 'string' && request['encoding_format'] === undefined
  )
    return OPENAI_RESPONSES;
  return typeof prompt === 'string' ? OPENAI_COMPLETIONS : undefined;
}

/** Blocks that only Anthropic's messages have. */
const hasBlocks = (entry: unknown): boolean =>
  isObject(entry) &&
  listAt(entry, 'content').some(
    (part) => isObject(part) && /^tool_(?:use|result)$|^thinking$/.test(textAt(part, 'type')),
  );
