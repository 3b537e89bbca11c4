// The parts of a message's content, in the forms of OpenAI chat, OpenAI responses and Anthropic messages.
// Invariant: images, sounds and files are told by type and size; their data is never a part of the result.
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../../src/protocol/llm/json-values.ts';
import type { ChatPart } from './chat-shapes.ts';

/** Parts of a `content`: a text, a list of parts, or nothing. */
export function partsOfContent(content: unknown): ChatPart[] {
  if (content === undefined || content === null || content === '') return [];
  if (typeof content === 'string') return [{ kind: 'text', text: content }];
  if (Array.isArray(content)) return content.flatMap(partsOf);
  return [{ kind: 'other', value: content }];
}

const asText = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);

/** Texts of a list of summaries or contents, one below the other. */
const textsOf = (list: readonly unknown[]): string =>
  list.map((one) => (isObject(one) ? textAt(one, 'text') : asText(one))).join('\n');

/** One part of a content, or one item of OpenAI's responses. */
export function partsOf(part: unknown): ChatPart[] {
  if (typeof part === 'string') return [{ kind: 'text', text: part }];
  if (!isObject(part)) return [{ kind: 'other', value: part }];
  const type = textAt(part, 'type');
  switch (type) {
    case 'text':
    case 'input_text':
    case 'output_text':
      return [{ kind: 'text', text: textAt(part, 'text') }];
    case 'refusal':
      return [{ kind: 'text', text: textAt(part, 'refusal') }];
    case 'thinking':
      return [{ kind: 'reasoning', text: textAt(part, 'thinking') }];
    case 'redacted_thinking':
      return [{ kind: 'reasoning', text: '(encrypted)' }];
    case 'reasoning':
      return [
        {
          kind: 'reasoning',
          text: textsOf([...listAt(part, 'summary'), ...listAt(part, 'content')]) || '(encrypted)',
        },
      ];
    case 'tool_use':
    case 'server_tool_use':
      return [
        { kind: 'call', id: textAt(part, 'id'), name: textAt(part, 'name'), input: asText(part['input']) },
      ];
    case 'function_call':
    case 'custom_tool_call':
    case 'mcp_call':
      return [
        {
          kind: 'call',
          id: textAt(part, 'call_id') || textAt(part, 'id'),
          name: textAt(part, 'name'),
          input: asText(part['arguments'] ?? part['input']),
        },
      ];
    case 'tool_result':
      return resultOf(part, textAt(part, 'tool_use_id'), part['content']);
    case 'function_call_output':
    case 'custom_tool_call_output':
      return resultOf(part, textAt(part, 'call_id'), part['output']);
    default:
      return [mediaOf(type, part) ?? { kind: 'other', value: part }];
  }
}

function resultOf(part: JsonObject, id: string, content: unknown): ChatPart[] {
  const inner = partsOfContent(content);
  const text = inner.flatMap((one) => ('text' in one ? [one.text] : [])).join('\n');
  return [
    { kind: 'result', id, text, isError: part['is_error'] === true },
    ...inner.filter(({ kind }) => kind === 'media' || kind === 'other'),
  ];
}

/** Bytes of a base64 text. */
export const bytesOf = (data: string): number | undefined =>
  data === '' ? undefined : Math.floor((data.replace(/=+$/, '').length * 3) / 4);

/** An image, a sound or a file; `undefined` for other parts. */
function mediaOf(type: string, part: JsonObject): ChatPart | undefined {
  const source = objectAt(part, 'source');
  if ((type === 'image' || type === 'document') && source !== undefined)
    return media(textAt(source, 'media_type') || type, textAt(source, 'data'), textAt(source, 'url'));
  if (type === 'image_url' || type === 'input_image') {
    const url = textAt(objectAt(part, 'image_url'), 'url') || textAt(part, 'image_url');
    return media('image', '', url);
  }
  if (type === 'input_audio' || type === 'audio') {
    const audio = objectAt(part, 'input_audio') ?? part;
    return media(`audio ${textAt(audio, 'format')}`.trim(), textAt(audio, 'data'), '');
  }
  if (type === 'file' || type === 'input_file') {
    const file = objectAt(part, 'file') ?? part;
    const name = textAt(file, 'filename') || textAt(file, 'file_id') || 'file';
    return media(name, '', textAt(file, 'file_data') || textAt(file, 'file_url'));
  }
  return undefined;
}

/** A `data:` address is told by its type and size. */
function media(type: string, data: string, url: string): ChatPart {
  const [, inType, inData] = /^data:([^;,]*)[^,]*,(.*)$/s.exec(url) ?? [];
  return inData === undefined
    ? { kind: 'media', type, bytes: bytesOf(data), url }
    : { kind: 'media', type: inType || type, bytes: bytesOf(inData), url: '' };
}
