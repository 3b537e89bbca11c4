// Replica of the benchmark: fixed responses on raw sockets, so that it uses little CPU.
//   POST /small            responds with 200 bytes of JSON
//   POST /kilobyte         responds with 1,024 bytes of JSON
//   GET  /stream/COUNT/MS  responds with COUNT server-sent events, one every MS milliseconds, chunked
//   POST /chat/COUNT/MS    the same with events as vLLM sends them, then one with the usage
//   POST /answer/BYTES     responds with BYTES bytes of JSON, with the usage at the end
//   GET  /down/BYTES       responds with BYTES bytes
//   POST /up               reads any body, responds with its size
// Usage: node replica.ts PORT
import { createServer, type Socket } from 'node:net';
import { responseBodies } from './texts.ts';

const json = JSON.stringify({
  id: 'cmpl-1',
  object: 'text_completion',
  choices: [{ text: 'the river comes down from the hills', index: 0, finish_reason: 'length' }],
  usage: { prompt_tokens: 4, completion_tokens: 7, total_tokens: 11 },
});
const respondingWith = (body: string): Buffer =>
  Buffer.from(
    `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
const SMALL = respondingWith(json);
const KILOBYTES = responseBodies().map(respondingWith);
let responses = 0;
const EVENT = Buffer.from('data: {"choices":[{"index":0,"delta":{"content":" river"}}]}\n\n');
const CHUNK = Buffer.concat([Buffer.from(`${EVENT.length.toString(16)}\r\n`), EVENT, Buffer.from('\r\n')]);
const BLOCK = Buffer.alloc(256 * 1024, 'x');

const chunk = (event: string): Buffer => Buffer.from(`${event.length.toString(16)}\r\n${event}\r\n`);
const chatEvent = (fields: object): Buffer =>
  chunk(
    `data: ${JSON.stringify({ id: 'chatcmpl-0f1e2d3c4b5a69788796a5b4c3d2e1f0', object: 'chat.completion.chunk', created: 1_790_000_000, model: 'meta-llama/Llama-3.1-8B-Instruct', ...fields })}\n\n`,
  );
const TOKEN = chatEvent({
  choices: [{ index: 0, delta: { content: ' river' }, logprobs: null, finish_reason: null }],
});
const usage = { prompt_tokens: 400, total_tokens: 700, completion_tokens: 300, prompt_tokens_details: null };
const LAST = Buffer.concat([
  chatEvent({ choices: [{ index: 0, delta: { content: '' }, logprobs: null, finish_reason: 'stop' }] }),
  chatEvent({ choices: [], usage }),
  chunk('data: [DONE]\n\n'),
]);

const answers = new Map<number, Buffer>();
function answer(size: number): Buffer {
  const before = '{"id":"cmpl-1","object":"text_completion","model":"m","choices":[{"text":"';
  const after = `","index":0,"finish_reason":"length"}],"usage":${JSON.stringify(usage)}}`;
  const text = 'the river comes down from the hills '.repeat(size / 36 + 1);
  const body = before + text.slice(0, size - before.length - after.length) + after;
  const response = answers.get(size) ?? respondingWith(body);
  answers.set(size, response);
  return response;
}

/** `last`: what is sent after the events. */
function stream(
  socket: Socket,
  count: number,
  everyMs: number,
  event: Buffer = CHUNK,
  last: Buffer | string = '',
): void {
  socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
  let sent = 0;
  const stop = (): void => clearInterval(timer);
  const timer = setInterval(() => {
    socket.write(event);
    if (++sent < count) return;
    stop();
    socket.off('close', stop);
    socket.write(last);
    socket.write('0\r\n\r\n');
  }, everyMs);
  socket.once('close', stop);
}

function down(socket: Socket, size: number): void {
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
  let left = size;
  const fill = () => {
    while (left > 0) {
      const part = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK;
      left -= part.length;
      if (!socket.write(part)) return void socket.once('drain', fill);
    }
  };
  fill();
}

createServer({ noDelay: true }, (socket) => {
  let head = '';
  let bodyLeft = 0;
  let size = 0;
  let path = '';
  const respond = () => {
    const [, kind, a, b] = path.split('/');
    if (kind === 'small') socket.write(SMALL);
    else if (kind === 'kilobyte') socket.write(KILOBYTES[responses++ % KILOBYTES.length]!);
    else if (kind === 'stream') stream(socket, Number(a), Number(b));
    else if (kind === 'chat') stream(socket, Number(a), Number(b), TOKEN, LAST);
    else if (kind === 'answer') socket.write(answer(Number(a)));
    else if (kind === 'down') down(socket, Number(a));
    else socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${String(size).length}\r\n\r\n${size}`);
  };
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    let body = chunk.length;
    if (bodyLeft === 0) {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end === -1) return;
      path = head.slice(head.indexOf(' ') + 1, head.indexOf(' ', head.indexOf(' ') + 1));
      size = bodyLeft = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      body = head.length - end - 4;
      head = '';
    }
    bodyLeft -= body;
    if (bodyLeft <= 0) {
      bodyLeft = 0;
      respond();
    }
  });
}).listen(Number(process.argv[2]), '127.0.0.1', 16_384, () => console.log('ready'));
