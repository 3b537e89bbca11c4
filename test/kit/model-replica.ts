// A replica that responds as vLLM, SGLang, Anthropic and OpenAI do, plain or streamed by a script of delays.
// Invariant: every response reports the same tokens, whatever the API.
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { onBody, startReplica, type Replica } from './replica.ts';

export const APIS = ['vLLM', 'SGLang', 'Anthropic', 'OpenAI'] as const;
/** A request names the API of its response as its model. Another model, and a GET, gets that of vLLM. */
export type Api = (typeof APIS)[number];

/** Tokens that each response reports. Each token is an event of a stream. */
export const TOKENS = { input: 7, output: 3, cached: 4 };

const WORDS = ['The', ' water', ' flows'];
const TEXT = WORDS.join('');

/** Events of a stream: before the first token, one for each token, and after the last one. */
interface StreamEvents {
  readonly before: string[];
  readonly tokens: string[];
  readonly after: string[];
}

const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
const named = (value: { readonly type: string; readonly [field: string]: unknown }): string =>
  `event: ${value.type}\n${data(value)}`;
const DONE = 'data: [DONE]\n\n';

const chatUsage = {
  prompt_tokens: TOKENS.input,
  completion_tokens: TOKENS.output,
  total_tokens: TOKENS.input + TOKENS.output,
  prompt_tokens_details: { cached_tokens: TOKENS.cached },
};
const chat = { id: 'chatcmpl-1', created: 1, model: 'vLLM' };
const chunk = (delta: object, finish_reason: string | null = null): string =>
  data({ ...chat, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] });

const generated = (count: number, finish_reason: object | null) => ({
  text: WORDS.slice(0, count).join(''),
  meta_info: {
    id: 'g1',
    finish_reason,
    prompt_tokens: TOKENS.input,
    completion_tokens: count,
    cached_tokens: TOKENS.cached,
  },
});

/** Anthropic's input tokens are without cached ones. */
const messageUsage = {
  input_tokens: 2,
  cache_creation_input_tokens: 1,
  cache_read_input_tokens: TOKENS.cached,
};
const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'Anthropic' };

const response = { id: 'resp_1', object: 'response', model: 'OpenAI' };
const responseUsage = {
  input_tokens: TOKENS.input,
  input_tokens_details: { cached_tokens: TOKENS.cached },
  output_tokens: TOKENS.output,
  total_tokens: TOKENS.input + TOKENS.output,
};

const STREAMS: Record<Api, StreamEvents> = {
  vLLM: {
    before: [chunk({ role: 'assistant', content: '' })],
    tokens: WORDS.map((content) => chunk({ content })),
    after: [
      chunk({}, 'stop'),
      data({ ...chat, object: 'chat.completion.chunk', choices: [], usage: chatUsage }),
      DONE,
    ],
  },
  SGLang: {
    before: [],
    tokens: WORDS.map((_, i) => data(generated(i + 1, i + 1 === WORDS.length ? { type: 'stop' } : null))),
    after: [DONE],
  },
  Anthropic: {
    before: [
      named({ type: 'message_start', message: { ...message, usage: { ...messageUsage, output_tokens: 1 } } }),
      named({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
      named({ type: 'ping' }),
    ],
    tokens: WORDS.map((text) =>
      named({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
    ),
    after: [
      named({ type: 'content_block_stop', index: 0 }),
      named({
        type: 'message_delta',
        delta: { stop_reason: 'end_turn' },
        usage: { output_tokens: TOKENS.output },
      }),
      named({ type: 'message_stop' }),
    ],
  },
  OpenAI: {
    before: [named({ type: 'response.created', response: { ...response, status: 'in_progress' } })],
    tokens: WORDS.map((delta) => named({ type: 'response.output_text.delta', item_id: 'i', delta })),
    after: [
      named({
        type: 'response.completed',
        response: { ...response, status: 'completed', usage: responseUsage },
      }),
    ],
  },
};

const PLAIN: Record<Api, object> = {
  vLLM: {
    ...chat,
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: TEXT }, finish_reason: 'stop' }],
    usage: chatUsage,
  },
  SGLang: generated(WORDS.length, { type: 'stop' }),
  Anthropic: {
    ...message,
    content: [{ type: 'text', text: TEXT }],
    stop_reason: 'end_turn',
    usage: { ...messageUsage, output_tokens: TOKENS.output },
  },
  OpenAI: {
    ...response,
    status: 'completed',
    output: [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: TEXT }] }],
    usage: responseUsage,
  },
};

/** What a stream does after its last token: it ends, reports an error, omits the usage, or waits for ever. */
type StreamEnd = 'whole' | 'error' | 'no usage' | 'none';

export class ModelReplica {
  /** Delays before the first token and before each later one. */
  firstMs = 0;
  gapMs = 0;
  end: StreamEnd = 'whole';
  isCompressed = false;
  /** Status codes of the next responses to POST, which are errors. */
  refusals: number[] = [];
  /** performance.now() when a token was sent. */
  tokenMs: number[] = [];
  replica!: Replica;

  async start(): Promise<this> {
    this.replica = await startReplica((req, res) => {
      void onBody(req, (body) => this.#respond(req.method!, body.toString(), res));
    });
    return this;
  }

  /** Responds at once and whole from here on. */
  reset(): void {
    this.firstMs = this.gapMs = 0;
    this.end = 'whole';
    this.isCompressed = false;
    this.refusals = [];
    this.tokenMs = [];
  }

  close(): Promise<void> {
    return this.replica.close();
  }

  get url(): string {
    return this.replica.url;
  }

  #respond(method: string, body: string, res: ServerResponse): void {
    const { model, stream } = JSON.parse(body || '{}') as { model?: string; stream?: boolean };
    const api = APIS.find((one) => one === model) ?? 'vLLM';
    const refusal = method === 'POST' ? this.refusals.shift() : undefined;
    res.setHeader('content-type', 'application/json');
    if (refusal !== undefined) res.writeHead(refusal).end('{"error":{"message":"no"}}');
    else if (stream === true) void this.#stream(api, res);
    else this.#send(res, JSON.stringify(PLAIN[api]));
  }

  #send(res: ServerResponse, text: string): void {
    if (this.isCompressed) res.setHeader('content-encoding', 'gzip');
    res.end(this.isCompressed ? gzipSync(text) : text);
  }

  async #stream(api: Api, res: ServerResponse): Promise<void> {
    const { before, tokens, after } = STREAMS[api];
    res.setHeader('content-type', 'text/event-stream');
    if (this.isCompressed) return this.#send(res, [...before, ...tokens, ...after].join(''));
    res.flushHeaders();
    for (const event of before) res.write(event);
    for (const [i, event] of tokens.entries()) {
      await delay(i === 0 ? this.firstMs : this.gapMs);
      this.tokenMs.push(performance.now());
      res.write(event);
    }
    if (this.end === 'none') return;
    if (this.end === 'error') res.end(data({ error: { message: 'out of memory', code: 500 } }) + DONE);
    else res.end(after.filter((event) => this.end === 'whole' || !event.includes('"usage"')).join(''));
  }
}
