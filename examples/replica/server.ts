// The example replica: a small model server with OpenAI's routes.
//   POST /v1/chat/completions, /v1/completions   JSON, or server-sent events with `stream: true`, one token per event
//   POST /v1/models/model:predict                {"prompt", "max_tokens"} → {"output", "tokens"}
//   GET  /v1/models, /health
// Invariant: it stops generating when its client disconnects, and logs each request with weir's request id.
// Usage: node server.ts [PORT, default 8000]   Environment: TOKEN_MS, milliseconds per token, default 15
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { NgramModel, tokenize } from './model.ts';

const PORT = Number(process.argv[2] ?? 8000);
const TOKEN_MS = Number(process.env['TOKEN_MS'] ?? 15);
const NAME = 'weir-ngram';
const MAX_BODY = 1024 * 1024;
const MAX_TOKENS = 4096;

const model = new NgramModel(readFileSync(new URL('corpus.txt', import.meta.url), 'utf8'));

interface Generation {
  prompt: string;
  maxTokens: number;
  seed: number;
  isStream: boolean;
  wantsUsage: boolean;
}

class BadRequest extends Error {}

/** Generates tokens at the pace of a model. Stops when the client disconnects. */
async function* tokens(generation: Generation, res: ServerResponse): AsyncGenerator<string> {
  for (const token of model.generate(generation.prompt, generation.maxTokens, generation.seed)) {
    await wait(TOKEN_MS);
    if (res.destroyed) return;
    yield token;
  }
}

const usage = (generation: Generation, completion: number) => {
  const prompt = tokenize(generation.prompt).length;
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
};

async function readJson(req: IncomingMessage): Promise<Record<string, unknown>> {
  let size = 0;
  const chunks: Buffer[] = [];
  for await (const chunk of req) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY) throw new BadRequest(`the body is larger than the limit of ${MAX_BODY} bytes`);
    chunks.push(chunk as Buffer);
  }
  try {
    const parsed: unknown = JSON.parse(Buffer.concat(chunks).toString());
    if (parsed !== null && typeof parsed === 'object') return parsed as Record<string, unknown>;
  } catch (error) {
    throw new BadRequest('the body is not valid JSON', { cause: error });
  }
  throw new BadRequest('the body must be a JSON object');
}

function generationFrom(body: Record<string, unknown>, prompt: string): Generation {
  const maxTokens = Number(body['max_tokens'] ?? body['max_completion_tokens'] ?? 40);
  if (!Number.isInteger(maxTokens) || maxTokens < 1)
    throw new BadRequest('max_tokens must be an integer greater than 0');
  return {
    prompt,
    maxTokens: Math.min(maxTokens, MAX_TOKENS),
    seed: Number.isInteger(body['seed']) ? (body['seed'] as number) : Math.floor(Math.random() * 2 ** 32),
    isStream: body['stream'] === true,
    wantsUsage: (body['stream_options'] as { include_usage?: boolean } | undefined)?.include_usage !== false,
  };
}

function promptOf(messages: unknown): string {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new BadRequest('messages must be a non-empty array');
  const last = (messages.at(-1) as { content?: unknown } | null)?.content;
  if (typeof last === 'string') return last;
  if (Array.isArray(last)) return last.map((part: { text?: string }) => part.text ?? '').join(' ');
  throw new BadRequest('the last message has no content');
}

function promptFrom(prompt: unknown = ''): string {
  if (typeof prompt !== 'string') throw new BadRequest('prompt must be a string');
  return prompt;
}

const json = (res: ServerResponse, status: number, body: unknown): void => {
  res.writeHead(status, { 'content-type': 'application/json' });
  res.end(JSON.stringify(body));
};

/** Sends one completion in OpenAI's format. Chat completions and plain ones differ in how they wrap a token. */
async function complete(res: ServerResponse, generation: Generation, isChat: boolean): Promise<void> {
  const head = { id: `cmpl-${Date.now().toString(36)}`, created: Math.floor(Date.now() / 1000), model: NAME };
  if (!generation.isStream) {
    let text = '';
    let count = 0;
    for await (const token of tokens(generation, res)) {
      text += token;
      count++;
    }
    const choice = isChat ? { message: { role: 'assistant', content: text } } : { text };
    json(res, 200, {
      ...head,
      object: isChat ? 'chat.completion' : 'text_completion',
      choices: [{ index: 0, ...choice, finish_reason: 'length' }],
      usage: usage(generation, count),
    });
    return;
  }
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const event = (data: object) =>
    res.write(
      `data: ${JSON.stringify({ ...head, object: isChat ? 'chat.completion.chunk' : 'text_completion', ...data })}\n\n`,
    );
  const chunk = (text: string, finish: string | null) =>
    event({
      choices: [
        {
          index: 0,
          ...(isChat ? { delta: text === '' ? {} : { content: text } } : { text }),
          finish_reason: finish,
        },
      ],
    });
  if (isChat)
    event({ choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] });
  let count = 0;
  for await (const token of tokens(generation, res)) {
    chunk(token, null);
    count++;
  }
  chunk('', 'length');
  if (generation.wantsUsage) event({ choices: [], usage: usage(generation, count) });
  res.end('data: [DONE]\n\n');
}

async function respond(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const route = `${req.method} ${req.url!.split('?')[0]}`;
  switch (route) {
    case 'GET /health':
      return json(res, 200, { status: 'ok', tokens_learnt: model.tokens });
    case 'GET /v1/models':
      return json(res, 200, { object: 'list', data: [{ id: NAME, object: 'model', owned_by: 'weir' }] });
    case 'POST /v1/chat/completions': {
      const body = await readJson(req);
      return complete(res, generationFrom(body, promptOf(body['messages'])), true);
    }
    case 'POST /v1/completions': {
      const body = await readJson(req);
      return complete(res, generationFrom(body, promptFrom(body['prompt'])), false);
    }
    case 'POST /v1/models/model:predict': {
      const body = await readJson(req);
      const generation = generationFrom(body, promptFrom(body['prompt']));
      let output = '';
      for await (const token of tokens(generation, res)) output += token;
      return json(res, 200, { output, tokens: generation.maxTokens });
    }
    default:
      return json(res, 404, { error: { message: `unknown route ${route}`, type: 'invalid_request_error' } });
  }
}

const server = createServer((req, res) => {
  const id = req.headers['x-baseten-request-id'];
  respond(req, res).catch((error: unknown) => {
    const status = error instanceof BadRequest ? 400 : 500;
    if (!res.headersSent)
      json(res, status, { error: { message: String(error), type: 'invalid_request_error' } });
    else res.destroy();
  });
  res.on('close', () => {
    if (req.url === '/health') return;
    const message = `${req.method} ${req.url} ${res.writableFinished ? res.statusCode : 'client left'}`;
    console.log(JSON.stringify({ level: 'INFO', message, request_id: id }));
  });
});
server.keepAliveTimeout = 65_000;
server.listen(PORT, '127.0.0.1', () =>
  console.log(
    JSON.stringify({
      level: 'INFO',
      message: `${NAME} learnt ${model.tokens} tokens; listening on 127.0.0.1:${PORT}`,
    }),
  ),
);
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
