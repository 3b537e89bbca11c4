// Builds responses of the APIs of language models, plain and streamed, with what they say. The usual ones are in
// llm-api-bodies.ts, unusual and broken ones in llm-odd-bodies.ts.

/** What a response says. A value that is missing is not known. */
export interface SaidFacts {
  readonly model?: string;
  readonly id?: string;
  readonly finish?: string;
  readonly input?: number;
  readonly output?: number;
  readonly total?: number;
  readonly cached?: number;
  readonly reasoning?: number;
  /** Events with content; of a stream. */
  readonly events?: number;
  readonly isFinished?: true;
  readonly error?: { readonly message: string; readonly type: string };
}

export interface LlmBody {
  readonly name: string;
  /** Content-Type. */
  readonly type: string;
  readonly body: Buffer;
  /** `undefined`: the body is not one of a language model. */
  readonly said: SaidFacts | undefined;
  /** The body was cut before its end, by its framing. */
  readonly isCut: boolean;
  /** The parse by the log store does not know this form. */
  readonly isUnassembled: boolean;
}

export const JSON_TYPE = 'application/json';
export const SSE_TYPE = 'text/event-stream; charset=utf-8';
export const LINES_TYPE = 'application/x-ndjson';

interface BodyOptions {
  readonly isCut?: boolean;
  readonly isUnassembled?: boolean;
}

export const llmBody = (
  name: string,
  type: string,
  body: string | Buffer,
  said: SaidFacts | undefined,
  { isCut = false, isUnassembled = false }: BodyOptions = {},
): LlmBody => ({ name, type, body: Buffer.from(body as string), said, isCut, isUnassembled });

export const plain = (
  name: string,
  value: unknown,
  said: SaidFacts | undefined,
  options?: BodyOptions,
): LlmBody => llmBody(name, JSON_TYPE, JSON.stringify(value), said && { isFinished: true, ...said }, options);

/** An event stream: a text is data as it stands, an object is sent as JSON. */
export const events = (...data: readonly unknown[]): string =>
  data.map((one) => `data: ${typeof one === 'string' ? one : JSON.stringify(one)}\n\n`).join('');

/** An event stream whose events have the type in their data as their name. */
export const named = (...data: readonly Readonly<Record<string, unknown>>[]): string =>
  data.map((one) => `event: ${String(one['type'])}\ndata: ${JSON.stringify(one)}\n\n`).join('');

export const lines = (...data: readonly unknown[]): string =>
  data.map((one) => `${JSON.stringify(one)}\n`).join('');

/** A chunk of a chat completion. */
export const chunk = (delta: unknown, finish: string | null = null, more: object = {}): object => ({
  id: 'c1',
  object: 'chat.completion.chunk',
  created: 1_700_000_000,
  model: 'm',
  choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  ...more,
});

export const counts = { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 };
export const usageChunk = { ...chunk({}), choices: [], usage: counts };

export const said = (more: SaidFacts = {}): SaidFacts => ({
  model: 'm',
  id: 'c1',
  finish: 'stop',
  input: 7,
  output: 2,
  total: 9,
  ...more,
});
