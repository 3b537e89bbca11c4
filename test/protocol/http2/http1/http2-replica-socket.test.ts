// A socket of HTTP/1.1 whose requests are streams of HTTP/2, with a connection that records what it gets.
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { ERROR_CODE } from '../../../../src/protocol/http2/error-code.ts';
import type { Field } from '../../../../src/protocol/http2/hpack/field.ts';
import { HeaderBlock } from '../../../../src/protocol/http2/hpack/header-block.ts';
import { Http2ReplicaSocket } from '../../../../src/protocol/http2/http1/http2-replica-socket.ts';
import {
  REPLICA_ERROR,
  type ConnectionSource,
  type ConnectionTaker,
  type SharedConnection,
} from '../../../../src/protocol/http2/http1/shared-connection.ts';
import type { Http2Stream } from '../../../../src/protocol/http2/stream.ts';
import type { StreamListener } from '../../../../src/protocol/http2/stream-listener.ts';

/** What was sent on a stream, and what the test makes the replica send. */
class RecordedStream {
  readonly listener: StreamListener;
  readonly sections: string[][] = [];
  body = '';
  hasEnded = false;
  isOpen = true;
  waiting = 0;
  credit = 0;
  problem = '';
  /** Bytes of the next writes wait. */
  isBlocked = false;

  constructor(listener: StreamListener) {
    this.listener = listener;
  }

  head() {
    const section: string[] = [];
    const writer = {
      field: ({ name, value }: Field) => (section.push(`${name}: ${value}`), writer),
      add: (name: string, value: string) => (section.push(`${name}: ${value}`), writer),
      send: (isEnd: boolean) => {
        this.sections.push(section);
        this.hasEnded = isEnd;
      },
    };
    return writer;
  }

  write(bytes: Buffer, from: number, to: number, isEnd: boolean): boolean {
    this.body += bytes.latin1Slice(from, to);
    this.hasEnded = isEnd;
    if (this.isBlocked) this.waiting += to - from;
    return !this.isBlocked;
  }

  consumed(bytes: number): void {
    this.credit += bytes;
  }

  get #self(): Http2Stream {
    return this as unknown as Http2Stream;
  }

  respond(isEnd: boolean, ...list: string[]): void {
    this.listener.onHeaders(this.#self, HeaderBlock.of(list), isEnd);
  }

  data(text: string, isEnd = false): void {
    const bytes = Buffer.from(`..${text}..`, 'latin1');
    this.listener.onData(this.#self, bytes, 2, bytes.length - 2, isEnd);
    bytes.fill(0);
  }

  sent(): void {
    const bytes = this.waiting;
    this.waiting = 0;
    this.listener.onSent(this.#self, bytes);
  }

  lose(code: number, isLost: boolean): void {
    this.isOpen = false;
    this.listener.onReset(this.#self, code, isLost);
  }
}

class Connections implements ConnectionSource, SharedConnection {
  readonly scheme = 'http';
  readonly streams: RecordedStream[] = [];
  readonly ended: RecordedStream[] = [];
  readonly takers: ConnectionTaker[] = [];
  readonly left: ConnectionTaker[] = [];
  isKept = false;
  unread = 0;
  allowsExtendedConnect = false;
  /** Takers wait until `ready`. */
  isConnecting = false;

  take(taker: ConnectionTaker): void {
    if (this.isConnecting) this.takers.push(taker);
    else taker.connected(this);
  }

  leave(taker: ConnectionTaker): void {
    this.left.push(taker);
  }

  open(listener: StreamListener): Http2Stream {
    const stream = new RecordedStream(listener);
    this.streams.push(stream);
    return stream as unknown as Http2Stream;
  }

  end(stream: Http2Stream): void {
    this.ended.push(stream as unknown as RecordedStream);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
const GET = 'GET /a HTTP/1.1\r\nHost: m\r\n\r\n';

/** A socket with a request that was sent; `received` is the text that came. */
function begun(request = GET, connections = new Connections()) {
  const socket = new Http2ReplicaSocket(connections);
  const seen = { text: '', error: undefined as NodeJS.ErrnoException | undefined, isClosed: false };
  socket.on('data', (chunk: Buffer) => (seen.text += chunk.latin1Slice()));
  socket.on('error', (error) => (seen.error = error));
  socket.on('close', () => (seen.isClosed = true));
  socket.write(request, 'latin1');
  return { socket, connections, seen, stream: connections.streams[0]! };
}

it('sends requests one after the other on streams of their own, and gives the responses', async () => {
  const { socket, connections, seen, stream } = begun();
  expect(stream.sections).toEqual([[':method: GET', ':scheme: http', ':authority: m', ':path: /a']]);
  stream.respond(false, ':status', '200');
  stream.data('one', true);
  expect(seen.text).toBe('');
  await turn();
  expect(seen.text).toBe('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n');
  expect(stream.credit).toBe(3);
  seen.text = '';
  socket.write('POST /b HTTP/1.1\r\nHost: m\r\nContent-Length: 2\r\n\r\nhi', 'latin1');
  const second = connections.streams[1]!;
  expect([second.sections[0]!.slice(-1), second.body, second.hasEnded]).toEqual([
    ['content-length: 2'],
    'hi',
    true,
  ]);
  second.respond(true, ':status', '204');
  await turn();
  expect([seen.text, seen.isClosed, connections.ended]).toEqual([
    'HTTP/1.1 204 No Content\r\n\r\n',
    false,
    [],
  ]);
});

it('sends the next request although the stream of a complete response has not ended', async () => {
  const { socket, connections, seen, stream } = begun();
  stream.respond(false, ':status', '200', 'content-length', '3');
  stream.data('one');
  await turn();
  expect(seen.text).toMatch(/\r\n\r\none$/);
  socket.write('GET /b HTTP/1.1\r\nHost: m\r\n\r\n', 'latin1');
  expect([connections.ended, connections.streams.length]).toEqual([[stream], 2]);
  connections.streams[1]!.respond(true, ':status', '204');
  await turn();
  expect([seen.text.endsWith('204 No Content\r\n\r\n'), seen.isClosed]).toEqual([true, false]);
});

it('sends the next request in the turn in which the stream of a complete response ends', async () => {
  const { socket, connections, seen, stream } = begun();
  stream.respond(false, ':status', '200', 'content-length', '3');
  stream.data('one');
  await turn();
  stream.data('', true);
  socket.write('GET /b HTTP/1.1\r\nHost: m\r\n\r\n', 'latin1');
  expect([connections.ended, connections.streams.length]).toEqual([[], 2]);
  connections.streams[1]!.respond(true, ':status', '204');
  await turn();
  expect([seen.text.endsWith('204 No Content\r\n\r\n'), seen.isClosed]).toEqual([true, false]);
});

it('keeps what was written until it has a connection, and tells that it connects', async () => {
  const connections = new Connections();
  connections.isConnecting = true;
  const { socket } = begun(GET, connections);
  expect([socket.connecting, connections.streams]).toEqual([true, []]);
  const connected = once(socket, 'connect');
  connections.takers[0]!.connected(connections);
  await connected;
  expect([socket.connecting, socket.hasWaited, connections.streams.length]).toEqual([false, true, 1]);
});

it('reports why no connection could be made, and leaves if it is destroyed first', async () => {
  const connections = new Connections();
  connections.isConnecting = true;
  const { socket, seen } = begun(GET, connections);
  connections.takers[0]!.unreachable(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
  await turn();
  expect([seen.error?.code, socket.connecting, connections.left]).toEqual(['ECONNREFUSED', true, []]);
  const other = begun(GET, connections);
  other.socket.destroy();
  await turn();
  expect([other.seen.isClosed, connections.left]).toEqual([true, [other.socket]]);
});

it('holds the writer back while bytes wait for the replica', async () => {
  const { socket, stream } = begun('POST /a HTTP/1.1\r\nHost: m\r\nContent-Length: 100000\r\n\r\n');
  stream.isBlocked = true;
  expect(socket.write(Buffer.alloc(70_000))).toBe(false);
  await turn();
  expect(socket.writableLength).toBe(70_000);
  const drained = once(socket, 'drain');
  stream.isBlocked = false;
  stream.sent();
  await drained;
  expect(socket.writableLength).toBe(0);
});

it('gives the replica no credit for bytes that are not read', async () => {
  const { socket, connections, seen, stream } = begun();
  stream.respond(false, ':status', '200');
  stream.data('x'.repeat(10));
  await turn();
  expect(stream.credit).toBe(10);
  socket.pause();
  stream.data('y'.repeat(100_000));
  await turn();
  stream.data('z'.repeat(1000));
  await turn();
  expect([stream.credit, connections.unread]).toEqual([10, 1]);
  socket.resume();
  await turn();
  expect([stream.credit, connections.unread]).toEqual([101_010, 0]);
  expect(seen.text).toContain(`${'y'.repeat(100_000)}\r\n3e8\r\n${'z'.repeat(1000)}`);
  socket.pause();
  stream.data('w'.repeat(100_000));
  await turn();
  socket.destroy();
  await turn();
  expect([connections.unread, connections.ended]).toEqual([0, [stream]]);
});

it.each([
  ['refused unread', ERROR_CODE.refusedStream, false, REPLICA_ERROR.unread],
  ['reset', ERROR_CODE.internalError, false, REPLICA_ERROR.reset],
  ['lost with its connection', ERROR_CODE.internalError, true, REPLICA_ERROR.lost],
])('is destroyed when the stream is %s', async (_what, code, isLost, error) => {
  const { seen, stream } = begun();
  stream.lose(code, isLost);
  await turn();
  expect([seen.error?.code, seen.isClosed]).toEqual([error, true]);
});

it('tells whether a lost connection had served other requests', async () => {
  const connections = new Connections();
  const first = begun(GET, connections);
  connections.isKept = true;
  const second = begun(GET, connections);
  connections.streams[0]!.lose(ERROR_CODE.internalError, true);
  connections.streams[1]!.lose(ERROR_CODE.internalError, true);
  expect([first.socket.mayBeStale, second.socket.mayBeStale]).toEqual([false, true]);
  const third = begun(GET, connections);
  connections.streams[2]!.lose(ERROR_CODE.internalError, false);
  expect(third.socket.mayBeStale).toBe(false);
});

it('gives what came of a response before its stream was reset', async () => {
  const { seen, stream } = begun();
  stream.respond(false, ':status', '200');
  stream.data('half');
  stream.lose(ERROR_CODE.internalError, false);
  await turn();
  expect([seen.text.endsWith('4\r\nhalf\r\n'), seen.error?.code]).toEqual([true, REPLICA_ERROR.reset]);
});

it('drops the rest of a request after the response, when the replica wants no more', async () => {
  const { socket, seen, stream } = begun('POST /a HTTP/1.1\r\nHost: m\r\nContent-Length: 100000\r\n\r\n');
  stream.isBlocked = true;
  socket.write(Buffer.alloc(30_000));
  stream.respond(true, ':status', '413');
  await turn();
  stream.lose(ERROR_CODE.noError, false);
  socket.write(Buffer.alloc(30_000));
  await turn();
  expect([socket.writableLength, stream.body.length, seen.error]).toEqual([0, 30_000, undefined]);
  expect(seen.text).toBe('HTTP/1.1 413 Payload Too Large\r\ncontent-length: 0\r\n\r\n');
});

it('is destroyed by a response that cannot be written as HTTP/1.1', async () => {
  const { seen, stream, connections } = begun();
  stream.respond(false, ':status', '200', 'content-length', '1');
  stream.data('two');
  await turn();
  expect([seen.error?.code, seen.error?.message]).toEqual([
    REPLICA_ERROR.malformed,
    'the body is longer than content-length says',
  ]);
  expect(connections.ended).toEqual([stream]);
});

const UPGRADE =
  'GET /ws HTTP/1.1\r\nHost: m\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';

it('asks for a WebSocket, passes its bytes both ways, and ends with it', async () => {
  const connections = new Connections();
  connections.allowsExtendedConnect = true;
  const { socket, seen, stream } = begun(UPGRADE, connections);
  expect(stream.sections[0]).toEqual([
    ':method: CONNECT',
    ':scheme: http',
    ':authority: m',
    ':path: /ws',
    ':protocol: websocket',
    'sec-websocket-version: 13',
  ]);
  expect(stream.hasEnded).toBe(false);
  stream.respond(false, ':status', '200');
  stream.data('hello');
  await turn();
  expect(seen.text).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n[^]*\r\n\r\nhello$/);
  socket.write('to the replica');
  expect(stream.body).toBe('to the replica');
  stream.data('', true);
  await once(socket, 'close');
  expect([stream.hasEnded, seen.error]).toEqual([true, undefined]);
});

it('refuses a WebSocket that the replica does not offer', async () => {
  const { seen, connections } = begun(UPGRADE);
  await turn();
  expect([seen.error?.code, connections.streams]).toEqual([REPLICA_ERROR.noWebSocket, []]);
});
