// Streams of HTTP/2 that Node's HTTP/1.1 server serves, as one of the lanes would.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';
import { beforeEach, expect, it, vi } from 'vitest';
import { DISCARD_MS } from '../../../../src/protocol/http/linger.ts';
import { HeaderBlock } from '../../../../src/protocol/http2/hpack/header-block.ts';
import type { Http1StreamSocket } from '../../../../src/protocol/http2/http1/http1-stream-socket.ts';
import { Http1Streams } from '../../../../src/protocol/http2/http1/http1-streams.ts';
import type { Http2Stream } from '../../../../src/protocol/http2/stream.ts';
import { settled } from '../../../kit/node-parser.ts';
import { RecordedStream } from '../../../kit/recorded-stream.ts';

const INTERNAL_ERROR = 2;
const PROTOCOL_ERROR = 1;
const CANCEL = 8;

let server: Server;
let handler: (req: IncomingMessage, res: ServerResponse) => void;
let sockets: Http1StreamSocket[];
let streams: Http1Streams;

beforeEach(() => {
  sockets = [];
  server = createServer((req, res) => handler(req, res));
  streams = new Http1Streams(new Duplex(), (socket) => {
    sockets.push(socket);
    server.emit('connection', socket);
  });
});

const block = (method: string, ...more: string[]): HeaderBlock =>
  HeaderBlock.of([':method', method, ':scheme', 'http', ':path', '/', ':authority', 'a', ...more]);
const WEBSOCKET = block('CONNECT', ':protocol', 'websocket', 'sec-websocket-version', '13');

/** A stream that is served. `isEnd`: it has no body. */
function open(head: HeaderBlock, isEnd: boolean): RecordedStream {
  const stream = new RecordedStream();
  stream.hasPeerEnded = isEnd;
  expect(streams.serve(stream as unknown as Http2Stream, head, isEnd)).toBe('');
  return stream;
}

function send(stream: RecordedStream, text: string, isEnd: boolean): void {
  const bytes = Buffer.from(text, 'latin1');
  stream.hasPeerEnded = isEnd;
  stream.listener!.onData(stream as unknown as Http2Stream, bytes, 0, bytes.length, isEnd);
  // The buffer is only borrowed.
  bytes.fill('!');
}

const resetBy = (stream: RecordedStream): void =>
  stream.listener!.onReset(stream as unknown as Http2Stream, CANCEL, false);

/** What `stream` got, without the fields that Node's server adds. */
const eventsOf = (stream: RecordedStream): string[] =>
  stream.events.map((event) => event.replaceAll(/ (date|connection)=\w.*$/g, ''));

const echo = (req: IncomingMessage, res: ServerResponse): void => {
  let body = '';
  req.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
  req.on('end', () => {
    res.writeHead(200, { 'content-length': body.length });
    res.end(body);
  });
};

it('serves a request and its body', async () => {
  handler = echo;
  const stream = open(block('POST'), false);
  send(stream, 'some ', false);
  send(stream, 'text', true);
  await settled();
  expect(eventsOf(stream)).toEqual(['head :status=200 content-length=9', 'data some text', 'end']);
  expect(stream.consumedBytes).toBe(9);
});

it('serves one stream after the other with the same socket', async () => {
  handler = echo;
  for (const text of ['one', 'two', 'three']) {
    const stream = open(block('POST', 'content-length', String(text.length)), false);
    send(stream, text, true);
    await settled();
    expect(eventsOf(stream).slice(1)).toEqual([`data ${text}`, 'end']);
  }
  expect(sockets).toHaveLength(1);
});

it('serves streams at the same time with a socket each', async () => {
  const responses: ServerResponse[] = [];
  handler = (_, res) => responses.push(res);
  const open1 = open(block('GET'), true);
  const open2 = open(block('GET'), true);
  await settled();
  responses[1]!.end('two');
  await settled();
  expect(eventsOf(open1)).toEqual([]);
  expect(eventsOf(open2).slice(1)).toEqual(['data two', 'end']);
  responses[0]!.end('one');
  await settled();
  expect(eventsOf(open1).slice(1)).toEqual(['data one', 'end']);
  expect(sockets).toHaveLength(2);
});

it('lets the client send again what the lane has not read of a request that is answered', async () => {
  handler = (_, res) => res.end('early');
  const stream = open(block('POST'), false);
  for (let i = 0; i < 3; i++) send(stream, 'x'.repeat(50_000), false);
  await settled();
  expect([stream.events.at(-1), stream.consumedBytes]).toEqual(['end', 150_000]);
});

it('does not use a socket again before the request is complete', async () => {
  handler = (_, res) => res.end('early');
  const stream = open(block('POST', 'content-length', '10'), false);
  send(stream, 'half', false);
  await settled();
  expect(eventsOf(stream).slice(1)).toEqual(['data early', 'end']);
  expect(sockets[0]!.destroyed).toBe(true);
  open(block('GET'), true);
  expect(sockets).toHaveLength(2);
});

it('reads a little of a request that has its response, so that its client can end it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  handler = (_, res) => res.end('early');
  const [small, large, silent] = [1, 2, 3].map(() => open(block('POST'), false));
  await settled();
  vi.advanceTimersByTime(DISCARD_MS - 1);
  const piece = 'x'.repeat(100_000);
  send(small!, piece, false);
  send(small!, piece, true);
  expect([small!.events.at(-1), small!.consumedBytes]).toEqual(['end', 200_000]);
  for (let i = 0; i < 3; i++) send(large!, piece, false);
  expect(large!.events.at(-1)).toBe('stop');
  expect(silent!.events.at(-1)).toBe('end');
  vi.advanceTimersByTime(1);
  expect(silent!.events.at(-1)).toBe('stop');
  vi.useRealTimers();
  expect(small!.events.at(-1)).toBe('end');
});

it('waits for the end of a stream whose request has all its bytes', async () => {
  handler = echo;
  const stream = open(block('POST', 'content-length', '4'), false);
  send(stream, 'body', false);
  await settled();
  expect(eventsOf(stream).slice(1)).toEqual(['data body', 'end']);
  const next = open(block('POST', 'content-length', '3'), false);
  send(stream, '', true);
  send(next, 'two', true);
  await settled();
  expect(eventsOf(next).slice(1)).toEqual(['data two', 'end']);
  expect(sockets).toHaveLength(1);
});

it('does not use a socket again that serves one stream only, or that its lane closes', async () => {
  handler = (_, res) => res.end('x');
  open(block('GET'), true);
  sockets[0]!.serveOne();
  await settled();
  expect(sockets[0]!.destroyed).toBe(true);
  handler = (_, res) => void res.writeHead(200, { connection: 'close' }).end('x');
  const stream = open(block('GET'), true);
  await settled();
  expect(stream.events.at(-1)).toBe('end');
  expect(sockets[1]!.destroyed).toBe(true);
  open(block('GET'), true);
  expect(sockets).toHaveLength(3);
});

it('closes the socket when the client resets the stream, and sends nothing more', async () => {
  let isClosed = false;
  handler = (req, res) => {
    res.write('begin');
    req.on('close', () => (isClosed = true));
  };
  const stream = open(block('GET'), true);
  await settled();
  const sent = stream.events.length;
  resetBy(stream);
  await settled();
  expect(isClosed).toBe(true);
  expect(stream.events).toHaveLength(sent);
});

it('resets the stream when the lane breaks off', async () => {
  handler = (_, res) => {
    res.writeHead(200, { 'content-length': 10 });
    res.write('half');
    setImmediate(() => res.destroy());
  };
  const stream = open(block('GET'), true);
  await settled();
  expect(stream.events.slice(1)).toEqual(['data half', `reset ${INTERNAL_ERROR}`]);
});

it('resets the stream of a request whose body does not have its length', async () => {
  handler = () => undefined;
  const stream = open(block('POST', 'content-length', '3'), false);
  await settled();
  send(stream, 'GET / HTTP/1.1\r\n\r\n', true);
  await settled();
  expect(stream.events).toEqual([`reset ${PROTOCOL_ERROR}`]);
  expect(sockets[0]!.destroyed).toBe(true);
});

it('takes no malformed request, and says why', () => {
  const stream = new RecordedStream();
  const problem = streams.serve(stream as unknown as Http2Stream, block('GET', 'upgrade', 'x'), true);
  expect(problem).toBe('upgrade is not allowed in HTTP/2');
  expect(stream.events).toEqual([]);
  expect(sockets).toEqual([]);
});

it('lets the client send as much as the lane reads', async () => {
  let request: IncomingMessage | undefined;
  handler = (req) => (request = req);
  const stream = open(block('POST'), false);
  await settled();
  for (let i = 0; i < 20; i++) send(stream, 'x'.repeat(16 * 1024), false);
  await settled();
  const unread = 20 * 16 * 1024 - stream.consumedBytes;
  expect(unread).toBeGreaterThan(64 * 1024);
  request!.resume();
  await settled();
  expect(stream.consumedBytes).toBe(20 * 16 * 1024);
});

it('lets the lane write as much as the client reads', async () => {
  let response: ServerResponse | undefined;
  let written = 0;
  let isDrained = false;
  handler = (_, res) => {
    response = res;
    res.writeHead(200);
    while (written < 100 && res.write('x'.repeat(16 * 1024))) written++;
    res.on('drain', () => (isDrained = true));
  };
  const stream = new RecordedStream();
  stream.isSlow = true;
  stream.hasPeerEnded = true;
  streams.serve(stream as unknown as Http2Stream, block('GET'), true);
  await settled();
  expect(written).toBeLessThan(20);
  let isFinished = false;
  response!.end('end', () => (isFinished = true));
  await settled();
  expect([isDrained, isFinished]).toEqual([false, false]);
  while (stream.waiting > 0) {
    const bytes = stream.waiting;
    stream.waiting = 0;
    stream.listener!.onSent(stream as unknown as Http2Stream, bytes);
    await settled();
  }
  expect(isFinished).toBe(true);
  expect(stream.events.at(-1)).toBe('end');
});

it('closes unused sockets with the connection', async () => {
  handler = (_, res) => res.end('x');
  open(block('GET'), true);
  await settled();
  expect(sockets[0]!.destroyed).toBe(false);
  streams.close();
  expect(sockets[0]!.destroyed).toBe(true);
});

it('opens a WebSocket with an extended CONNECT, and holds bytes that come before the answer', async () => {
  const upgraded = new Promise<Duplex>((resolve) =>
    server.on('upgrade', (req, socket) => {
      expect(req.headers).toMatchObject({ upgrade: 'websocket', 'sec-websocket-version': '13' });
      resolve(socket);
    }),
  );
  const stream = open(WEBSOCKET, false);
  send(stream, 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n', false);
  const socket = await upgraded;
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
  await settled();
  expect(received).toBe('');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello');
  await settled();
  expect(received).toMatch(/^GET \/smuggled/);
  send(stream, ' and more', true);
  await settled();
  expect(received).toMatch(/ and more$/);
  socket.end('bye');
  await settled();
  expect(stream.events).toEqual(['head :status=200', 'data hello', 'data bye', 'end']);
});

it('passes nothing of a refused WebSocket to the lane', async () => {
  let requests = 0;
  handler = (_, res) => {
    requests++;
    res.writeHead(403, { 'content-length': 2 });
    res.end('no');
  };
  const stream = open(WEBSOCKET, false);
  send(stream, 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n', false);
  await settled();
  expect(eventsOf(stream)).toEqual(['head :status=403 content-length=2', 'data no', 'end', 'stop']);
  expect(requests).toBe(1);
});

it('cancels the stream of a WebSocket that the lane breaks off', async () => {
  server.on('upgrade', (_, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
    setImmediate(() => socket.destroy());
  });
  const stream = open(WEBSOCKET, false);
  await settled();
  expect(stream.events).toEqual(['head :status=200', `reset ${CANCEL}`]);
});
