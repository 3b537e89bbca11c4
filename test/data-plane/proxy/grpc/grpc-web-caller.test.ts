// The client's side of gRPC-Web calls: a real HTTP server and client, and a listener in place of the forwarder.
import { once } from 'node:events';
import { createServer, request, type ClientRequest, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Exchange } from '../../../../src/core/exchange/exchange.ts';
import type { CallerListener } from '../../../../src/data-plane/proxy/grpc/caller.ts';
import { GrpcWebCaller } from '../../../../src/data-plane/proxy/grpc/grpc-web-caller.ts';
import { webFormatOf } from '../../../../src/protocol/grpc/web-content-type.ts';
import { HeaderBlock } from '../../../../src/protocol/http2/hpack/header-block.ts';
import { bodyOf } from '../../../kit/replica.ts';
import { until } from '../../../kit/until.ts';
import { BINARY, fromText, messageFrame, readWebBody, TEXT } from '../../../kit/web-frames.ts';

const exchange = { id: 'f'.repeat(37), attempts: 1 } as Exchange;
const HEAD = HeaderBlock.of([':status', '200', 'content-type', 'application/grpc+proto', 'name', 'caf\xe9']);
const OK = HeaderBlock.of(['grpc-status', '0', 'name', 'b']);

/** A call at the server, and what its listener was told. */
class Received implements CallerListener {
  readonly caller: GrpcWebCaller;
  readonly pieces: Buffer[] = [];
  hasEnded = false;
  sent = 0;
  malformed: string | undefined;
  gone: string | undefined;

  constructor(caller: GrpcWebCaller) {
    this.caller = caller;
    caller.listen(this);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.pieces);
  }

  onMessages(bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    this.pieces.push(Buffer.from(bytes.subarray(from, to)));
    this.hasEnded = isEnd;
  }
  onResponseSent(): void {
    this.sent++;
  }
  onMalformed(detail: string): void {
    this.malformed = detail;
  }
  onClientGone(detail: string): void {
    this.gone = detail;
  }
}

let server: Server;
let received: Received[];

beforeEach(async () => {
  received = [];
  server = createServer((req, res) => {
    const format = webFormatOf(req.headers['content-type'])!;
    received.push(new Received(new GrpcWebCaller({ req, res, format, path: '/a.B/C' }, exchange)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const portOf = (): number => (server.address() as AddressInfo).port;

/** Begins a call. The test writes its body. */
function begin(type: string, headers: Record<string, string> = {}): ClientRequest {
  const req = request({
    host: '127.0.0.1',
    port: portOf(),
    method: 'POST',
    agent: false,
    headers: { 'content-type': type, ...headers },
  });
  req.on('error', () => undefined);
  return req;
}

const expectReceived = (): Promise<Received> => until('the call came', () => received[0]);

async function answerOf(req: ClientRequest): Promise<{ res: IncomingMessage; body: Buffer }> {
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  return { res, body: await bodyOf(res) };
}

it('makes metadata of gRPC of the head of the request', async () => {
  begin(TEXT, {
    'Grpc-Timeout': '5S',
    Accept: TEXT,
    'X-Grpc-Web': '1',
    Connection: 'x-hop',
    'X-Hop': '1',
  }).end();
  const { caller } = await expectReceived();
  expect(caller.hasEnded).toBe(true);
  expect(caller.block.method).toBe('POST');
  expect(caller.block.path).toBe('/a.B/C');
  expect(caller.block.authority).toBe(`127.0.0.1:${portOf()}`);
  expect(caller.block.raw().slice(8)).toEqual(
    [
      ['content-type', 'application/grpc+proto'],
      ['te', 'trailers'],
      ['grpc-timeout', '5S'],
    ].flat(),
  );
});

it.each([BINARY, TEXT])('reads messages of %s', async (type) => {
  const req = begin(type);
  const messages = [messageFrame(Buffer.from('one')), messageFrame(Buffer.alloc(70_000, 'x'), 1)];
  for (const message of messages) req.write(type === TEXT ? message.toString('base64') : message);
  req.end();
  const call = await expectReceived();
  await until('the request ended', () => call.hasEnded);
  expect(call.bytes).toEqual(Buffer.concat(messages));
  expect(call.caller.hasEnded).toBe(true);
});

it.each(['AAAA*', 'AAA'])('says that a body of %s is not base64', async (body) => {
  begin(TEXT).end(body);
  const call = await expectReceived();
  expect(await until('it was told', () => call.malformed)).toBe('the body is not base64');
  call.caller.refuse('bad_request', 'the body is not base64', 3, '');
});

it('stops reading a client whose messages are not used up, and reads it again once they are', async () => {
  const req = begin(BINARY);
  const body = messageFrame(Buffer.alloc(8 * 1024 ** 2));
  req.end(body);
  const call = await expectReceived();
  const size = () => call.bytes.length;
  await until('a window came', () => size() >= 1024 ** 2);
  await expect(until('more came', () => size() >= 2 * 1024 ** 2, 300)).rejects.toThrow();
  let consumed = 0;
  await until('all came', () => {
    const more = size() - consumed;
    consumed += more;
    call.caller.consumed(more);
    return call.hasEnded;
  });
  expect(call.bytes.equals(body)).toBe(true);
});

for (const type of [BINARY, TEXT])
  it(`sends head, messages and trailers in ${type}`, async () => {
    const req = begin(type);
    req.end(messageFrame(Buffer.alloc(0)));
    const { caller } = await expectReceived();
    expect(caller.hasBegun).toBe(false);
    expect(caller.sendHead(HEAD, false)).toBe('');
    expect(caller.hasBegun).toBe(true);
    // The buffer is only borrowed.
    const borrowed = Buffer.concat([
      Buffer.alloc(3),
      messageFrame(Buffer.from('one')),
      messageFrame(Buffer.from('two')),
    ]);
    caller.send(borrowed, 3, 10);
    caller.send(borrowed, 10, borrowed.length);
    borrowed.fill(9);
    expect(caller.sendTrailers(OK)).toBe('');
    const { res, body } = await answerOf(req);
    expect(res.statusCode).toBe(200);
    expect(res.headers['content-type']).toBe(type);
    expect(res.headers['name']).toBe('caf\xe9');
    expect(res.headers['x-baseten-request-id']).toBe(exchange.id);
    const { messages, trailers } = readWebBody(type === TEXT ? fromText(body.toString()) : body);
    expect(messages.map(String)).toEqual(['one', 'two']);
    expect(trailers).toEqual([
      ['grpc-status', '0'],
      ['name', 'b'],
      ['x-baseten-request-id', exchange.id],
      ['x-baseten-model-prediction-attempts', '1'],
    ]);
    expect(received[0]!.gone).toBeUndefined();
  });

it('sends the head before there is a message', async () => {
  const req = begin(BINARY);
  req.end(messageFrame(Buffer.alloc(0)));
  const { caller } = await expectReceived();
  caller.sendHead(HEAD, false);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  expect(res.headers['x-baseten-request-id']).toBe(exchange.id);
  caller.sendTrailers(OK);
  expect(readWebBody(await bodyOf(res)).trailer('grpc-status')).toBe('0');
});

it('sends a response of trailers only in its body', async () => {
  const req = begin(BINARY);
  req.end(messageFrame(Buffer.alloc(0)));
  const { caller } = await expectReceived();
  const head = [':status', '200', 'content-type', 'application/grpc'];
  const block = HeaderBlock.of([...head, 'grpc-status', '5', 'grpc-message', 'none', 'name', 'a']);
  expect(caller.sendHead(block, true)).toBe('');
  const { res, body } = await answerOf(req);
  expect(res.headers['content-type']).toBe(BINARY);
  expect(res.headers['content-length']).toBe(String(body.length));
  expect(res.headers['grpc-status']).toBeUndefined();
  const { messages, trailer } = readWebBody(body);
  expect(messages).toEqual([]);
  expect([trailer('grpc-status'), trailer('grpc-message'), trailer('name')]).toEqual(['5', 'none', 'a']);
});

it('refuses a call before its response began', async () => {
  const req = begin(TEXT);
  req.end(messageFrame(Buffer.alloc(0)).toString('base64'));
  const { caller } = await expectReceived();
  caller.refuse('no_replica', '', 14, '');
  const { res, body } = await answerOf(req);
  expect(res.statusCode).toBe(200);
  expect(res.headers['content-type']).toBe(TEXT);
  const { trailer } = readWebBody(fromText(body.toString()));
  expect(trailer('grpc-status')).toBe('14');
  expect(trailer('x-weir-cause')).toBe('no_replica');
  expect(trailer('x-baseten-request-id')).toBe(exchange.id);
});

it('ends a response that fails between two messages with the status', async () => {
  const req = begin(BINARY);
  req.end(messageFrame(Buffer.alloc(0)));
  const { caller } = await expectReceived();
  caller.sendHead(HEAD, false);
  const message = messageFrame(Buffer.from('one'));
  caller.send(message, 0, message.length);
  caller.refuse('reset_midway', '', 14, 'gone');
  const { messages, trailer } = readWebBody((await answerOf(req)).body);
  expect(messages.map(String)).toEqual(['one']);
  expect(trailer('grpc-message')).toBe('gone');
});

it('breaks off a response that fails inside a message, since the status would be read as a part of it', async () => {
  const req = begin(BINARY);
  req.end(messageFrame(Buffer.alloc(0)));
  const { caller } = await expectReceived();
  caller.sendHead(HEAD, false);
  caller.send(messageFrame(Buffer.from('one')), 0, 7);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  expect(caller.sendTrailers(OK)).toBe('the response ended inside a message');
  caller.refuse('bad_response', '', 13, '');
  await expect(bodyOf(res)).rejects.toThrow('aborted');
});

it('resets the connection of an HTTP/1.0 client to break off a response', async () => {
  const socket = connect(portOf(), '127.0.0.1');
  socket.write(`POST / HTTP/1.0\r\nContent-Type: ${BINARY}\r\n\r\n`);
  const { caller } = await expectReceived();
  caller.sendHead(HEAD, false);
  caller.send(messageFrame(Buffer.from('one')), 0, 7);
  await once(socket, 'data');
  caller.refuse('bad_response', '', 13, '');
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNRESET');
});

it('says that metadata cannot be sent which HTTP/1.1 does not allow, and can still refuse the call', async () => {
  const req = begin(BINARY);
  req.end(messageFrame(Buffer.alloc(0)));
  const { caller } = await expectReceived();
  const problem = caller.sendHead(HeaderBlock.of([':status', '200', 'name', 'a\x01']), false);
  expect(problem).toContain('cannot be sent');
  expect(caller.hasBegun).toBe(false);
  caller.refuse('bad_response', '', 13, '');
  expect(readWebBody((await answerOf(req)).body).trailer('grpc-status')).toBe('13');
});

it('tells once that the client is gone', async () => {
  const req = begin(BINARY);
  req.write(messageFrame(Buffer.alloc(0)));
  const call = await expectReceived();
  call.caller.sendHead(HEAD, false);
  await once(req, 'response');
  req.destroy();
  expect(await until('it was told', () => call.gone)).toBe('');
  expect(call.caller.hasBegun).toBe(true);
  // What the forwarder still does has no effect.
  call.caller.send(messageFrame(Buffer.alloc(1)), 0, 6);
  expect(call.caller.sendTrailers(OK)).toBe('');
  call.caller.refuse('client_gone', '', 1, '');
});

it('says that bytes wait for a client that does not read, and that they have left once it does', async () => {
  const req = begin(BINARY);
  req.end(messageFrame(Buffer.alloc(0)));
  const call = await expectReceived();
  call.caller.sendHead(HEAD, false);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  const message = messageFrame(Buffer.alloc(16 * 1024 ** 2, 'x'));
  call.caller.send(message, 0, message.length);
  expect(call.caller.waiting).toBeGreaterThan(0);
  await expect(until('it has left', () => call.sent > 0, 300)).rejects.toThrow();
  const body = bodyOf(res);
  await until('it has left', () => call.sent > 0);
  expect(call.caller.waiting).toBe(0);
  call.caller.sendTrailers(OK);
  expect(readWebBody(await body).messages[0]!.length).toBe(16 * 1024 ** 2);
});

it('closes the connection of a client that does not read the end of a failed call within a second', async () => {
  const req = begin(BINARY);
  req.end(messageFrame(Buffer.alloc(0)));
  const call = await expectReceived();
  call.caller.sendHead(HEAD, false);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  const message = messageFrame(Buffer.alloc(16 * 1024 ** 2, 'x'));
  call.caller.send(message, 0, message.length);
  call.caller.refuse('client_stalled', '', 1, '');
  const connections = () =>
    new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
  await until('the connection is closed', async () => (await connections()) === 0);
  await expect(bodyOf(res)).rejects.toThrow('aborted');
});

it('ends the connection after a response to half of a request', async () => {
  const req = begin(BINARY, { connection: 'keep-alive' });
  req.write(messageFrame(Buffer.alloc(9)).subarray(0, 6));
  const { caller } = await expectReceived();
  caller.sendHead(HEAD, false);
  caller.sendTrailers(OK);
  const { res } = await answerOf(req);
  await until('the connection is closed', () => res.socket.destroyed, 2000);
});
