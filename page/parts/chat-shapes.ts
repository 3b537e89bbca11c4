// Messages of a conversation, read from the stored bodies of a request to a language model.
// Invariant: a value of unknown shape becomes a part of its own (`other`), so nothing is left out in silence; no body throws.
import { StreamedBody } from '../../src/telemetry/logs/ingest/bodies/streamed-body.ts';
import { isObject, parsedJson, type JsonObject } from '../../src/protocol/llm/json-values.ts';
import { apiOfRequest, apiOfResponse, type ChatApi } from './chat-apis.ts';
import { closeJson } from './close-json.ts';

/** A piece of a message. */
export type ChatPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'reasoning'; readonly text: string }
  /** `input`: as the model wrote it, mostly JSON. */
  | { readonly kind: 'call'; readonly id: string; readonly name: string; readonly input: string }
  | { readonly kind: 'result'; readonly id: string; readonly text: string; readonly isError: boolean }
  /** An image, sound or file. It is never loaded. `bytes`: of its data, if that is in the body. */
  | {
      readonly kind: 'media';
      readonly type: string;
      readonly bytes: number | undefined;
      readonly url: string;
    }
  | { readonly kind: 'other'; readonly value: unknown };

export interface ChatMessage {
  /** As the API has it: system, developer, user, assistant, tool, or another name. */
  readonly role: string;
  readonly name: string;
  readonly parts: readonly ChatPart[];
  /** True for what the model answered. */
  readonly isOutput: boolean;
  /** Why the model stopped; '' for input, or if it is unknown. */
  readonly finish: string;
}

/** What a body is. */
export type BodyForm =
  /** There is none. */
  | 'none'
  | 'json'
  /** JSON whose end is missing; it was closed to be read. */
  | 'cut'
  /** A stream that was stored as it came; its events were joined. */
  | 'stream'
  /** Neither. */
  | 'text';

export interface ReadBody {
  readonly form: BodyForm;
  /** The body itself; '' for `none`. */
  readonly text: string;
  /** The value of `json`, `cut` and `stream`. */
  readonly value: unknown;
  /** The parser's own words, of `cut` and `text`. */
  readonly problem: string;
}

export interface Conversation {
  /** Name of the API, such as `OpenAI chat`. */
  readonly api: string;
  readonly messages: readonly ChatMessage[];
  /** Names of the tools that the model was offered. */
  readonly tools: readonly string[];
  readonly request: BodyForm;
  readonly response: BodyForm;
}

/** Reads a body: JSON, a stream of events, JSON that was cut, or text. */
export function readBody(text = ''): ReadBody {
  if (text.trim() === '') return { form: 'none', text, value: undefined, problem: '' };
  let problem = '';
  try {
    return { form: 'json', text, value: JSON.parse(text), problem };
  } catch (error) {
    problem = (error as Error).message;
  }
  if (/^\s*(?:data|event|id|retry|:)/.test(text)) {
    const value = joinStream(eventsOf(text));
    if (value !== undefined) return { form: 'stream', text, value, problem: '' };
  }
  if (/^\s*[[{]/.test(text)) {
    // Ollama streams one object a line.
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    const value =
      lines.length > 1 && isObject(parsedJson(lines[0]!))
        ? joinStream(lines.map((data) => ({ data, type: '' })))
        : undefined;
    if (value !== undefined) return { form: 'stream', text, value, problem: '' };
    const closed = closeJson(text);
    if (closed !== undefined) return { form: 'cut', text, value: closed, problem };
  }
  return { form: 'text', text, value: undefined, problem };
}

interface StreamEvent {
  readonly data: string;
  readonly type: string;
}

/** The events of a stream (the HTML standard, 9.2.6). The last one may be cut. */
function eventsOf(text: string): readonly StreamEvent[] {
  const out: StreamEvent[] = [];
  for (const block of text.split(/\r\n\r\n|\n\n|\r\r/)) {
    const lines = block.split(/\r\n|\n|\r/);
    const of = (name: string): string[] =>
      lines.filter((line) => line.startsWith(name)).map((line) => line.slice(name.length).replace(/^ /, ''));
    const data = of('data:');
    if (data.length > 0) out.push({ data: data.join('\n'), type: of('event:').at(-1) ?? '' });
  }
  return out;
}

/** The response of a stream as the server would have sent it without streaming; `undefined` for another stream. */
function joinStream(events: readonly StreamEvent[]): JsonObject | undefined {
  const body = new StreamedBody();
  for (const { data, type } of events) body.add(data, type);
  return body.result()?.response;
}

/** The conversation of two bodies; `undefined` if neither is one of a known API. */
export function conversationOf(asked: ReadBody, answered: ReadBody): Conversation | undefined {
  const [from, to] = [objectOf(asked), objectOf(answered)];
  const sent = from && inputApi(from, to);
  const api = (to && apiOfResponse(to)) ?? sent;
  if (api === undefined) return undefined;
  return {
    api: api.name,
    messages: [...(sent?.input(from) ?? []), ...answerOf(api, answered)],
    tools: sent?.tools(from) ?? [],
    request: asked.form,
    response: answered.form,
  };
}

/** The API of a request: that of its response if it has messages for it, since requests of several APIs look alike. */
function inputApi(request: JsonObject, response: JsonObject | undefined): ChatApi | undefined {
  const api = response && apiOfResponse(response);
  return api !== undefined && api.input(request).length > 0 ? api : apiOfRequest(request);
}

/** What came back: messages, an error, or what it is instead. */
function answerOf(api: ChatApi, body: ReadBody): ChatMessage[] {
  const value = objectOf(body);
  if (body.form === 'none') return [];
  if (value === undefined)
    return [
      output(
        'assistant',
        body.form === 'text' ? { kind: 'text', text: body.text } : { kind: 'other', value: body.value },
      ),
    ];
  const messages = apiOfResponse(value) === undefined ? [] : api.output(value);
  const error = value['error'];
  if (error !== undefined && error !== null) {
    const said = isObject(error) ? error['message'] : error;
    messages.push(
      output(
        'error',
        typeof said === 'string' ? { kind: 'text', text: said } : { kind: 'other', value: error },
      ),
    );
  }
  return messages.length > 0 ? messages : [output('assistant', { kind: 'other', value })];
}

const output = (role: string, part: ChatPart): ChatMessage => ({
  role,
  name: '',
  parts: [part],
  isOutput: true,
  finish: '',
});

const objectOf = ({ value }: ReadBody): JsonObject | undefined => (isObject(value) ? value : undefined);
