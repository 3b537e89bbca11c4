// A replica for pictures of the page: answers chat completions as an engine does, and logs to weir as one does.
// Invariant: it fails only when it is told to: the answers to `POST /break` fail for a share of requests.
// Usage: node picture-replica.ts PORT ID ADMIN-PORT   Environment: PICTURE_CLOCK, as for fast-clock.ts
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';

const [port, id, adminPort] = process.argv.slice(2) as [string, string, string];
const [endMs, rate] = process.env['PICTURE_CLOCK']!.split(',').map(Number) as [number, number];

/** Chunks of an answer; more tokens than chunks are in its usage. */
const CHUNKS = 5;
const ANSWER =
  'Order 5512 left Hamburg this morning with DHL. It is expected on Sunday, 29 November, between 9 and 13 h. You can follow it under number 77-1.';
const TRACEBACK = [
  'Traceback (most recent call last):',
  '  File "/srv/engine/worker.py", line 212, in execute',
  '    hidden = self.model(tokens, positions, kv_cache)',
  '  File "/srv/engine/model.py", line 118, in forward',
  '    out = self.attention(hidden, kv_cache[layer])',
  'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.20 GiB. GPU 0 has 79.15 GiB of which 204 MiB is free.',
].join('\n');

/** Share of requests that fail, and how much slower the others are. */
let failing = 0;
let slowness = 1;
let running = 0;

/** Waits for a time as weir's clock shows it. */
const pause = (ms: number): Promise<void> => wait(Date.now() < endMs ? ms / rate : ms);

async function log(level: string, message: string, requestId: string): Promise<void> {
  const line = JSON.stringify({ level, message, request_id: requestId });
  const target = new URLSearchParams({
    replica: id,
    deployment: id === 'st1' ? 'dep2' : 'dep1',
    source: 'stderr',
  });
  await fetch(`http://127.0.0.1:${adminPort}/v1/logs?${target.toString()}`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/x-ndjson',
      Authorization: `Bearer ${process.env['PICTURE_KEY']}`,
    },
    body: `${line}\n`,
  });
}

async function complete(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const sent = await text(req);
  if (!sent.endsWith('}'))
    return void res
      .writeHead(400, { 'content-type': 'application/json' })
      .end('{"error":{"message":"the body is not valid JSON","type":"invalid_request_error"}}');
  const body = JSON.parse(sent) as {
    readonly model: string;
    readonly max_tokens: number;
    readonly messages: readonly unknown[];
  };
  const requestId = String(req.headers['x-baseten-request-id'] ?? '');
  running++;
  res.on('close', () => running--);
  const tokens = Math.max(8, Math.round(body.max_tokens * (0.4 + 0.6 * Math.random())));
  const promptTokens = 300 + Math.round(Math.random() * 2400);
  await pause((90 + 140 * Math.random() + promptTokens / 20) * slowness);
  if (Math.random() < failing) {
    res.writeHead(500, { 'content-type': 'application/json' });
    res.end('{"error":{"message":"CUDA out of memory","type":"server_error"}}');
    return log('ERROR', TRACEBACK, requestId);
  }
  if (body.messages.length > 1)
    await log('WARN', `KV cache is 94.2 % full: ${running} running, 2 preempted`, requestId);
  if (promptTokens > 2600)
    await log('WARN', `prompt of ${promptTokens} tokens: ${running} running`, requestId);
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const head = { id: `chatcmpl-${requestId.slice(-12)}`, object: 'chat.completion.chunk', model: body.model };
  const words = ANSWER.split(/(?<= )/);
  const size = Math.ceil(words.length / CHUNKS);
  for (let i = 0; i < words.length; i += size) {
    const delta = { ...(i === 0 ? { role: 'assistant' } : {}), content: words.slice(i, i + size).join('') };
    res.write(
      `data: ${JSON.stringify({ ...head, choices: [{ index: 0, delta, finish_reason: null }] })}\n\n`,
    );
    await pause((tokens / CHUNKS) * 11 * slowness);
  }
  const last = { ...head, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: tokens,
    total_tokens: promptTokens + tokens,
  };
  res.end(
    `data: ${JSON.stringify(last)}\n\ndata: ${JSON.stringify({ ...head, choices: [], usage })}\n\ndata: [DONE]\n\n`,
  );
}

createServer((req, res) => {
  if (req.method === 'GET') return void res.end('{"status":"ok"}');
  if (req.url!.startsWith('/break')) {
    const { searchParams } = new URL(req.url!, 'http://replica');
    failing = Number(searchParams.get('failing'));
    slowness = Number(searchParams.get('slowness'));
    return void res.end('{}');
  }
  complete(req, res).catch((error: unknown) => {
    process.stderr.write(`replica ${id}: ${String(error)}\n`);
    res.destroy();
  });
}).listen(Number(port), '127.0.0.1', () => process.stdout.write('listening\n'));
